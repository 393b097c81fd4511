"""The batched score alone, tr((I+G)⁻¹H) of every candidate: packed and compiled, by Cholesky factors, by inverses.

G and H [n, r, r] come from one state of the problem, with a random batch picked; what differs is the small-matrix
work. The published order inverts k×k stacks; that is timed beside the same on the k−1 rows that suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding, last_layer_embedding
from fbench.fisher.selection.approximations import top_classes
from fbench.fisher.selection.candidates.plain import Plain
from fbench.fisher.selection.information import Information, sandwich
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import elapsed

from .problem import outputs, random_batch
from .ways import Problem, Way

Scores = Callable[[], Tensor]
"""One pass: the scores [n] of every candidate."""


@dataclass(frozen=True)
class State:
    """P = M⁻¹, Q = M⁻¹FM⁻¹ [d, d] of the problem with a random batch picked, and a pick's weight α."""

    P: Tensor
    Q: Tensor
    alpha: float


@torch.no_grad()
def random_state(problem: Problem, dtype: torch.dtype, device: str) -> State:
    """The state, made in ``dtype`` from M factorised in float64."""
    given = outputs(problem, dtype, device)
    V = last_layer_embedding(given.logits, given.features)
    labelled = given.labelled.to(device)
    information = Information(V, labelled, problem.batch, problem.regularisation)
    P = information.inverse(torch.tensor(random_batch(problem, 0).kept, device=device))
    return State(P.to(dtype), sandwich(P, information.F, dtype), information.alpha)


def embeddings(way: Way, problem: Problem, dtype: torch.dtype, device: str) -> Iterator[Embedding]:
    """V with the k−1 rows that suffice; for inverses also with all k, as published."""
    given = outputs(problem, dtype, device)
    if way.name == "score-inverse":
        yield top_classes(given.logits, given.features, problem.k)
    yield last_layer_embedding(given.logits, given.features)


def _packed(V: Embedding, state: State) -> Scores:
    from fbench.fisher.selection.candidates import lane_kernels
    from fbench.fisher.selection.candidates.lanes import LANES
    from fbench.fisher.selection.candidates.packed import pack_lower_lanes, share

    G, H = (state.alpha * pack_lower_lanes(V.quadratic(A)) for A in (state.P, state.Q))
    found, traces = (torch.empty(len(G) * LANES, dtype=V.dtype) for _ in range(2))
    arrays = [t.view(-1).numpy() for t in (G, H, found, traces)]

    def run() -> Tensor:
        share(len(G), lane_kernels.score, *arrays, 1, V.rows)
        return found[: V.n]

    return run


def _cholesky(V: Embedding, state: State) -> Scores:
    plain = Plain(V, state.alpha, 1)
    plain.load(state.P, state.Q)
    return plain.scores


def _inverse(V: Embedding, state: State) -> Scores:
    G, H = (state.alpha * V.quadratic(A) for A in (state.P, state.Q))
    eye = torch.eye(V.rows, dtype=V.dtype, device=V.device)

    def run() -> Tensor:
        inner: Tensor = torch.linalg.inv(eye + G)
        return (H @ inner).diagonal(dim1=-2, dim2=-1).sum(-1)

    return run


_SCORES: dict[str, Callable[[Embedding, State], Scores]] = {
    "score-packed": _packed,
    "score-cholesky": _cholesky,
    "score-inverse": _inverse,
}


@dataclass(frozen=True)
class Scored:
    """What a block of passes over one embedding gave."""

    rows: int
    seconds: Sequence[float]
    peak_bytes: int | None = None
    max_rel_error: float | None = None


@torch.no_grad()
def score_passes(
    way: Way, problem: Problem, dtype: torch.dtype, device: str, passes: int, *, first: bool
) -> Iterator[Scored]:
    """``passes`` timed passes over every embedding of the way, after one that is not; with its peak growth and its
    error if it is the ``first`` block.
    """
    state = random_state(problem, dtype, device)
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
    with elapsed(device) as found:
        run()
    return found.seconds


def _error(scores: Tensor, V: Embedding, state: State) -> float:
    """The largest difference from float64 scores of the same G and H, over the largest score."""
    plain = Plain(V.to(dtype=torch.float64), state.alpha, 1)
    plain.load(state.P.double(), state.Q.double())
    exact = plain.scores()
    return float((scores.double() - exact).abs().max() / exact.abs().max())
