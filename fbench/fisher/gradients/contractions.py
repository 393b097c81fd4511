"""Σ_x Σ_r g[x, r, j]² of a layer's parameters, from A and every row's D: the FISH diagonal's inner sum.

Letters as in ``layers``: A [n, I, L], D [n, O, L] a row r of k−1. Each form takes the rows of a batch one by one, while
the backward pass that made them still has them in cache, and then closes the batch:

- ``Biases`` and ``Norms`` add up at once.
- ``Points``, where L = 1: g = D·A has one term, so Σ_r g² = (Σ_r D²)·A², one product for all rows and samples.
- ``Laned``, few positions on a CPU: 16 samples a lane, and g is squared in the register that it is summed in
  (``weight_kernels``).
- ``Stacked``, every other weight: the rows stand one above the other, D [n, k−1, O, L], so that one product
  [(k−1)O, L] @ [L, I] a sample makes all of its g; a single row's product of 16 outputs runs at half that speed. g is
  squared and summed while in cache, and never exists for two tiles at once.

Left out: the pairs l ≤ l′ of Σ_r g² = Σ_ll′ (Σ_r D_l D_l′) A_l A_l′, one product without g. At L = 16 and k = 10, where
its multiplications are as many, building the pairs made it take 2.3 times as long (thin ResNet-18's last stage, one
core). It would pay for L of 2 to 4, at the price of sums of signed products that nothing holds above zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

from fbench.fisher.gradients.layers import Factors

if TYPE_CHECKING:
    from fbench.fisher.gradients.lane_weights import LaneWeights

_TILE = {"cpu": 1 << 18}
"""Bytes of g for which further samples join a tile: a part of a core's cache; on other devices ``_LARGE_TILE``."""
_LARGE_TILE = 1 << 26
_SPLIT = 1 << 23
"""Bytes of one sample's g beyond which its outputs are split."""


class Tile(NamedTuple):
    """Samples and outputs of a group whose g [samples, groups, rows, split, I/groups] is worked on at a time."""

    samples: int
    split: int
    bytes: int


class SquareSum(Protocol):
    """A parameter's running Σ_x Σ_r g², ``total``, flat or [O, I/groups]."""

    total: Tensor

    def start(self, A: Factors, rows: int) -> None:
        """Begin a batch of k−1 rows."""

    def row(self, r: int, D: Tensor) -> None:
        """Take row r's D [n, O, L]; it is not kept."""

    def end(self) -> None:
        """Close the batch: ``total`` holds it from here on."""


class Biases:
    """Square sums of a bias, where A = 1."""

    def __init__(self, total: Tensor) -> None:
        self.total = total

    def start(self, A: Factors, rows: int) -> None:
        pass

    def row(self, r: int, D: Tensor) -> None:
        self.total += D.sum(-1).square_().sum(0)

    def end(self) -> None:
        pass


class Norms:
    """Square sums of a norm's weights, where output i meets input i alone."""

    def __init__(self, total: Tensor) -> None:
        self.total = total
        self._A: Tensor | None = None

    def start(self, A: Factors, rows: int) -> None:
        self._A = A.whole()

    def row(self, r: int, D: Tensor) -> None:
        assert self._A is not None
        self.total += (D * self._A).sum(-1).square_().sum(0)  # six times faster than einsum, which calls gemv

    def end(self) -> None:
        self._A = None


class Points:
    """Square sums of weights with one position: (Σ_r D²)ᵀ A², a sum of products of squares."""

    def __init__(self, total: Tensor) -> None:
        self.total = total
        self._A: Factors | None = None
        self._squares: Tensor | None = None

    def start(self, A: Factors, rows: int) -> None:
        self._A, self._squares = A, None

    def row(self, r: int, D: Tensor) -> None:
        squares = D[:, :, 0].square()
        self._squares = squares if self._squares is None else self._squares.add_(squares)

    def end(self) -> None:
        assert self._A is not None
        assert self._squares is not None
        A = _by_group(self._A.whole()[:, :, 0].square(), 1, self._A.groups)
        D = _by_group(self._squares, 1, self._A.groups)
        self.total += torch.einsum("ngo,ngi->goi", D, A).flatten(0, 1)
        self._A = self._squares = None


class Laned:
    """Square sums of weights with few positions, a row at a time."""

    def __init__(self, total: Tensor) -> None:
        self.total = total
        self._lanes: LaneWeights | None = None

    def start(self, A: Factors, rows: int) -> None:
        self._lanes = A.lanes()

    def row(self, r: int, D: Tensor) -> None:
        assert self._lanes is not None
        self._lanes.add_squares(D, self.total)

    def end(self) -> None:
        self._lanes = None


class Stacked:
    """Square sums of weights with many positions: all rows of a sample in one product, tile by tile."""

    def __init__(self, total: Tensor) -> None:
        self.total = total
        self._A: Factors | None = None
        self._rows = total.new_empty(0)
        self._stack = total.new_empty(0)

    def start(self, A: Factors, rows: int) -> None:
        n, outputs = len(A.view), len(self.total)
        shape = (n, rows, outputs, A.positions)
        if n > len(self._stack) or self._stack.shape[1:] != shape[1:]:  # kept for the next batch: fresh memory is slow
            self._stack = self.total.new_empty(shape)
        self._A, self._rows = A, self._stack[:n]

    def row(self, r: int, D: Tensor) -> None:
        self._rows[:, r] = D

    def end(self) -> None:
        assert self._A is not None
        n, rows, outputs, _ = self._rows.shape
        groups, width = self._A.groups, self.total.shape[1]
        total = self.total.view(groups, -1, width)
        samples, split, _ = tile(outputs, rows, width, groups, self.total)
        for x in range(0, n, samples):
            part = slice(x, x + samples)
            A = _by_group(self._A.whole(part), 1, groups).mT
            D = _by_group(self._rows[part], 2, groups).transpose(1, 2)
            for o in range(0, outputs // groups, split):
                some = D[:, :, :, o : o + split]
                g = some.flatten(2, 3) @ A
                total[:, o : o + split] += g.view(*some.shape[:4], width).square_().sum((0, 2))
        self._A = None


def _by_group(values: Tensor, axis: int, groups: int) -> Tensor:
    """``values`` with one axis split in two: the groups, and what is in each."""
    return values.view(*values.shape[:axis], groups, values.shape[axis] // groups, *values.shape[axis + 1 :])


def tile(outputs: int, rows: int, width: int, groups: int, like: Tensor) -> Tile:
    """The tile: as many samples as a part of the cache holds, and a part of the outputs where one sample is too large.

    ``outputs`` is O, ``rows`` k−1, ``width`` I/groups; ``like`` has the dtype and the device.

    Example:
        >>> tile(outputs=16, rows=9, width=144, groups=1, like=torch.empty(0))
        Tile(samples=3, split=16, bytes=248832)
    """
    row = groups * rows * width * like.element_size()
    budget = _TILE.get(like.device.type, _LARGE_TILE)
    samples = max(1, budget * groups // (outputs * row))
    split = max(1, min(outputs // groups, max(_SPLIT, budget) // row))
    return Tile(samples, split, samples * split * row)


def square_sum(A: Factors, parameter: str, total: Tensor) -> SquareSum:
    """The form that fits a parameter. ``total`` comes as zeros in its shape, contiguous, and is filled.

    Example:
        >>> A = Factors(torch.tensor([[1.0, 2.0]]), axes=1, outputs=1, groups=1)
        >>> running = square_sum(A, "weight", torch.zeros(1, 2))
        >>> running.start(A, rows=1)
        >>> running.row(0, torch.tensor([[[3.0]]]))
        >>> running.end()
        >>> running.total.tolist()
        [[9.0, 36.0]]
    """
    if parameter == "bias":
        return Biases(total.view(-1))
    if A.groups == 0:
        return Norms(total.view(-1))
    form = Points if A.positions == 1 else Laned if A.lanes() is not None else Stacked
    return form(total.view(len(total), -1))
