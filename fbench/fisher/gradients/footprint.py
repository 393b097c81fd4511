"""How many samples a batch may hold: bytes a sample, measured on one or two, against a budget.

The budget is a constant and not a share of the machine's memory, so that a result's rounding is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from fbench.errors import InputError

MEMORY_BUDGET = 1 << 29
"""Bytes, by default. Larger batches are no faster on a CPU: on two cores a thin ResNet-18 took as long a sample with
batches of 64 as with the 38 that this gives it, and a twentieth more with 19."""
_GAPS = 8
"""An eighth more for what allocators leave between blocks; the most measured was a twentieth."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a batch takes at most beside the result: ``fixed`` for any batch, ``per_sample`` for each sample.

    Example:
        >>> Footprint(fixed=100, per_sample=8).batch(memory_budget=1000, samples=150)
        75
    """

    fixed: int
    per_sample: int

    def batch(self, memory_budget: int, samples: int) -> int:
        """Samples a batch: as many as the budget holds, one at least, and batches of nearly equal size."""
        with_gaps = max(1, self.per_sample + self.per_sample // _GAPS)
        most = max(1, (memory_budget - self.fixed) // with_gaps)
        return -(-samples // -(-samples // most))


class SavedStorages:
    """The storages that a forward pass keeps alive, each counted once."""

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}

    def add(self, *tensors: Tensor) -> None:
        """Count the storages of these tensors too."""
        for tensor in tensors:
            kept = tensor.detach()  # alive, so that no other storage takes its address
            self._kept[kept.untyped_storage().data_ptr()] = kept

    def bytes(self, *without: Tensor) -> int:
        """Bytes of all storages but those of ``without``: parameters and buffers, which are there anyway."""
        there = {tensor.untyped_storage().data_ptr() for tensor in without}
        return sum(kept.untyped_storage().nbytes() for at, kept in self._kept.items() if at not in there)


@contextmanager
def watching() -> Iterator[SavedStorages]:
    """Count the storages that autograd saves inside.

    Example:
        >>> x = torch.ones(4, requires_grad=True)
        >>> with watching() as saved:
        ...     y = x.exp()
        >>> saved.bytes()
        16
    """
    held = SavedStorages()

    def pack(tensor: Tensor) -> Tensor:
        held.add(tensor)
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        yield held


def check_limits(batch_size: int | None, memory_budget: int) -> None:
    """Refuse batches that hold nothing.

    Example:
        >>> check_limits(32, 1 << 20)

    Raises:
        InputError: naming the number.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size {batch_size}: must be at least 1, or None to fit the memory budget")
    if memory_budget < 1:
        raise InputError(f"memory_budget {memory_budget}: must be at least 1 byte")
