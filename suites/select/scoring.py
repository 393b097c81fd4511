"""The batched score alone, tr((I+G)⁻¹H) of every candidate: packed and compiled, by Cholesky factors, by inverses.

G and H [n, r, r] come from one state of the problem, with a random batch picked, so that the ways differ in their work
on small matrices alone. The published order inverts k×k stacks; it is timed also on the k−1 rows that suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding, last_layer_embedding
from fbench.fisher.selection.approximations import top_classes
from fbench.fisher.selection.candidates.plain import Plain
from fbench.fisher.selection.information import Information
from fbench.fisher.selection.inverses import sandwich
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import elapsed

from .problem import outputs, random_batch
from .ways import SelectionProblem, Way

Scores = Callable[[], Tensor]
"""A function that makes one pass: it gives the scores [n] of every candidate."""


@dataclass(frozen=True)
class ScoreState:
    """What scores are made from: P = M⁻¹ and Q = M⁻¹FM⁻¹ [d, d], and a pick's weight α."""

    P: Tensor
    Q: Tensor
    alpha: float


@torch.no_grad()
def random_batch_state(problem: SelectionProblem, dtype: torch.dtype, device: str) -> ScoreState:
    """The state with a random batch picked, in ``dtype``; M is factorised in float64."""
    pool = outputs(problem, dtype, device)
    V = last_layer_embedding(pool.logits, pool.features)
    labelled = pool.labelled.to(device)
    information = Information(V, labelled, problem.batch, problem.regularisation)
    P = information.inverse(torch.tensor(random_batch(problem, 0).kept, device=device))
    return ScoreState(P.to(dtype), sandwich(P, information.F, dtype), information.alpha)


def embeddings(way: Way, problem: SelectionProblem, dtype: torch.dtype, device: str) -> Iterator[Embedding]:
    """V with the k−1 rows a candidate that suffice; for inverses first with all k, as published."""
    pool = outputs(problem, dtype, device)
    if way.name == "score-inverse":
        yield top_classes(pool.logits, pool.features, problem.k)
    yield last_layer_embedding(pool.logits, pool.features)


def _packed(V: Embedding, state: ScoreState) -> Scores:
    from fbench.fisher.lanes.cores import share
    from fbench.fisher.lanes.packing import pack_lower_lanes
    from fbench.fisher.lanes.registers import LANES
    from fbench.fisher.selection.candidates import lane_kernels

    G, H = (state.alpha * pack_lower_lanes(V.quadratic(A)) for A in (state.P, state.Q))
    scores, traces = (torch.empty(len(G) * LANES, dtype=V.dtype) for _ in range(2))
    arrays = [t.view(-1).numpy() for t in (G, H, scores, traces)]

    def run() -> Tensor:
        share(len(G), lane_kernels.score, *arrays, 1, V.rows)
        return scores[: V.n]

    return run


def _cholesky(V: Embedding, state: ScoreState) -> Scores:
    plain = Plain(V, state.alpha, 1)
    plain.load(state.P, state.Q)
    return plain.scores


def _inverse(V: Embedding, state: ScoreState) -> Scores:
    G, H = (state.alpha * V.quadratic(A) for A in (state.P, state.Q))
    eye = torch.eye(V.rows, dtype=V.dtype, device=V.device)

    def run() -> Tensor:
        inner: Tensor = torch.linalg.inv(eye + G)
        return (H @ inner).diagonal(dim1=-2, dim2=-1).sum(-1)

    return run


_SCORES: dict[str, Callable[[Embedding, ScoreState], Scores]] = {
    "score-packed": _packed,
    "score-cholesky": _cholesky,
    "score-inverse": _inverse,
}


@dataclass(frozen=True)
class Scored:
    """What a block of passes over one embedding gave.

    Attributes:
        rows: r, rows of V a candidate.
        seconds: of every pass.
        peak_bytes: peak growth of memory in a pass; None where it was not measured.
        max_rel_error: largest difference from float64 scores, over the largest; None where it was not computed.
    """

    rows: int
    seconds: Sequence[float]
    peak_bytes: int | None = None
    max_rel_error: float | None = None


@torch.no_grad()
def score_passes(
    way: Way, problem: SelectionProblem, dtype: torch.dtype, device: str, passes: int, *, first: bool
) -> Iterator[Scored]:
    """Time ``passes`` passes over every embedding of the way, after one that warms up.

    The ``first`` block also measures peak growth and the scores' error.
    """
    state = random_batch_state(problem, dtype, device)
    for V in embeddings(way, problem, dtype, device):
        run = _SCORES[way.name](V, state)
        run()
        peak, error = None, None
        if first:
            with peak_growth(device) as growth:
                run()
            peak, error = growth.peak_bytes, _error(run(), V, state)
        yield Scored(V.rows, [_seconds(run, device) for _ in range(passes)], peak, error)


def _seconds(run: Scores, device: str) -> float:
    with elapsed(device) as clock:
        run()
    return clock.seconds


def _error(scores: Tensor, V: Embedding, state: ScoreState) -> float:
    """The largest difference from float64 scores of the same P and Q, over the largest score."""
    plain = Plain(V.to(dtype=torch.float64), state.alpha, 1)
    plain.load(state.P.double(), state.Q.double())
    exact = plain.scores()
    return float((scores.double() - exact).abs().max() / exact.abs().max())
