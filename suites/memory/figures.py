"""Figures of ``fbench memory``: memory over a round with its phases, and peaks by phase beside their predictions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from fbench.harness.contract import Figure, Panel, Series
from fbench.units import format_seconds

from .names import case_names, common_sizes, gauge_in_short, gauge_in_words, sizes_in_words
from .peaks import CaseMemory, GaugeProfile, largest_cases
from .rows import Gauge, PhaseRow, RunRows, TimelineRow, grouped

_PANELS = 4
"""The most methods that one figure of peaks still shows."""

MemoryLine = Sequence[tuple[float, float]]
"""Points of a line in turn: seconds, and bytes over the baseline."""


class _Span(NamedTuple):
    """A phase of the round that is drawn, in seconds from its begin."""

    name: str
    start: float
    end: float


def peak_figures(cases: Sequence[CaseMemory]) -> list[Figure]:
    """The peaks of all methods, each at its largest problem; nothing where nothing was measured."""
    shown = largest_cases(cases)
    return [_peaks(shown[:_PANELS], len(shown) - _PANELS)] if shown else []


def timelines(cases: Sequence[CaseMemory], rows: RunRows) -> list[Figure]:
    """Each method's largest case over a round."""
    return [figure for case in largest_cases(cases) for figure in _timeline(case, rows)]


def _peaks(cases: Sequence[CaseMemory], more: int) -> Figure:
    """Measured beside predicted, a panel a method, each with every round as a dot."""
    names = case_names(cases)
    panels = [_bars(main, names[case.case]) for case in cases if (main := case.main)]
    sizes = sizes_in_words(cases[0].sizes, common_sizes([case.sizes for case in cases]))
    what = {gauge_in_words(main.gauge) for case in cases if (main := case.main)}
    who = f"{what.pop()} by phase" if len(what) == 1 else "memory by phase"
    scales = "; each panel has its own scale" if len(cases) > 1 else ""
    note = f"median over rounds, and every round as a dot{scales}"
    if more > 0:
        note += f"; {more} more method{'s' if more > 1 else ''} in the table"
    gap = "\n" if len(panels) == 1 else " "  # a single panel is too narrow for one line
    return Figure("peaks", f"Peak growth of {who}:{gap}{sizes}", panels, note)


def _bars(main: GaugeProfile, title: str) -> Panel:
    phases = main.phases
    sizes = [size for phase in phases for size in (phase.measured, phase.predicted, *phase.growth.values())]
    unit, scale = _unit(size for size in sizes if size is not None)
    x = [float(i) for i in range(len(phases))]
    dots = [(float(i), size * scale) for i, phase in enumerate(phases) for size in phase.growth.values()]
    several = any(len(phase.growth) > 1 for phase in phases)
    predicted = [_scaled(phase.predicted, scale) for phase in phases]
    measured = [_scaled(phase.measured, scale) for phase in phases]
    series = [
        Series("predicted", x, predicted, style="bars"),
        Series("measured", x, measured, points=dots if several else (), style="bars"),
    ]
    known = [bars for bars in series if not all(math.isnan(y) for y in bars.y)]
    return Panel(known, "", f"{unit} over what was held at first", title, x_names=[phase.name for phase in phases])


def _scaled(size: float | None, scale: float) -> float:
    return math.nan if size is None else size * scale


def _unit(sizes: Iterable[float]) -> tuple[str, float]:
    """The unit of an axis that holds all sizes, and how many of it make a byte."""
    return ("GiB", 2.0**-30) if max(map(abs, sizes), default=0) >= 2**30 else ("MiB", 2.0**-20)


def _timeline(case: CaseMemory, rows: RunRows) -> Iterable[Figure]:
    """One round in real time, and beside it with every phase as wide as another: short ones are seen there."""
    if case.main is None:
        return
    device = case.main.gauge.device
    readings = [row for row in rows.timeline if _of(row, case, device) and row.bytes is not None]
    number = max((row.round for row in readings), default=0)  # the last: the first has what is allocated at first use
    phases = [row for row in rows.phases if _of(row, case, device) and row.round == number]
    spans, lines = _spans(phases), _lines(case, [row for row in readings if row.round == number], phases)
    if not spans or not lines:
        return
    peaks, predicted = _peaks_over_baseline(case.main, phases), _predictions(case.main, phases)
    unit, scale = _unit([*(y for line in lines.values() for _, y in line), *peaks.values(), *predicted.values()])
    y_label = f"{unit} over what was held at first"
    real = [_series(gauge, line, scale) for gauge, line in lines.items()]
    even = _even(case.main.gauge, lines, spans, peaks, predicted, scale)
    note = (
        f"round {number} on {device}; lines are readings, of which the highest of each short stretch is kept; "
        "dots: the peak of a phase; dashed: predicted for it"
    )
    name, title = re.sub("[^a-z0-9]+", "-", case.method.lower()), f"Memory of {case.method} over a round"
    panels = [_real_panel(real, spans, y_label), _even_panel(even, spans, y_label)]
    yield Figure(f"timeline-{name}", f"{title}: {sizes_in_words(case.sizes)}", panels, note)


def _of(row: PhaseRow | TimelineRow, case: CaseMemory, device: str) -> bool:
    return row.case == case.case and row.gauge.device == device


def _real_panel(series: Sequence[Series], spans: Sequence[_Span], y_label: str) -> Panel:
    bands = [(span.start, span.end, span.name) for span in spans]
    return Panel(series, "seconds, in real time", y_label, bands=bands)


def _even_panel(series: Sequence[Series], spans: Sequence[_Span], y_label: str) -> Panel:
    names = [f"{span.name}\n{format_seconds(span.end - span.start)}" for span in spans]
    edges = [(i - 0.5, i + 0.5, "") for i in range(len(spans))]
    return Panel(series, "phases, each at the same width", y_label, x_names=names, bands=edges)


def _spans(rows: Sequence[PhaseRow]) -> list[_Span]:
    spans = {
        row.phase: _Span(row.phase, row.start_s, row.end_s)
        for row in rows
        if row.start_s is not None and row.end_s is not None
    }
    return sorted(spans.values(), key=lambda span: (span.start, span.end))


def _lines(case: CaseMemory, readings: Sequence[TimelineRow], phases: Sequence[PhaseRow]) -> dict[Gauge, MemoryLine]:
    """The line of every gauge with readings; what a phase began with is among its points."""
    lines: dict[Gauge, MemoryLine] = {}
    for gauge, rows in grouped(readings, lambda row: row.gauge).items():
        base = _baseline(case.profiles.get(gauge), phases)
        if base is not None:
            points = [(row.t_s, row.bytes) for row in rows]
            points += [(row.start_s, row.start_bytes) for row in phases if row.gauge == gauge]
            lines[gauge] = sorted((at, size - base) for at, size in points if at is not None and size is not None)
    return lines


def _baseline(profile: GaugeProfile | None, phases: Sequence[PhaseRow]) -> float | None:
    """What the gauge read before the first round of the process whose round is drawn."""
    if profile is None:
        return None
    baselines = (row.baseline_bytes for row in phases if row.gauge == profile.gauge)
    return next((base for base in baselines if base is not None), profile.baseline)


def _peaks_over_baseline(main: GaugeProfile, phases: Sequence[PhaseRow]) -> dict[str, float]:
    """The peak of each phase by the main gauge, in bytes over the baseline."""
    base = _baseline(main, phases)
    if base is None:
        return {}
    by_main = (row for row in phases if row.gauge == main.gauge)
    return {row.phase: row.peak_bytes - base for row in by_main if row.peak_bytes is not None}


def _predictions(main: GaugeProfile, phases: Sequence[PhaseRow]) -> dict[str, float]:
    """The predicted growth of each phase by the main gauge, which is over the baseline already."""
    by_main = (row for row in phases if row.gauge == main.gauge)
    return {row.phase: float(row.predicted_bytes) for row in by_main if row.predicted_bytes is not None}


def _series(gauge: Gauge, line: MemoryLine, scale: float) -> Series:
    return Series(gauge_in_short(gauge), [at for at, _ in line], [size * scale for _, size in line])


def _even(
    main: Gauge,
    lines: Mapping[Gauge, MemoryLine],
    spans: Sequence[_Span],
    peaks: Mapping[str, float],
    predicted: Mapping[str, float],
    scale: float,
) -> list[Series]:
    """The lines with each phase from i − ½ to i + ½; dots where it peaked, dashes where it was to peak."""
    series = [_series(gauge, _stretched(line, spans), scale) for gauge, line in lines.items()]
    at = {span.name: float(i) for i, span in enumerate(spans)}
    dots = [(at[name], scale * size) for name, size in peaks.items() if name in at]
    what = gauge_in_short(main)
    label, like = ("peak of a phase", what) if main in lines else (f"{what}, peak of a phase", "")
    series += [_joined(label, dots, "points", like)] if dots else []
    ends = [(at[name], scale * size) for name, size in predicted.items() if name in at]
    dashes = [(x + side, y) for x, size in ends for side, y in ((-0.45, size), (0.45, size), (0.45, math.nan))]
    return [*series, *([_joined("predicted", dashes, "dashed")] if dashes else [])]


def _joined(label: str, line: MemoryLine, style: Literal["points", "dashed"], like: str = "") -> Series:
    return Series(label, [x for x, _ in line], [y for _, y in line], style=style, like=like)


def _stretched(line: MemoryLine, spans: Sequence[_Span]) -> list[tuple[float, float]]:
    """Each phase's readings at the same width, those between phases left out."""
    points: list[tuple[float, float]] = []
    for i, span in enumerate(spans):
        inside = [(at, size) for at, size in line if span.start <= at <= span.end]
        width = (span.end - span.start) or 1.0
        points += [(i - 0.5 + (at - span.start) / width, size) for at, size in inside]
    return points
