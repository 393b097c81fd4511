"""G_x = V_x P V_xᵀ and H_x = V_x Q V_xᵀ of every candidate of a shard, kept up to date, and the scores they give.

``score(x) = s·tr((I + s·G_x)⁻¹ H_x)``, s = +1 for adding x, −1 for removing it; −∞ where I + s·G_x is not positive
definite. ``Plain`` is torch on any device, evidently right; ``choice`` says which of the fast forms takes its place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from fbench.fisher import feature_pairs
from fbench.fisher.embeddings import Embedding, FactoredEmbedding
from fbench.fisher.feature_pairs import PairForms
from fbench.fisher.selection.few_rows import FewRows


class Candidates(ABC):
    """What the incremental engine asks of a shard's candidates."""

    def __init__(self, V: Embedding, alpha: float, sign: int) -> None:
        self.V, self.alpha, self.sign = V, alpha, sign

    @abstractmethod
    def load(self, P: Tensor | FewRows, Q: Tensor) -> None:
        """Make G and H from P, or the few rows that made it, and Q [d, d]."""

    @abstractmethod
    def fill(self, G: Tensor, H: Tensor) -> None:
        """Take G and H [n, r, r], α included, as they are."""

    @abstractmethod
    def absorb(self, rows: Tensor) -> None:
        """Take in a pick's ``rows`` [2r, d], W̃ᵀ above Z̃ᵀ.

        G −= s·U Uᵀ and H −= s·(U Yᵀ + Y Uᵀ), with U = √α V_x W̃ and Y = √α V_x Z̃.
        """

    @abstractmethod
    def arrange(self, rows: Tensor) -> Tensor:
        """A pick's rows in the layout that ``after`` takes, made once for all chunks."""

    @abstractmethod
    def after(self, arranged: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Scores and traces [c] of the candidates of ``part`` as the pick would leave them; nothing is changed."""

    @abstractmethod
    def scores(self) -> Tensor:
        """The scores of all candidates [n]."""

    @abstractmethod
    def traces(self) -> Tensor:
        """The trace of every H_x [n]."""


Form = Tensor | FewRows | PairForms
"""A symmetric A [d, d] as it is, or as that which makes V_x A V_xᵀ with fewer operations."""


def form_for(V: Embedding, A: Tensor | FewRows) -> Form:
    """A as ``quadratic`` reads it fastest, gathered once for all parts of V."""
    if isinstance(A, Tensor) and isinstance(V, FactoredEmbedding) and feature_pairs.pays(V.n, V.k, V.device.type):
        return PairForms(A, V.k)
    return A


def quadratic(V: Embedding, A: Form) -> Tensor:
    """V_x A V_xᵀ [n, r, r], or V_x P V_xᵀ from the few rows that made P."""
    if isinstance(A, PairForms):
        assert isinstance(V, FactoredEmbedding)  # of no other are they made
        return A.of(V.S, V.h)
    return V.quadratic(A) if isinstance(A, Tensor) else A.quadratic(V)


class Plain(Candidates):
    """G and H [n, r, r], kept by plain torch."""

    def __init__(self, V: Embedding, alpha: float, sign: int) -> None:
        super().__init__(V, alpha, sign)
        like: Any = {"dtype": V.dtype, "device": V.device}
        self.G, self.H = (torch.empty(V.n, V.rows, V.rows, **like) for _ in range(2))
        self._eye = torch.eye(V.rows, **like)

    def load(self, P: Tensor | FewRows, Q: Tensor) -> None:
        forms = form_for(self.V, P), form_for(self.V, Q)
        for part in self._parts():
            self._load_part(self.V[part], part, *forms)

    def _load_part(self, V: Embedding, part: slice, P: Form, Q: Form) -> None:
        self.G[part], self.H[part] = (self.alpha * quadratic(V, A) for A in (P, Q))

    def fill(self, G: Tensor, H: Tensor) -> None:
        self.G.copy_(G)
        self.H.copy_(H)

    def absorb(self, rows: Tensor) -> None:
        for part in self._parts():
            U, Y = (self.alpha**0.5 * self.V[part].project(rows.T)).split(self.V.rows, dim=2)
            self.G[part].baddbmm_(U, U.mT, alpha=-self.sign)
            self.H[part].baddbmm_(torch.cat([U, Y], dim=2), torch.cat([Y, U], dim=2).mT, alpha=-self.sign)

    def arrange(self, rows: Tensor) -> Tensor:
        return rows

    def after(self, arranged: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        chunk = type(self)(self.V[part], self.alpha, self.sign)
        chunk.G, chunk.H = self.G[part].clone(), self.H[part].clone()
        chunk.absorb(arranged)
        return chunk.scores(), chunk.traces()

    def scores(self) -> Tensor:
        scores = []
        for part in self._parts():
            factor, fault = torch.linalg.cholesky_ex(self._eye + self.sign * self.G[part])
            traces = torch.cholesky_solve(self.H[part], factor).diagonal(dim1=-2, dim2=-1).sum(-1)
            scores.append(torch.where(fault == 0, self.sign * traces, -torch.inf))
        return torch.cat(scores)

    def traces(self) -> Tensor:
        return self.H.diagonal(dim1=-2, dim2=-1).sum(-1)

    def _parts(self) -> list[slice]:
        """Slices of the candidates, so that the temporaries of one are far smaller than G: whole, eight times it."""
        return self.V.chunks(self.V.rows**2)
