"""The tables of ``fbench memory``: growth by phase, predictions beside it, every case, every source, what fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fbench.harness.contract import Table
from fbench.results.words import counted
from fbench.units import format_bytes, format_count, format_percent

from .names import (
    about_count,
    bytes_range,
    common_sizes,
    gauge_in_words,
    size_heading,
    sizes_in_words,
    varying_round_sizes,
)
from .peaks import CaseMemory, GaugeProfile, PhaseGrowth, largest_cases, phase_order
from .rows import Gauge, LimitRow, RoundSizes

_MOST = 60
"""The most rows that a table is still read with."""


def phase_tables(cases: Sequence[CaseMemory]) -> Iterable[Table]:
    """A row a phase, a column a method, each at its largest problem: its growth."""
    mains = _mains(cases)
    if not mains:
        return
    sizes = [case.sizes for case in cases]
    what = " or of ".join(dict.fromkeys(gauge_in_words(main.gauge) for main in mains.values()))
    note = f"Growth of {what} at its peak over what was held before the first round. {_over(mains)}"
    growth = _grid(mains, lambda phase: format_bytes(phase.measured))
    yield Table(_title("Peak growth by phase", sizes), ["phase", *mains], growth, note + _different_sizes(cases))


def _different_sizes(cases: Sequence[CaseMemory]) -> str:
    """The end of a note: sizes that are not those of every method."""
    methods = [case.method for case in cases if case.main]
    columns = _size_columns([case.sizes for case in cases if case.main])
    return "".join(f" {name}: {_by_value(methods, cells)}." for name, cells in columns.items())


def _by_value(methods: Sequence[str], cells: Sequence[str]) -> str:
    """``1,024 (published, fused)``; a method without the size is left out."""
    having = {
        cell: [method for method, other in zip(methods, cells, strict=True) if other == cell] for cell in cells if cell
    }
    return ", ".join(f"{cell} ({', '.join(names)})" for cell, names in having.items())


def before_tables(cases: Sequence[CaseMemory]) -> Iterable[Table]:
    """A row a method: what was held before the first round, over which growth is counted."""
    known = {case.method: case for case in cases if case.main}
    if known:
        columns = {"held before": [format_bytes(main.baseline) for case in known.values() if (main := case.main)]}
        note = "Held before the first round: it is not growth, and is in no other number."
        yield _table("Before the first round", [(c.method, c.sizes) for c in known.values()], columns, note)


def ratio_tables(cases: Sequence[CaseMemory]) -> Iterable[Table]:
    """What was predicted over what was measured, phase by phase."""
    mains, sizes = _mains(cases), [case.sizes for case in cases]
    ratios = _grid(mains, lambda phase: _two_places(phase.ratio))
    if any(cell for row in ratios for cell in row[1:]):
        note = "Growth predicted for a phase over the growth measured; below 1 it falls short."
        yield Table(_title("Predicted / measured", sizes), ["phase", *mains], ratios, note)


def _mains(cases: Sequence[CaseMemory]) -> dict[str, GaugeProfile]:
    return {case.method: case.main for case in cases if case.main}


def _grid(mains: Mapping[str, GaugeProfile], write: Callable[[PhaseGrowth], str]) -> list[list[str]]:
    """A row a phase, which its name begins, with a cell for each method; empty where a method lacks the phase."""
    by_method = [{phase.name: write(phase) for phase in main.phases} for main in mains.values()]
    names = phase_order(name for cells in by_method for name in cells)
    return [[name, *(cells.get(name, "") for cells in by_method)] for name in names]


def _two_places(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _over(mains: Mapping[str, GaugeProfile]) -> str:
    """Over how many rounds, and how far one lay from another at most."""
    phases = [(method, phase) for method, main in mains.items() for phase in main.phases if phase.growth]
    rounds = [len(phase.growth) for _, phase in phases]
    if max(rounds) == 1:
        return "One round."
    method, widest = max(phases, key=lambda labelled: _range(labelled[1]))
    low, high = min(widest.growth.values()), max(widest.growth.values())
    widest_range = f"{bytes_range(low, high)} ({widest.name} of {method})"
    return f"Medians of {counted(rounds, 'round')}; the widest range is {widest_range}."


def _range(phase: PhaseGrowth) -> float:
    return max(phase.growth.values()) - min(phase.growth.values())


def _title(title: str, sizes: Sequence[RoundSizes]) -> str:
    """The sizes that are equal everywhere stand in the title."""
    common = sizes_in_words(sizes[0], common_sizes(sizes))
    return f"{title}: {common}" if common else title


def every_case(cases: Sequence[CaseMemory]) -> Iterable[Table]:
    """A row a case, where a method has several."""
    known = [case for case in cases if case.main]
    if not len(largest_cases(cases)) < len(known) <= _MOST:
        return
    tops = [main.top for case in known if (main := case.main) and main.top]
    columns = {
        "phase": [top.name for top in tops],
        "growth": [format_bytes(top.measured) for top in tops],
        "predicted": [format_bytes(top.predicted) for top in tops],
        "ratio": [_two_places(top.ratio) for top in tops],
    }
    note = "The phase that grows the most: median over rounds of its growth, the growth predicted, and their ratio."
    yield _table("Peak of every case", [(case.method, case.sizes) for case in known], columns, note)


def _table(
    title: str,
    points: Sequence[tuple[str, RoundSizes]],
    columns: Mapping[str, Sequence[str]],
    note: str,
    optional: Sequence[str] = (),
) -> Table:
    """A row a method and its sizes; those that vary are columns, the others stand in the title; no empty columns."""
    methods, sizes = [method for method, _ in points], [sizes for _, sizes in points]
    every = {"method": methods, **_size_columns(sizes), **columns}
    kept = {name: cells for name, cells in every.items() if any(cells)}
    rows = [list(row) for row in zip(*kept.values(), strict=True)]
    return Table(_title(title, sizes), list(kept), rows, note, [name for name in optional if name in kept])


def _size_columns(problems: Sequence[RoundSizes]) -> dict[str, list[str]]:
    """Cells of the sizes that vary, by what they are called."""
    columns = varying_round_sizes(problems)
    return {size_heading(column): [_cell(getattr(sizes, column)) for sizes in problems] for column in columns}


def _cell(size: int | str | None) -> str:
    return "" if size is None else f"{size:,}" if isinstance(size, int) else size


def source_tables(cases: Sequence[CaseMemory]) -> Iterable[Table]:
    """The largest growth by every gauge, where there are several: a row a method."""
    gauges = dict.fromkeys(gauge for case in cases for gauge in case.profiles)
    if len(gauges) < 2:
        return
    devices = len({gauge.device for gauge in gauges})
    columns = {_column(gauge, devices): [_top(case.profiles.get(gauge)) for case in cases] for gauge in gauges}
    scopes = {profile.scope for case in cases for profile in case.profiles.values() if profile.gauge.source == "nvml"}
    whose = "this process's" if "device_delta" not in scopes else "the whole device's, other processes included"
    note = (
        "The largest growth of any phase, by every source. allocated: torch's tensors; reserved: what torch took from "
        "the driver for them"
    )
    note += f"; used: {whose}, by NVML; non_torch: used less reserved." if scopes else "."
    yield _table("Peak growth by source", [(case.method, case.sizes) for case in cases], columns, note)


def _column(gauge: Gauge, devices: int) -> str:
    return f"{gauge.source} {gauge.quantity}" + (f" {gauge.device}" if devices > 1 else "")


def _top(profile: GaugeProfile | None) -> str:
    return "" if profile is None or profile.top is None else format_bytes(profile.top.measured)


def limit_tables(rows: Sequence[LimitRow]) -> Iterable[Table]:
    """A row a case: what is predicted, and what would still fit."""
    if not 0 < len(rows) <= _MOST:
        return
    budgets = sorted({row.budget_bytes for row in rows if row.budget_bytes is not None})
    several_devices, several_budgets = len({row.device for row in rows}) > 1, len(budgets) > 1
    columns = {
        "device": [row.device if several_devices else "" for row in rows],
        "budget": [format_bytes(row.budget_bytes) if several_budgets else "" for row in rows],
        "predicted": [format_bytes(row.predicted_bytes) for row in rows],
        "phase": [row.phase or "" for row in rows],
        "d×d": [format_bytes(row.matrices_bytes) for row in rows],
        "chunk ≤": [_fits(row.largest_chunk) for row in rows],
        "pool ≤": ["" if row.largest_pool is None else _pool(row.largest_pool) for row in rows],
    }
    keep = f"the budget of {format_bytes(budgets[0])}" if len(budgets) == 1 else "the budget"
    margins = sorted({row.margin for row in rows if row.margin is not None})
    margin = f" with {' or '.join(format_percent(share) for share in margins)} to spare, or more" if margins else ""
    note = (
        "Predicted, not measured: the growth of the largest phase, and of it the d×d matrices. Chunk ≤ and pool ≤: the "
        f"largest that are predicted to keep {keep}{margin}, all else as in the case; pools in two digits, "
        "rounded down."
    )
    optional = ("d×d", "budget", "phase")
    yield _table("What fits", [(row.method, row.sizes) for row in rows], columns, note, optional)


def _pool(count: int) -> str:
    return about_count(count) if count else "none"


def _fits(count: int | None) -> str:
    return "none" if count == 0 else format_count(count)
