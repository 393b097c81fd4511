"""Rows of ``fbench chunksize`` to points: a median over blocks with its intervals, the prediction, the share of GEMM.

A point is (kernel, device set, problem, chunk size, phase). Passes of one block share what the machine did then, so a
block counts once, by its median; intervals rest on blocks. Nothing is read that is not in the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from fbench.harness.contract import Row
from fbench.measure.medians import Median, control_drift, median_interval, repeat_interval
from fbench.measure.statistics import Interval

from . import decomposition

Tables = Mapping[str, Sequence[Row]]
Key = tuple[Any, ...]

KEY = ("kernel", "device", "gpus", "dtype", "candidates", "classes", "dim", "chunk_size", "phase")
"""What tells one point from another, as columns of ``results`` and of ``points``."""

_TAU = tuple(name for name in KEY if name not in ("candidates", "chunk_size", "phase"))


@dataclass(frozen=True)
class Point:
    """One point that was timed: ``row`` as in ``points.csv``, and what is behind it.

    ``samples`` are all passes in seconds, ``seconds`` the median of each block, ``flops`` the operations of a pass
    (None where the rows do not say).
    """

    row: Row
    samples: tuple[float, ...]
    seconds: dict[int, float]
    flops: int | None

    @property
    def median(self) -> Median:
        """The median over blocks with its 95 % interval."""
        low, high = _nan(self.row["low_s"]), _nan(self.row["high_s"])
        return Median(len(self.seconds), float(self.row["median_s"]), low, high)

    @property
    def repeat(self) -> Interval:
        """Where the median of a second run falls."""
        return Interval(_nan(self.row["repeat_low_s"]), _nan(self.row["repeat_high_s"]))

    def number(self, name: str) -> float | None:
        """A column of the point; None where it is empty."""
        return number(self.row, name)


def number(row: Row, name: str) -> float | None:
    """A number of a row; None for a cell that is empty, in whatever way."""
    value = row.get(name)
    return None if value is None or value == "" or value != value else value


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _cell(value: float) -> float | None:
    return None if math.isnan(value) else value


def complete(tables: Tables, options: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The tables with ``points`` written, and ``predicted_s`` and ``converged`` filled into ``results``.

    Pure, and the same when done twice: points that are there already are made again from the passes.
    """
    whole = {name: list(rows) for name, rows in tables.items()}
    points = _points(tables, float(options["precision"]))
    by_key = {key_of(point): point for point in points}
    whole["points"] = points
    whole["results"] = [_filled(row, by_key) for row in tables["results"]]
    return whole


def read_points(tables: Tables) -> list[Point]:
    """The points of tables that are complete, each with the passes behind it."""
    passes = _passes(tables["results"])
    return [_read(row, passes[key_of(row)]) for row in tables["points"] if key_of(row) in passes]


def _read(row: Row, rows: Sequence[Row]) -> Point:
    samples = tuple(each["time_s"] for each in rows)
    return Point(row, samples, by_block(rows, "time_s"), _whole(number(rows[0], "flops")))


def key_of(row: Row) -> Key:
    """The point that a row belongs to."""
    return tuple(row.get(name) for name in KEY)


def by_block(rows: Iterable[Row], name: str) -> dict[int, float]:
    """The median of a column within each block, in the order of the blocks."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if (value := number(row, name)) is not None:
            found.setdefault(int(row["block"]), []).append(value)
    return {block: median(found[block]) for block in sorted(found)}


def _passes(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """The passes that were timed, by point."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        if row["status"] == "ok" and number(row, "time_s") is not None:
            found.setdefault(key_of(row), []).append(row)
    return found


def _points(tables: Tables, precision: float) -> list[Row]:
    control = Control(tables)
    passes = _passes(tables["results"])
    facts = {name: _largest(tables["results"], name) for name in ("peak_bytes", "max_rel_error")}
    points = []
    for key, rows in passes.items():
        own = {name: largest.get(key[:-1]) for name, largest in facts.items()}
        points.append({**_timed(key, rows, control, precision), **own})
    tau = _tau(points)
    return [{**point, "predicted_s": _predicted(point, tau)} for point in points]


def _timed(key: Key, rows: Sequence[Row], control: Control, precision: float) -> Row:
    """A row of ``points`` from its passes."""
    first, seconds = rows[0], by_block(rows, "time_s")
    found = median_interval(list(seconds.values()))
    again = repeat_interval(found, control.drift)
    flops = number(first, "flops")
    rate = None if flops is None else flops / found.median
    full = control.rate(first["dtype"])
    return {
        "case": first["case"],
        "block": max(seconds),  # a unit that is there: blocks are counted from the passes
        **dict(zip(KEY, key, strict=True)),
        "rows": first.get("rows"),
        "chunks": first.get("chunks"),
        "samples": len(rows),
        "median_s": found.median,
        "low_s": _cell(found.low),
        "high_s": _cell(found.high),
        "repeat_low_s": _cell(again.low if math.isnan(again.low) else max(again.low, 0.0)),  # no time is negative
        "repeat_high_s": _cell(again.high),
        "converged": found.width <= precision,  # nan, no interval yet, is not
        "flops_per_s": rate,
        "gemm_share": None if rate is None or full is None else rate / (full * ceilings(first)),
    }


def _largest(rows: Iterable[Row], name: str) -> dict[Key, float]:
    """The largest value of a column over all phases, by point without its phase: memory is looked at untimed."""
    found: dict[Key, float] = {}
    for row in rows:
        value = number(row, name) if row["status"] == "ok" else None
        if value is not None:
            key = key_of(row)[:-1]
            found[key] = max(value, found.get(key, value))
    return found


def _tau(points: Iterable[Row]) -> dict[Key, dict[int, float]]:
    """τ(m) in seconds, by kernel, devices and problem."""
    found: dict[Key, dict[int, float]] = {}
    for point in points:
        if point["phase"] == "single":
            found.setdefault(tuple(point[name] for name in _TAU), {})[point["chunk_size"]] = point["median_s"]
    return found


def _predicted(point: Row, tau: Mapping[Key, Mapping[int, float]]) -> float | None:
    """From single chunks, on the device with the largest shard; None for a single chunk itself."""
    own = tau.get(tuple(point[name] for name in _TAU))
    if own is None or point["phase"] != "sweep":
        return None
    return decomposition.predict(shard(point), point["chunk_size"], own)


def ceilings(row: Row) -> int:
    """Devices that each have a ceiling of their own: shards of one CPU share its."""
    return len(set(str(row["device"]).split("+")))


def shard(row: Row) -> int:
    """Candidates on the device that has the most of them."""
    return decomposition.chunks(row["candidates"], row["gpus"])


def _filled(row: Row, points: Mapping[Key, Row]) -> Row:
    point = points.get(key_of(row))
    if point is None or row["status"] != "ok":
        return row
    return {**row, "predicted_s": point["predicted_s"], "converged": point["converged"]}


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


class Control:
    """What was timed in every unit beside its case: the control, whose drift it tells, and the ceiling, for each dtype.

    ``drift`` is how far the control's readings were from their median, over the whole run (``medians.control_drift``).
    """

    def __init__(self, tables: Tables) -> None:
        """Read ``conditions``; a unit's dtype is that of its case in ``results``."""
        dtypes = {row["case"]: row.get("dtype") for row in tables["results"]}
        controls: dict[Any, list[float]] = {}
        self._units: dict[Any, list[Row]] = {}
        for row in tables.get("conditions", ()):
            own, control = dtypes.get(row["case"]), number(row, "control_s")
            if control is not None:
                controls.setdefault(own, []).append(control)
            seconds, flops = number(row, "gemm_s"), number(row, "gemm_flops")
            if seconds is not None and flops:
                self._units.setdefault(own, []).append({"block": row["block"], "each_s": seconds / flops})
        # Each reading over the median of its dtype: how many cases of each a block still has makes no drift
        readings = [each / median(own) for own in controls.values() for each in own]
        self.drift, self.readings = control_drift(readings), len(readings)

    def seconds(self, dtype: str) -> dict[int, float]:
        """Seconds an operation of the ceiling by block, on one device."""
        return by_block(self._units.get(dtype, ()), "each_s")

    def rate(self, dtype: str) -> float | None:
        """Operations a second of the ceiling on one device: the median over all units; None where none was timed."""
        units = self._units.get(dtype)
        return median(1 / unit["each_s"] for unit in units) if units else None
