"""A kernel's sweep over chunk sizes: its best chunk, what chunk size is worth, how kernels compare.

Numbers only; ``chunk_findings`` puts them into words, ``chunk_summary`` into tables and ``chunk_figures`` draws them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from fbench.harness.contract import Row
from fbench.measure import spectrum
from fbench.measure.medians import knee
from fbench.results.ratios import Ratio, Seconds, ratio

from .points import Control, Point, ceilings, shard

PROBLEM = ("candidates", "classes", "dim", "dtype")
LETTERS = {"candidates": "n", "classes": "k", "dim": "d", "dtype": "dtype"}
BASE = "published"
LEAST_BLOCKS = 4
"""Below so many common blocks there is no even half to choose on and odd half to estimate on."""


@dataclass(frozen=True)
class Sweep:
    """One kernel on one problem: ``points`` by chunk size on all devices, ``alone`` the same on the first by itself.

    ``singles`` are the points of single chunks by their candidates m.
    """

    kernel: str
    problem: tuple[Any, ...]
    points: Mapping[int, Point]
    alone: Mapping[int, Point]
    singles: Mapping[int, Point]

    @property
    def sizes(self) -> list[int]:
        """Chunk sizes, the smallest first."""
        return sorted(self.points)

    @property
    def best(self) -> Point:
        """The point with the smallest median."""
        return min(self.points.values(), key=lambda point: point.median.median)

    @property
    def row(self) -> Row:
        """Any of the rows, for what they have in common."""
        return next(iter(self.points.values())).row

    @property
    def variant(self) -> str:
        """``:no-inner`` of a kernel without A⁻¹, else nothing: only one variant's kernels give the same numbers."""
        return self.kernel[len(self.kernel.split(":")[0]) :]

    @property
    def shard(self) -> int:
        """Candidates on the device that has the most."""
        return shard(self.row)

    def even_sizes(self) -> list[int]:
        """The longest evenly spaced run of sizes up to the shard: all above it are one chunk of it."""
        return spectrum.even_run([size for size in self.sizes if size <= self.shard])

    def even_singles(self) -> list[int]:
        """The longest evenly spaced run of single chunks."""
        return spectrum.even_run(sorted(self.singles))

    def tau(self) -> dict[int, float]:
        """τ(m) in seconds."""
        return {m: point.median.median for m, point in self.singles.items()}


def sweeps(points: Sequence[Point]) -> list[Sweep]:
    """Every kernel on every problem, problems by size and kernels in the order of the rows."""
    found: dict[tuple[tuple[Any, ...], str], list[Point]] = {}
    for point in points:
        if point.row["phase"] == "sweep":
            found.setdefault((tuple(point.row[name] for name in PROBLEM), point.row["kernel"]), []).append(point)
    problems = sorted(dict.fromkeys(problem for problem, _ in found))
    return [_sweep(*key, found[key], points) for each in problems for key in found if key[0] == each]


def _sweep(problem: tuple[Any, ...], kernel: str, own: Sequence[Point], points: Sequence[Point]) -> Sweep:
    most = max(point.row["gpus"] for point in own)
    same = (kernel, most, *problem[1:])
    singles = [p for p in points if p.row["phase"] == "single" and _setting(p.row) == same]
    return Sweep(
        kernel,
        problem,
        _by_size([point for point in own if point.row["gpus"] == most]),
        _by_size([point for point in own if point.row["gpus"] < most]),
        _by_size(singles),
    )


def _setting(row: Row) -> tuple[Any, ...]:
    """All that a single chunk shares with the sweep that it explains."""
    return (row["kernel"], row["gpus"], *(row[name] for name in PROBLEM[1:]))


def _by_size(points: Sequence[Point]) -> dict[int, Point]:
    return {point.row["chunk_size"]: point for point in sorted(points, key=lambda point: point.row["chunk_size"])}


class Effect(NamedTuple):
    """Time at the worst chunk over time at the best, chosen on even blocks and paired by block on the odd ones."""

    ratio: Ratio
    blocks: int
    best: int
    worst: int

    @property
    def known(self) -> bool:
        """Whether there are blocks enough for an interval."""
        return self.ratio.n >= LEAST_BLOCKS // 2

    @property
    def resolved(self) -> bool:
        """Whether the interval lies above 1."""
        return self.ratio.low > 1


def effect(sweep: Sweep) -> Effect | None:
    """What chunk size is worth: best and worst of noisy times always differ, so other blocks are asked how much.

    The ratio is of no block where best and worst have fewer than 4 blocks in common; None for a single size.
    """
    chosen = {size: median(_half(point.seconds, 0).values()) for size, point in sweep.points.items() if _chosen(point)}
    if len(chosen) < 2:
        return None
    best, worst = min(chosen, key=chosen.__getitem__), max(chosen, key=chosen.__getitem__)
    slow, fast = (sweep.points[size].seconds for size in (worst, best))
    common = len(slow.keys() & fast.keys())
    if common < LEAST_BLOCKS:
        slow = {}
    return Effect(ratio(_half(slow, 1), _half(fast, 1)), common, best, worst)


def _chosen(point: Point) -> bool:
    return bool(_half(point.seconds, 0))


def _half(seconds: Seconds, odd: int) -> dict[int, float]:
    return {block: value for block, value in seconds.items() if block % 2 == odd}


def knee_of(sweep: Sweep, budget: int | None) -> int | None:
    """Smallest chunk within the interval of the best, among those known to fit ``budget`` bytes (None: no limit)."""
    points = [sweep.points[size] for size in sweep.sizes]
    peaks = [None if (peak := point.number("peak_bytes")) is None else int(peak) for point in points]
    return knee(sweep.sizes, [point.median for point in points], peaks, budget)


def gemm_share(point: Point, control: Control) -> Ratio:
    """Share of the control's rate on as many devices, paired by block."""
    devices, flops = ceilings(point.row), point.flops
    each = control.seconds(point.row["dtype"]) if flops is not None else {}
    return ratio({block: flops * seconds / devices for block, seconds in each.items() if flops}, point.seconds)


def against(sweep: Sweep, others: Sequence[Sweep]) -> Ratio | None:
    """How many times less than the published kernel of its variant, each at its best chunk; None without one.

    Of no block where they have none in common; so are the shares and efficiencies beside it.
    """
    same = [other for other in others if other.kernel == BASE + sweep.variant and other.problem == sweep.problem]
    if not same or same[0].kernel == sweep.kernel:
        return None
    return ratio(same[0].best.seconds, sweep.best.seconds)


def scaling(sweep: Sweep) -> Ratio | None:
    """Efficiency t₁/(g·t_g) at the best chunk, paired by block; None where no device alone was timed."""
    if not sweep.alone:
        return None
    alone = sweep.alone.get(sweep.best.row["chunk_size"])
    n, *found = ratio({} if alone is None else alone.seconds, sweep.best.seconds)
    gpus = sweep.best.row["gpus"] / next(iter(sweep.alone.values())).row["gpus"]
    return Ratio(n, *(value / gpus for value in found))


def errors(sweep: Sweep) -> dict[int, float]:
    """(measured − predicted)/predicted by chunk size, where a prediction is."""
    predicted = {size: point.number("predicted_s") for size, point in sweep.points.items()}
    return {size: sweep.points[size].median.median / time - 1 for size, time in predicted.items() if time}
