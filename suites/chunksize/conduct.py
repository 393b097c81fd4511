"""How a run of ``fbench chunksize`` went: what converged, what the machine did meanwhile, what was not measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Row
from fbench.measure.medians import LEAST_FOR_INTERVAL
from fbench.results.words import counted
from fbench.units import format_percent

from .points import Control, Point, Tables, by_block, number

_FAR = 10
"""Beyond so many times more blocks the root law is a guess: an interval that wide has a value far out in it."""
_SHOWN = 4
"""Chunk sizes named one by one; of more, the rest are counted."""


def findings(points: Sequence[Point], control: Control, tables: Tables, options: Mapping[str, Any]) -> list[str]:
    """Convergence, the machine's condition, and every point without a number with its reason."""
    conditions = tables.get("conditions", ())
    went = [*_convergence(points, options), *_machine(control, conditions), *_throttled(conditions)]
    return [*went, *_left_out(tables["results"])]


def _convergence(points: Sequence[Point], options: Mapping[str, Any]) -> Iterable[str]:
    if not points:
        return
    precision, late = float(options["precision"]), [point for point in points if not point.row["converged"]]
    reached = f"{len(points) - len(late)} of {len(points)} points reached the precision of {format_percent(precision)}"
    if not late:
        yield f"{reached}."
        return
    had = counted((point.median.n for point in late), "block")
    yield f"{reached}; the others had {had}{_more_time(late, precision, options)}."


def _more_time(late: Sequence[Point], precision: float, options: Mapping[str, Any]) -> str:
    """An interval narrows with the root of the blocks; where there is none yet, six blocks give the first."""
    if not options.get("max_time"):
        return ""
    times = max(_times_more(point, precision) for point in late)
    if times > _FAR:
        return f": some would need over {_FAR} times --max-time {options['max_time']:.6g}"
    enough = options["max_time"] * times
    digits = 10 ** (math.floor(math.log10(enough)) - 1)
    least = "at least" if any(math.isnan(point.median.width) for point in late) else "about"
    return f": {least} --max-time {math.ceil(round(enough / digits, 6)) * digits:.6g} would be needed"


def _times_more(point: Point, precision: float) -> float:
    found = point.median
    if math.isnan(found.width):
        return max(LEAST_FOR_INTERVAL / found.n, 1.0)
    return max((found.width / precision) ** 2, 1.0)


def _machine(control: Control, conditions: Sequence[Row]) -> Iterable[str]:
    """What may have moved the times of all points together."""
    below, above = control.drift
    if not math.isnan(below):
        ends = f"{format_percent(below, signed=True)} to {format_percent(above, signed=True)}"
        yield f"The control operation's time ranged from {ends} of its median (95 % of {control.readings:,} readings)."
    stolen, load = by_block(conditions, "steal_share"), by_block(conditions, "load_1m")
    words = [f"a load of {max(load.values()):.3g}"] if load else []
    if stolen:
        words.append(f"{format_percent(max(stolen.values()))} of the CPU time taken by the hypervisor")
    if words:
        yield f"The worst block had {' and '.join(words)}."


def _throttled(conditions: Sequence[Row]) -> Iterable[str]:
    held = [row for row in conditions if row.get("gpu_throttle")]
    if held:
        reasons = dict.fromkeys(reason for row in held for reason in row["gpu_throttle"].split("+"))
        units = len(conditions)
        yield f"GPU clocks were held down in {len(held)} of {units} units: {', '.join(sorted(reasons))}."


def _left_out(rows: Iterable[Row]) -> Iterable[str]:
    """Points without a number, by what became of them."""
    found: dict[tuple[str, str], dict[str, list[int]]] = {}
    for row in rows:
        if row["status"] != "ok":
            own = found.setdefault((row["status"], row["reason"]), {})
            name = str(row.get("kernel") or row["case"]) + (" alone" if row.get("phase") == "single" else "")
            own.setdefault(name, []).extend(_chunk(row))
    for (status, reason), names in found.items():
        each = "; ".join(name + _at(sorted(set(sizes))) for name, sizes in names.items())
        yield f"Not measured ({status}): {each}: {reason.rstrip('.')}."


def _chunk(row: Row) -> list[int]:
    size = number(row, "chunk_size")
    return [] if size is None else [int(size)]


def _at(sizes: Sequence[int]) -> str:
    if not sizes:
        return ""
    more = f" and {len(sizes) - _SHOWN} more" if len(sizes) > _SHOWN else ""
    return f" at chunk {', '.join(f'{size:,}' for size in sizes[:_SHOWN])}{more}"
