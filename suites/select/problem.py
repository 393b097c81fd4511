"""From a problem and a way to a selection: the embedding, the search, and the float64 reference it is held to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from fbench.errors import TooLargeError
from fbench.fisher.embeddings import Embedding, dense_embedding, last_layer_embedding
from fbench.fisher.selection.approximations import subsample, top_classes
from fbench.fisher.selection.bait import Search, Selection
from fbench.fisher.selection.greedy import TIE
from fbench.fisher.selection.information import Information
from fbench.fisher.selection.methods import EMBEDDING_METHODS
from fbench.learning.synthetic import Outputs, synthetic_outputs

from .ways import Problem, Way, check_memory, choose_reference, fitted, parse_way

Progress = Callable[[str, int, int], None]


@lru_cache(maxsize=32)
def outputs(problem: Problem, dtype: torch.dtype, device: str) -> Outputs:
    """The problem's pool as a network would have given it, in this dtype, once a process."""
    pool = synthetic_outputs(problem.n, problem.k, problem.h, problem.labelled, problem.seed)
    return pool.to(device, dtype)


@dataclass(frozen=True)
class Prepared:
    """What a way makes of the outputs.

    Attributes:
        embedding: V of the candidates that it looks at.
        labelled: positions among these.
        positions: theirs in the pool; None where it looks at all.
    """

    embedding: Embedding
    labelled: Tensor
    positions: Tensor | None = None

    def in_pool(self, picks: Tensor) -> list[int]:
        """Positions in the pool of positions in the embedding."""
        found: list[int] = (picks if self.positions is None else self.positions[picks]).tolist()
        return found


def prepare(way: Way, problem: Problem, given: Outputs) -> Prepared:
    """The embedding that a way selects on, from logits and features."""
    logits, features, labelled = given.logits, given.features, given.labelled
    if way.embedding == "dense":
        return Prepared(dense_embedding(top_classes(logits, features, problem.k).dense()), labelled)
    if way.embedding == "built":
        return Prepared(dense_embedding(last_layer_embedding(logits, features).dense()), labelled)
    if way.embedding == "subsample":
        g = torch.Generator().manual_seed(problem.seed)
        kept = subsample(problem.n, labelled, way.count(problem), g)
        rows = kept.to(logits.device)
        few = last_layer_embedding(logits[rows], features[rows])
        return Prepared(few, torch.searchsorted(kept, labelled), kept)
    return Prepared(EMBEDDING_METHODS[way.embedding].make(logits, features, way.count(problem)), labelled)


def search(
    way: Way,
    problem: Problem,
    prepared: Prepared,
    dtype: torch.dtype,
    devices: Sequence[str],
    progress: Progress | None = None,
) -> Search:
    """The selection, not begun."""
    return Search(
        prepared.embedding,
        problem.batch,
        labelled=prepared.labelled,
        regularisation=problem.regularisation,
        oversample=problem.oversample,
        method=way.engine,
        dtype=dtype,
        devices=list(devices),
        chunk_size=way.chunk_size,
        progress=progress,
    )


@dataclass(frozen=True)
class Picked:
    """A selection in the pool's positions: the batch kept, the forward picks and their gaps, and what else it told."""

    kept: list[int]
    forward: list[int]
    gaps: list[float]
    facts: Selection | None = None


def picked(prepared: Prepared, selection: Selection) -> Picked:
    """A finished selection, in the pool's positions."""
    kept, forward = prepared.in_pool(selection.indices), prepared.in_pool(selection.forward)
    return Picked(kept, forward, selection.gaps.tolist(), selection)


def select(way: Way, problem: Problem, dtype: torch.dtype, devices: Sequence[str]) -> Picked:
    """A whole selection, not timed."""
    prepared = prepare(way, problem, outputs(problem, dtype, devices[0]))
    running = search(way, problem, prepared, dtype, devices)
    running.set_up()
    running.forward()
    running.backward()
    return picked(prepared, running.finish())


def random_batch(problem: Problem, draw: int) -> Picked:
    """B unlabelled candidates, uniformly; another batch for every draw."""
    labelled = synthetic_labelled(problem)
    free = torch.ones(problem.n, dtype=torch.bool)
    free[labelled] = False
    left = free.nonzero()[:, 0]
    g = torch.Generator().manual_seed(1_000_003 * (problem.seed + 1) + draw)
    kept = left[torch.randperm(len(left), generator=g)[: problem.batch]].tolist()
    return Picked(kept, kept, [])


def synthetic_labelled(problem: Problem) -> Tensor:
    """The labelled positions of the problem's pool."""
    return outputs(problem, torch.float32, "cpu").labelled


@dataclass(frozen=True)
class Reference:
    """The float64 selection that others are held to, and how it was made: ``published`` or ``incremental``."""

    picked: Picked
    how: str
    objective: float


@lru_cache(maxsize=256)
def reference(problem: Problem, budget: float, devices: tuple[str, ...]) -> Reference | None:
    """The float64 reference of a problem, once a process; None where each is dearer than ``budget`` operations.

    The published order falls back to the incremental update where its V would not fit into memory as well, whatever its
    chunk.
    """
    how = choose_reference(problem, budget)
    if not how:
        return None
    way = fitted(problem, parse_way(how), "float64", devices)
    try:
        check_memory(problem, way, "float64", devices)
    except TooLargeError:
        way = parse_way("incremental")
        check_memory(problem, way, "float64", devices)
    found = select(way, problem, torch.float64, devices)
    return Reference(found, way.name, exact_objective(problem, found.kept, devices[0]))


@lru_cache(maxsize=256)
def guide(problem: Problem, dtype: torch.dtype, devices: tuple[str, ...]) -> tuple[int, ...]:
    """Forward picks to remove from, for a way that is timed on a few: those of the incremental update."""
    return tuple(select(parse_way("incremental"), problem, dtype, devices).forward)


@lru_cache(maxsize=1)
def _judge(problem: Problem, device: str) -> Information:
    """F, λ and M of the whole last layer in float64."""
    given = outputs(problem, torch.float64, device)
    V = last_layer_embedding(given.logits, given.features)
    return Information(V, given.labelled.to(device), problem.batch, problem.regularisation)


@torch.no_grad()
def exact_objective(problem: Problem, kept: Sequence[int], device: str) -> float:
    """tr(F M⁻¹) in float64 with all of V, whichever way the batch was found."""
    return _judge(problem, device).objective(torch.tensor(list(kept), dtype=torch.int64, device=device))


def agreement(found: Picked, reference: Reference, whole: bool, dtype: torch.dtype) -> dict[str, int | float | None]:
    """How a selection agrees with the reference.

    Args:
        found: the selection.
        reference: the float64 one.
        whole: the batch is known; otherwise the first forward picks alone.
        dtype: of the selection: what a tie is depends on it.

    Returns:
        ``picks`` compared, the share that is ``same_picks`` (of the batch in any order; of first forward picks in
        theirs), ``first_difference`` (the forward pick, from 0, at which the order differs; None if nowhere), the
        reference's ``gap_there``, and the ``tolerance`` under which a gap is a tie.
    """
    other = reference.picked
    pairs = list(zip(found.forward, other.forward, strict=False))
    at = next((i for i, (one, two) in enumerate(pairs) if one != two), None)
    if whole:
        same, picks = len(set(found.kept) & set(other.kept)), len(other.kept)
    else:
        same, picks = sum(one == two for one, two in pairs), len(pairs)
    return {
        "picks": picks,
        "same_picks": same / picks,
        "first_difference": at,
        "gap_there": None if at is None else other.gaps[at],
        "tolerance": TIE[dtype],
    }
