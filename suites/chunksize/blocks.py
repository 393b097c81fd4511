"""The blocks of one case of ``fbench chunksize`` as rows: a control, then passes or single chunks with their errors."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

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
from .decomposition import chunks
from .passes import ShardPasses
from .problem import Problem

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
class Task:
    """One case: its point, the devices, how long it may be timed, the precision to stop at, and the largest pool."""

    point: dict[str, Any]
    devices: tuple[str, ...]
    budget_s: float
    precision: float
    pool: int
    seed: int

    @property
    def placements(self) -> list[tuple[str, ...]]:
        """All devices, and where there are several the first alone; of a single chunk those whose shards hold it."""
        found = list(dict.fromkeys([self.devices, self.devices[:1]]))
        if self.point["phase"] != "single":
            return found
        return [each for each in found if self.point["chunk_size"] <= chunks(self.pool, len(each))]


def run(task: Task, committed: Mapping[str, Sequence[Row]]) -> Iterator[Unit]:
    """Blocks after those committed, until every placement has converged or the time is spent."""
    history = _History(task, committed)
    cases = [_Placed(task, devices) for devices in task.placements]
    while not history.ended():
        start = time.perf_counter()
        control = _control_row(task)
        _watch(task.devices).read()  # steal is counted from here on: it is to be that of this case's passes
        rows = [row for placed in cases for row in placed.block(first=history.blocks == 0)]
        condition = {**control, **_watch(task.devices).read()}
        history.add(rows, control["control_s"] + control["gemm_s"])
        wall = time.perf_counter() - start
        index = history.blocks - 1
        yield Unit(index, rows, {"conditions": [condition]}, left_s=wall * history.blocks_left())


class _History:
    """Block medians and seconds spent, from the rows; controls count, or short passes would never use up their time."""

    def __init__(self, task: Task, committed: Mapping[str, Sequence[Row]]) -> None:
        self._task, self.blocks, self._spent = task, 0, 0.0
        self._medians: dict[int, list[float]] = {}
        results = committed.get("results", ())
        controls = {row["block"]: row["control_s"] + row["gemm_s"] for row in committed.get("conditions", ())}
        for block in sorted({row["block"] for row in results}):
            self.add([row for row in results if row["block"] == block], controls[block])

    def add(self, rows: Sequence[Row], control_s: float) -> None:
        self.blocks += 1
        self._spent += control_s
        for count in {row["gpus"] for row in rows}:
            seconds = [row["time_s"] for row in rows if row["gpus"] == count and row["phase"] != "memory"]
            self._spent += sum(seconds)
            self._medians.setdefault(count, []).append(statistics.median(seconds))

    def ended(self) -> bool:
        if not self.blocks:
            return False
        widths = [median_interval(medians).width for medians in self._medians.values()]
        share = self._spent / self._task.budget_s
        spent = share >= 2 or (share >= 1 and self.blocks >= LEAST_FOR_INTERVAL)  # for an interval
        return spent or all(width <= self._task.precision for width in widths)

    def blocks_left(self) -> int:
        if self.ended():
            return 0
        by_time = math.ceil((self._task.budget_s - self._spent) / max(self._spent / self.blocks, 1e-9))
        return max(1, by_time, LEAST_FOR_INTERVAL - self.blocks)


class _Placed:
    """A case on a choice of devices: its passes, ready to run."""

    def __init__(self, task: Task, devices: tuple[str, ...]) -> None:
        self._point, point = task.point, task.point
        self._single = point["phase"] == "single"
        even = len(devices) * chunks(task.pool, len(devices))  # every shard holds the chunk
        n = even if self._single else point["candidates"]
        self._problem = Problem(n, point["classes"], point["dim"], point["dtype"], devices, task.seed)
        self._size = point["chunk_size"]
        self._block_s = min(_BLOCK_S, task.budget_s / _BLOCKS)
        self._meters = [_meter(device) for device in devices]
        self._seconds: float | None = None
        self._next = 0  # of the passes: single chunks go on through the pool from block to block

    def block(self, *, first: bool) -> list[Row]:
        """The rows of a block: in the first one a pass for memory, and longer warming up."""
        rows: list[Row] = []
        if first:
            self._check_memory()
        shards = [self._shard(number) for number in range(len(self._meters))]
        runs: list[Pass] = [shard.run for shard in shards]
        if first:  # not used: libraries compile, and make a thread's handles, at the first use
            self._seconds = time_together(self._meters, runs, [0]).seconds[0]
        if first and not self._single:
            with peak_growth(self._problem.devices[0]) as growth:
                runs[0](0)
            rows.append({"phase": "memory", "pass_index": 0, "peak_bytes": growth.peak_bytes})
        typical = self._typical(runs, first=first)
        count = min(_MOST_PASSES, max(1, round(self._block_s / typical)))
        # Several devices have new threads in every block: a pass before the timed ones wakes them
        awake = 0 if len(runs) == 1 else 1
        passes = range(self._next, self._next + awake + count)
        self._next += awake + count
        timed = time_together(self._meters, runs, passes)
        self._seconds = max(statistics.median(timed.seconds[awake:]), 1e-7)
        for at in range(awake, awake + count):
            error = max(shard.error(passes[at], timed.results[number][at]) for number, shard in enumerate(shards))
            seconds = {"time_s": timed.seconds[at], "max_rel_error": error}
            rows.append({"phase": self._point["phase"], "pass_index": at - awake, **seconds})
        return [{**self._key(), **row} for row in rows]

    def _shard(self, number: int) -> ShardPasses:
        return ShardPasses(self._problem, number, self._point["kernel"], self._size, self._single)

    def _typical(self, runs: Sequence[Pass], *, first: bool) -> float:
        """Seconds of a pass, about; from warming up on all devices where that is needed, else from the last block."""
        known = self._seconds
        if known is None or known < _SHORT_S:
            seconds = _FIRST_WARM_UP_S if first else _WARM_UP_S
            start = time.perf_counter()
            passes = max(warm_up_passes(each, run, seconds) for each, run in zip(self._meters, runs, strict=True))
            known = (time.perf_counter() - start) / passes / len(runs)
        return max(known, 1e-7)

    def _key(self) -> Row:
        point, count = self._point, len(self._problem.devices)
        whole = {**point, "candidates": point["candidates"] * count} if self._single else point
        flops, read = plan.operations(whole)
        largest = self._size if self._single else chunks(self._problem.n, count)
        return {
            **point,
            "device": "+".join(self._problem.devices),
            "gpus": count,
            "rows": point["classes"] - 1,
            "chunks": chunks(largest, self._size),
            "flops": flops,
            "bytes": read,
        }

    def _check_memory(self) -> None:
        """Refuse what cannot fit before the system kills the process for it."""
        takes = problem.needed_bytes(self._problem, self._point["kernel"], self._size)
        free = free_bytes(self._problem.devices[0])
        if free is not None and takes > free:
            raise TooLargeError(
                f"{self._point['kernel']} at chunk_size {self._size:,} holds {format_bytes(takes)}, "
                f"{format_bytes(free)} are free: fewer --candidates, a smaller --dim or a smaller chunk"
            )


@cache
def _meter(device: str) -> TimeMeter:
    return meter(device)


@cache
def _watch(devices: tuple[str, ...]) -> Conditions:
    return Conditions(devices)


def _products(device: str, dtype: str, shape: tuple[int, int, int]) -> Pass:
    """So many products of [rows, side] by [side, side], always the same."""
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


def _control_row(task: Task) -> Row:
    """The control and the ceiling timed on the first device, after a control that is not: it wakes the cores."""
    device = task.devices[0]
    control, ceiling, flops = _beside(device, task.point["dtype"])
    own = _meter(device)
    control_s = own.time(control, range(2)).seconds[1]
    return {"control_s": control_s, "gemm_s": own.time(ceiling, [0]).seconds[0], "gemm_flops": flops}
