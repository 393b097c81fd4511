"""What a pick changes: the rows W̃, Z̃ of the rank-r update, and P = M⁻¹ and Q = M⁻¹FM⁻¹ that take them up.

The formulas are in ../MATH.md, "A pick's rows". ``sign`` = s is +1 where M grows by the pick's V_sᵀV_s, −1 where it
loses it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding
from fbench.fisher.symmetric import add_products


def pick_rows(WZ: Tensor, V_s: Tensor, sign: int) -> Tensor:
    """W̃ᵀ above Z̃ᵀ [2r, d], by which a pick changes P, Q and every G_x and H_x.

    With K = I + s·V_s W = LLᵀ: W̃ = W L⁻ᵀ, Z̃ = Z L⁻ᵀ − ½s·W̃ (L⁻¹ H_s L⁻ᵀ), and every change is ∓W̃W̃ᵀ or
    ∓(W̃Z̃ᵀ + Z̃W̃ᵀ). ``WZ`` [r, 2d] are V_s P and V_s Q side by side, ``V_s`` [r, d] the pick's rows, factor included.

    Example:
        >>> V_s, P = torch.tensor([[1.0, 2.0]], dtype=torch.float64), torch.eye(2, dtype=torch.float64)
        >>> W, Z = pick_rows(torch.cat([V_s @ P, V_s @ P], dim=1), V_s, sign=1)
        >>> torch.allclose(P - torch.outer(W, W), torch.linalg.inv(P + V_s.T @ V_s))
        True
    """
    d = V_s.shape[1]
    return rows_of_update(WZ, WZ[:, :d] @ V_s.T, WZ[:, d:] @ V_s.T, sign)


def rows_of_update(WZ: Tensor, G_s: Tensor, H_s: Tensor, sign: int) -> Tensor:
    """The same from G_s and H_s [r, r], for W and Z in any m coordinates: from ``WZ`` [r, 2m] it makes [2r, m].

    Example:
        >>> one = torch.ones(1, 1)
        >>> rows_of_update(torch.tensor([[2.0, 2.0]]), 3 * one, one, sign=1).tolist()  # L = 2
        [[1.0], [0.875]]
    """
    d, eye = WZ.shape[1] // 2, torch.eye(len(WZ), dtype=WZ.dtype, device=WZ.device)
    L, _ = torch.linalg.cholesky_ex(eye + sign * (G_s + G_s.T) / 2)
    solved = torch.linalg.solve_triangular(L, torch.cat([WZ, (H_s + H_s.T) / 2], dim=1), upper=False)
    W, Z, half = solved[:, :d], solved[:, d : 2 * d], solved[:, 2 * d :]
    J = torch.linalg.solve_triangular(L, half.T, upper=False)
    return torch.cat([W, Z - (sign / 2) * (J @ W)])


class Curvature:
    """P = M⁻¹ and Q = M⁻¹FM⁻¹ [d, d]: two matrices, and the rows W̃, Z̃ of the picks since they were last written.

    Rank-r changes of a d×d matrix cost as much memory traffic as a rank-d/16 change: they are gathered and folded in
    by one product at its full rate.

    Example:
        >>> eye = torch.eye(2, dtype=torch.float64)
        >>> curvature = Curvature(eye.clone(), eye.clone(), sign=1)
        >>> curvature.absorb(0.5 * eye)  # W̃ᵀ above Z̃ᵀ, one row each
        >>> curvature.fold()
        >>> curvature.P.tolist()
        [[0.75, 0.0], [0.0, 1.0]]
    """

    def __init__(self, P: Tensor, Q: Tensor, sign: int) -> None:
        self.P, self.Q, self._sign, self._used = P, Q, sign, 0
        self._W, self._Z = (P.new_empty(max(64, len(P) // 16), len(P)) for _ in range(2))

    def times(self, s: Embedding, V_s: Tensor) -> tuple[Tensor, Tensor]:
        """V_s P and V_s Q, each [r, d]; ``V_s`` are the rows of ``s``."""
        W, Z = self._W[: self._used], self._Z[: self._used]
        on_W, on_Z = self._sign * (V_s @ W.T), self._sign * (V_s @ Z.T)
        return s.first_times(self.P) - on_W @ W, s.first_times(self.Q) - on_W @ Z - on_Z @ W

    def absorb(self, rows: Tensor) -> None:
        """Take the rows of W̃ and Z̃ [2r, d]."""
        r = len(rows) // 2
        if self._used + r > len(self._W):
            self.fold()
        if r > len(self._W):
            self._change(rows[:r], rows[r:])
            return
        self._W[self._used : self._used + r], self._Z[self._used : self._used + r] = rows[:r], rows[r:]
        self._used += r

    def fold(self) -> None:
        """Write what was gathered into P and Q."""
        self._change(self._W[: self._used], self._Z[: self._used])
        self._used = 0

    def P_times(self, v: Tensor) -> Tensor:
        """P v [d], with the gathered rows taken into account."""
        W = self._W[: self._used]
        return self.P @ v - self._sign * (W.T @ (W @ v))

    def _change(self, W: Tensor, Z: Tensor) -> None:
        add_products(((W, W),), self.P, -self._sign)
        add_products(((W, Z), (Z, W)), self.Q, -self._sign)
