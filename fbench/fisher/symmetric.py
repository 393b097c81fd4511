"""Products with symmetric matrices at little more than half their multiplications, in blocks of columns.

A symmetric A is T + Tᵀ, T its upper triangle with half the diagonal. So V A Vᵀ = X + Xᵀ for X = (V T) Vᵀ, and a block
of V T's columns needs no row of T below it. Of VᵀV a block row needs no column left of it. Plans count blocks, so
that torch is imported by what makes a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_WIDTH = 160
"""Columns of a block at least: narrower ones run so far below a product's full rate that nothing is won."""
_BLOCKS = 8
"""Blocks at most: beyond it a further one saves less than a hundredth."""


def column_blocks(d: int) -> list[slice]:
    """Slices that partition [0, d).

    Example:
        >>> column_blocks(100), len(column_blocks(328)), len(column_blocks(5120))
        ([slice(0, 100, None)], 2, 8)
    """
    count = max(1, min(_BLOCKS, d // _WIDTH))
    return [slice(i * d // count, (i + 1) * d // count) for i in range(count)]


def half_operations(m: int, d: int) -> int:
    """Additions and multiplications of ``times_half`` or ``add_gram`` for V [m, d].

    Example:
        >>> half_operations(10, 50) == 2 * 10 * 50**2, half_operations(10, 6000) / (2 * 10 * 6000**2)
        (True, 0.5625)
    """
    return sum(2 * m * columns.stop * (columns.stop - columns.start) for columns in column_blocks(d))


def half(A: Tensor) -> list[Tensor]:
    """T of a symmetric A = T + Tᵀ [d, d], its columns block by block, each down to its diagonal.

    Example:
        >>> import torch
        >>> half(torch.tensor([[2.0, 3.0], [3.0, 4.0]]))
        [tensor([[1., 3.],
                [0., 2.]])]
    """
    columns = [A[: block.stop, block].triu(-block.start) for block in column_blocks(len(A))]
    for T in columns:
        T[-T.shape[1] :].diagonal().mul_(0.5)
    return columns


def times_half(V: Tensor, T: list[Tensor], out: Tensor) -> Tensor:
    """V T [m, d] in ``out``, for V [m, d] and a ``half``.

    Example:
        >>> import torch
        >>> times_half(torch.eye(2), half(torch.tensor([[2.0, 3.0], [3.0, 4.0]])), out=torch.empty(2, 2)).tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """
    from torch import mm

    for block, columns in zip(column_blocks(V.shape[1]), T, strict=True):
        mm(V[:, : block.stop], columns, out=out[:, block])
    return out


def add_gram(V: Tensor, out: Tensor, factor: float = 1.0) -> Tensor:
    """Add factor · VᵀV to a symmetric ``out`` [d, d] in place, for V [m, d].

    Example:
        >>> import torch
        >>> add_gram(torch.tensor([[1.0, 2.0]]), torch.zeros(2, 2)).tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """
    return add_products(((V, V),), out, factor)


def add_products(pairs: Sequence[tuple[Tensor, Tensor]], out: Tensor, factor: float = 1.0) -> Tensor:
    """Add factor · Σ AᵀB over ``pairs`` (A, B), [m, d] each, to a symmetric ``out`` [d, d] in place.

    The sum is symmetric, if no single AᵀB is.

    Example:
        >>> import torch
        >>> A, B = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 3.0]])
        >>> add_products(((A, B), (B, A)), torch.zeros(2, 2)).tolist()
        [[4.0, 3.0], [3.0, 0.0]]
    """
    for rows in column_blocks(len(out)):
        for A, B in pairs:
            out[rows, rows.start :].addmm_(A[:, rows].T, B[:, rows.start :], alpha=factor)
        out[rows.stop :, rows] = out[rows, rows.stop :].T
    return out
