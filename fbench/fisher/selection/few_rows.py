"""M⁻¹ where few are labelled: P and Q in d² times the number of rows that were bought, in place of d³.

M = λI + YᵀY for the rows Y [m, d] of labels and picks, weights included. With C = λI + YYᵀ = LLᵀ [m, m] and
B = L⁻¹Y, Woodbury's identity is P = M⁻¹ = (I − BᵀB)/λ, and with K = BF and J = K − ½(KBᵀ)B

    Q = P F P = (F − BᵀJ − JᵀB)/λ²,        tr(F M⁻¹) = (tr F − Σ_ij B_ij K_ij)/λ.

Everything is in float64: what is subtracted may be all but what is left.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection.inverses import cholesky_in_place, tiles
from fbench.fisher.work import did


def fewer_operations(m: int, d: int) -> bool:
    """Whether m rows are so few that this way to P and Q makes fewer operations than a d×d matrix's inverse.

    Example:
        >>> fewer_operations(100, 1000), fewer_operations(600, 1000), fewer_operations(0, 10)
        (True, False, True)
    """
    return 2 * m <= d


class FewRows:
    """B of M = λI + YᵀY.

    Args:
        Y: [m, d] in float64.
        lam: λ.

    Attributes:
        jitter: what had to be added to C's diagonal; 0 where rounding did no harm.

    Example:
        >>> few = FewRows(torch.tensor([[1.0, 0.0]], dtype=torch.float64), lam=1.0)
        >>> few.inverse(torch.float32).tolist()
        [[0.5, -0.0], [-0.0, 1.0]]
        >>> round(few.trace(torch.eye(2, dtype=torch.float64)), 12)
        1.5
    """

    def __init__(self, Y: Tensor, lam: float) -> None:
        def small() -> Tensor:
            C = Y @ Y.T
            C.diagonal().add_(lam)
            return C

        self._lam = lam
        L, self.jitter = cholesky_in_place(small)
        self._B = torch.linalg.solve_triangular(L, Y, upper=False)
        self._rounded: Tensor | None = None
        did(3 * len(Y) ** 2 * Y.shape[1])

    def to(self, device: torch.device) -> FewRows:
        """The same on another device."""
        there = copy.copy(self)
        there._B, there._rounded = self._B.to(device), None
        return there

    def inverse(self, dtype: torch.dtype) -> Tensor:
        """P [d, d] in ``dtype``."""
        B, d = self._B, self._B.shape[1]
        P: Tensor = B.new_empty(d, d, dtype=dtype)
        for rows in tiles(d):
            tile = torch.mm(B[:, rows].T, B[:, rows.start :]).neg_()
            tile.diagonal().add_(1.0)
            P[rows, rows.start :] = tile.div_(self._lam)
            _make_symmetric(P[rows, rows])
            P[rows.stop :, rows] = P[rows, rows.stop :].T
        did(len(B) * d**2)
        return P

    def sandwich(self, F: Tensor, dtype: torch.dtype) -> Tensor:
        """Q = P F P [d, d] in ``dtype``, exactly symmetric, a tile of rows at a time."""
        B, K = self._B, self._times(F)
        J = K.addmm_(K @ B.T, B, alpha=-0.5)
        Q = torch.empty_like(F, dtype=dtype)
        for rows in tiles(len(F)):
            right = slice(rows.start, len(F))
            tile = F[rows, right].to(torch.float64, copy=True)
            tile.addmm_(B[:, rows].T, J[:, right], alpha=-1).addmm_(J[:, rows].T, B[:, right], alpha=-1)
            Q[rows, right] = tile.div_(self._lam**2)
            _make_symmetric(Q[rows, rows])
            Q[rows.stop :, rows] = Q[rows, rows.stop :].T
        did(2 * len(B) * len(F) ** 2)
        return Q

    def quadratic(self, V: Embedding) -> Tensor:
        """V_x P V_xᵀ = (V_xV_xᵀ − U_xU_xᵀ)/λ [n, r, r] with U_x = V_x Bᵀ [r, m], in V's dtype: P is not read.

        What is rounded is of the size of ‖V_x‖²/λ, as it is where P itself is rounded to V's dtype.
        """
        out = V.inner()
        if len(self._B):
            out -= V.inner_through(self._columns(V.dtype))
        return out.div_(self._lam)

    def trace(self, F: Tensor) -> float:
        """tr(F M⁻¹)."""
        return float((F.diagonal().double().sum() - (self._B * self._times(F)).sum()) / self._lam)

    def _columns(self, dtype: torch.dtype) -> Tensor:
        """Bᵀ [d, m] in a dtype, made once."""
        if self._rounded is None or self._rounded.dtype != dtype:
            self._rounded = self._B.T.to(dtype).contiguous()
        return self._rounded

    def _times(self, F: Tensor) -> Tensor:
        """K = B F [m, d], F brought to float64 a tile of rows at a time."""
        K = torch.zeros_like(self._B)
        for rows in tiles(len(F)):
            K.addmm_(self._B[:, rows], F[rows].to(torch.float64))
        did(2 * len(K) * len(F) ** 2)
        return K


def _make_symmetric(A: Tensor) -> None:
    """A ← (A + Aᵀ)/2 in place."""
    A.copy_((A + A.T).div_(2))
