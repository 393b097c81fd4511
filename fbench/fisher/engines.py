"""Two exact ways to the scores of BAIT's greedy steps: recompute everything, or update in place.

An engine holds one shard of the candidates and all of the d×d state. ``scores`` gives its candidates' scores,
``update`` absorbs a pick (``sign`` = +1: M grows by its V_sᵀV_s; −1: M loses it). The letters are those of MATH:
V of a candidate carries the factor √α, α = B/(n_L+B); here V is stored without it and α enters G, H, W and Z.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fbench.fisher.embeddings import DenseEmbedding, Embedding
from fbench.fisher.information import inverse_of, symmetric
from fbench.fisher.trace import trace

_REFRESH_FALL = 10.0
"""Refresh P, Q, G and H when the median tr H has fallen by this factor: float32 at λ = 0.01 needs it."""


class Engine(Protocol):
    """What the greedy loop asks of a shard."""

    V: Embedding

    @property
    def M(self) -> Tensor:
        """M [d, d] in float64, every pick absorbed."""

    def scores(self) -> Tensor:
        """[n] in the embedding's dtype; −∞ where the step is not admissible."""

    def update(self, V_s: Tensor) -> None:
        """Absorb the pick with rows V_s [r, d] (without √α)."""

    def drift(self) -> float:
        """‖P M v − v‖ / ‖v‖ on a probe v; 0 where P is never updated."""


class Published:
    """The published order: a fresh M⁻¹ and x M⁻¹ F M⁻¹ xᵀ A⁻¹ over every candidate for every pick."""

    def __init__(self, V: Embedding, F: Tensor, M: Tensor, alpha: float, sign: int) -> None:
        self.V, self.F, self.M, self.alpha, self.sign = V, F, M.clone(), alpha, sign
        self._scaled = DenseEmbedding(V.dense() * alpha**0.5)

    def scores(self) -> Tensor:
        inverse = inverse_of(self.M).to(self.V.dtype)
        return trace(self._scaled, inverse, self.F, kernel="published", sign=self.sign)

    def update(self, V_s: Tensor) -> None:
        self.M += _gram64(V_s, self.sign * self.alpha)

    def drift(self) -> float:
        return 0.0


class Incremental:
    """The exact incremental update: P = M⁻¹, Q = M⁻¹FM⁻¹ and each candidate's G, H follow every pick.

    One tall product [n·r, d] × [d, 2r] a pick.
    """

    def __init__(self, V: Embedding, F: Tensor, M: Tensor, alpha: float, sign: int) -> None:
        self.V, self.F, self.alpha, self.sign = V, F, alpha, sign
        self._start, self._absorbed = M, list[Tensor]()
        self._eye = torch.eye(V.rows, dtype=V.dtype, device=V.device)
        self._refresh()

    @property
    def M(self) -> Tensor:
        """M as it stands, in float64: a refresh starts from no accumulated error."""
        if self._absorbed:
            rows = torch.cat(self._absorbed)
            self._start = self._start + _gram64(rows, self.sign * self.alpha)
            self._absorbed.clear()
        return self._start

    def scores(self) -> Tensor:
        """tr((I+G)⁻¹H) when adding; tr((−I+G)⁻¹H) = −tr((I−G)⁻¹H) when removing. Both by Cholesky."""
        factor, fault = torch.linalg.cholesky_ex(self._eye + self.sign * self.G)
        traces = torch.cholesky_solve(self.H, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        return torch.where(fault == 0, self.sign * traces, -torch.inf)

    def update(self, V_s: Tensor) -> None:
        root = self.alpha**0.5
        W, Z = root * (self.P @ V_s.mT), root * (self.Q @ V_s.mT)
        C = torch.linalg.inv(self.sign * self._eye + root * (V_s @ W))
        C = (C + C.mT) / 2
        Z -= W @ (C @ (root * (V_s @ Z))) / 2
        _subtract(self.P, self.Q, W, C, Z)
        U, Y = (root * self.V.project(torch.cat([W, Z], dim=1))).split(V_s.shape[0], dim=2)
        _subtract(self.G, self.H, U, C, Y)
        self._absorbed.append(V_s)
        if self._median_trace() * _REFRESH_FALL <= self._at_refresh:
            self._refresh()

    def drift(self) -> float:
        v = torch.cos(torch.arange(len(self.M), dtype=torch.float64, device=self.M.device))
        return float((self.P.to(torch.float64) @ (self.M @ v) - v).norm() / v.norm())

    def _median_trace(self) -> Tensor:
        return self.H.diagonal(dim1=-2, dim2=-1).sum(-1).median()

    def _refresh(self) -> None:
        """P, Q, G and H from M, factorised in float64."""
        P = inverse_of(self.M)
        Q = symmetric(P @ self.F.to(torch.float64) @ P)
        self.P, self.Q = P.to(self.V.dtype), Q.to(self.V.dtype)
        self.G, self.H = self.alpha * self.V.quadratic(self.P), self.alpha * self.V.quadratic(self.Q)
        self._at_refresh = self._median_trace()


def _subtract(P: Tensor, Q: Tensor, W: Tensor, C: Tensor, Z: Tensor) -> None:
    """P −= W C Wᵀ and Q −= W C Zᵀ + Z C Wᵀ in place, for matrices or stacks of them."""
    WC, ZC = W @ C, Z @ C
    product = torch.Tensor.addmm_ if P.ndim == 2 else torch.Tensor.baddbmm_
    product(P, WC, W.mT, alpha=-1)
    product(Q, torch.cat([WC, ZC], dim=-1), torch.cat([Z, W], dim=-1).mT, alpha=-1)


def _gram64(V_s: Tensor, factor: float) -> Tensor:
    rows = V_s.to(torch.float64)
    return factor * (rows.mT @ rows)


ENGINES: dict[str, type[Published] | type[Incremental]] = {"published": Published, "incremental": Incremental}
