"""Ways to the scores of BAIT's greedy steps: recompute everything, update in place, or keep diagonals alone.

An engine holds one shard of the candidates and all of the d×d state. ``scores`` gives its candidates' scores,
``update`` absorbs a pick (``sign`` = s = +1: M grows by its V_sᵀV_s; −1: M loses it). The letters are those of
../MATH.md ("BAIT"): V of a candidate carries the factor √α, α = B/(n_L+B); here V is stored without it and α enters
G, H, W and Z.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fbench.fisher.embeddings import DenseEmbedding, Embedding
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.fisher.selection.candidates.choice import candidates
from fbench.fisher.selection.curvature import Curvature, pick_rows
from fbench.fisher.selection.information import DiagonalInformation, Information, MadeAfresh
from fbench.fisher.selection.inverses import inverse_in_place
from fbench.fisher.selection.trace import trace
from fbench.harness.registry import KERNELS

_REFRESH_FALL = 100.0
"""Refresh P, Q, G and H when the median tr H has fallen by this factor: float32 loses the order of float64 without it.
In 88 selections of 40 or 100 picks (FISH masks, sketches and last layers; d from 160 to 1,280, λ from 1 to 0.001 and
rel:0.01), float32 left that order twice, where the lead was 3e-5 of the score or less; with 10 once and with 300 three
times, once at 6e-4. With 10 a selection on a mask made two more refreshes, each as long as fifteen picks. In row
space (300 digits, the small network, 0 or 60 labels, λ from 1 to 0.001, 40 picks) float32 took those of float64 in
order with 100 as with 10, and left them in one case of eight without any."""


def have_fallen(traces: Tensor, median_before: Tensor) -> Tensor:
    """Whether the median of tr H_x [n] has fallen so far that P, Q, G and H should be made afresh.

    It has where half of them are that low: to count them takes a fiftieth of the time of sorting.

    Example:
        >>> have_fallen(torch.tensor([1.0, 0.001, 0.002]), torch.tensor(1.0))
        tensor(True)
    """
    return 2 * (traces * _REFRESH_FALL <= median_before).sum() >= max(1, len(traces))


class Engine(Protocol):
    """What the greedy loop asks of a shard.

    Attributes:
        refreshes: how often M was factorised afresh after the start.
        updates: whether P follows the picks, and may drift.
        load_operations: of ``load``, about, as ``fisher.work`` counts them.
    """

    refreshes: int
    updates: bool
    load_operations: float

    def scores(self) -> Tensor:
        """The scores [n] in the embedding's dtype; −∞ where the step is not admissible."""

    def update(self, s: Embedding) -> None:
        """Absorb the pick ``s``, an embedding of one candidate."""

    def stale(self) -> Tensor:
        """Whether M should be factorised afresh, as a tensor: reading it would stop the device."""

    def load(self, picks: Tensor) -> None:
        """Start, or start afresh, from M with ``picks``."""

    def drift(self, M: Tensor) -> float:
        """‖P M v − v‖ / ‖v‖ on a probe v; 0 where P is never updated."""


class CurvatureSource(Protocol):
    """Whoever makes P and Q afresh: ``Information``, or the rows of what was picked (``row_information``)."""

    alpha: float

    def curvature(self, picks: Tensor, dtype: torch.dtype) -> MadeAfresh:
        """P in float64 and Q in ``dtype``, [d, d] each, with ``picks`` in M."""


class RecomputedEngine:
    """An engine that makes everything anew for every pick: M⁻¹, then a trace kernel over all candidates, in chunks.

    ``published`` is the published order; ``fused`` and ``factored`` give the same numbers with fewer operations.
    """

    updates, load_operations = False, 0.0

    def __init__(
        self, V: Embedding, information: Information, sign: int, kernel: str = "published", chunk_size: int = CHUNK_SIZE
    ) -> None:
        self._information, self._sign, self.refreshes = information, sign, 0
        self._kernel, self._chunk_size = kernel, chunk_size
        self._V = DenseEmbedding(V.dense()) if KERNELS.get(kernel).takes == "dense" else V
        self._F = information.F.to(V.device, V.dtype, copy=True).div_(information.alpha)

    def load(self, picks: Tensor) -> None:
        self._M = self._information.matrix(picks).to(self._V.device)

    def scores(self) -> Tensor:
        """The scores [n]. V lacks its factor √α: α·M⁻¹ and F/α take it up, and no second V is held."""
        inverse = inverse_in_place(self._M.clone)[0].mul_(self._information.alpha).to(self._V.dtype)
        return trace(self._V, inverse, self._F, kernel=self._kernel, chunk_size=self._chunk_size, sign=self._sign)

    def update(self, s: Embedding) -> None:
        s.to(dtype=torch.float64).add_gram(self._M, self._sign * self._information.alpha)

    def stale(self) -> Tensor:
        return torch.tensor(False)

    def drift(self, M: Tensor) -> float:
        return 0.0


class IncrementalEngine:
    """The exact incremental engine: P = M⁻¹, Q = M⁻¹FM⁻¹ and each candidate's G, H follow every pick.

    A pick costs one tall product [n·r, d] × [d, 2r].
    """

    updates = True

    def __init__(self, V: Embedding, information: CurvatureSource, sign: int) -> None:
        self._V, self._information, self._sign, self.refreshes = V, information, sign, -1
        self._candidates = candidates(V, information.alpha, sign)
        self.load_operations = 5 * float(V.dim) ** 3 + 2 * V.gram_operations

    def load(self, picks: Tensor) -> None:
        """Make P, Q, G and H from M, factorised in float64."""
        self.__dict__.pop("_curvature", None)  # the old matrices make room for the new
        P, Q, few = self._information.curvature(picks, self._V.dtype)
        device, dtype = self._V.device, self._V.dtype
        self._curvature = Curvature(P.to(device, dtype), Q.to(device), self._sign)
        del P
        self._candidates.load(few.to(device) if few else self._curvature.P, self._curvature.Q)
        self._at_load = self._candidates.traces().median()
        self.refreshes += 1

    def scores(self) -> Tensor:
        return self._candidates.scores()

    def update(self, s: Embedding) -> None:
        root = self._information.alpha**0.5
        V_s = s.dense()[0]
        WZ = torch.cat(self._curvature.times(s, V_s), dim=1)
        rows = pick_rows(WZ.mul_(root), root * V_s, self._sign)
        self._curvature.absorb(rows)
        self._candidates.absorb(rows)

    def stale(self) -> Tensor:
        return have_fallen(self._candidates.traces(), self._at_load)

    def drift(self, M: Tensor) -> float:
        v = torch.cos(torch.arange(len(M), dtype=torch.float64, device=M.device))
        Mv = (M @ v).to(self._V.device, self._V.dtype)
        return float((self._curvature.P_times(Mv).to(v) - v).norm() / v.norm())


class DiagonalEngine:
    """An engine that keeps F and M by their diagonals alone.

    score(x) = s·Σ_j F_j v_j / (M_j (M_j + s·v_j)), with v = α diag(V_xᵀV_x). This is an approximation, exact for the
    diagonals' own objective Σ_j F_j/M_j; its state is d numbers in place of d².
    """

    updates, load_operations = False, 0.0

    def __init__(self, V: Embedding, information: Information, sign: int) -> None:
        self._V, self._information, self._sign, self.refreshes = V, information, sign, 0
        self._F = information.F.to(V.device, V.dtype)

    def load(self, picks: Tensor) -> None:
        self._M = self._information.matrix(picks).to(self._V.device)

    def scores(self) -> Tensor:
        M, out = self._M.to(self._V.dtype), self._F.new_empty(self._V.n)
        for part in self._V.chunks(self._V.dim):
            v = self._information.alpha * self._V[part].diagonals()
            left = M + self._sign * v
            out[part] = self._sign * ((v / left) @ (self._F / M))
            out[part][(left <= 0).any(1)] = -torch.inf
        return out

    def update(self, s: Embedding) -> None:
        self._M += self._sign * self._information.alpha * s.to(dtype=torch.float64).diagonals()[0]

    def stale(self) -> Tensor:
        return torch.tensor(False)

    def drift(self, M: Tensor) -> float:
        return 0.0


class SelectionMethod(NamedTuple):
    """A method of ``bait_select``: its engine and the information matrices that it needs.

    Attributes:
        chunked: whether it takes chunks.
        reduces: whether it works on ``Embedding.reduced``: not where it is the published way, or V's axes matter.
    """

    engine: Callable[..., Engine]
    information: type[Information]
    chunked: bool = False
    reduces: bool = False


SELECTION_METHODS = {
    "incremental": SelectionMethod(IncrementalEngine, Information, reduces=True),
    "published": SelectionMethod(partial(RecomputedEngine, kernel="published"), Information, chunked=True),
    "fused": SelectionMethod(partial(RecomputedEngine, kernel="fused"), Information, chunked=True),
    "factored": SelectionMethod(partial(RecomputedEngine, kernel="factored"), Information, chunked=True),
    "diagonal": SelectionMethod(DiagonalEngine, DiagonalInformation),
}
