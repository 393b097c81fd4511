"""Blocks of one case of ``fbench chunksize`` as rows: a control, then passes or single chunks with their errors."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import torch

from fbench.errors import TooLargeError
from fbench.harness.contract import Row, Unit
from fbench.machine import free_bytes
from fbench.measure.conditions import Conditions
from fbench.measure.medians import LEAST_FOR_INTERVAL, median_interval
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import Pass, TimeMeter, meter, warm_up_passes
from fbench.measure.together import time_together
from fbench.units import format_bytes

from . import plan, problem
from .control import beside_seconds
from .decomposition import chunks
from .options import Point
from .passes import ShardPasses
from .problem import ShardedProblem
from .rows import rows_by_block, seconds_by_devices

_BLOCK_S, _MOST_PASSES, _BLOCKS = 0.03, 10, 12
"""A block times passes for about so long, one at least and so many at most; no longer than leaves time for blocks."""
_FIRST_WARM_UP_S, _WARM_UP_S = 0.1, 0.005
_SHORT_S = 0.02
"""A pass this long needs no warming up after other cases' turns: what is cold is warm within a hundredth of it."""
_BESIDE = {
    "cpu": ((2, 128, 1280), (4, 512, 512)),
    "cuda": ((4, 1024, 8192), (4, 4096, 4096)),
}
"""(products, rows, side) of the control and of the ceiling. The control's matrix is larger than a core's caches, for
what drifts is who else uses the shared ones, and where the cores lie: of seven tried on two virtual cores such a
one followed the kernels best (correlation .8 over 150 s; a square product within the caches: .2)."""


@dataclass(frozen=True)
class ChunkCase:
    """One case: its point, the devices, how long it may be timed, the precision to stop at, and the largest pool.

    ``work_size`` are the candidates of the chunks that are timed, where they are not the point's own: a null run's.
    """

    point: Point
    devices: tuple[str, ...]
    budget_s: float
    precision: float
    pool: int
    seed: int
    ends_at: float = math.inf
    work_size: int | None = None

    @property
    def size(self) -> int:
        """Candidates of a chunk that is timed."""
        return self.point.chunk_size if self.work_size is None else self.work_size

    @property
    def placements(self) -> list[tuple[str, ...]]:
        """All devices, and where there are several the first alone; of a single chunk those whose shards hold it."""
        choices = list(dict.fromkeys([self.devices, self.devices[:1]]))
        if self.point.phase != "single":
            return choices
        return [devices for devices in choices if self.point.chunk_size <= chunks(self.pool, len(devices))]


def run(case: ChunkCase, committed: Mapping[str, Sequence[Row]]) -> Iterator[Unit]:
    """Yield blocks after those committed, until every placement has converged or the time is spent."""
    history = _History(case, committed)
    placements = [_Placed(case, devices) for devices in case.placements]
    while not history.ended() and time.monotonic() < case.ends_at:
        started_at, start = time.time(), time.perf_counter()
        control = _control_row(case)
        _watch(case.devices).read()  # steal is counted from here on: it is to be that of this case's passes
        rows = [row for placed in placements for row in placed.block(first=history.blocks == 0)]
        condition = {**control, **_watch(case.devices).read()}
        history.add(seconds_by_devices(rows), control["control_s"] + control["gemm_s"])
        wall = time.perf_counter() - start
        if history.blocks > 1:  # the first one's setting up is in no other, and much of it is done for all cases
            history.count_wall(wall)
        index = history.blocks - 1
        times = {"started_at_s": started_at, "took_s": wall}
        yield Unit(index, rows, {"conditions": [condition], "times": [times]}, left_s=history.left_s())


class _History:
    """Block medians and seconds spent: of blocks on disk what was timed in them, of others all that they took."""

    def __init__(self, case: ChunkCase, committed: Mapping[str, Sequence[Row]]) -> None:
        self._case, self.blocks, self._spent_s, self._timed_s = case, 0, 0.0, 0.0
        self._medians: dict[int, list[float]] = {}
        beside = beside_seconds(committed.get("conditions", ()))
        for block, rows in rows_by_block(committed.get("results", ())).items():
            self.add(seconds_by_devices(rows), beside[block])

    def add(self, seconds: Mapping[int, Sequence[float]], beside_s: float) -> None:
        """Count a block: the seconds of its passes by the number of devices, and of what was timed beside them."""
        self.blocks += 1
        self._timed_s = beside_s + sum(sum(times) for times in seconds.values())
        self._spent_s += self._timed_s
        for devices, times in seconds.items():
            self._medians.setdefault(devices, []).append(statistics.median(times))

    def count_wall(self, seconds: float) -> None:
        """The last block took so long in all: what lies around its passes is time spent as well."""
        self._spent_s += max(seconds - self._timed_s, 0.0)

    def ended(self) -> bool:
        if not self.blocks:
            return False
        widths = [median_interval(medians).width for medians in self._medians.values()]
        share = self._spent_s / self._case.budget_s
        spent = share >= 2 or (share >= 1 and self.blocks >= LEAST_FOR_INTERVAL)  # for an interval
        return spent or all(width <= self._case.precision for width in widths)

    def left_s(self) -> float:
        """Seconds that the case may still take, if its interval does not narrow before."""
        if self.ended():
            return 0.0
        block_s = self._spent_s / self.blocks
        return max(self._case.budget_s - self._spent_s, block_s * max(1, LEAST_FOR_INTERVAL - self.blocks))


class _Placed:
    """A case on a choice of devices: its passes, ready to run."""

    def __init__(self, case: ChunkCase, devices: tuple[str, ...]) -> None:
        point = self._point = case.point
        self._single, self._size = point.phase == "single", case.size
        even = len(devices) * chunks(case.pool, len(devices))  # every shard holds the chunk
        n = even if self._single else point.candidates
        self._problem = ShardedProblem(n, point.classes, point.dim, point.dtype, devices, case.seed)
        self._block_s = min(_BLOCK_S, case.budget_s / _BLOCKS)
        self._meters = [_meter(device) for device in devices]
        self._pass_s: float | None = None  # of the last block
        self._next = 0  # of the passes: single chunks go on through the pool from block to block

    def block(self, *, first: bool) -> list[Row]:
        """The rows of a block: in the first one a pass for memory, and longer warming up."""
        if first:
            self._check_memory()
        shards = [self._shard(number) for number in range(len(self._meters))]
        runs: list[Pass] = [shard.run for shard in shards]
        rows: list[Row] = []
        if first:  # not used: libraries compile, and make a thread's handles, at the first use
            self._pass_s = time_together(self._meters, runs, [0]).seconds[0]
        if first and not self._single:
            rows.append(self._memory(runs[0]))
        rows += self._timed(shards, runs, self._typical_s(runs, first=first))
        return [{**self._columns(), **row} for row in rows]

    def _memory(self, run_pass: Pass) -> Row:
        """A pass on the first device that is looked at for its memory and not timed."""
        with peak_growth(self._problem.devices[0]) as growth:
            run_pass(0)
        return {"phase": "memory", "pass_index": 0, "peak_bytes": growth.peak_bytes}

    def _timed(self, shards: Sequence[ShardPasses], runs: Sequence[Pass], typical_s: float) -> list[Row]:
        """The passes of a block, as many as fit its time, each with its error."""
        count = min(_MOST_PASSES, max(1, round(self._block_s / typical_s)))
        # Several devices have new threads in every block: a pass before the timed ones wakes them
        awake = 0 if len(runs) == 1 else 1
        passes = range(self._next, self._next + awake + count)
        self._next += awake + count
        timed = time_together(self._meters, runs, passes)
        self._pass_s = max(statistics.median(timed.seconds[awake:]), 1e-7)
        rows = []
        for at in range(awake, awake + count):
            error = max(shard.error(passes[at], timed.results[number][at]) for number, shard in enumerate(shards))
            numbers = {"time_s": timed.seconds[at], "max_rel_error": error}
            rows.append({"phase": self._point.phase, "pass_index": at - awake, **numbers})
        return rows

    def _shard(self, number: int) -> ShardPasses:
        return ShardPasses(self._problem, number, self._point.kernel, self._size, self._single)

    def _typical_s(self, runs: Sequence[Pass], *, first: bool) -> float:
        """Seconds of a pass, about; from warming up on all devices where that is needed, else from the last block."""
        known_s = self._pass_s
        if known_s is None or known_s < _SHORT_S:
            seconds = _FIRST_WARM_UP_S if first else _WARM_UP_S
            start = time.perf_counter()
            passes = max(warm_up_passes(*timing, seconds) for timing in zip(self._meters, runs, strict=True))
            known_s = (time.perf_counter() - start) / passes / len(runs)
        return max(known_s, 1e-7)

    def _columns(self) -> Row:
        """The columns that all rows of the placement have in common."""
        point, count = self._point, len(self._problem.devices)
        together = point._replace(candidates=point.candidates * count) if self._single else point
        flops, read = plan.operations(together)
        largest = point.chunk_size if self._single else chunks(self._problem.n, count)
        return {
            **point._asdict(),
            "device": "+".join(self._problem.devices),
            "gpus": count,
            "rows": point.classes - 1,
            "chunks": chunks(largest, self._size),
            "flops": flops,
            "bytes": read,
        }

    def _check_memory(self) -> None:
        """Refuse what cannot fit before the system kills the process for it."""
        kernel, size = self._point.kernel, self._size
        takes = problem.needed_bytes(self._problem, kernel, size)
        free = free_bytes(self._problem.devices[0])
        if free is not None and takes > free:
            raise TooLargeError(
                f"{kernel} at chunk_size {size:,} holds {format_bytes(takes)}, "
                f"{format_bytes(free)} are free: fewer --candidates, a smaller --dim or a smaller chunk"
            )


@cache
def _meter(device: str) -> TimeMeter:
    return meter(device)


@cache
def _watch(devices: tuple[str, ...]) -> Conditions:
    return Conditions(devices)


def _products(device: str, dtype: str, shape: tuple[int, int, int]) -> Pass:
    """A pass of ``count`` products of [rows, side] by [side, side], always the same; ``shape`` has the three."""
    count, rows, side = shape
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, side, generator=g).to(device, getattr(torch, dtype)) for size in (rows, side))
    out = torch.empty_like(a)

    def run(_: int) -> torch.Tensor:
        for _ in range(count):
            torch.mm(a, b, out=out)
        return out

    return run


@lru_cache(maxsize=8)
def _beside(device: str, dtype: str) -> tuple[Pass, Pass, int]:
    """The control, the ceiling, and the ceiling's operations."""
    control, ceiling = _BESIDE[device.partition(":")[0]]
    return (
        _products(device, dtype, control),
        _products(device, dtype, ceiling),
        2 * ceiling[0] * ceiling[1] * ceiling[2] ** 2,
    )


def _control_row(case: ChunkCase) -> Row:
    """The control and the ceiling timed on the first device, after a control that is not: it wakes the cores."""
    device = case.devices[0]
    control, ceiling, flops = _beside(device, case.point.dtype)
    device_meter = _meter(device)
    control_s = device_meter.time(control, range(2)).seconds[1]
    return {"control_s": control_s, "gemm_s": device_meter.time(ceiling, [0]).seconds[0], "gemm_flops": flops}
