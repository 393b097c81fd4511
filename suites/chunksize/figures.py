"""Figures of ``fbench chunksize``: time against chunk size, what it leaves unexplained, and single chunks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Figure, Panel, Row, Series
from fbench.measure.spectrum import find_period, spectrum
from fbench.results.axes import Axis, nice, ticks_of

from .decomposition import Decomposition
from .error_figure import over, prediction_errors, scaled
from .points import Point
from .sweeps import BASE, LETTERS, PROBLEM, Sweep
from .wiggles import SURE, Wiggle, decomposed, expected_period, pass_wiggle, single_wiggle

_LINES = 8
"""Kernels a panel: there are so many colours."""
_Line = tuple[str, Mapping[int, Point]]
"""A kernel and its points by chunk size."""


def figures(own: Sequence[Sweep], conditions: Sequence[Row], options: Mapping[str, Any]) -> list[Figure]:
    """Every figure of every problem; a problem's name stands in the file's where there are several."""
    found = []
    for problem in dict.fromkeys(sweep.problem for sweep in own):
        same = [sweep for sweep in own if sweep.problem == problem]
        same.sort(key=lambda sweep: sweep.kernel != BASE)  # the first colour is the baseline's
        drawn = [_time(same), *_residuals(same, conditions, options), *_singles(same, conditions)]
        suffix = _suffix(problem, own)
        found += [Figure(f.name + suffix, f"{f.title}: {_named(problem)}", f.panels, f.note) for f in drawn]
    return found


def _named(problem: tuple[Any, ...]) -> str:
    """``n = 4,096, k = 10, d = 1,280, float32``."""
    sizes = [f"{LETTERS[name]} = {value:,}" for name, value in zip(PROBLEM[:-1], problem, strict=False)]
    return ", ".join([*sizes, str(problem[-1])])


def _suffix(problem: tuple[Any, ...], own: Sequence[Sweep]) -> str:
    varying = [i for i in range(len(PROBLEM)) if len({sweep.problem[i] for sweep in own}) > 1]
    return "".join(f"-{'' if PROBLEM[i] == 'dtype' else LETTERS[PROBLEM[i]]}{problem[i]}" for i in varying)


def _time(same: Sequence[Sweep]) -> Figure:
    """Seconds a pass against chunk size, panels for each set of devices; then over each kernel's best, on all."""
    sets: dict[str, list[_Line]] = {}
    for sweep in same:
        for points in (sweep.points, sweep.alone):
            for device in dict.fromkeys(point.row["device"] for point in points.values()):
                sets.setdefault(device, []).append((sweep.kernel, points))
    shown = [point for lines in sets.values() for _, points in lines for point in points.values()]
    axis, panels = Axis(time for point in shown for time in point.samples), []
    for device, lines in sets.items():
        title = device if len(sets) > 1 else ""
        for own in _parted(lines):
            series = [each for line in own for each in _lines(*line, axis.scale)]
            panels.append(_by_chunk(series, f"{axis.unit} a pass", title, y_log=True, y_ticks=axis.ticks))
    device = max(sets, key=lambda each: next(iter(sets[each][0][1].values())).row["gpus"])
    swept = [line for line in sets[device] if len(line[1]) > 1]
    for own in _parted(swept):
        series = [_over_best(*line) for line in own]
        panels.append(_by_chunk(series, "time over the kernel's best", device if len(sets) > 1 else ""))
    dots = "every pass of the times as a dot" if swept else "every pass as a dot"
    note = f"medians over blocks with their 95 % intervals, {dots}; dashed: predicted from single chunks"
    return Figure("time_by_chunk", "Time of a pass by chunk size", panels, note)


def _parted(lines: Sequence[_Line]) -> list[Sequence[_Line]]:
    """As many as there are colours to each panel."""
    return [lines[start : start + _LINES] for start in range(0, len(lines), _LINES)]


def _by_chunk(series: Sequence[Series], y_label: str, title: str, **more: Any) -> Panel:
    ticks = ticks_of(int(size) for each in series for size in each.x)
    return Panel(series, "chunk size c", y_label, title, ticks, x_log=True, aside=True, **more)


def _over_best(kernel: str, points: Mapping[int, Point]) -> Series:
    """Medians and their intervals over the smallest median, whose own interval holds 1."""
    best = min(point.median.median for point in points.values())
    low, y, high = scaled(points, 1 / best)
    return Series(kernel, [float(size) for size in points], y, low, high)


def _lines(kernel: str, points: Mapping[int, Point], scale: float) -> Iterable[Series]:
    """What was measured, and what was predicted in the same colour."""
    x = [float(size) for size in points]
    dots = [(float(size), scale * seconds) for size, point in points.items() for seconds in point.samples]
    low, y, high = scaled(points, scale)
    yield Series(kernel, x, y, low, high, dots)
    predicted = [(float(size), scale * time) for size, p in points.items() if (time := p.number("predicted_s"))]
    if predicted:
        at, times = zip(*predicted, strict=True)
        yield Series("", at, times, style="dashed", like=kernel)


def _residuals(same: Sequence[Sweep], conditions: Sequence[Row], options: Mapping[str, Any]) -> Iterable[Figure]:
    """A figure for each kernel with sizes for a spectrum; where none has, one of prediction errors for all."""
    wiggles = [
        (sweep, wiggle, parts)
        for sweep in same
        if (wiggle := pass_wiggle(sweep)) and (parts := decomposed(sweep, wiggle.sizes))
    ]
    for sweep, wiggle, parts in wiggles:
        name = f"-{sweep.kernel.replace(':', '-')}" if len(wiggles) > 1 else ""
        marks = _marks(wiggle, expected_period(sweep, conditions), int(options.get("seed", 0)))
        panels = [_trend(sweep, parts), _spectrum([("t(c)", wiggle)], marks)]
        note = (
            "t(c): medians over blocks with their 95 % intervals; predicted and whole chunks from single chunks alone"
        )
        yield Figure(f"residual{name}", f"How {sweep.kernel}'s time wiggles", panels, note)
    if not wiggles:
        yield from prediction_errors(same)


def _trend(sweep: Sweep, found: Decomposition) -> Panel:
    """Measured, predicted, and predicted without the staircase, each over the trend."""
    x = [float(size) for size in found.sizes]
    medians = [sweep.points[size].median for size in found.sizes]
    low = over([each.low for each in medians], found.trend)
    high = over([each.high for each in medians], found.trend)
    series = [
        Series("measured", x, over([each.median for each in medians], found.trend), low, high),
        Series("predicted", x, over(found.predicted, found.trend), style="dashed"),
        Series("whole chunks of a smooth τ", x, over(found.steps, found.trend), style="dashed"),
    ]
    return Panel(series, "chunk size c", "t(c) over its smooth trend − 1, in %")


def _marks(wiggle: Wiggle, expected: float | None, seed: int) -> list[tuple[float, str]]:
    """The period found, said so only where it is one, and the one expected where the axis reaches it."""
    found = find_period(wiggle.values, wiggle.step, seed=seed)
    marks = [] if found is None or found.p > SURE else [(found.period, f"found {found.period:.3g}")]
    return marks + _expected(wiggle, expected)


def _expected(wiggle: Wiggle, expected: float | None) -> list[tuple[float, str]]:
    reached = expected is not None and 2 * wiggle.step <= expected <= wiggle.step * len(wiggle.sizes)
    return [(expected, f"expected {expected:.3g}")] if reached and expected is not None else []


def _spectrum(wiggles: Sequence[tuple[str, Wiggle]], marks: Sequence[tuple[float, str]]) -> Panel:
    """Share of the variance at each period."""
    series = []
    for label, wiggle in wiggles:
        found = spectrum(wiggle.values, wiggle.step)
        series.append(Series(label, found.periods, [100 * share for share in found.power]))
    periods = [period for each in series for period in each.x]
    ticks = [2.0**k for k in range(math.ceil(math.log2(min(periods))), math.floor(math.log2(max(periods))) + 1)]
    y = "share of the variance about the trend, in %"
    return Panel(series, "period in candidates", y, x_ticks=ticks, x_log=True, marks=marks, aside=len(series) > 1)


def _singles(same: Sequence[Sweep], conditions: Sequence[Row]) -> Iterable[Figure]:
    """Time a candidate of a single chunk, and its spectrum, where enough evenly spaced m were measured."""
    wiggles = [(sweep, wiggle) for sweep in same if (wiggle := single_wiggle(sweep)) is not None]
    if not wiggles:
        return
    series = [_each(sweep, wiggle) for sweep, wiggle in wiggles]
    ticks = nice(min(y for each in series for y in each.y), max(y for each in series for y in each.y))
    left = Panel(
        series, "candidates m of a single chunk", "τ(m)/m, µs a candidate", y_log=True, y_ticks=ticks, aside=True
    )
    marks = _expected(wiggles[0][1], expected_period(wiggles[0][0], conditions))
    right = _spectrum([(sweep.kernel, wiggle) for sweep, wiggle in wiggles], marks)
    note = "medians over blocks with their 95 % intervals; right: of τ(m) about its smooth curve"
    yield Figure("single_chunk", "Time of a single chunk", [left, right], note)


def _each(sweep: Sweep, wiggle: Wiggle) -> Series:
    found = {m: sweep.singles[m].median for m in wiggle.sizes}
    low, y, high = ([1e6 * getattr(f, name) / m for m, f in found.items()] for name in ("low", "median", "high"))
    return Series(sweep.kernel, [float(m) for m in found], y, low, high)
