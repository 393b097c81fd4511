"""How a problem and a way become a selection: the embedding, the search, and the float64 reference to compare with."""

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
from fbench.fisher.selection.greedy import shard_edges
from fbench.fisher.selection.information import Information
from fbench.fisher.selection.methods import EMBEDDING_METHODS
from fbench.fisher.selection.pools import TIE
from fbench.fisher.selection.sharded_pool import ShardedPool, sharded_pool
from fbench.learning.synthetic import Outputs, synthetic_outputs

from .ways import SelectionProblem, Way, check_way_fits, choose_reference, parse_way, with_fitting_chunk


@lru_cache(maxsize=32)
def outputs(problem: SelectionProblem, dtype: torch.dtype, device: str) -> Outputs:
    """Logits, features and labelled positions of the problem's synthetic pool, in this dtype; made once a process."""
    pool = synthetic_outputs(problem.n, problem.k, problem.h, problem.labelled, problem.seed)
    return pool.to(device, dtype)


@dataclass(frozen=True)
class Prepared:
    """The embedding that a way selects on.

    Attributes:
        embedding: V of the candidates that the way looks at; of a way over several processes, this one's share.
        labelled: positions of the labelled ones in the embedding.
        positions: where each candidate of the embedding stands in the pool; None where the way looks at all of them.
    """

    embedding: Embedding | ShardedPool
    labelled: Tensor
    positions: Tensor | None = None

    def in_pool(self, picks: Tensor) -> list[int]:
        """Turn positions in the embedding into positions in the pool."""
        positions: list[int] = (picks if self.positions is None else self.positions[picks]).tolist()
        return positions


def prepare_embedding(way: Way, problem: SelectionProblem, pool: Outputs) -> Prepared:
    """Make the embedding that a way selects on from the pool's logits [n, k] and features [n, h]."""
    logits, features, labelled = pool.logits, pool.features, pool.labelled
    if way.ranks > 1:
        share = _share(problem.n, way.ranks)
        return Prepared(sharded_pool(last_layer_embedding(logits[share], features[share])), labelled)
    if way.embedding == "dense":
        return Prepared(dense_embedding(top_classes(logits, features, problem.k).dense()), labelled)
    if way.embedding == "built":
        return Prepared(dense_embedding(last_layer_embedding(logits, features).dense()), labelled)
    if way.embedding == "subsample":
        g = torch.Generator().manual_seed(problem.seed)
        kept = subsample(problem.n, labelled, way.count(problem), g)
        on_device = kept.to(logits.device)
        part = last_layer_embedding(logits[on_device], features[on_device])
        return Prepared(part, torch.searchsorted(kept, labelled), kept)
    return Prepared(EMBEDDING_METHODS[way.embedding].make(logits, features, way.count(problem)), labelled)


def _share(n: int, ranks: int) -> slice:
    """The candidates of this rank."""
    edges = shard_edges(n, ranks)
    rank = torch.distributed.get_rank()
    return slice(edges[rank], edges[rank + 1])


def search(
    way: Way,
    problem: SelectionProblem,
    prepared: Prepared,
    dtype: torch.dtype,
    devices: Sequence[str],
    progress: Callable[[str, int, int], None] | None = None,
) -> Search:
    """The search for a batch, not begun; ``progress`` hears of every step: its phase, steps done, steps in all."""
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
class PoolSelection:
    """A selection in positions of the pool.

    Attributes:
        kept: the batch.
        forward: the forward picks in their order.
        gaps: the lead of every forward pick over its runner-up, as a share of the score.
        selection: λ, d_eff, drift and the like, in positions of the embedding; None for a random batch.
    """

    kept: list[int]
    forward: list[int]
    gaps: list[float]
    selection: Selection | None = None


def picked(prepared: Prepared, selection: Selection) -> PoolSelection:
    """Turn a finished selection into positions of the pool."""
    kept, forward = prepared.in_pool(selection.indices), prepared.in_pool(selection.forward)
    return PoolSelection(kept, forward, selection.gaps.tolist(), selection)


def select_batch(way: Way, problem: SelectionProblem, dtype: torch.dtype, devices: Sequence[str]) -> PoolSelection:
    """Run a whole selection, without a clock."""
    prepared = prepare_embedding(way, problem, outputs(problem, dtype, devices[0]))
    running = search(way, problem, prepared, dtype, devices)
    running.set_up()
    running.forward()
    running.backward()
    return picked(prepared, running.finish())


def random_batch(problem: SelectionProblem, draw: int) -> PoolSelection:
    """Draw B unlabelled candidates uniformly; every ``draw`` gives another batch."""
    labelled = synthetic_labelled(problem)
    free = torch.ones(problem.n, dtype=torch.bool)
    free[labelled] = False
    left = free.nonzero()[:, 0]
    g = torch.Generator().manual_seed(1_000_003 * (problem.seed + 1) + draw)
    kept = left[torch.randperm(len(left), generator=g)[: problem.batch]].tolist()
    return PoolSelection(kept, kept, [])


def synthetic_labelled(problem: SelectionProblem) -> Tensor:
    """The labelled positions of the problem's pool."""
    return outputs(problem, torch.float32, "cpu").labelled


@dataclass(frozen=True)
class Reference:
    """The float64 selection that others are compared with.

    Attributes:
        picked: the selection.
        method: the way that made it: ``published`` or ``incremental``.
        objective: tr(F M⁻¹) of its batch.
    """

    picked: PoolSelection
    method: str
    objective: float


@lru_cache(maxsize=256)
def float64_reference(problem: SelectionProblem, budget: float, devices: tuple[str, ...]) -> Reference | None:
    """Select in float64, once a process; None where every way would take more than ``budget`` operations.

    The published order gives way to the incremental update also where its V does not fit into memory, whatever its
    chunk.

    Raises:
        TooLargeError: the incremental update does not fit either.
    """
    method = choose_reference(problem, budget)
    if not method:
        return None
    way = with_fitting_chunk(problem, parse_way(method), "float64", devices)
    try:
        check_way_fits(problem, way, "float64", devices)
    except TooLargeError:
        way = parse_way("incremental")
        check_way_fits(problem, way, "float64", devices)
    selected = select_batch(way, problem, torch.float64, devices)
    return Reference(selected, way.name, exact_objective(problem, selected.kept, devices[0]))


@lru_cache(maxsize=256)
def guide(problem: SelectionProblem, dtype: torch.dtype, devices: tuple[str, ...]) -> tuple[int, ...]:
    """Forward picks of the incremental update: a pass that is cut short removes from these."""
    return tuple(select_batch(parse_way("incremental"), problem, dtype, devices).forward)


@lru_cache(maxsize=1)
def _exact_information(problem: SelectionProblem, device: str) -> Information:
    """F, λ and M of the whole last layer in float64."""
    pool = outputs(problem, torch.float64, device)
    V = last_layer_embedding(pool.logits, pool.features)
    return Information(V, pool.labelled.to(device), problem.batch, problem.regularisation)


@torch.no_grad()
def exact_objective(problem: SelectionProblem, kept: Sequence[int], device: str) -> float:
    """tr(F M⁻¹) of a batch in float64 with all of V, whichever way chose it."""
    batch = torch.tensor(list(kept), dtype=torch.int64, device=device)
    return _exact_information(problem, device).objective(batch)


def agreement(
    selected: PoolSelection, reference: Reference, whole: bool, dtype: torch.dtype
) -> dict[str, int | float | None]:
    """How a selection agrees with the reference, as cells of its row.

    Args:
        selected: the selection.
        reference: the float64 one.
        whole: the selection has its batch; otherwise it has its first forward picks alone.
        dtype: of the selection, which sets what counts as a tie.

    Returns:
        ``picks``: how many were compared.
        ``same_picks``: the share that is the reference's; of a batch in any order, of first forward picks in theirs.
        ``first_difference``: the first forward pick, from 0, that differs; None if none does.
        ``gap_there``: the reference's gap at that pick.
        ``tolerance``: a gap below it is a tie.
    """
    expected = reference.picked
    pairs = list(zip(selected.forward, expected.forward, strict=False))
    at = next((i for i, (pick, expected_pick) in enumerate(pairs) if pick != expected_pick), None)
    if whole:
        same, picks = len(set(selected.kept) & set(expected.kept)), len(expected.kept)
    else:
        same, picks = sum(pick == expected_pick for pick, expected_pick in pairs), len(pairs)
    return {
        "picks": picks,
        "same_picks": same / picks,
        "first_difference": at,
        "gap_there": None if at is None else expected.gaps[at],
        "tolerance": TIE[dtype],
    }
