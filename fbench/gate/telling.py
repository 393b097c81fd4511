"""A gate's report in words: what was found, how small a change could have been seen, a table, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from statistics import median
from typing import Any

from fbench.gate.playing import PAIRS_A_START
from fbench.gate.verdict import GateReport, GateRow
from fbench.gate.weighing import LEAST_BYTES, PeakRow, PeakWord
from fbench.harness.contract import Table
from fbench.regression.floor import GateWord
from fbench.regression.saying import json_value, ratio_percent
from fbench.results.plain import markdown_text
from fbench.results.render import markdown_table
from fbench.results.terminal import fitted
from fbench.results.words import counted, first_few
from fbench.units import format_bytes, format_percent, format_seconds

_ORDER: tuple[GateWord, ...] = ("slower", "inconclusive", "not shown", "faster", "same within the margin")
_PEAK_ORDER: tuple[PeakWord, ...] = ("larger", "inconclusive", "not shown", "smaller", "same within the margin")
_MOST_NAMED = 5


def gate_lead(report: GateReport) -> list[str]:
    """What was found, what could have been, and what else is to be known; a sentence or two each.

    Example:
        >>> row = GateRow("a", "slower", 60, 15, 1.25, 1.2, 1.3, 0.01, 0.04, 0.1, 0.125, 0.001)
        >>> gate_lead(GateReport("v1", "v2", 0.03, [row]))[0]
        'v2 is slower than v1 in 1 of 1 benchmark (a): a regression is confirmed.'
    """
    values = [f"{row.name} returns another value: {row.value}." for row in report.rows if row.value]
    failed = [f"{line}." for line in report.failed]
    notes = [f"Note: {note}." for note in report.notes]
    told = [_outcome(report), _unconfirmed(report), _power(report), _peaks(report)]
    if any(row.verdict == "larger" for row in report.peaks):
        told = [told[-1], *told[:-1]]
    spent = [f"Measured in {format_seconds(report.spent_s)}."] if report.spent_s else []
    return [*filter(None, told), *values, *failed, *notes, *spent]


def _outcome(report: GateReport) -> str:
    slower, rows = report.named("slower"), report.rows
    count = counted([len(rows)], "benchmark")
    if slower:
        among = f"{len(slower)} of {count} ({_names(slower)})"
        return f"{report.new} is slower than {report.base} in {among}: a regression is confirmed."
    if not rows:
        return f"{report.new} against {report.base}: nothing was measured."
    several = ", ".join(f"{len(report.named(word))} {word}" for word in _ORDER if report.named(word))
    of_time = " of time" if report.peaks else ""
    return f"{report.new} against {report.base}: of {count}, {several}; no regression{of_time} is confirmed."


def _unconfirmed(report: GateReport) -> str:
    """What looks slower by more than could be the machine's, and is not shown to be; empty where nothing does."""
    rows = [
        row for row in report.named("inconclusive") if row.change - 1 > max(row.floor, report.threshold)
    ]  # of one without starts enough the floor is infinite
    if not rows:
        return ""
    by = ", ".join(_percent(row.change) for row in rows[:_MOST_NAMED])
    return (
        f"Slower by more than the machine's own differences, and not confirmed: {_names(rows)} ({by}); give more time."
    )


def _power(report: GateReport) -> str:
    rows = [row for row in report.rows if math.isfinite(row.floor)]
    if not rows:
        few = "Time was over before six starts of the processes were measured: give a larger --budget."
        return few if report.rows else ""
    seen, floor = max(row.seen for row in rows), max(row.floor for row in rows)
    told = (
        f"Slower by {_share(median(row.seen for row in rows))} would have been found nine times in ten in half of the "
        f"benchmarks, by {_share(seen)} in all; equal code differs by up to {_share(floor)} here."
    )
    above = [row for row in report.named("inconclusive") if row.floor > report.threshold]
    if not above:
        return told
    than = f"more than --threshold {report.threshold:g} in {_names(above)}"
    return f"{told} The floor is {than}: give a larger one, or more time."


def _peaks(report: GateReport) -> str:
    """What was weighed, in a sentence; empty where nothing was."""
    if not report.peaks:
        return ""
    larger = [row for row in report.peaks if row.verdict == "larger"]
    count = counted([len(report.peaks)], "benchmark")
    if larger:
        among = f"{len(larger)} of {count} ({_names(larger)})"
        return f"{report.new} needs more memory than {report.base} in {among}: a growth is confirmed."
    counts = {word: sum(row.verdict == word for row in report.peaks) for word in _PEAK_ORDER}
    several = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    return f"Peaks of memory: of {count}, {several}; no growth is confirmed."


def peak_tables(report: GateReport) -> list[Table]:
    """A table of what was weighed, what fails the gate first; none where nothing was."""
    if not report.peaks:
        return []
    rows = [
        [
            row.name,
            row.verdict,
            _percent(row.change),
            _interval(row),
            *(format_bytes(peak) for peak in (row.base_bytes, row.new_bytes)),
            str(row.n),
        ]
        for row in sorted(report.peaks, key=lambda row: _PEAK_ORDER.index(row.verdict))
    ]
    columns = ["benchmark", "peak", "change", "of two rounds", "base", "new", "n"]
    note = (
        f"peak: growth of a process's resident memory during one call. larger: even the least ratio of two rounds is "
        f"above +{format_percent(report.threshold)}. Peaks under {format_bytes(LEAST_BYTES)} count as that."
    )
    return [Table("Peaks of memory", columns, rows, note, ["n", "new", "base"])]


def _share(value: float) -> str:
    return format_percent(round(value, 3))


def _names(rows: Sequence[GateRow | PeakRow]) -> str:
    return first_few((row.name for row in rows), _MOST_NAMED)


def gate_table(report: GateReport) -> Table:
    """A row a benchmark, what fails the gate first."""
    rows = sorted(report.rows, key=lambda row: _ORDER.index(row.verdict))
    cells = [
        [
            row.name,
            row.verdict,
            _percent(row.change),
            _interval(row),
            f"±{_share(row.floor)}" if math.isfinite(row.floor) else "",
            _share(row.seen) if math.isfinite(row.seen) else "",
            format_seconds(row.base_s),
            format_seconds(row.new_s),
            "" if math.isnan(row.adjusted) else f"{row.adjusted:.2g}",
            str(row.starts),
        ]
        for row in rows
    ]
    columns = ["benchmark", "verdict", "change", "95 % interval", "floor", "seen", "base", "new", "p, Holm", "starts"]
    note = (
        f"slower: p < 0.01 after Holm's correction and more than {format_percent(report.threshold)} and the floor. "
        "floor: how far the base's own processes may be apart. seen: the smallest slowing found nine times in ten. "
        f"starts: of the processes, {PAIRS_A_START} pairs each."
    )
    return Table(f"{report.new} against {report.base}", columns, cells, note, ["starts", "p, Holm", "new", "base"])


def _percent(ratio: float) -> str:
    return "" if math.isnan(ratio) else ratio_percent(ratio)


def _interval(row: GateRow | PeakRow) -> str:
    low, high = _percent(row.low), _percent(row.high)
    return f"{low.removesuffix(' %')} to {high}" if low else ""


def plain_table(report: GateReport, width: int) -> list[str]:
    """The tables as lines of text for so many columns: a row a benchmark, and the note; none without rows."""
    tables = [*([gate_table(report)] if report.rows else []), *peak_tables(report)]
    return [line for table in tables for line in _aligned(fitted(table, width, "on a wider terminal"))]


def _aligned(table: Table) -> list[str]:
    rows = [list(table.columns), *map(list, table.rows)]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["   ".join(f"{cell:>{size}}" for cell, size in zip(row, sizes, strict=True)) for row in rows]
    first = sizes[0]
    left = [f"{row[0]:<{first}}{line[first:]}" for row, line in zip(rows, lines, strict=True)]
    return ["", *(line.rstrip() for line in left), "", table.note]


def gate_markdown(report: GateReport) -> str:
    """A comment for a pull request."""
    lead = [markdown_text(line) for line in gate_lead(report)]
    tables = map(markdown_table, [gate_table(report), *peak_tables(report)])
    return "\n\n".join([f"**{lead[0]}**", *lead[1:], *tables]) + "\n"


def gate_json(report: GateReport) -> dict[str, Any]:
    """The report for programs: numbers unrounded, null where there is none."""
    plain = {field.name: getattr(report, field.name) for field in fields(report)}
    rows, peaks = (
        [{name: json_value(value) for name, value in asdict(row).items()} for row in kind]
        for kind in (report.rows, report.peaks)
    )
    return {
        "fbench_gate": 1,
        **plain,
        "rows": rows,
        "peaks": peaks,
        "exit_code": report.exit_code,
        "lead": gate_lead(report),
    }
