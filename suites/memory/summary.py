"""What ``fbench memory`` says at the end: peaks by phase beside their predictions, what fits, findings and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Row, Summary, Table
from fbench.results.words import counted
from fbench.units import format_bytes, format_count, format_percent

from .figures import figures
from .findings import findings
from .peaks import (
    LETTERS,
    SIZES,
    Measured,
    Meter,
    Phase,
    Profile,
    Tables,
    ends,
    largest,
    meter_said,
    phase_order,
    read_cases,
    sizes_said,
    varying,
)

_MOST = 60
"""Rows that a table is still read with."""


def summary(tables: Tables, options: Mapping[str, Any]) -> Summary:
    """Tables, findings and figures of a run, finished or not; ``options`` are those of the run."""
    cases = read_cases(tables["results"])
    shown = [*_by_phase(largest(cases)), *_every_case(cases), *_by_source(largest(cases)), *_limits(tables)]
    return Summary(shown, findings(cases, tables, options), figures(cases, tables))


def _by_phase(cases: Sequence[Measured]) -> Iterable[Table]:
    """A row a phase, a column a method, each at its largest problem: growth, then what was predicted over it."""
    mains = {case.method: case.main for case in cases if case.main}
    if not mains:
        return
    sizes = [case.sizes for case in cases]
    phases = phase_order(phase.name for main in mains.values() for phase in main.phases)
    which = [[_letter(i), *(_size(own[i]) for own in sizes)] for i in varying(sizes)]
    held = ["held before", *(format_bytes(main.baseline) for main in mains.values())]
    growth = [[name, *(_growth(main, name) for main in mains.values())] for name in phases]
    what = " or of ".join(dict.fromkeys(meter_said(main.meter) for main in mains.values()))
    note = f"Growth of {what} at its peak over what was held before the first round. {_over(mains)}"
    columns = ["phase", *mains]
    yield Table(_title("Peak growth by phase", sizes), columns, [*which, held, *growth], note)
    ratios = [[name, *(_ratio(main, name) for main in mains.values())] for name in phases]
    if any(cell for row in ratios for cell in row[1:]):
        note = "Growth predicted for a phase over the growth measured, as in the table above."
        yield Table(_title("Predicted / measured", sizes), columns, [*which, *ratios], note)


def _growth(main: Profile, name: str) -> str:
    return next((format_bytes(phase.measured) for phase in main.phases if phase.name == name), "")


def _ratio(main: Profile, name: str) -> str:
    return next((_two_places(phase.ratio) for phase in main.phases if phase.name == name), "")


def _two_places(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _over(mains: Mapping[str, Profile]) -> str:
    """Over how many rounds, and how far one lay from another at most."""
    phases = [(label, phase) for label, main in mains.items() for phase in main.phases if phase.growth]
    rounds = [len(phase.growth) for _, phase in phases]
    if max(rounds) == 1:
        return "One round."
    label, widest = max(phases, key=lambda each: _range(each[1]))
    low, high = min(widest.growth.values()), max(widest.growth.values())
    return f"Medians of {counted(rounds, 'round')}; the widest range is {ends(low, high)} ({widest.name} of {label})."


def _range(phase: Phase) -> float:
    return max(phase.growth.values()) - min(phase.growth.values())


def _title(title: str, sizes: Sequence[Sequence[Any]]) -> str:
    """The sizes that are equal everywhere stand in the title."""
    common = sizes_said(sizes[0], [i for i in range(len(SIZES)) if i not in varying(sizes)])
    return f"{title}: {common}" if common else title


def _every_case(cases: Sequence[Measured]) -> Iterable[Table]:
    """A row a case, where a method has several."""
    known = [case for case in cases if case.main]
    if not len(largest(cases)) < len(known) <= _MOST:
        return
    cells: dict[str, Callable[[Measured, Phase], str]] = {
        "phase": lambda case, top: top.name,
        "growth": lambda case, top: format_bytes(top.measured),
        "predicted": lambda case, top: format_bytes(top.predicted),
        "ratio": lambda case, top: _two_places(top.ratio),
    }
    pairs = [(case, main.top) for case in known if (main := case.main)]
    columns = {name: [cell(case, top) for case, top in pairs if top] for name, cell in cells.items()}
    note = "The phase that grows the most: median over rounds of its growth, the growth predicted, and their ratio."
    yield _table("Peak of every case", [(case.method, case.sizes) for case in known], columns, note)


def _table(
    title: str, points: Sequence[tuple[str, Sequence[Any]]], columns: Mapping[str, Sequence[str]], note: str
) -> Table:
    """A row a method and its sizes; those that vary are columns, the others stand in the title; no empty columns."""
    sizes = [own for _, own in points]
    first = {"method": [method for method, _ in points]}
    own = {_letter(i): [_size(each[i]) for each in sizes] for i in varying(sizes)}
    kept = {name: cells for name, cells in {**first, **own, **columns}.items() if any(cells)}
    return Table(_title(title, sizes), list(kept), [list(row) for row in zip(*kept.values(), strict=True)], note)


def _letter(position: int) -> str:
    return LETTERS[SIZES[position]] or SIZES[position]


def _size(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _by_source(cases: Sequence[Measured]) -> Iterable[Table]:
    """The largest growth by every meter, where there are several: a row a method."""
    meters = dict.fromkeys(meter for case in cases for meter in case.profiles)
    if len(meters) < 2:
        return
    devices = len({meter.device for meter in meters})
    columns = {_column(meter, devices): [_top(case.profiles.get(meter)) for case in cases] for meter in meters}
    scopes = {each.scope for case in cases for each in case.profiles.values() if each.meter.source == "nvml"}
    own = "this process's" if "device_delta" not in scopes else "the whole device's, other processes included"
    note = (
        "The largest growth of any phase, by every source. allocated: torch's tensors; reserved: what torch took from "
        "the driver for them"
    )
    note += f"; used: {own}, by NVML; non_torch: used less reserved." if scopes else "."
    yield _table("Peak growth by source", [(case.method, case.sizes) for case in cases], columns, note)


def _column(meter: Meter, devices: int) -> str:
    return f"{meter.source} {meter.quantity}" + (f" {meter.device}" if devices > 1 else "")


def _top(profile: Profile | None) -> str:
    return "" if profile is None or profile.top is None else format_bytes(profile.top.measured)


def _limits(tables: Tables) -> Iterable[Table]:
    """A row a case: what is predicted, and what would still fit."""
    rows = tables.get("limits", ())
    if not 0 < len(rows) <= _MOST:
        return
    budgets = sorted({row["budget_bytes"] for row in rows if row["budget_bytes"] is not None})
    cells: dict[str, Callable[[Row], str]] = {
        "device": lambda row: row["device"] if len({each["device"] for each in rows}) > 1 else "",
        "budget": lambda row: format_bytes(row["budget_bytes"]) if len(budgets) > 1 else "",
        "predicted": lambda row: format_bytes(row["predicted_bytes"]),
        "phase": lambda row: row["phase"] or "",
        "d×d": lambda row: format_bytes(row["matrices_bytes"]),
        "chunk ≤": lambda row: _fits(row["largest_chunk"]),
        "pool ≤": lambda row: _fits(row["largest_pool"]),
    }
    columns = {name: [cell(row) for row in rows] for name, cell in cells.items()}
    keep = f"the budget of {format_bytes(budgets[0])}" if len(budgets) == 1 else "the budget"
    margins = sorted({row["margin"] for row in rows if row["margin"] is not None})
    margin = f" with a margin of {' or '.join(format_percent(each) for each in margins)}" if margins else ""
    note = (
        "Predicted, not measured: the growth of the largest phase, and of it the d×d matrices. Chunk ≤ and pool ≤: the "
        f"largest that are predicted to keep {keep}{margin}, all else as in the case."
    )
    yield _table("What fits", [(row["method"], [row[name] for name in SIZES]) for row in rows], columns, note)


def _fits(count: int | None) -> str:
    return "none" if count == 0 else format_count(count)
