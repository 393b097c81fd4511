"""The ways to a batch that ``fbench select`` times: their names, the problem they solve, the memory they will hold.

Letters are those of fbench/fisher/MATH.md.
torch is not imported, so that options are parsed and a run is planned without it.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fbench.errors import UnknownNameError
from fbench.fisher.planning.fitting import CHUNKED, check_devices, device_plans, largest_chunk
from fbench.fisher.planning.plan import CHUNK_SIZE, SelectionPlan, Shape, StepCounts, plan_selection
from fbench.fisher.selection.methods import EMBEDDING_METHODS
from fbench.harness.sweep import parse_names
from fbench.learning.strategies.bait import SUBSAMPLE, components_of
from fbench.machine import free_bytes

Purpose = Literal["selection", "random", "score"]
"""What a way gives: a whole selection, a random batch, or the scores of all candidates once."""


@dataclass(frozen=True)
class SelectionProblem:
    """A pool and the batch that is asked of it: all that a selection depends on but its way and its dtype.

    Attributes:
        n: candidates, the labelled ones included.
        k: classes.
        d: weights of the last layer, k·h.
        batch: B.
        labelled: n_L, candidates that have their labels.
        regularisation: λ, ``rel:c`` or ``deff:c``.
        oversample: forward picks over B, before the backward removals.
        seed: of the pool.
    """

    n: int
    k: int
    d: int
    batch: int
    labelled: int
    regularisation: str = "1"
    oversample: float = 2.0
    seed: int = 0

    @property
    def h(self) -> int:
        """Features that enter the last layer."""
        return self.d // self.k

    @property
    def picks(self) -> int:
        """Forward picks of a whole selection."""
        return min(math.ceil(self.oversample * self.batch), self.n - self.labelled)

    @property
    def removals(self) -> int:
        """Backward removals of a whole selection."""
        return self.picks - self.batch


@dataclass(frozen=True)
class Way:
    """A way to a batch.

    Attributes:
        name: as typed.
        purpose: what it gives.
        embedding: a name of ``METHODS``; or ``built``, V of the exact one as a dense array; ``dense``, V of all k rows
            as a dense array; ``subsample``, the exact one of a part of the candidates.
        number: classes, components or candidates kept; 0 where there is no such number, or where it is automatic.
        engine: ``method`` of ``bait_select``.
        chunk_size: candidates of a chunk, where every score is made anew for every pick.
    """

    name: str
    purpose: Purpose = "selection"
    embedding: str = "exact"
    number: int = 0
    engine: str = "incremental"
    chunk_size: int = CHUNK_SIZE

    @property
    def exact(self) -> bool:
        """Whether the way gives the exact method's batch, rounding aside."""
        exact_embedding = self.embedding in ("exact", "dense", "built")
        return self.purpose == "selection" and self.engine != "diagonal" and exact_embedding

    @property
    def anew(self) -> bool:
        """Whether every score is made anew for every pick, chunk by chunk."""
        return self.engine in CHUNKED

    def count(self, problem: SelectionProblem) -> int:
        """``number``; an automatic one is what the strategy of the same name would take."""
        if self.embedding == "pca":
            return self.number or components_of(problem.h)
        if self.embedding == "subsample":
            return min(self.number or SUBSAMPLE * problem.batch, problem.n - problem.labelled)
        return self.number

    def shape(self, problem: SelectionProblem) -> Shape:
        """The shape of the embedding that the way selects on."""
        n, k, h, number = problem.n, problem.k, problem.h, self.count(problem)
        if self.embedding in ("dense", "built"):
            return Shape(n, k if self.embedding == "dense" else k - 1, problem.d)
        if self.embedding == "subsample":
            return EMBEDDING_METHODS["exact"].shape(problem.labelled + number, k, h, 0)
        return EMBEDDING_METHODS[self.embedding].shape(n, k, h, number)


_WAYS = {
    way.name: way
    for way in (
        Way("incremental"),
        Way("published", embedding="dense", engine="published"),
        Way("fused", embedding="built", engine="fused"),
        Way("factored", engine="factored"),
        Way("diagonal", engine="diagonal"),
        Way("binary", embedding="binary"),
        Way("pca", embedding="pca"),
        Way("subsample", embedding="subsample"),
        Way("random", "random"),
        Way("score-packed", "score"),
        Way("score-cholesky", "score"),
        Way("score-inverse", "score"),
    )
}
AGAIN = ":again"
"""What the name of a way ends with where ``--null`` gives it a second time."""
EXACT_METHODS = tuple(name for name, way in _WAYS.items() if way.exact)
"""Names of the ways that give the exact method's batch, rounding aside."""
_NUMBERED = re.compile(r"(?P<name>top|pca:|subsample:)(?P<number>[1-9][0-9]{0,8})")
_SPELLED = (*_WAYS, "top2", "pca:16", "subsample:1000")


def parse_way(text: str) -> Way:
    """Read a way by its name: ``topC``, ``pca:H`` and ``subsample:N`` carry a number, which the last two may leave out.

    A name that ends with ``AGAIN`` is the same way once more.

    Raises:
        UnknownNameError: no way has this name.
    """
    if text in _WAYS:
        return _WAYS[text]
    first = text.removesuffix(AGAIN)
    if first != text:
        return replace(parse_way(first), name=text)
    match = _NUMBERED.fullmatch(text)
    if match is None:
        raise UnknownNameError("--methods", text, _SPELLED)
    way = _WAYS.get(match["name"].rstrip(":"), Way(text, embedding="top"))
    return replace(way, name=text, number=int(match["number"]))


def parse_ways(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of ways.

    Raises:
        UnknownNameError: no way has one of the names.
        SweepError: a name is missing or stands twice.
    """
    return tuple(parse_way(name).name for name in parse_names(text, "method"))


def given_twice(names: Sequence[str]) -> tuple[str, ...]:
    """Every way that is timed and the same once more, as ``--null`` compares them.

    Example:
        >>> given_twice(["incremental", "random"])
        ('incremental', 'incremental:again')
    """
    timed = (name for name in names if parse_way(name).purpose == "selection" and not name.endswith(AGAIN))
    return tuple(twin for name in timed for twin in (name, name + AGAIN))


def unfit_reason(problem: SelectionProblem, way: Way, devices: Sequence[str]) -> str:
    """Why the way cannot solve the problem, as a sentence; empty where it can."""
    number, left = way.count(problem), problem.n - problem.labelled
    if problem.d % problem.k:
        return f"dim {problem.d} is not a multiple of classes {problem.k}: d of the last layer is classes × features"
    if left < problem.batch:
        free = f"the {max(0, left)} that --labelled {problem.labelled} leaves of --candidates {problem.n}"
        return f"--batch {problem.batch} is more than {free}"
    if way.embedding == "top" and number > problem.k:
        return f"{way.name} keeps {number} classes, more than the {problem.k} there are"
    if way.embedding == "pca" and number > problem.h:
        return f"{way.name} keeps {number} components, more than the {problem.h} features"
    if way.embedding == "subsample" and number < problem.batch:
        return f"{way.name} keeps {number} unlabelled candidates, fewer than batch {problem.batch}"
    if way.name == "score-packed" and any(device != "cpu" for device in devices):
        return "score-packed is compiled for CPUs; on a GPU the scores come from torch, as score-cholesky's"
    if way.name == "score-packed" and importlib.util.find_spec("numba") is None:
        return "score-packed needs numba; pip install numba"
    return ""


def plan_way(problem: SelectionProblem, way: Way, dtype: str) -> SelectionPlan:
    """Plan what a way will hold on one device beyond the network's logits and features; its embedding is included."""
    return plan_selection(
        _held(problem, way), dtype=dtype, method=way.engine, copied=True, counts=_counts(problem, way)
    )


def check_way_fits(problem: SelectionProblem, way: Way, dtype: str, devices: Sequence[str]) -> None:
    """Refuse a way that would not fit into memory, before anything is allocated.

    Raises:
        TooLargeError: the way would not fit; says the bytes needed and free, and what would fit.
    """
    if way.purpose != "random":
        check_devices(_held(problem, way), dtype, way.engine, devices, counts=_counts(problem, way))


def with_fitting_chunk(problem: SelectionProblem, way: Way, dtype: str, devices: Sequence[str]) -> Way:
    """The way, its chunk lowered to what every device has room for; as it is where not even one candidate fits."""
    if not way.anew:
        return way
    plans = device_plans(_held(problem, way), dtype, way.engine, devices, counts=_counts(problem, way))
    rooms = [(plan, free_bytes(device)) for device, plan in plans.items()]
    chunks = [largest_chunk(plan, free, way.chunk_size) for plan, free in rooms if free is not None]
    return replace(way, chunk_size=min(chunks, default=way.chunk_size) or way.chunk_size)


def _counts(problem: SelectionProblem, way: Way) -> StepCounts:
    return StepCounts(problem.picks, problem.removals, way.chunk_size, problem.labelled)


def _held(problem: SelectionProblem, way: Way) -> Shape:
    """The shape of a selection that holds as much as the way.

    Scores hold six k×k stacks beside the embedding, as much as the packed G and H of a selection with 3k rows.
    """
    shape = way.shape(problem)
    return replace(shape, rows=3 * problem.k) if way.purpose == "score" else shape


def published_operations(problem: SelectionProblem, picks: int | None = None) -> float:
    """Operations of the published order: 8·n·k·d² a forward pick, over all candidates; of all picks by default."""
    return 8.0 * problem.n * problem.k * problem.d**2 * (problem.picks if picks is None else picks)


def incremental_operations(problem: SelectionProblem) -> float:
    """Operations of the incremental update: F, G and H of a factored embedding, M⁻¹ and M⁻¹FM⁻¹, 4·n·k·d a pick."""
    setup = 3.0 * problem.n * problem.d**2 + 16.0 * problem.d**3  # 8·d³ before the first pick, 8·d³ before removals
    return setup + 4.0 * problem.n * problem.k * problem.d * problem.picks


def choose_reference(problem: SelectionProblem, budget: float) -> str:
    """Choose the float64 selection to compare with.

    It is the published order where that takes at most ``budget`` operations, else the incremental update where that
    does, else none, which is an empty name.
    """
    costs = {"published": published_operations(problem), "incremental": incremental_operations(problem)}
    return next((name for name, cost in costs.items() if cost <= budget), "")
