"""The figure of what single chunks do not predict, for sweeps of too few sizes to look for a period in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fbench.harness.contract import Figure, Panel, Series
from fbench.results.axes import ticks_of

from .points import TimedPoint
from .sweeps import Sweep

_Points = Mapping[int, TimedPoint]
"""Points by chunk size."""
_REACH = 5.0
"""Percent that are drawn about medians however close together they are."""
_SHOWN = 4
"""Intervals named one by one; of more, the rest are counted."""


def prediction_error_figure(sweeps: Sequence[Sweep]) -> Iterable[Figure]:
    """Measured over predicted − 1, where sizes are too few for a spectrum; kernels side by side, not on one another."""
    known = {
        sweep.kernel: points
        for sweep in sweeps
        if (points := {size: point for size, point in sweep.points.items() if point.predicted_s})
    }
    if not known:
        return
    sizes = sorted({size for points in known.values() for size in points})
    gap = min((b / a for a, b in itertools.pairwise(sizes)), default=2) ** (0.5 / len(known))
    series = [
        _error(kernel, points, gap ** (place - (len(known) - 1) / 2))
        for place, (kernel, points) in enumerate(known.items())
    ]
    frame = _frame([y for line in series for y in line.y])
    panel = Panel(
        [_within(line, *frame) for line in series],
        "chunk size c (kernels side by side)",
        "measured over predicted − 1, in %",
        "",
        ticks_of(sizes),
        x_log=True,
    )
    note = "medians over blocks with their 95 % intervals; predicted: ⌊n/c⌋·τ(c) + τ(n mod c) from single chunks"
    note += _cut_off(series, known, frame)
    yield Figure("prediction_errors", "What single chunks do not predict", [panel], note)


def _frame(medians: Sequence[float]) -> tuple[float, float]:
    """Ends of the y axis, the medians with as much again on either side: one long interval would hide all others."""
    least, most = min(medians), max(medians)
    reach = max(most - least, _REACH)
    return least - reach, most + reach


def _within(series: Series, least: float, most: float) -> Series:
    """The series with its intervals cut off at the frame."""
    low, high = series.low or (), series.high or ()
    return replace(series, low=[max(end, least) for end in low], high=[min(end, most) for end in high])


def _cut_off(series: Sequence[Series], known: Mapping[str, _Points], frame: tuple[float, float]) -> str:
    """A line of the note that gives the intervals which go on beyond the frame."""
    least, most = frame
    beyond = [
        f"{line.label} at {size:,} ({low:+.0f} to {high:+.0f} %)"
        for line in series
        for size, low, high in zip(known[line.label], line.low or (), line.high or (), strict=True)
        if low < least or high > most
    ]
    more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
    text = f"\ncut off at the frame: {', '.join(beyond[:_SHOWN])}{more}" if beyond else ""
    return text.replace("(-", "(−").replace("to -", "to −")


def _error(kernel: str, points: _Points, shift: float) -> Series:
    """A kernel's errors with their intervals, ``shift`` times to the right."""
    predicted = [point.predicted_s or 0.0 for point in points.values()]
    low, y, high = (percent_over(times, predicted) for times in scaled(points, 1))
    return Series(kernel, [size * shift for size in points], y, low, high, style="points")


def scaled(points: _Points, scale: float) -> list[list[float]]:
    """Lower ends, medians and upper ends of the points' seconds, times ``scale``."""
    medians = [point.median for point in points.values()]
    ends = ([m.low for m in medians], [m.median for m in medians], [m.high for m in medians])
    return [[scale * seconds for seconds in end] for end in ends]


def percent_over(times: Sequence[float], trend: Sequence[float]) -> list[float]:
    """How far each time is over its trend, in percent."""
    return [100 * (time / usual - 1) for time, usual in zip(times, trend, strict=True)]
