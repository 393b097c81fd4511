"""Figures of ``fbench memory``: memory over a round with its phases, and peaks by phase beside their predictions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from fbench.harness.contract import Figure, Panel, Row, Series
from fbench.units import format_seconds

from .peaks import Measured, Meter, Profile, Tables, largest, meter_said, meter_short, named, sizes_said, varying

_PANELS = 4
"""Methods that one figure of peaks still shows."""


Line = Sequence[tuple[float, float]]
"""Seconds and bytes over the baseline, in turn."""


class _Span(NamedTuple):
    """A phase of the round that is drawn, in seconds from its begin."""

    name: str
    start: float
    end: float


def figures(cases: Sequence[Measured], tables: Tables) -> list[Figure]:
    """The peaks of all methods, then each method's largest case over a round."""
    shown = largest(cases)
    found = [_peaks(shown[:_PANELS], len(shown) - _PANELS)] if shown else []
    return [*found, *(figure for case in shown for figure in _timeline(case, tables))]


def _peaks(cases: Sequence[Measured], more: int) -> Figure:
    """Measured beside predicted, a panel a method, each with every round as a dot."""
    which, label = [i for i in range(6) if i not in varying([case.sizes for case in cases])], named(cases)
    panels = [_bars(main, label[case.case]) for case in cases if (main := case.main)]
    sizes = sizes_said(cases[0].sizes, which)
    mains = [main for case in cases if (main := case.main)]
    what = {meter_said(main.meter) for main in mains}
    who = f"{what.pop()} by phase" if len(what) == 1 else "memory by phase"
    scales = "; each panel has its own scale" if len(cases) > 1 else ""
    note = f"median over rounds, and every round as a dot{scales}"
    if more > 0:
        note += f"; {more} more method{'s' if more > 1 else ''} in the table"
    gap = "\n" if len(panels) == 1 else " "  # a single panel is too narrow for one line
    return Figure("peaks", f"Peak growth of {who}:{gap}{sizes}", panels, note)


def _bars(main: Profile, title: str) -> Panel:
    phases = main.phases
    values = [value for phase in phases for value in (phase.measured, phase.predicted, *phase.growth.values())]
    unit, scale = _unit(value for value in values if value is not None)
    x = [float(i) for i in range(len(phases))]
    dots = [(float(i), value * scale) for i, phase in enumerate(phases) for value in phase.growth.values()]
    several = any(len(phase.growth) > 1 for phase in phases)
    series = [
        Series("predicted", x, [_scaled(phase.predicted, scale) for phase in phases], style="bars"),
        Series(
            "measured",
            x,
            [_scaled(phase.measured, scale) for phase in phases],
            points=dots if several else (),
            style="bars",
        ),
    ]
    known = [each for each in series if not all(math.isnan(y) for y in each.y)]
    return Panel(known, "", f"{unit} over what was held at first", title, x_names=[phase.name for phase in phases])


def _scaled(size: float | None, scale: float) -> float:
    return math.nan if size is None else size * scale


def _unit(sizes: Iterable[float]) -> tuple[str, float]:
    """The unit of an axis that holds all sizes, and how many of it make a byte."""
    return ("GiB", 2.0**-30) if max(map(abs, sizes), default=0) >= 2**30 else ("MiB", 2.0**-20)


def _timeline(case: Measured, tables: Tables) -> Iterable[Figure]:
    """One round in real time, and beside it with every phase as wide as another: short ones are seen there."""
    if case.main is None:
        return
    device = case.main.meter.device
    own = [row for row in tables.get("timeline", ()) if _of(row, case, device) and row["bytes"] is not None]
    phases = [row for row in tables["results"] if _of(row, case, device) and row["status"] == "ok"]
    number = max((row["round"] for row in own), default=0)  # the last: the first has what is allocated at first use
    own, phases = ([row for row in rows if row["round"] == number] for rows in (own, phases))
    spans, lines = _spans(phases), _lines(case, device, own, phases)
    if not spans or not lines:
        return
    peaks, predicted = (_marks(case.main, phases, column) for column in ("peak_bytes", "predicted_bytes"))
    unit, scale = _unit([*(y for line in lines.values() for _, y in line), *peaks.values(), *predicted.values()])
    y_label = f"{unit} over what was held at first"
    real = [_line(meter, line, scale) for meter, line in lines.items()]
    bands = [(span.start, span.end, span.name) for span in spans]
    left = Panel(real, "seconds, in real time", y_label, bands=bands)
    right = _even(case.main.meter, lines, spans, peaks, predicted, scale)
    names = [f"{span.name}\n{format_seconds(span.end - span.start)}" for span in spans]
    edges = [(i - 0.5, i + 0.5, "") for i in range(len(spans))]
    even = Panel(right, "phases, each at the same width", y_label, x_names=names, bands=edges)
    sizes = sizes_said(case.sizes)
    note = (
        f"round {number} on {device}; lines are readings, of which the highest of each short stretch is kept; "
        "dots: the peak of a phase; dashed: predicted for it"
    )
    name = re.sub("[^a-z0-9]+", "-", case.method.lower())
    yield Figure(f"timeline-{name}", f"Memory of {case.method} over a round: {sizes}", [left, even], note)


def _of(row: Row, case: Measured, device: str) -> bool:
    return bool(row["case"] == case.case and row["device"] == device)


def _spans(rows: Sequence[Row]) -> list[_Span]:
    found = {
        row["phase"]: _Span(row["phase"], row["start_s"], row["end_s"])
        for row in rows
        if row["start_s"] is not None and row["end_s"] is not None
    }
    return sorted(found.values(), key=lambda span: (span.start, span.end))


def _lines(case: Measured, device: str, timeline: Sequence[Row], phases: Sequence[Row]) -> dict[Meter, Line]:
    """Seconds and bytes over the baseline of every meter with a timeline, what a phase began with among them."""
    found: dict[Meter, Line] = {}
    for source, quantity in dict.fromkeys((row["source"], row["quantity"]) for row in timeline):
        meter = Meter(device, source, quantity)
        base = _baseline(case.profiles.get(meter), phases)
        if base is not None:
            readings = [(row["t_s"], row["bytes"]) for row in timeline if _by(row, meter)]
            readings += [(row["start_s"], row["start_bytes"]) for row in phases if _by(row, meter)]
            found[meter] = sorted((at, size - base) for at, size in readings if at is not None and size is not None)
    return found


def _by(row: Row, meter: Meter) -> bool:
    return bool(row["source"] == meter.source and row["quantity"] == meter.quantity)


def _baseline(profile: Profile | None, phases: Sequence[Row]) -> float | None:
    """Of the round that is drawn."""
    if profile is None:
        return None
    own = [row["baseline_bytes"] for row in phases if _by(row, profile.meter)]
    return next((base for base in own if base is not None), profile.baseline)


def _marks(main: Profile, phases: Sequence[Row], column: str) -> dict[str, float]:
    """A column of each phase by the main meter, over the baseline; predictions are over it already."""
    base = 0.0 if column == "predicted_bytes" else _baseline(main, phases)
    own = [row for row in phases if _by(row, main.meter) and row[column] is not None]
    return {row["phase"]: row[column] - base for row in own} if base is not None else {}


def _line(meter: Meter, line: Line, scale: float) -> Series:
    return Series(meter_short(meter), [at for at, _ in line], [size * scale for _, size in line])


def _even(
    main: Meter,
    lines: Mapping[Meter, Line],
    spans: Sequence[_Span],
    peaks: Mapping[str, float],
    predicted: Mapping[str, float],
    scale: float,
) -> list[Series]:
    """The lines with each phase from i − ½ to i + ½; dots where it peaked, dashes where it was to peak."""
    series = [_line(meter, _stretched(line, spans), scale) for meter, line in lines.items()]
    what, at = meter_short(main), {span.name: float(i) for i, span in enumerate(spans)}
    dots = [(at[name], scale * size) for name, size in peaks.items() if name in at]
    own = ("peak of a phase", what) if main in lines else (f"{what}, peak of a phase", "")
    series += [_joined(own[0], dots, "points", own[1])] if dots else []
    ends = [(name, scale * size) for name, size in predicted.items() if name in at]
    dashes = [
        (at[name] + side, y) for name, size in ends for side, y in ((-0.45, size), (0.45, size), (0.45, math.nan))
    ]
    return [*series, *([_joined("predicted", dashes, "dashed")] if dashes else [])]


def _joined(label: str, line: Line, style: Literal["points", "dashed"], like: str = "") -> Series:
    return Series(label, [x for x, _ in line], [y for _, y in line], style=style, like=like)


def _stretched(line: Line, spans: Sequence[_Span]) -> list[tuple[float, float]]:
    """Each phase's readings at the same width, those between phases left out."""
    found = []
    for i, span in enumerate(spans):
        inside = [(at, size) for at, size in line if span.start <= at <= span.end]
        width = (span.end - span.start) or 1.0
        found += [(i - 0.5 + (at - span.start) / width, size) for at, size in inside]
    return found
