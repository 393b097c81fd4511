"""Points of ``fbench chunksize``: a median over blocks with its intervals, the prediction, the share of GEMM.

A point is (kernel, device set, problem, chunk size, phase). Passes of one block share what the machine did then, so a
block counts once, by its median; intervals rest on blocks. Nothing is used that is not in the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from fbench.harness.contract import Row, Tables
from fbench.measure.medians import Median, median_interval, repeat_interval
from fbench.measure.statistics import Interval

from .control import Control, UnitCondition, read_conditions, read_starts
from .decomposition import predicted_seconds
from .options import Options
from .rows import (
    PointKey,
    ResultRow,
    block_medians,
    cell_count,
    cell_number,
    key_of,
    read_results,
    timed_passes,
)


@dataclass(frozen=True)
class TimedPoint:
    """A point that was timed: a row of ``points`` and the passes behind it; None stands for what is not known.

    ``rows`` is r = k − 1 and ``chunks`` those of a pass; ``median`` is over blocks, in seconds, with its 95 % interval,
    and ``repeat`` where the median of a second run falls; ``flops`` are the operations of a pass, ``peak_bytes`` the
    peak growth of one that is not timed. ``samples`` are the seconds of all passes, ``seconds`` each block's median.
    """

    key: PointKey
    rows: int | None
    chunks: int | None
    median: Median
    repeat: Interval
    converged: bool
    predicted_s: float | None
    flops_per_s: float | None
    peak_bytes: int | None
    max_rel_error: float | None
    flops: int | None
    samples: tuple[float, ...]
    seconds: Mapping[int, float]


class ChunkRun(NamedTuple):
    """What a run has on disk: the points that were timed, the rows without a number, the units' conditions.

    ``starts`` are when the blocks of every case began, in seconds; none of a run from before they were recorded.
    """

    points: Sequence[TimedPoint]
    lost: Sequence[ResultRow]
    conditions: Sequence[UnitCondition]
    control: Control
    starts: Mapping[str, Sequence[float]] = MappingProxyType({})

    @property
    def multiprocessors(self) -> int | None:
        """Multiprocessors of a GPU; None where no condition tells."""
        return next((unit.multiprocessors for unit in self.conditions if unit.multiprocessors), None)


def complete(tables: Tables, options: Options) -> dict[str, list[Row]]:
    """The tables with ``points`` written, and ``predicted_s`` and ``converged`` filled into ``results``.

    Pure, and the same when done twice: points that are there already are made again from the passes.
    """
    whole = {name: list(rows) for name, rows in tables.items()}
    results = read_results(tables["results"])
    points = _point_rows(results, Control(results, read_conditions(tables.get("conditions", ()))), options.precision)
    whole["points"] = list(points.values())
    whole["results"] = [_filled(row, points) for row in tables["results"]]
    return whole


def read_run(tables: Tables) -> ChunkRun:
    """The run whose tables are complete."""
    results = read_results(tables["results"])
    conditions = read_conditions(tables.get("conditions", ()))
    passes, control = timed_passes(results), Control(results, conditions)
    points = [_read(key, row, passes[key], control) for row in tables["points"] if (key := key_of(row)) in passes]
    lost = [row for row in results if row.status != "ok"]
    return ChunkRun(points, lost, conditions, control, read_starts(tables.get("times", ())))


def _read(key: PointKey, row: Row, passes: Sequence[ResultRow], control: Control) -> TimedPoint:
    """A point; its intervals are those that this version gives, whichever wrote the row."""
    seconds = block_medians((timed.block, timed.time_s) for timed in passes)
    return TimedPoint(
        key=key,
        rows=cell_count(row, "rows"),
        chunks=cell_count(row, "chunks"),
        median=median_interval(list(seconds.values())),
        repeat=repeat_interval(list(seconds.values()), control.sd, control.correlation),
        converged=bool(row["converged"]),
        predicted_s=cell_number(row, "predicted_s"),
        flops_per_s=cell_number(row, "flops_per_s"),
        peak_bytes=cell_count(row, "peak_bytes"),
        max_rel_error=cell_number(row, "max_rel_error"),
        flops=passes[0].flops,
        samples=tuple(timed.time_s for timed in passes if timed.time_s is not None),
        seconds=seconds,
    )


def _point_rows(results: Sequence[ResultRow], control: Control, precision: float) -> dict[PointKey, Row]:
    """The rows of ``points``, by point, in the order in which the points were first timed."""
    passes = timed_passes(results)
    peaks = _largest((row.key, row.peak_bytes) for row in results if row.status == "ok")
    errors = _largest((row.key, row.max_rel_error) for row in results if row.status == "ok")
    rows = {}
    for key, timed in passes.items():
        over_phases = {"peak_bytes": peaks.get(key.any_phase), "max_rel_error": errors.get(key.any_phase)}
        rows[key] = {**_timed(key, timed, control, precision), **over_phases}
    tau = _tau(rows)
    return {key: {**row, "predicted_s": _predicted(key, tau)} for key, row in rows.items()}


def _timed(key: PointKey, passes: Sequence[ResultRow], control: Control, precision: float) -> Row:
    """A row of ``points`` from its passes."""
    first, seconds = passes[0], block_medians((timed.block, timed.time_s) for timed in passes)
    middle = median_interval(list(seconds.values()))
    again = repeat_interval(list(seconds.values()), control.sd, control.correlation)
    rate = None if first.flops is None else first.flops / middle.median
    full = control.rate(key.dtype)
    return {
        "case": first.case,
        "block": max(seconds),  # a unit that is there: blocks are counted from the passes
        **key._asdict(),
        "rows": first.rows,
        "chunks": first.chunks,
        "samples": len(passes),
        "median_s": middle.median,
        "low_s": _cell(middle.low),
        "high_s": _cell(middle.high),
        "repeat_low_s": _cell(again.low),
        "repeat_high_s": _cell(again.high),
        "converged": middle.width <= precision,  # nan, no interval yet, is not
        "flops_per_s": rate,
        "gemm_share": None if rate is None or full is None else rate / (full * key.ceilings),
    }


def _cell(value: float) -> float | None:
    return None if math.isnan(value) else value


def _largest(values: Iterable[tuple[PointKey, float | None]]) -> dict[PointKey, float]:
    """The largest value over all phases of a point."""
    largest: dict[PointKey, float] = {}
    for key, value in values:
        if value is not None:
            largest[key.any_phase] = max(value, largest.get(key.any_phase, value))
    return largest


def _tau(points: Mapping[PointKey, Row]) -> dict[PointKey, dict[int, float]]:
    """τ(m) in seconds by m, for each setting of single chunks."""
    tau: dict[PointKey, dict[int, float]] = {}
    for key, row in points.items():
        if key.phase == "single":
            tau.setdefault(key.setting, {})[key.chunk_size] = row["median_s"]
    return tau


def _predicted(key: PointKey, tau: Mapping[PointKey, Mapping[int, float]]) -> float | None:
    """Seconds of a pass from single chunks, on the device with the largest shard; None for a single chunk itself."""
    if key.phase != "sweep" or key.setting not in tau:
        return None
    return predicted_seconds(key.largest_shard, key.chunk_size, tau[key.setting])


def _filled(row: Row, points: Mapping[PointKey, Row]) -> Row:
    point = points.get(key_of(row))
    if point is None or row["status"] != "ok":
        return row
    return {**row, "predicted_s": point["predicted_s"], "converged": point["converged"]}
