"""Train the networks of several seeds side by side, each exactly as if it were trained alone.

Layout: S replicas (one a seed), n labelled images each, b of them in a batch. Images [S, n, c, h, w], targets
[S, n], a batch [b, S·c, h, w], logits [b, S·k]; other inputs, such as features [S, n, h], likewise. The loss is the
sum over replicas of each one's mean, so no gradient crosses from one to another, and AdamW works weight by weight:
S networks in one are S networks, up to rounding.

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

from fbench.errors import InputError
from fbench.harness.global_state import isolated
from fbench.harness.registry import Model
from fbench.learning import seeds as streams
from fbench.learning.augmentation import Views, augmented, check_images, draw_views
from fbench.learning.building import build_network
from fbench.learning.model_checks import try_model
from fbench.learning.networks import StateDict, replica, stack
from fbench.learning.recipe import Recipe

__all__ = ["Recipe", "initial_network", "train_block"]

_STATISTICS_BATCH = 512
"""Images a batch when batch norm's statistics are recomputed; the batches' are averaged: larger is truer."""

_LAYERS = 1
"""Marks the stream of layers that draw numbers of their own, such as dropout, off from the batch order's."""

_VIEWS = 3
"""Marks the stream of flips and crops off from the batch order's."""

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
    begun: Sequence[StateDict] = (),
) -> list[nn.Module]:
    """Train one network for each seed on that seed's labelled images.

    Every call starts afresh from weights that depend on the seed alone, the same in every round and for every
    strategy; the batch order depends on the seed and the round, and on ``again``. A warm start goes on from ``begun``.

    Args:
        model: what to train; at most ``model.block`` seeds go into one call.
        images: labelled images, [S, n, c, h, w] or S tensors [n, c, h, w]; or other inputs, [S, n, …].
        targets: their classes, [S, n] or S tensors [n].
        seeds: one for each of the S.
        classes: k; a labelled set need not hold every class.
        recipe: epochs, batches, rates.
        device: where to train; the networks stay there.
        round_index: of the batch order.
        again: another training of the same round, 1, 2, …, differs in its batch order and in nothing else.
        begun: states to start from in place of the seeds' own weights, one a seed.

    Returns:
        S networks of one replica each, in eval mode; their batch norm statistics are the labelled images'.

    Raises:
        InputError: shapes that do not fit each other, too many seeds, a class out of range, a training that
            diverged, inputs that are no images where these are to be flipped and cropped.
    """
    x, y = _labelled_sets(model, images, targets, seeds, classes)
    x, y = x.to(device), y.to(device)
    padded = [*seeds, *[seeds[0]] * (model.block - len(seeds))]
    position = [*range(len(seeds)), *[0] * (model.block - len(seeds))]
    x, y = x[position], y[position]

    networks = [_placed(initial_network(model, seed, x.shape[2:], classes, x.dtype), x) for seed in padded]
    for network, state in zip(networks, [begun[i] for i in position] if begun else (), strict=False):
        network.load_state_dict(state)
    block = _placed(_side_by_side(model, networks, x.shape[2:], classes), x)
    key = (round_index, _AGAIN, again) if again else (round_index,)
    orders = torch.stack([_orders((seed, *key), recipe.epochs, x.shape[1]) for seed in padded], dim=2)
    views = _views([(seed, *key, _VIEWS) for seed in padded], x, recipe)
    with _deterministic_convolutions(), _seeded(seeds[0], round_index, _LAYERS):
        _fit(block, x, y, orders.to(device), recipe, views)
        _recompute_statistics(block, x)
    return _taken_apart(block, networks, seeds, recipe)


def initial_network(
    model: Model, seed: int, shape: Sequence[int], classes: int, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The untrained network of ``seed`` for inputs of ``shape``, such as (c, h, w), and ``dtype``; on the CPU.

    Drawn as a network of one replica through torch's default generator, whose state is put back: a model that
    knows nothing of fbench is seeded too, and nobody else's random numbers move.
    """
    try_model(model, tuple(shape), classes, dtype)
    with _seeded(seed):
        return build_network(model, 1, shape, classes)


def _placed(network: nn.Module, x: Tensor) -> nn.Module:
    """The network where its inputs are, and of their type; whole numbers, such as token ids, have none to give."""
    return network.to(x) if x.is_floating_point() else network.to(x.device)


def _seeded(*key: int) -> AbstractContextManager[None]:
    """Seed the process's generators by ``key``; whatever a model changes in the process is put back after."""
    return isolated(streams.derive("training", *key))


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
    """Images [S, n, c, h, w], or other inputs [S, n, …], and targets [S, n], checked."""
    if not 1 <= len(seeds) <= model.block:
        raise InputError(f"{len(seeds)} seeds for model {model.name!r}; one call trains 1 to {model.block}")
    if len({tuple(labelled.shape) for labelled in images}) > 1:
        raise InputError("the labelled sets of a block differ in shape; give every seed equally many labels")
    x = images if isinstance(images, Tensor) else torch.stack(list(images))
    y = targets if isinstance(targets, Tensor) else torch.stack(list(targets))
    if x.dim() < 3 or x.shape[:2] != y.shape or len(x) != len(seeds) or x.shape[1] < 1:
        raise InputError(
            f"images {tuple(x.shape)}, targets {tuple(y.shape)} and {len(seeds)} seeds do not fit; "
            "give [S, n, c, h, w] or [S, n, features], [S, n] with n of at least 1, and S seeds"
        )
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise InputError(f"targets go from {int(y.min())} to {int(y.max())}; {classes} classes are 0 to {classes - 1}")
    return x, y


def _side_by_side(model: Model, networks: Sequence[nn.Module], shape: Sequence[int], classes: int) -> nn.Module:
    """One module that holds ``networks``; a lone network is trained as it is."""
    if len(networks) == 1:
        return networks[0]
    with _seeded(0):  # its own draws are written over
        block = build_network(model, len(networks), shape, classes)
    block.load_state_dict(stack([network.state_dict() for network in networks]))
    return block


def _orders(key: tuple[int, ...], epochs: int, samples: int) -> Tensor:
    """Batch order of every epoch, [epochs, n]."""
    generator = streams.generator("training", *key)
    return torch.stack([torch.randperm(samples, generator=generator) for _ in range(epochs)])


def _views(keys: Sequence[tuple[int, ...]], x: Tensor, recipe: Recipe) -> Views | None:
    """The flips and crops of every epoch, where the recipe has them."""
    if not recipe.augment:
        return None
    check_images(x.shape[2:])
    generators = [streams.generator("training", *key) for key in keys]
    views = draw_views(generators, recipe.epochs, x.shape[1], min(x.shape[-2:]))
    return Views(*(draws.to(x.device) for draws in views))


def _fit(block: nn.Module, x: Tensor, y: Tensor, orders: Tensor, recipe: Recipe, views: Views | None) -> None:
    """Train ``block`` in place.

    Args:
        block: S replicas.
        x: images [S, n, c, h, w].
        y: targets [S, n].
        orders: sample indices [epochs, n, S].
        recipe: batches and rates.
        views: flips and crops, if any.
    """
    batches = recipe.batches(x.shape[1])
    steps = recipe.epochs * batches
    optimiser = torch.optim.AdamW(
        block.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    block.train(x.shape[1] > 1)  # a lone image has no batch statistics: then batch norm stays the identity
    goal = _Goal(len(x), recipe.stop)
    for epoch, order in enumerate(orders):
        for step, samples in enumerate(order.tensor_split(batches), start=epoch * batches):
            optimiser.param_groups[0]["lr"] = recipe.rate(step, steps)
            optimiser.zero_grad()
            images, targets = _batch(x, y, samples, views and Views(*(draws[epoch] for draws in views)))
            logits = block(images).reshape(*targets.shape, -1)
            torch.autograd.backward(_loss(logits, targets))
            optimiser.step()
            goal.count(logits, targets)
        if goal.reached(block):
            break
    goal.go_back(block)
    optimiser.zero_grad()  # the networks are used from now on, and nobody asks for the last step's gradients


class _Goal:
    """A training accuracy that ends a training: each replica keeps its weights of the epoch that reached it.

    The others of the block train on, so that a seed's network is the same whoever is trained beside it. The accuracy is
    counted as the batches are trained on, before their steps.
    """

    def __init__(self, replicas: int, accuracy: float) -> None:
        self._accuracy = accuracy
        self._kept: list[StateDict | None] = [None] * replicas
        self._right = torch.zeros(replicas, dtype=torch.int64)
        self._seen = 0

    def count(self, logits: Tensor, targets: Tensor) -> None:
        """Count what is right in a batch: logits [b, S, k], targets [b, S]."""
        if self._accuracy:
            self._right = self._right + (logits.argmax(2) == targets).sum(0).cpu()
            self._seen += len(targets)

    def reached(self, block: nn.Module) -> bool:
        """Whether every replica is there, at an epoch's end; those that are there for the first time are kept."""
        if not self._accuracy:
            return False
        for index, right in enumerate(self._right.tolist()):
            if self._kept[index] is None and right >= self._accuracy * self._seen:
                state = replica(block.state_dict(), index, len(self._kept))
                self._kept[index] = {name: value.clone() for name, value in state.items()}
        self._right, self._seen = torch.zeros_like(self._right), 0
        return all(state is not None for state in self._kept)

    def go_back(self, block: nn.Module) -> None:
        """Give every replica that was there the weights that it had then."""
        if any(state is not None for state in self._kept):
            last = block.state_dict()
            replicas = len(self._kept)
            states = [state or replica(last, i, replicas) for i, state in enumerate(self._kept)]
            block.load_state_dict(stack(states))


def _batch(x: Tensor, y: Tensor, samples: Tensor, views: Views | None) -> tuple[Tensor, Tensor]:
    """Gather ``samples`` [b, S]: images [b, S·c, h, w], by their views [n, S] if any, and targets [b, S]."""
    columns = torch.arange(x.shape[0], device=x.device)
    images = x[columns, samples]
    if views is not None:
        flips, shifts = views.flips[samples, columns], views.shifts[samples, columns]
        images = augmented(images.flatten(0, 1), flips.flatten(), shifts.flatten(0, 1)).reshape(images.shape)
    return images.flatten(1, 2), y[columns, samples]


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over replicas of the mean cross-entropy, of logits [b, S, k]."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / len(targets)


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
