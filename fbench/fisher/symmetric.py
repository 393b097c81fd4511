"""Products with symmetric matrices at little more than half their multiplications, in blocks of columns.

A symmetric A is T + Tᵀ, T its upper triangle with half the diagonal. So V A Vᵀ = X + Xᵀ for X = (V T) Vᵀ, and a block
of V T's columns needs no row of T below it. Of VᵀV a block row needs no column left of it. Plans count blocks, so
that torch is imported by what makes a product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_WIDTH = 96
"""Columns of a block at least: narrower ones run below a product's full rate."""
_BLOCKS = 8
"""Blocks at most: beyond it a further one saves less than a hundredth."""


def blocks(d: int) -> list[slice]:
    """Slices that partition [0, d).

    Example:
        >>> blocks(100), len(blocks(328)), len(blocks(5120))
        ([slice(0, 100, None)], 3, 8)
    """
    count = max(1, min(_BLOCKS, d // _WIDTH))
    return [slice(i * d // count, (i + 1) * d // count) for i in range(count)]


def operations(m: int, d: int) -> int:
    """Additions and multiplications of ``times_half`` or ``add_gram`` for V [m, d].

    Example:
        >>> operations(10, 50) == 2 * 10 * 50**2, operations(10, 6000) / (2 * 10 * 6000**2)
        (True, 0.5625)
    """
    return sum(2 * m * columns.stop * (columns.stop - columns.start) for columns in blocks(d))


def times_half(V: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """V T [m, d] in ``out``, whose rows may be longer, for V [m, d] and a symmetric A = T + Tᵀ [d, d].

    T is A's upper triangle with half the diagonal.

    Example:
        >>> import torch
        >>> times_half(torch.eye(2), torch.tensor([[2.0, 3.0], [3.0, 4.0]]), out=torch.empty(2, 2)).tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """
    from torch import mm

    for columns in blocks(len(A)):
        T = A[: columns.stop, columns].triu(-columns.start)
        T[columns.start :].diagonal().mul_(0.5)
        mm(V[:, : columns.stop], T, out=out[:, columns])
    return out


def add_gram(V: Tensor, out: Tensor, factor: float = 1.0) -> Tensor:
    """Add factor · VᵀV to a symmetric ``out`` [d, d] in place, for V [m, d].

    Example:
        >>> import torch
        >>> add_gram(torch.tensor([[1.0, 2.0]]), torch.zeros(2, 2)).tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """
    for rows in blocks(len(out)):
        out[rows, rows.start :].addmm_(V[:, rows].T, V[:, rows.start :], alpha=factor)
        out[rows.stop :, rows] = out[rows, rows.stop :].T
    return out
