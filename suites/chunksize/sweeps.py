"""A kernel's sweep over chunk sizes: its points and single chunks, its rate, its scaling, its predictions.

Numbers only: ``answers`` and ``evidence`` put them into words and tables, and ``figures`` draws them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fbench.measure import spectrum
from fbench.results.ratios import Ratio, ratio

from .control import Control
from .points import TimedPoint
from .rows import ProblemKey

PROBLEM_LETTERS = {"candidates": "n", "classes": "k", "dim": "d", "dtype": "dtype"}
"""What the sizes of a ``ProblemKey`` are called in tables and sentences."""
_LISTED = 10
"""More sizes are not listed one by one."""
BASE = "published"
"""The kernel that all others are compared with."""


@dataclass(frozen=True)
class Sweep:
    """One kernel on one problem: ``points`` by chunk size on all devices, ``alone`` the same on the first by itself.

    ``singles`` are the points of single chunks by their candidates m. All three have the smallest size first.
    """

    kernel: str
    problem: ProblemKey
    points: Mapping[int, TimedPoint]
    alone: Mapping[int, TimedPoint]
    singles: Mapping[int, TimedPoint]

    @property
    def sizes(self) -> list[int]:
        """Chunk sizes, the smallest first."""
        return sorted(self.points)

    @property
    def best(self) -> TimedPoint:
        """The point with the smallest median."""
        return min(self.points.values(), key=lambda point: point.median.median)

    @property
    def any_point(self) -> TimedPoint:
        """One of the points, for what all have in common."""
        return next(iter(self.points.values()))

    @property
    def gpus(self) -> int:
        """The number of devices."""
        return self.any_point.key.gpus

    @property
    def variant(self) -> str:
        """``:no-inner`` of a kernel without A⁻¹, else nothing: only one variant's kernels give the same numbers."""
        return self.kernel[len(self.kernel.split(":")[0]) :]

    @property
    def shard(self) -> int:
        """Candidates on the device that has the most."""
        return self.any_point.key.largest_shard

    def even_sizes(self) -> list[int]:
        """The longest evenly spaced run of sizes up to the shard: all above it are one chunk of it."""
        return spectrum.even_run([size for size in self.sizes if size <= self.shard])

    def even_singles(self) -> list[int]:
        """The longest evenly spaced run of single chunks."""
        return spectrum.even_run(sorted(self.singles))

    def tau(self) -> dict[int, float]:
        """τ(m) in seconds, by m."""
        return {m: point.median.median for m, point in self.singles.items()}


def group_sweeps(points: Sequence[TimedPoint]) -> list[Sweep]:
    """Every kernel on every problem, problems by size and kernels in the order of the rows."""
    groups: dict[tuple[ProblemKey, str], list[TimedPoint]] = {}
    for point in points:
        if point.key.phase == "sweep":
            groups.setdefault((point.key.problem, point.key.kernel), []).append(point)
    by_problem = sorted(groups, key=lambda group: group[0])  # stable: kernels stay in the order of the rows
    return [_sweep(problem, kernel, groups[problem, kernel], points) for problem, kernel in by_problem]


def _sweep(problem: ProblemKey, kernel: str, swept: Sequence[TimedPoint], points: Sequence[TimedPoint]) -> Sweep:
    most = max(point.key.gpus for point in swept)
    explained = (kernel, most, problem._replace(candidates=0))
    return Sweep(
        kernel,
        problem,
        _by_size([point for point in swept if point.key.gpus == most]),
        _by_size([point for point in swept if point.key.gpus < most]),
        _by_size([point for point in points if point.key.phase == "single" and _explains(point) == explained]),
    )


def _explains(point: TimedPoint) -> tuple[str, int, ProblemKey]:
    """What a single chunk shares with the sweep that it explains: kernel, devices and all of the problem but n."""
    return point.key.kernel, point.key.gpus, point.key.problem._replace(candidates=0)


def _by_size(points: Sequence[TimedPoint]) -> dict[int, TimedPoint]:
    return {point.key.chunk_size: point for point in sorted(points, key=lambda point: point.key.chunk_size)}


def varying_in_sweeps(problems: Sequence[ProblemKey]) -> list[str]:
    """The fields in which the problems differ."""
    return [
        name for name, sizes in zip(ProblemKey._fields, zip(*problems, strict=True), strict=True) if len(set(sizes)) > 1
    ]


def gemm_share(point: TimedPoint, control: Control) -> Ratio:
    """Share of the ceiling's rate on as many devices, paired by block; of no block where operations are not known."""
    flops, devices = point.flops, point.key.ceilings
    if not flops:
        return ratio({}, point.seconds)
    ceiling = {block: flops * s / devices for block, s in control.operation_seconds(point.key.dtype).items()}
    return ratio(ceiling, point.seconds)


def sizes_tried(sweeps: Sequence[Sweep]) -> str:
    """All sizes of some sweeps: one by one, of many evenly spaced ones the ends and the step, else the ends.

    Each of many has its number beside it: ``8 to 512 by 8 (64)``.
    """
    sizes = sorted({size for sweep in sweeps for size in sweep.sizes})
    if len(sizes) <= _LISTED:
        return ", ".join(f"{size:,}" for size in sizes)
    steps = {later - size for size, later in itertools.pairwise(sizes)}
    by = f" by {steps.pop():,}" if len(steps) == 1 else ""
    return f"{sizes[0]:,} to {sizes[-1]:,}{by} ({len(sizes)})"


def published_of(sweep: Sweep, others: Sequence[Sweep]) -> Sweep | None:
    """The published kernel of the same variant on the same problem; None where there is none, or it is that itself."""
    base = BASE + sweep.variant
    alike = (other for other in others if (other.kernel, other.problem) == (base, sweep.problem))
    return next((other for other in alike if other.kernel != sweep.kernel), None)


def scaling(sweep: Sweep, size: int) -> Ratio | None:
    """Efficiency t₁/(g·t_g) at a chunk size, paired by block; None where no device alone was timed.

    The ratio is of no block where both have none in common.
    """
    if not sweep.alone:
        return None
    alone = sweep.alone.get(size)
    n, *speedup = ratio({} if alone is None else alone.seconds, sweep.points[size].seconds)
    devices = sweep.gpus / next(iter(sweep.alone.values())).key.gpus
    return Ratio(n, *(value / devices for value in speedup))


def prediction_errors(sweep: Sweep) -> dict[int, float]:
    """(measured − predicted)/predicted by chunk size, where there is a prediction."""
    return {
        size: point.median.median / point.predicted_s - 1 for size, point in sweep.points.items() if point.predicted_s
    }
