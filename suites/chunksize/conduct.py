"""How a run of ``fbench chunksize`` went: what converged, what the machine did meanwhile, what was not measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from fbench.measure.medians import LEAST_FOR_INTERVAL
from fbench.results.words import counted
from fbench.units import format_percent

from .control import Control, UnitCondition
from .options import Options
from .points import ChunkRun, TimedPoint
from .rows import ResultRow, block_medians

_FAR = 10
"""Beyond so many times more blocks the root law is a guess: an interval that wide has a value far out in it."""
_SHOWN = 4
"""Chunk sizes named one by one; of more, the rest are counted."""


def how_it_went(run: ChunkRun, options: Options) -> list[str]:
    """Sentences on convergence, the machine's condition, and every point without a number with its reason."""
    return [
        *_convergence(run.points, options),
        *_machine(run.control, run.conditions),
        *_throttled(run.conditions),
        *_left_out(run.lost),
    ]


def _convergence(points: Sequence[TimedPoint], options: Options) -> Iterable[str]:
    if not points:
        return
    late, precision = [point for point in points if not point.converged], format_percent(options.precision)
    reached = f"{len(points) - len(late)} of {len(points)} points reached the precision of {precision}"
    if not late:
        yield f"{reached}."
        return
    had = counted((point.median.n for point in late), "block")
    yield f"{reached}; the others had {had}: {_more_time(late, options)}."


def _more_time(late: Sequence[TimedPoint], options: Options) -> str:
    """What --max-time the late points need; where there is no interval yet, six blocks give the first."""
    times = max(_times_more(point, options.precision) for point in late)
    if times > _FAR:
        return f"some would need over {_FAR} times --max-time {options.max_time:.6g}"
    enough = options.max_time * times
    digits = 10 ** (math.floor(math.log10(enough)) - 1)
    least = "at least" if any(math.isnan(point.median.width) for point in late) else "about"
    return f"{least} --max-time {math.ceil(round(enough / digits, 6)) * digits:.6g} would be needed"


def _times_more(point: TimedPoint, precision: float) -> float:
    """How many times the blocks a point needs: an interval narrows with the root of the blocks."""
    median = point.median
    if math.isnan(median.width):
        return max(LEAST_FOR_INTERVAL / median.n, 1.0)
    return max((median.width / precision) ** 2, 1.0)


def _machine(control: Control, conditions: Sequence[UnitCondition]) -> Iterable[str]:
    """What may have moved the times of all points together."""
    below, above = control.drift
    if not math.isnan(below):
        ends = f"{format_percent(below, signed=True)} to {format_percent(above, signed=True)}"
        yield f"The control operation's time ranged from {ends} of its median (95 % of {control.readings:,} readings)."
    stolen = block_medians((unit.block, unit.steal_share) for unit in conditions)
    load = block_medians((unit.block, unit.load_1m) for unit in conditions)
    words = [f"a load of {max(load.values()):.3g}"] if load else []
    if stolen:
        words.append(f"{format_percent(max(stolen.values()))} of the CPU time taken by the hypervisor")
    if words:
        yield f"The worst block had {' and '.join(words)}."


def _throttled(conditions: Sequence[UnitCondition]) -> Iterable[str]:
    held = [unit.gpu_throttle for unit in conditions if unit.gpu_throttle]
    if held:
        reasons = sorted({reason for joined in held for reason in joined.split("+")})
        yield f"GPU clocks were held down in {len(held)} of {len(conditions)} units: {', '.join(reasons)}."


def _left_out(lost: Iterable[ResultRow]) -> Iterable[str]:
    """Points without a number, by what became of them."""
    fates: dict[tuple[str, str], dict[str, set[int]]] = {}
    for row in lost:
        name = str(row.key.kernel or row.case) + (" alone" if row.key.phase == "single" else "")
        sizes = fates.setdefault((row.status, row.reason), {}).setdefault(name, set())
        if row.key.chunk_size:
            sizes.add(row.key.chunk_size)
    for (status, reason), names in fates.items():
        points = "; ".join(name + _at(sorted(sizes)) for name, sizes in names.items())
        yield f"Not measured ({status}): {points}: {reason.rstrip('.')}."


def _at(sizes: Sequence[int]) -> str:
    """``at chunk 64, 128, 256, 512 and 2 more``."""
    if not sizes:
        return ""
    more = f" and {len(sizes) - _SHOWN} more" if len(sizes) > _SHOWN else ""
    return f" at chunk {', '.join(f'{size:,}' for size in sizes[:_SHOWN])}{more}"
