"""d×d matrices of a selection: inverses in the place of what they are made from, and symmetric products, by tiles.

At d = 5,120 a matrix in float64 is 210 MB: nothing here holds one more than it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.work import did

MATRIX_TILE = 512
"""Rows of a d×d matrix in float64 at a time, where a whole one would be a second copy."""
_JITTERS = (1e-14, 1e-12, 1e-10, 1e-8)
"""Multiples of M's mean diagonal that are added, one after the other, where M has lost its definiteness to rounding."""


def symmetric(A: Tensor) -> Tensor:
    """A ← (A + Aᵀ)/2 in place: a product that is symmetric in theory, but whose halves were rounded apart.

    It matters: along a direction that no sample sees, M is λ alone and Q's rounding is of order 1/λ².

    Example:
        >>> symmetric(torch.tensor([[1.0, 2.0], [4.0, 3.0]])).tolist()
        [[1.0, 3.0], [3.0, 3.0]]
    """
    for rows in tiles(len(A)):
        for columns in tiles(rows.stop):
            upper = (A[rows, columns] + A[columns, rows].T) / 2
            A[rows, columns], A[columns, rows] = upper, upper.T
    return A


def sandwich(P: Tensor, F: Tensor, dtype: torch.dtype) -> Tensor:
    """Q = P F P [d, d] in ``dtype``, every product in P's dtype, one tile of columns at a time in buffers made once.

    Of the second product only what is on the diagonal and below it is made: Q is symmetric.

    Example:
        >>> sandwich(2 * torch.eye(2, dtype=torch.float64), torch.ones(2, 2), torch.float32).tolist()
        [[4.0, 4.0], [4.0, 4.0]]
    """
    d = len(F)
    Q = torch.empty_like(F, dtype=dtype)
    wide, FP, PFP = (
        P.new_empty(min(MATRIX_TILE, d), d),
        P.new_empty(d * min(MATRIX_TILE, d)),
        P.new_empty(d * min(MATRIX_TILE, d)),
    )
    for columns in tiles(d):
        width, down = columns.stop - columns.start, d - columns.start
        left, right = FP[: d * width].view(d, width), PFP[: down * width].view(down, width)
        for rows in tiles(d):
            torch.mm(wide[: rows.stop - rows.start].copy_(F[rows]), P[:, columns], out=left[rows])
        Q[columns.start :, columns] = torch.mm(P[columns.start :], left, out=right)
        Q[columns, columns.stop :] = Q[columns.stop :, columns].T
        symmetric(Q[columns, columns])
        did(2 * d * width * (d + down))
    return Q


def tiles(d: int) -> Iterator[slice]:
    """Slices of 512 rows or fewer that partition [0, d).

    Example:
        >>> [(rows.start, rows.stop) for rows in tiles(1200)]
        [(0, 512), (512, 1024), (1024, 1200)]
    """
    return (slice(start, min(start + MATRIX_TILE, d)) for start in range(0, d, MATRIX_TILE))


def inverse_in_place(make: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """The inverse [d, d] of the symmetric matrix that ``make`` builds, by Cholesky, and its jitter.

    Factor and inverse take the matrix's own place: at d = 5,120 a copy of it is 210 MB. A matrix that rounding has
    made indefinite is built again and gets a jitter: what had to be added to its diagonal, 0 for all others.

    Raises:
        InputError: not even the largest jitter makes it positive definite.

    Example:
        >>> inverse, jitter = inverse_in_place(lambda: 4 * torch.eye(2, dtype=torch.float64))
        >>> inverse.diagonal().tolist(), jitter
        ([0.25, 0.25], 0.0)
    """
    factor, jitter = cholesky_in_place(make)
    inverse = torch.cholesky_inverse(factor, out=factor)
    did(2 * len(factor) ** 3 / 3)
    return inverse, jitter


def cholesky_in_place(make: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """The lower Cholesky factor of the symmetric matrix that ``make`` builds, in its place, and its jitter.

    Raises:
        InputError: not even the largest jitter makes it positive definite.

    Example:
        >>> factor, jitter = cholesky_in_place(lambda: 4 * torch.eye(2, dtype=torch.float64))
        >>> factor.diagonal().tolist(), jitter
        ([2.0, 2.0], 0.0)
    """
    for share in (0.0, *_JITTERS):
        factor = make().T  # LAPACK's order of columns; the matrix is symmetric
        jitter = share * float(factor.diagonal().abs().mean()) if len(factor) else 0.0
        factor.diagonal().add_(jitter)
        fault = torch.empty(0, dtype=torch.int32, device=factor.device)
        torch.linalg.cholesky_ex(factor, out=(factor, fault))
        did(len(factor) ** 3 / 3)
        if not int(fault):
            return factor, jitter
    raise InputError("the information matrix M is not positive definite in float64; raise the regularisation")
