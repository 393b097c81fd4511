"""The figure of what single chunks do not predict, for sweeps of too few sizes to look for a period in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fbench.harness.contract import Figure, Panel, Series
from fbench.results.axes import ticks_of

from .points import Point
from .sweeps import Sweep

_REACH = 5.0
"""Percent that are drawn about medians however close together they are."""
_SHOWN = 4
"""Intervals named one by one; of more, the rest are counted."""


def prediction_errors(same: Sequence[Sweep]) -> Iterable[Figure]:
    """Measured over predicted − 1, where sizes are too few for a spectrum; kernels side by side, not on one another."""
    known = {
        sweep.kernel: own
        for sweep in same
        if (own := {size: p for size, p in sweep.points.items() if p.number("predicted_s")})
    }
    if not known:
        return
    sizes = sorted({size for points in known.values() for size in points})
    gap = min((b / a for a, b in itertools.pairwise(sizes)), default=2) ** (0.5 / len(known))
    series = [
        _error(kernel, points, gap ** (number - (len(known) - 1) / 2))
        for number, (kernel, points) in enumerate(known.items())
    ]
    y = "measured over predicted − 1, in %"
    frame = _frame([each for one in series for each in one.y])
    panel = Panel(
        [_within(each, *frame) for each in series],
        "chunk size c (kernels side by side)",
        y,
        "",
        ticks_of(sizes),
        x_log=True,
        aside=True,
    )
    note = "medians over blocks with their 95 % intervals; predicted: ⌊n/c⌋·τ(c) + τ(n mod c) from single chunks"
    note += _cut_off(series, known, frame)
    yield Figure("residual", "What single chunks do not predict", [panel], note)


def _frame(medians: Sequence[float]) -> tuple[float, float]:
    """The medians with as much again on either side: one interval far longer would hide how all others differ."""
    least, most = min(medians), max(medians)
    reach = max(most - least, _REACH)
    return least - reach, most + reach


def _within(series: Series, least: float, most: float) -> Series:
    low, high = series.low or (), series.high or ()
    return replace(series, low=[max(end, least) for end in low], high=[min(end, most) for end in high])


def _cut_off(series: Sequence[Series], known: Mapping[str, Mapping[int, Point]], frame: tuple[float, float]) -> str:
    """A line of the note that gives the intervals which go on beyond the frame."""
    least, most = frame
    ends = [(s.label, *each) for s in series for each in zip(known[s.label], s.low or (), s.high or (), strict=True)]
    beyond = [
        f"{who} at {size:,} ({low:+.0f} to {high:+.0f} %)"
        for who, size, low, high in ends
        if low < least or high > most
    ]
    more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
    return f"\ncut off at the frame: {', '.join(beyond[:_SHOWN])}{more}" if beyond else ""


def _error(kernel: str, points: Mapping[int, Point], shift: float) -> Series:
    predicted = [float(point.row["predicted_s"]) for point in points.values()]
    low, y, high = (over(times, predicted) for times in scaled(points, 1))
    return Series(kernel, [size * shift for size in points], y, low, high, style="points")


def scaled(points: Mapping[int, Point], scale: float) -> list[list[float]]:
    """Lower ends, medians and upper ends, by ``scale``."""
    return [[scale * getattr(p.median, name) for p in points.values()] for name in ("low", "median", "high")]


def over(times: Sequence[float], trend: Sequence[float]) -> list[float]:
    """First over second − 1, in percent."""
    return [100 * (time / usual - 1) for time, usual in zip(times, trend, strict=True)]
