"""What per-sample gradients hold beside their result: for a FISH diagonal, and at the weights of a mask.

Which path they take, and how large a batch it allows, depends on the network alone. So the untrained network is tried
out on a few random images, its batch norm set to them, and the tensors alive are counted. Where in the network a mask's
weights lie decides what they cost: the mask that is tried keeps the largest Fisher information of that network.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.fisher.gradients.footprint import MEMORY_BUDGET
from fbench.fisher.gradients.jacobian import Batches, footprint, gathered, square_sums
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.masks import Mask, top_mask
from fbench.learning.training import initial_network
from fbench.machine import free_bytes
from fbench.measure.live import LiveBytes

from .network import forward_bytes, model_of
from .spec import NetworkKey

_FEW, _MANY = 8, 64
"""Samples that are counted for: enough for what grows with them to be the most, and no more than needed for that."""
_ENDLESS = 1 << 40
"""More samples than any batch has, where only memory shall bound it."""


@dataclass(frozen=True)
class Gradients:
    """What per-sample gradients hold beside their result, in bytes.

    Attributes:
        finding: the most while a path is looked for.
        fixed: what a batch holds whatever its size.
        per_sample: what each sample of a batch adds.
        batch: the most samples that a batch takes.
    """

    finding: int
    fixed: int
    per_sample: int
    batch: int

    def bytes(self, samples: int) -> int:
        """The most bytes held while ``samples`` are taken in batches that are nearly equal."""
        batch = -(-samples // -(-samples // self.batch))
        return max(self.finding, self.fixed + batch * self.per_sample)


def largest_weights(diagonal: Mapping[str, Tensor], d: int) -> Mask:
    """The mask of the d weights with the largest Fisher information."""
    total = sum(values.numel() for values in diagonal.values())
    return top_mask(diagonal, min(1.0, (d + 0.5) / total))


@functools.lru_cache(maxsize=16)
def gradients(key: NetworkKey, d: int) -> Gradients | None:
    """What gradients hold at the d weights of a mask; d = 0 takes all weights, as the diagonal does.

    A network that is too large to be tried out here, or does not run, gives None.
    """
    least = forward_bytes(key, 2, "step")
    if least is not None and least >= (free_bytes("cpu") or least + 1):
        return None
    try:
        network = _network(key)
        positions = _kept_positions(key, d) if d else None
        batch = footprint(network, _images(key, 2), positions).batch(MEMORY_BUDGET, _ENDLESS)
        many = min(batch, max(_FEW, min(_MANY, batch // _FEW)))
        (_, few), (finding, most) = (
            _alive(network, _images(key, count), positions) for count in (max(1, many // 2), many)
        )
    except RuntimeError:  # somebody else's model raises it, or an allocation
        return None
    per_sample = max(0, most - few) // max(1, many - many // 2)
    return Gradients(finding, max(0, most - many * per_sample), per_sample, batch)


def _kept_positions(key: NetworkKey, d: int) -> dict[str, Tensor]:
    """Where the d weights of a mask lie, by parameter; parameters without any are left out."""
    mask = largest_weights(_diagonal(key), d)
    positions = {name: mask.positions(name) for name in mask}
    return {name: places for name, places in positions.items() if len(places)}


def _alive(network: nn.Module, images: Tensor, positions: Mapping[str, Tensor] | None) -> tuple[int, int]:
    """The most bytes of tensors alive beside the result while a path is found, and then with one batch."""
    finding = 0
    batches = Batches(len(images), MEMORY_BUDGET)

    def rows(logits: Tensor) -> Tensor:
        nonlocal finding
        finding = live.peak
        live.restart()
        return logit_rows(logits)

    with LiveBytes() as live:
        if positions is None:
            (totals,) = square_sums(network, [images], rows, batches)
            return finding, live.peak - sum(total.nbytes for total in totals.values())
        for _ in gathered(network, images, rows, positions, batches):
            pass
        return finding, live.peak


@functools.lru_cache(maxsize=4)
def _network(key: NetworkKey) -> nn.Module:
    """An untrained network whose batch norm is set to a few random images."""
    network = initial_network(model_of(key), 0, key.input_shape, key.classes)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.momentum = None  # a cumulative average: of these images alone
    network.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        network(_images(key, _FEW))
    return network.eval()


def _images(key: NetworkKey, count: int) -> Tensor:
    return torch.randn(count, *key.input_shape, generator=torch.Generator().manual_seed(0))


@functools.lru_cache(maxsize=4)
def _diagonal(key: NetworkKey) -> dict[str, Tensor]:
    return fisher_diagonal(_network(key), _images(key, _FEW))
