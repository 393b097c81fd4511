"""The ways to a batch that ``fbench select`` times: their names, the problem they are put to, what they will hold.

Letters as in MATH. torch is not imported: options are parsed, and a run is planned, without it.
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
from fbench.learning.strategies import SUBSAMPLE, components_of
from fbench.machine import free_bytes

Kind = Literal["selection", "random", "score"]


@dataclass(frozen=True)
class Problem:
    """A pool and what is asked of it: everything that a selection depends on but the way to it and its dtype.

    Attributes:
        n: candidates, the labelled included.
        k: classes.
        d: weights of the last layer, k·h.
        batch: B.
        labelled: n_L.
        regularisation: λ, or ``rel:c``.
        oversample: forward picks over B.
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
        """Features entering the last layer."""
        return self.d // self.k

    @property
    def picks(self) -> int:
        """Forward picks in all."""
        return min(math.ceil(self.oversample * self.batch), self.n - self.labelled)

    @property
    def removals(self) -> int:
        """Backward removals in all."""
        return self.picks - self.batch


@dataclass(frozen=True)
class Way:
    """A way to a batch.

    Attributes:
        name: as typed.
        kind: a whole selection, a random batch, or the scores of all candidates once.
        embedding: of ``fisher.methods``; ``built`` is the exact one's V, built, ``dense`` V of all k rows, built;
            ``subsample`` the exact one of a part.
        number: classes, components or candidates kept; 0 where there is none, or where it is automatic.
        engine: ``method`` of ``bait_select``.
        chunk_size: candidates of a chunk where every score is made anew for every pick.
    """

    name: str
    kind: Kind = "selection"
    embedding: str = "exact"
    number: int = 0
    engine: str = "incremental"
    chunk_size: int = CHUNK_SIZE

    @property
    def exact(self) -> bool:
        """Whether it gives the exact method's batch, rounding aside."""
        return self.kind == "selection" and self.engine != "diagonal" and self.embedding in ("exact", "dense", "built")

    @property
    def anew(self) -> bool:
        """Whether every score is made anew for every pick, chunk by chunk."""
        return self.engine in CHUNKED

    def count(self, problem: Problem) -> int:
        """The number, automatic ones filled in as the strategies of the same names do."""
        if self.embedding == "pca":
            return self.number or components_of(problem.h)
        if self.embedding == "subsample":
            return min(self.number or SUBSAMPLE * problem.batch, problem.n - problem.labelled)
        return self.number

    def shape(self, problem: Problem) -> Shape:
        """Of the embedding that it selects on."""
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
_NUMBERED = re.compile(r"(?P<name>top|pca:|subsample:)(?P<number>[1-9][0-9]{0,8})")
_SPELLED = (*_WAYS, "top2", "pca:16", "subsample:1000")


def parse_way(text: str) -> Way:
    """A way by its name: ``topC``, ``pca:H`` and ``subsample:N`` carry a number, which the last two may leave out.

    Raises:
        UnknownNameError: another name.
    """
    if text in _WAYS:
        return _WAYS[text]
    match = _NUMBERED.fullmatch(text)
    if match is None:
        raise UnknownNameError("--methods", text, _SPELLED)
    way = _WAYS.get(match["name"].rstrip(":"), Way(text, embedding="top"))
    return replace(way, name=text, number=int(match["number"]))


def parse_ways(text: str) -> tuple[str, ...]:
    """A comma list of ways, each of them known."""
    return tuple(parse_way(name).name for name in parse_names(text, "method"))


def unfit(problem: Problem, way: Way, devices: Sequence[str]) -> str:
    """Why the way cannot be put to the problem; empty where it can."""
    number, left = way.count(problem), problem.n - problem.labelled
    if problem.d % problem.k:
        return f"dim {problem.d} is not a multiple of classes {problem.k}: d of the last layer is classes × features"
    if left < problem.batch:
        return f"batch {problem.batch} is more than the {max(0, left)} unlabelled of {problem.n} candidates"
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


def plan_way(problem: Problem, way: Way, dtype: str) -> SelectionPlan:
    """What a way will hold beyond the network's logits and features, its embedding included, on one device."""
    return plan_selection(
        _held(problem, way), dtype=dtype, method=way.engine, copied=True, counts=_counts(problem, way)
    )


def check_memory(problem: Problem, way: Way, dtype: str, devices: Sequence[str]) -> None:
    """Refuse what would not fit, before anything of it is allocated.

    Raises:
        TooLargeError: with the bytes needed and free, and what would fit.
    """
    if way.kind != "random":
        check_devices(_held(problem, way), dtype, way.engine, devices, counts=_counts(problem, way))


def fitted(problem: Problem, way: Way, dtype: str, devices: Sequence[str]) -> Way:
    """The way with the largest chunk up to its own that every device has room for; as it is where not even one fits."""
    if not way.anew:
        return way
    plans = device_plans(_held(problem, way), dtype, way.engine, devices, counts=_counts(problem, way))
    rooms = [(plan, free_bytes(device)) for device, plan in plans.items()]
    chunks = [largest_chunk(plan, free, way.chunk_size) for plan, free in rooms if free is not None]
    return replace(way, chunk_size=min(chunks, default=way.chunk_size) or way.chunk_size)


def _counts(problem: Problem, way: Way) -> StepCounts:
    return StepCounts(problem.picks, problem.removals, way.chunk_size)


def _held(problem: Problem, way: Way) -> Shape:
    """The shape whose selection holds as much: six k×k stacks beside the embedding are G and H of 3k rows, packed."""
    shape = way.shape(problem)
    return replace(shape, rows=3 * problem.k) if way.kind == "score" else shape


def published_operations(problem: Problem, picks: int | None = None) -> float:
    """8·n·k·d² a forward pick: what the published order does to all candidates."""
    return 8.0 * problem.n * problem.k * problem.d**2 * (problem.picks if picks is None else picks)


def incremental_operations(problem: Problem) -> float:
    """F, G and H of a factored embedding, about 8·d³ for M⁻¹ and M⁻¹FM⁻¹, and 4·n·k·d a pick."""
    setup = 3.0 * problem.n * problem.d**2 + 16.0 * problem.d**3  # 8·d³ before the first pick, 8·d³ before removals
    return setup + 4.0 * problem.n * problem.k * problem.d * problem.picks


def choose_reference(problem: Problem, budget: float) -> str:
    """Which float64 selection to hold others to: the published order where that is at most ``budget`` operations,
    else the incremental update where that is, else none (an empty name).
    """
    costs = {"published": published_operations(problem), "incremental": incremental_operations(problem)}
    return next((name for name, cost in costs.items() if cost <= budget), "")
