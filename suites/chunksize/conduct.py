"""How a run of ``fbench chunksize`` went: what converged, what the machine did meanwhile, what was not measured."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from statistics import median

from fbench.measure.medians import LEAST_FOR_INTERVAL
from fbench.results.words import counted
from fbench.units import format_percent, format_seconds

from .control import Control, UnitCondition
from .judged import Judgement
from .options import Options
from .points import ChunkRun, TimedPoint
from .rows import ResultRow, block_medians
from .sweeps import gemm_share
from .wording import short_percent, times

_FAR = 10
"""Beyond so many times more blocks the root law is a guess: an interval that wide has a value far out in it."""
_SHOWN = 4
"""Chunk sizes named one by one; of more, the rest are counted."""
_RESTLESS, _UNEASY = 2.0, 1.25
"""The control's slowest reading over its fastest (of 95 %): beyond it nothing is named, or not if nothing converged."""
_CEILING = 1.05
"""No kernel is faster than the matrix product beside it, unless the machine changed its speed between the two."""


def doubt(judgement: Judgement) -> str:
    """Why the machine was too busy for an answer; empty where it was not."""
    below, above = judgement.run.control.drift
    range_ = (1 + above) / (1 + below)  # nan, unknown, is above nothing
    if range_ > _RESTLESS:
        return f"The control, always the same work, took up to {range_:.1f} times its shortest time."
    points = judgement.run.points
    if range_ > _UNEASY and not any(point.converged for point in points) and min(p.median.n for p in points) > 5:
        return f"No time converged, and the control took up to {range_:.2f} times its shortest time."
    shares = [(gemm_share(one.point, judgement.run.control), one.label) for one in judgement.kernels]
    over = [(share, name) for share, name in shares if share.n > 1 and share.low > _CEILING]
    if over:
        share, name = max(over, key=lambda pair: pair[0].mean)
        return f"{name} ran at {times(*share[1:])} times the rate of the matrix product beside it, which cannot be."
    return ""


def longer(run: ChunkRun, options: Options) -> str:
    """What to type for an answer, where these blocks give none."""
    late = [point for point in run.points if not point.converged]
    need = (
        f" {_enough(late, options):.6g}"
        if late and max(_times_more(p, options.precision) for p in late) <= _FAR
        else ""
    )
    return f"Give more time: --max-time{need}." if need else "Give much more --max-time, or a quieter machine."


def how_it_went(run: ChunkRun, options: Options) -> list[str]:
    """Sentences on convergence, the machine's condition, and every point without a number with its reason."""
    return [
        *_convergence(run.points, options),
        *_machine(run.control, run.conditions),
        *_apart(run),
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
    if max(_times_more(point, options.precision) for point in late) > _FAR:
        return f"some would need over {_FAR} times --max-time {options.max_time:.6g}"
    least = "at least" if any(math.isnan(point.median.width) for point in late) else "about"
    return f"{least} --max-time {_enough(late, options):.6g} would be needed"


def _enough(late: Sequence[TimedPoint], options: Options) -> float:
    """Seconds that all late points need, in two digits and rounded up."""
    enough = options.max_time * max(_times_more(point, options.precision) for point in late)
    digits = 10.0 ** (math.floor(math.log10(enough)) - 1)
    return math.ceil(round(enough / digits, 6)) * digits


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
        ends = f"{short_percent(below, signed=True)} to {short_percent(above, signed=True)}"
        yield f"The control operation's time ranged from {ends} of its median (95 % of {control.readings:,} readings)."
    stolen = block_medians((unit.block, unit.steal_share) for unit in conditions)
    load = block_medians((unit.block, unit.load_1m) for unit in conditions)
    words = [f"a load of {max(load.values()):.3g}"] if load else []
    if stolen:
        words.append(f"{format_percent(max(stolen.values()))} of the CPU time taken by the hypervisor")
    if words:
        yield f"The worst block had {' and '.join(words)}."


def _apart(run: ChunkRun) -> Iterable[str]:
    """How far apart in time a case's blocks lie, and how much they remember: what intervals of this run cannot see."""
    gaps = [later - start for starts in run.starts.values() for start, later in itertools.pairwise(starts)]
    if gaps:
        yield (
            f"The blocks of a case began {format_seconds(median(gaps))} apart (median), and the control's correlation "
            f"from one to the next was {run.control.correlation:.2f}."
        )


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
