"""Figures of ``fbench chunksize``: time against chunk size, what it leaves unexplained, and single chunks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Figure, Panel, Series
from fbench.measure.spectrum import spectrum
from fbench.results.axes import Axis, nice, ticks_of

from .decomposition import Decomposition
from .error_figure import percent_over, prediction_error_figure, scaled
from .judged import Judged, Searched
from .points import TimedPoint
from .rows import ProblemKey
from .sweeps import BASE, PROBLEM_LETTERS, Sweep, varying_in_sweeps
from .wiggles import Wiggle, decomposed, expected_period, single_wiggle

_LINES = 8
"""Kernels a panel: there are so many colours."""
_Line = tuple[str, Mapping[int, TimedPoint]]
"""A kernel and its points by chunk size."""


def figures(kernels: Sequence[Judged], multiprocessors: int | None) -> list[Figure]:
    """Every figure of every problem; a problem's name stands in the file's where there are several.

    The times come first: those of all problems, then what is behind each.
    """
    problems = list(dict.fromkeys(one.sweep.problem for one in kernels))
    drawn = []
    for problem in problems:
        alike = [one for one in kernels if one.sweep.problem == problem]
        alike.sort(key=lambda one: one.sweep.kernel != BASE)  # the first colour is the baseline's
        sweeps = [one.sweep for one in alike]
        of_problem = [
            _time(alike),
            *_residuals(alike, multiprocessors),
            *_singles(sweeps, multiprocessors),
        ]
        suffix = _suffix(problem, problems)
        drawn += [Figure(f.name + suffix, f"{f.title}: {_named(problem)}", f.panels, f.note) for f in of_problem]
    return sorted(drawn, key=lambda figure: not figure.name.startswith("time_by_chunk"))


def _named(problem: ProblemKey) -> str:
    """``n = 4,096, k = 10, d = 1,280, float32``."""
    sizes = problem._asdict()
    dtype = sizes.pop("dtype")
    return ", ".join([*(f"{PROBLEM_LETTERS[name]} = {size:,}" for name, size in sizes.items()), dtype])


def _suffix(problem: ProblemKey, problems: Sequence[ProblemKey]) -> str:
    """``-d1280-float32``: what varies over the run's problems, in a file's name."""
    sizes = problem._asdict()
    varying = varying_in_sweeps(problems)
    return "".join(f"-{'' if name == 'dtype' else PROBLEM_LETTERS[name]}{sizes[name]}" for name in varying)


def _time(kernels: Sequence[Judged]) -> Figure:
    """Seconds a pass against chunk size, panels for each set of devices; then what sizes cost against the knee."""
    by_devices = _lines_by_devices([one.sweep for one in kernels])
    shown = [point for lines in by_devices.values() for _, points in lines for point in points.values()]
    axis = Axis(time for point in shown for time in point.samples)
    panels = []
    for devices, lines in by_devices.items():
        for part in _parted(lines):
            series = [drawn for line in part for drawn in _lines(*line, axis.scale)]
            title = devices if len(by_devices) > 1 else ""
            panels.append(_by_chunk(series, f"{axis.unit} a pass", title, y_log=True, y_ticks=axis.ticks))
    most = max(by_devices, key=lambda devices: next(iter(by_devices[devices][0][1].values())).key.gpus)
    costs = [cost for one in kernels if (cost := _cost(one)) is not None]
    several = [costs[start : start + _LINES] for start in range(0, len(costs), _LINES)]
    for some in several:
        ratios = [ratio for line in some for ratio in line.y]
        ticks = nice(min(ratios), max(ratios))
        title = most if len(by_devices) > 1 else ""
        panels.append(_by_chunk(some, "time over the recommended chunk's", title, y_log=True, y_ticks=ticks))
    dots = "every pass of the times as a dot" if several else "every pass as a dot"
    note = f"medians over blocks with their 95 % intervals, {dots}; dashed: predicted from single chunks"
    note += (
        "\nright: geometric means over common blocks, with intervals that hold for all sizes together"
        if several
        else ""
    )
    return Figure("time_by_chunk", "Time of a pass by chunk size", panels, note)


def _lines_by_devices(sweeps: Sequence[Sweep]) -> dict[str, list[_Line]]:
    """The lines to draw for each set of devices, by its name."""
    lines: dict[str, list[_Line]] = {}
    for sweep in sweeps:
        for points in (sweep.points, sweep.alone):
            for devices in dict.fromkeys(point.key.device for point in points.values()):
                lines.setdefault(devices, []).append((sweep.kernel, points))
    return lines


def _parted(lines: Sequence[_Line]) -> list[Sequence[_Line]]:
    """The lines of each panel: as many as there are colours."""
    return [lines[start : start + _LINES] for start in range(0, len(lines), _LINES)]


def _by_chunk(series: Sequence[Series], y_label: str, title: str, **more: Any) -> Panel:
    ticks = ticks_of(int(size) for line in series for size in line.x)
    return Panel(series, "chunk size c", y_label, title, ticks, x_log=True, **more)


def _cost(one: Judged) -> Series | None:
    """What every size costs against the knee, with intervals that hold together; None of too few blocks."""
    if one.worth is None:
        return None
    sizes = one.worth.sizes
    y, low, high = zip(*(one.worth.cost(size)[1:] for size in sizes), strict=True)
    return Series(one.sweep.kernel, [float(size) for size in sizes], y, low, high)


def _lines(kernel: str, points: Mapping[int, TimedPoint], scale: float) -> Iterable[Series]:
    """What was measured, and what was predicted in the same colour."""
    x = [float(size) for size in points]
    dots = [(float(size), scale * seconds) for size, point in points.items() for seconds in point.samples]
    low, y, high = scaled(points, scale)
    yield Series(kernel, x, y, low, high, dots)
    predicted = [(float(size), scale * p.predicted_s) for size, p in points.items() if p.predicted_s]
    if predicted:
        at, times = zip(*predicted, strict=True)
        yield Series("", at, times, style="dashed", like=kernel)


def _residuals(kernels: Sequence[Judged], multiprocessors: int | None) -> Iterable[Figure]:
    """A figure for each kernel with sizes for a spectrum; where none has, one of prediction errors for all."""
    wiggles = [
        (one, search, parts)
        for one in kernels
        for search in one.searched
        if search.of == "t(c)" and (parts := decomposed(one.sweep, search.wiggle.sizes))
    ]
    for one, search, parts in wiggles:
        kernel = one.sweep.kernel
        name = f"-{kernel.replace(':', '-')}" if len(wiggles) > 1 else ""
        marks = _marks(one, search, expected_period(one.sweep, multiprocessors))
        panels = [_trend(one.sweep, parts), _spectrum([("t(c)", search.wiggle)], marks)]
        note = (
            "t(c): medians over blocks with their 95 % intervals; predicted and whole chunks from single chunks alone; "
            "right: of t(c) over whole chunks"
        )
        yield Figure(f"residual{name}", f"How {kernel}'s time wiggles", panels, note)
    if not wiggles:
        yield from prediction_error_figure([one.sweep for one in kernels])


def _trend(sweep: Sweep, parts: Decomposition) -> Panel:
    """Measured, predicted, and predicted without the staircase, each over the trend."""
    x = [float(size) for size in parts.sizes]
    measured = scaled({size: sweep.points[size] for size in parts.sizes}, 1)
    low, y, high = (percent_over(times, parts.trend) for times in measured)
    series = [
        Series("measured", x, y, low, high),
        Series("predicted", x, percent_over(parts.predicted, parts.trend), style="dashed"),
        Series("whole chunks of a smooth τ", x, percent_over(parts.steps, parts.trend), style="dashed"),
    ]
    return Panel(series, "chunk size c", "t(c) over its smooth trend − 1, in %")


def _marks(one: Judged, search: Searched, expected: float | None) -> list[tuple[float, str]]:
    """The strongest period, where it is told from red noise, and those expected where the axis reaches them."""
    marks = _expected(search.wiggle, expected)
    if one.lanes:
        marks.append((float(one.lanes.lanes), f"{one.lanes.lanes} lanes"))
    if search.period is not None and search.told and not search.too_short:
        marks.append((search.period.period, f"search {search.period.period:.3g}"))
    return marks


def _expected(wiggle: Wiggle, expected: float | None) -> list[tuple[float, str]]:
    reached = expected is not None and 2 * wiggle.step <= expected <= wiggle.step * len(wiggle.sizes)
    return [(expected, f"expected {expected:.3g}")] if reached and expected is not None else []


def _spectrum(wiggles: Sequence[tuple[str, Wiggle]], marks: Sequence[tuple[float, str]]) -> Panel:
    """Share of the variance at each period."""
    series = []
    for label, wiggle in wiggles:
        powers = spectrum(wiggle.values, wiggle.step)
        series.append(Series(label, powers.periods, [100 * share for share in powers.power]))
    periods = [period for line in series for period in line.x]
    ticks = [2.0**k for k in range(math.ceil(math.log2(min(periods))), math.floor(math.log2(max(periods))) + 1)]
    y = "variance of a sine of that period, in %"
    return Panel(series, "period in candidates", y, x_ticks=ticks, x_log=True, marks=marks)


def _singles(sweeps: Sequence[Sweep], multiprocessors: int | None) -> Iterable[Figure]:
    """Time a candidate of a single chunk, and its spectrum, where enough evenly spaced m were measured."""
    wiggles = [(sweep, wiggle) for sweep in sweeps if (wiggle := single_wiggle(sweep)) is not None]
    if not wiggles:
        return
    series = [_a_candidate(sweep, wiggle) for sweep, wiggle in wiggles]
    times = [time for line in series for time in line.y]
    ticks = nice(min(times), max(times))
    left = Panel(series, "candidates m of a single chunk", "τ(m)/m, µs a candidate", y_log=True, y_ticks=ticks)
    marks = _expected(wiggles[0][1], expected_period(wiggles[0][0], multiprocessors))
    right = _spectrum([(sweep.kernel, wiggle) for sweep, wiggle in wiggles], marks)
    note = "medians over blocks with their 95 % intervals; right: of τ(m) about its smooth curve"
    yield Figure("single_chunk", "Time of a single chunk", [left, right], note)


def _a_candidate(sweep: Sweep, wiggle: Wiggle) -> Series:
    """τ(m)/m in microseconds, with its interval."""
    seconds = scaled({m: sweep.singles[m] for m in wiggle.sizes}, 1e6)
    low, y, high = ([time / m for time, m in zip(times, wiggle.sizes, strict=True)] for times in seconds)
    return Series(sweep.kernel, [float(m) for m in wiggle.sizes], y, low, high)
