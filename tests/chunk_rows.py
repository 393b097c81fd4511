"""Rows of ``fbench chunksize`` as a run gives them, for tests of what is said of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from fbench.harness import registry
from fbench.harness.contract import Row

OPTIONS = registry.SUITES.get("chunksize").typed(max_time=80.0)
SIZES = {"candidates": 4096, "classes": 10, "dim": 1280, "rows": 9}
EMPTY = ("pass_index", "time_s", "predicted_s", "max_rel_error", "peak_bytes", "flops", "bytes", "converged")
CONDITION = ("cpu_mhz", "load_1m", "steal_share", "gpu_clock_mhz", "gpu_throttle", "gpu_temperature_c")


def row(kernel: str, chunk: int, block: int = 0, phase: str = "sweep", **more: Any) -> Row:
    """A row as it is read again: every column, empty ones as None. A single chunk is a pool of its own."""
    point = {"kernel": kernel, "device": "cpu", "gpus": 1, "dtype": "float32", **SIZES, **more}
    if phase == "single":
        point["candidates"] = chunk
    case = f"kernel={kernel} candidates={point['candidates']} dtype={point['dtype']} chunk_size={chunk} phase={phase}"
    chunks = math.ceil(math.ceil(point["candidates"] / point["gpus"]) / chunk)
    begin = {"case": case, "block": block, "chunk_size": chunk, "chunks": chunks, "phase": phase}
    return {**begin, **dict.fromkeys(EMPTY), "status": "ok", "reason": "", **point}


def passes(kernel: str, chunk: int, blocks: Iterable[Sequence[float]], phase: str = "sweep", **more: Any) -> list[Row]:
    """A row for every second of every block; a pass has 10⁹ operations unless said."""
    columns = {"flops": 10**9, **more}
    return [
        row(kernel, chunk, block, phase, pass_index=index, time_s=seconds, **columns)
        for block, times in enumerate(blocks)
        for index, seconds in enumerate(times)
    ]


def memory(kernel: str, chunk: int, peak: int | None, error: float | None = None, **more: Any) -> Row:
    """The row of a pass that is not timed."""
    return row(kernel, chunk, 0, "memory", peak_bytes=peak, max_rel_error=error, **more)


def swept(
    kernel: str,
    seconds: Callable[[int], float],
    sizes: Iterable[int],
    *,
    blocks: int = 8,
    noise: float = 0.01,
    phase: str = "sweep",
    **more: Any,
) -> list[Row]:
    """Three passes a block at every size; blocks differ by ``noise`` (relative), all sizes alike in half of it."""
    generator = np.random.default_rng(sum(map(ord, kernel + phase)))
    level = 1 + noise / 2 * generator.standard_normal(blocks)
    rows = []
    for size in sizes:
        factors = level * (1 + noise / 2 * generator.standard_normal(blocks))
        times = [[seconds(size) * factor * (1 + 0.1 * noise * i) for i in (-1, 0, 1)] for factor in factors]
        rows += passes(kernel, size, times, phase, **more)
    return rows


def conditions(rows: Sequence[Row], control_s: Sequence[float] = (), **more: Any) -> list[Row]:
    """One row a unit of ``rows``: the control, and 10⁹ operations, in ``control_s[block]``, 10 ms unless said."""
    units = dict.fromkeys((measured["case"], measured["block"]) for measured in rows)
    seconds = dict(enumerate(control_s))
    return [
        {"case": case, "block": block, "control_s": seconds.get(block, 0.01),
         "gemm_s": seconds.get(block, 0.01), "gemm_flops": 10**9,
         **dict.fromkeys(CONDITION), "multiprocessors": None, **more}
        for case, block in units
    ]  # fmt: skip


def tables(*groups: Sequence[Row], **more: Any) -> dict[str, list[Row]]:
    """A run's tables before they are complete; ``more`` are columns of conditions."""
    rows = list(itertools.chain(*groups))
    return {"results": rows, "conditions": conditions(rows, **more), "points": []}
