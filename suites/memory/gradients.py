"""What per-sample gradients hold beside their result: for a FISH diagonal, and at the weights of a mask.

Which path they take, and how large a batch it allows, shows on the network alone. So the untrained network is tried
out on a few random images, its batch norm set to them, and the tensors alive are counted. A mask is that of its own
Fisher information there: where in the network the weights lie decides what they cost.
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

_FEW, _MANY = 8, 64
"""Samples that are counted for: enough for what grows with them to be the most, and no more than needed for that."""
_ENDLESS = 1 << 40

Key = tuple[str, int, tuple[int, int], int]
"""Model, features, channels and side of an image, classes."""


@dataclass(frozen=True)
class Gradients:
    """Bytes on the way to a path, ``fixed`` ones and those for each sample of a batch, and a batch's most samples."""

    finding: int
    fixed: int
    per_sample: int
    batch: int

    def bytes(self, samples: int) -> int:
        """Of the batches that ``samples`` are taken in, nearly equal ones."""
        batch = -(-samples // -(-samples // self.batch))
        return max(self.finding, self.fixed + batch * self.per_sample)


def largest_weights(diagonal: Mapping[str, Tensor], d: int) -> Mask:
    """The mask of the d weights with the largest Fisher information."""
    total = sum(each.numel() for each in diagonal.values())
    return top_mask(diagonal, min(1.0, (d + 0.5) / total))


@functools.lru_cache(maxsize=16)
def gradients(key: Key, d: int) -> Gradients | None:
    """Of a mask of d weights; d = 0 is all of them, for the diagonal.

    None for a network that is too large to be tried out here, or cannot be.
    """
    least = forward_bytes(*key, 2, "step")
    if least is not None and least >= (free_bytes("cpu") or least + 1):
        return None
    try:
        network = _network(key)
        mask = largest_weights(_diagonal(key), d) if d else None
        found = {name: mask.positions(name) for name in mask} if mask is not None else None
        positions = {name: at for name, at in found.items() if len(at)} if found is not None else None
        batch = footprint(network, _images(key, 2), positions).batch(MEMORY_BUDGET, _ENDLESS)
        many = min(batch, max(_FEW, min(_MANY, batch // _FEW)))
        (_, few), (finding, most) = (
            _alive(network, _images(key, count), positions) for count in (max(1, many // 2), many)
        )
    except RuntimeError:  # of somebody else's model, or of an allocation
        return None
    each = max(0, most - few) // max(1, many - many // 2)
    return Gradients(finding, max(0, most - many * each), each, batch)


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
            return finding, live.peak - sum(each.nbytes for each in totals.values())
        for _ in gathered(network, images, rows, positions, batches):
            pass
        return finding, live.peak


@functools.lru_cache(maxsize=4)
def _network(key: Key) -> nn.Module:
    """An untrained network whose batch norm is set to a few random images."""
    name, h, (channels, size), classes = key
    network = initial_network(model_of(name, h), 0, (channels, size, size), classes)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.momentum = None  # a cumulative average: of these images alone
    network.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        network(_images(key, _FEW))
    return network.eval()


def _images(key: Key, count: int) -> Tensor:
    channels, size = key[2]
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


@functools.lru_cache(maxsize=4)
def _diagonal(key: Key) -> dict[str, Tensor]:
    return fisher_diagonal(_network(key), _images(key, _FEW))
