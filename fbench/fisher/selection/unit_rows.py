"""A pool's rows in coordinates of their own, where V is the identity: how the engines work in row space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding


@dataclass(frozen=True, eq=False)
class UnitRows(Embedding):
    """Row i of candidate x is the unit vector of number x·r + i among N: d = N (../MATH.md, "BAIT in row space").

    With V P Vᵀ and V Q Vᵀ [N, N] in the place of P and Q, V_x P V_xᵀ is a block of the one and H_x of the other, and
    whatever keeps G and H for an embedding keeps them here.

    Attributes:
        at: [n] numbers of the candidates among the N/r.
        rows: r.
        dim: N.
        like: a tensor with the dtype and on the device of what is projected.

    Example:
        >>> V = UnitRows.of(torch.arange(16.0).view(4, 4), rows=2)
        >>> V.n, V.dim, V[1:].row_numbers().tolist()
        (2, 4, [2, 3])
        >>> V.quadratic(torch.arange(16.0).view(4, 4)).tolist()
        [[[0.0, 1.0], [4.0, 5.0]], [[10.0, 11.0], [14.0, 15.0]]]
    """

    at: Tensor
    rows: int
    dim: int
    like: Tensor

    def __post_init__(self) -> None:
        for name, value in {"n": len(self.at), "dtype": self.like.dtype, "device": self.at.device}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, K: Tensor, rows: int) -> UnitRows:
        """All candidates of a matrix [N, N] between rows, r = ``rows`` each."""
        return cls(torch.arange(len(K) // rows, device=K.device), rows, len(K), K.new_empty(0))

    def row_numbers(self) -> Tensor:
        """The numbers [n·r] of the candidates' rows."""
        return row_numbers(self.at, self.rows)

    def __getitem__(self, index: slice | Tensor) -> UnitRows:
        return UnitRows(self.at[index], self.rows, self.dim, self.like)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> UnitRows:
        device, dtype = device or self.device, dtype or self.dtype
        return UnitRows(self.at.to(device), self.rows, self.dim, self.like.to(device, dtype))

    def dense(self) -> Tensor:
        return torch.eye(self.dim, dtype=self.dtype, device=self.device)[self.row_numbers()].view(self.n, self.rows, -1)

    def project(self, A: Tensor) -> Tensor:
        return A.view(-1, self.rows, A.shape[1])[self.at]

    def quadratic(self, A: Tensor) -> Tensor:
        return diagonal_blocks(A, self.rows)[self.at]

    def inner(self) -> Tensor:
        return torch.eye(self.rows, dtype=self.dtype, device=self.device).repeat(self.n, 1, 1)

    def first_times(self, A: Tensor) -> Tensor:
        return self[:1].project(A)[0]

    def diagonals(self) -> Tensor:
        return self.dense().sum(1)

    def add_gram(self, out: Tensor, factor: float = 1.0) -> Tensor:
        out.diagonal().index_add_(0, self.row_numbers(), self.like.new_full((self.n * self.rows,), factor))
        return out

    @property
    def gram_operations(self) -> float:
        return float(self.n * self.rows)


def row_numbers(candidates: Tensor, rows: int) -> Tensor:
    """The numbers [m·r] of the rows of ``candidates`` [m], r = ``rows`` each, in their order.

    Example:
        >>> row_numbers(torch.tensor([2, 0]), rows=3).tolist()
        [6, 7, 8, 0, 1, 2]
    """
    return (candidates[:, None] * rows + torch.arange(rows, device=candidates.device)).flatten()


def diagonal_blocks(A: Tensor, rows: int) -> Tensor:
    """The blocks [m, r, r] on the diagonal of A [m·r, m·r], r = ``rows``, as a view.

    Example:
        >>> diagonal_blocks(torch.arange(4.0).view(2, 2), rows=1).flatten().tolist()
        [0.0, 3.0]
    """
    m = len(A) // rows
    return A.view(m, rows, m, rows).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
