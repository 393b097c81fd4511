"""tr A⁻¹ of a large symmetric matrix by products of its blocks: A = LLᵀ, tr A⁻¹ = ‖L⁻¹‖².

LAPACK's factor and inverse keep two cores at a third and a tenth of their rate of products (MKL, float32, N = 4,096).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fbench.fisher.work import did

_TILE = 1024
"""Rows of a block."""


def inverse_trace(A: Tensor) -> float | None:
    """The trace of A⁻¹, A [N, N] symmetric, its lower half used up; None where rounding left it indefinite.

    About 2N³/3 operations in A's own place and dtype, the squares summed in float64.

    Example:
        >>> inverse_trace(torch.diag(torch.tensor([4.0, 16.0]))), inverse_trace(-torch.eye(3))
        (0.3125, None)
    """
    inverses = _factorise(A)
    return None if inverses is None else _squares(A, inverses)


def _factorise(L: Tensor) -> list[Tensor] | None:
    """Write the Cholesky factor to the blocks below L's diagonal, and give the inverses of those on it."""
    inverses = []
    for columns in _tiles(len(L)):
        at, width = columns.start, columns.stop - columns.start
        panel = L[at:, columns]
        panel.addmm_(L[at:, :at], L[columns, :at].T, alpha=-1)
        did(2 * panel.numel() * at)
        corner, fault = torch.linalg.cholesky_ex(panel[:width])
        if int(fault):
            return None
        eye = torch.eye(width, dtype=L.dtype, device=L.device)
        inverses.append(torch.linalg.solve_triangular(corner, eye, upper=False))
        panel[width:] = panel[width:] @ inverses[-1].T
    return inverses


def _squares(L: Tensor, inverses: list[Tensor]) -> float:
    """‖L⁻¹‖², one block of columns X of L⁻¹ after the other, by substitution."""
    total = torch.zeros((), dtype=torch.float64, device=L.device)
    for number, columns in enumerate(_tiles(len(L))):
        at = columns.start
        X = L.new_empty(len(L) - at, columns.stop - at)
        X[: X.shape[1]] = inverses[number]
        for inverse, rows in zip(inverses[number + 1 :], list(_tiles(len(L)))[number + 1 :], strict=True):
            above = L[rows, at : rows.start] @ X[: rows.start - at]
            X[rows.start - at : rows.stop - at] = inverse @ above.neg_()
            did(2 * above.numel() * (rows.start - at))
        total += X.square_().sum(dtype=torch.float64)
    return float(total)


def _tiles(size: int) -> Iterator[slice]:
    return (slice(start, min(start + _TILE, size)) for start in range(0, size, _TILE))
