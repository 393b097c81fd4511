"""Train the networks of several seeds side by side, each exactly as if it were trained alone.

Layout: S replicas (one a seed), n labelled images each, b of them in a batch. Images [S, n, c, h, w], targets
[S, n], a batch [b, S·c, h, w], logits [b, S·k]. The loss is the sum over replicas of each one's mean, so no
gradient crosses from one to another, and AdamW works weight by weight: S networks in one are S networks, up
to rounding.

The stacked network always has ``model.block`` replicas, the missing ones filled up with the first seed: with
another count, kernels of another shape would change the last bits, and results would depend on how many seeds
are run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fbench.errors import ForeignError, InputError
from fbench.harness.global_state import isolated
from fbench.harness.registry import Model
from fbench.learning import seeds as streams
from fbench.learning.model_checks import try_model
from fbench.learning.networks import replica, stack
from fbench.learning.recipe import Recipe

__all__ = ["Recipe", "blank_network", "initial_network", "train_block"]

_STATISTICS_BATCH = 512
"""Images a batch when batch norm's statistics are recomputed; the batches' are averaged: larger is truer."""

_LAYERS = 1
"""Marks the stream of layers that draw numbers of their own, such as dropout, off from the batch order's."""

_AGAIN = 2
"""Marks the batch order of another training of the same round off from the first one's."""


def train_block(
    model: Model,
    images: Tensor | Sequence[Tensor],
    targets: Tensor | Sequence[Tensor],
    seeds: Sequence[int],
    *,
    classes: int,
    recipe: Recipe,
    device: torch.device | str = "cpu",
    round_index: int = 0,
    again: int = 0,
) -> list[nn.Module]:
    """Train one network for each seed on that seed's labelled images.

    Every call starts afresh from weights that depend on the seed alone, the same in every round and for every
    strategy; the batch order depends on the seed and the round, and on ``again``.

    Args:
        model: what to train; at most ``model.block`` seeds go into one call.
        images: labelled images, [S, n, c, h, w] or S tensors [n, c, h, w].
        targets: their classes, [S, n] or S tensors [n].
        seeds: one for each of the S.
        classes: k; a labelled set need not hold every class.
        recipe: epochs, batches, rates.
        device: where to train; the networks stay there.
        round_index: of the batch order.
        again: another training of the same round, 1, 2, …, differs in its batch order and in nothing else.

    Returns:
        S networks of one replica each, in eval mode; their batch norm statistics are the labelled images'.

    Raises:
        InputError: shapes that do not fit each other, too many seeds, a class out of range, a training that
            diverged.
    """
    x, y = _labelled_sets(model, images, targets, seeds, classes)
    x, y = x.to(device), y.to(device)
    padded = [*seeds, *[seeds[0]] * (model.block - len(seeds))]
    position = [*range(len(seeds)), *[0] * (model.block - len(seeds))]
    x, y = x[position], y[position]

    networks = [initial_network(model, seed, x.shape[2:], classes).to(x) for seed in padded]
    block = _side_by_side(model, networks, x.shape[2:], classes).to(x)
    key = (round_index, _AGAIN, again) if again else (round_index,)
    orders = torch.stack([_orders((seed, *key), recipe.epochs, x.shape[1]) for seed in padded], dim=2)
    with _deterministic_convolutions(), _seeded(seeds[0], round_index, _LAYERS):
        _fit(block, x, y, orders.to(device), recipe)
        _recompute_statistics(block, x)
    return _taken_apart(block, networks, seeds, recipe)


def initial_network(model: Model, seed: int, shape: Sequence[int], classes: int) -> nn.Module:
    """The untrained network of ``seed`` for images of ``shape`` (c, h, w), on the CPU.

    Drawn as a network of one replica through torch's default generator, whose state is put back: a model that
    knows nothing of fbench is seeded too, and nobody else's random numbers move.
    """
    channels, height, width = shape
    try_model(model, (channels, height, width), classes)
    with _seeded(seed):
        network: nn.Module = model.build(1, channels, height, classes)
    return network


def _seeded(*key: int) -> AbstractContextManager[None]:
    """Seed the process's generators by ``key``; whatever a model changes in the process is put back after."""
    return isolated(streams.derive("training", *key))


def blank_network(model: Model, channels: int, size: int, classes: int, replicas: int = 1) -> nn.Module:
    """A network without its numbers, on the ``meta`` device, so that one of any size can be planned for.

    A model that looks at its numbers while it is built is built with them.
    """
    sizes = (replicas, channels, size, classes)
    try:
        with torch.device("meta"):
            network: nn.Module = model.build(*sizes)
    except (ForeignError, NotImplementedError, RuntimeError, TypeError):
        with torch.random.fork_rng(devices=[]):
            network = model.build(*sizes)
    return network


@contextmanager
def _deterministic_convolutions() -> Iterator[None]:
    """Keep cuDNN to kernels that give the same bits every time; TF32 stays as the caller has it."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def _labelled_sets(
    model: Model,
    images: Tensor | Sequence[Tensor],
    targets: Tensor | Sequence[Tensor],
    seeds: Sequence[int],
    classes: int,
) -> tuple[Tensor, Tensor]:
    """Images [S, n, c, h, w] and targets [S, n], checked."""
    if not 1 <= len(seeds) <= model.block:
        raise InputError(f"{len(seeds)} seeds for model {model.name!r}; one call trains 1 to {model.block}")
    if len({tuple(labelled.shape) for labelled in images}) > 1:
        raise InputError("the labelled sets of a block differ in shape; give every seed equally many labels")
    x = images if isinstance(images, Tensor) else torch.stack(list(images))
    y = targets if isinstance(targets, Tensor) else torch.stack(list(targets))
    if x.dim() != 5 or x.shape[:2] != y.shape or len(x) != len(seeds) or x.shape[1] < 1:
        raise InputError(
            f"images {tuple(x.shape)}, targets {tuple(y.shape)} and {len(seeds)} seeds do not fit; "
            "give [S, n, c, h, w], [S, n] with n of at least 1, and S seeds"
        )
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise InputError(f"targets go from {int(y.min())} to {int(y.max())}; {classes} classes are 0 to {classes - 1}")
    return x, y


def _side_by_side(model: Model, networks: Sequence[nn.Module], shape: Sequence[int], classes: int) -> nn.Module:
    """One module that holds ``networks``; a lone network is trained as it is."""
    if len(networks) == 1:
        return networks[0]
    with _seeded(0):  # its own draws are written over
        block: nn.Module = model.build(len(networks), shape[0], shape[1], classes)
    block.load_state_dict(stack([network.state_dict() for network in networks]))
    return block


def _orders(key: tuple[int, ...], epochs: int, samples: int) -> Tensor:
    """Batch order of every epoch, [epochs, n]."""
    generator = streams.generator("training", *key)
    return torch.stack([torch.randperm(samples, generator=generator) for _ in range(epochs)])


def _fit(block: nn.Module, x: Tensor, y: Tensor, orders: Tensor, recipe: Recipe) -> None:
    """Train ``block`` in place.

    Args:
        block: S replicas.
        x: images [S, n, c, h, w].
        y: targets [S, n].
        orders: sample indices [epochs, n, S].
        recipe: batches and rates.
    """
    batches = recipe.batches(x.shape[1])
    steps = recipe.epochs * batches
    optimiser = torch.optim.AdamW(
        block.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    block.train(x.shape[1] > 1)  # a lone image has no batch statistics: then batch norm stays the identity
    batches_of_all_epochs = (samples for order in orders for samples in order.tensor_split(batches))
    for step, samples in enumerate(batches_of_all_epochs):
        optimiser.param_groups[0]["lr"] = recipe.rate(step, steps)
        optimiser.zero_grad()
        torch.autograd.backward(_loss(block, *_batch(x, y, samples)))
        optimiser.step()
    optimiser.zero_grad()  # the networks are used from now on, and nobody asks for the last step's gradients


def _batch(x: Tensor, y: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Gather ``samples`` [b, S]: images [b, S·c, h, w] and targets [b, S]."""
    columns = torch.arange(x.shape[0], device=x.device)
    return x[columns, samples].flatten(1, 2), y[columns, samples]


def _loss(block: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Sum over replicas of the mean cross-entropy."""
    logits = block(images)
    flat = logits.reshape(targets.numel(), -1)
    return F.cross_entropy(flat, targets.reshape(-1), reduction="sum") / len(targets)


@torch.no_grad()
def _recompute_statistics(block: nn.Module, x: Tensor) -> None:
    """Set batch norm's statistics to those of the images x [S, n, c, h, w] under the final weights.

    The running averages of training lag behind the weights, and stale ones alone change a FISH mask (Jaccard
    .88 in one trial). Only the norms see training mode: a dropout layer stays as it is in use.
    """
    block.eval()
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    if x.shape[1] < 2 or not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    for images in x.tensor_split(math.ceil(x.shape[1] / _STATISTICS_BATCH), dim=1):
        block(images.transpose(0, 1).flatten(1, 2))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _taken_apart(
    block: nn.Module, networks: Sequence[nn.Module], seeds: Sequence[int], recipe: Recipe
) -> list[nn.Module]:
    """The trained replicas as networks of their own, in eval mode; the padding is dropped."""
    state = block.state_dict()
    trained = []
    for index, (seed, network) in enumerate(zip(seeds, networks, strict=False)):
        network.load_state_dict(replica(state, index, len(networks)))
        if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
            raise InputError(
                f"the training of seed {seed} diverged: not all its weights are finite; "
                f"lower the learning rate from {recipe.learning_rate}, or look for NaN in the images"
            )
        trained.append(network.eval())
    return trained
