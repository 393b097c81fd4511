"""One round of active learning, phase by phase, on synthetic images: what ``fbench memory`` watches.

The code is that of a real round (``training``, ``inference``, ``fisher``); images and labels are random, for memory
depends on shapes alone. Two things are done so that a round's peak does not depend on chance: a method that updates its
state refreshes it once, as it does whenever scores have fallen far; and a method that makes every score anew takes only
a few picks and removals, which are all alike.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from fbench.fisher.embeddings import Embedding, dense_embedding, last_layer_embedding
from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.fisher.gradients.masked import masked_embedding
from fbench.fisher.selection.approximations import top_classes
from fbench.fisher.selection.bait import Search
from fbench.learning.inference import logits_and_features
from fbench.learning.recipe import Recipe
from fbench.learning.training import train_block

from .gradients import largest_weights
from .network import model_of
from .spec import Spec

PhaseWatch = Callable[[str], AbstractContextManager[None]]
"""What opens a phase by its name, and closes it at the end of the ``with``."""


@torch.no_grad()
def play_round(spec: Spec, devices: tuple[str, ...], phase: PhaseWatch) -> None:
    """Run a whole round; what it held is let go when it returns.

    ``devices`` share the selection; everything before it is on the first.
    """
    g = torch.Generator(devices[0]).manual_seed(spec.seed)
    with phase("data"):
        images, targets = _data(spec, devices[0], g)
    with phase("train"), torch.enable_grad():
        network = _trained(spec, images, targets, devices[0])
    if spec.method.masked:
        with phase("diagonal"):
            drawn = torch.randperm(spec.n, generator=g, device=devices[0])[: spec.fisher_samples]
            diagonal = fisher_diagonal(network, images[drawn])
        with phase("mask"):
            mask = largest_weights(diagonal, spec.d)
        del diagonal, drawn
        with phase("embed"):
            V: Embedding = masked_embedding(network, images, mask).to(dtype=getattr(torch, spec.dtype))
    else:
        with phase("embed"):
            V = _embedded(spec, network, images)
    _select(spec, V, devices, phase)


def _data(spec: Spec, device: str, g: torch.Generator) -> tuple[Tensor, Tensor]:
    images = torch.randn(spec.n, *spec.network.input_shape, generator=g, device=device)
    return images, torch.randint(spec.k, (spec.n,), generator=g, device=device)


def _trained(spec: Spec, images: Tensor, targets: Tensor, device: str) -> nn.Module:
    """The network after a short training on the labelled, the first n_L.

    The optimiser's state is there from the first step on, so that more epochs need no more memory.
    """
    model, labelled = model_of(spec.network), slice(spec.labelled)
    recipe = Recipe(epochs=2, train_batch=spec.train_batch)
    block = [images[labelled]], [targets[labelled]]
    return train_block(model, *block, [spec.seed], classes=spec.k, recipe=recipe, device=device)[0]


def _embedded(spec: Spec, network: nn.Module, images: Tensor) -> Embedding:
    """V of the last layer, as factors or built; the published method gets all k rows."""
    logits, features = logits_and_features(network, images)
    published = spec.method.engine == "published"
    V = top_classes(logits, features, spec.k) if published else last_layer_embedding(logits, features)
    del logits, features
    V = V.to(dtype=getattr(torch, spec.dtype))
    return V if spec.shape.classes else dense_embedding(V.dense())


def _select(spec: Spec, V: Embedding, devices: tuple[str, ...], phase: PhaseWatch) -> None:
    how = {"labelled": range(spec.labelled), "oversample": spec.oversample, "chunk_size": spec.chunk_size}
    search = Search(V, spec.batch, method=spec.method.engine, devices=list(devices), **how)  # type: ignore[arg-type]
    anew, steps = spec.method.chunked, spec.picks if spec.method.chunked else None
    with phase("fisher"):
        search.fisher()
    with phase("init"):
        search.start()
    with phase("forward"):
        search.forward(steps)
        if not anew:
            search.refresh()
    if anew:
        search.adopt(torch.arange(spec.labelled, spec.labelled + search.picks))
    with phase("backward"):
        search.backward(steps)
        search.finish()
