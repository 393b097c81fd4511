"""A comparison in words: three lines, a table, Markdown for a pull request, JSON for programs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from fbench.harness.contract import Table
from fbench.regression.compared import GAINS, LOSSES, ComparedRow, RevisionDiff
from fbench.results.plain import markdown_text
from fbench.results.render import markdown_table
from fbench.results.words import counted, first_few
from fbench.units import format_bytes, format_percent, format_seconds

JSON_FORM = 1
"""Of what ``as_json`` gives; a change that old readers would misread has another number."""
_ORDER = (*sorted(LOSSES), "inconclusive", "not shown", *sorted(GAINS), "same within the margin")
_MOST_NAMED = 5
_MOST_ROWS = 200
"""Rows of a Markdown table: GitHub cuts a comment at 65,536 letters."""


def lead_of(comparison: RevisionDiff) -> list[str]:
    """What was found, how it is to be read, and what is missing; a sentence or two each.

    Example:
        >>> row = ComparedRow("a", "time", 20, 1.0, 1.1, 1.1, 1.08, 1.12, "slower")
        >>> lead_of(RevisionDiff("v1", "v2", [row], 0.03, paired=True))[0]
        'v2 is slower than v1 in 1 of 1 benchmark (a): a regression is confirmed.'
    """
    return [*filter(None, [_found(comparison), _how_to_read(comparison), *_missing(comparison)])]


def _found(comparison: RevisionDiff) -> str:
    rows, losses = comparison.rows, comparison.losses
    both = f"{comparison.new} {{}} {comparison.base}"
    if losses:
        words = " or ".join(dict.fromkeys(row.verdict for row in losses))
        names = first_few(_short(comparison, losses), _MOST_NAMED)
        among = f"{len(losses)} of {counted([len(rows)], 'benchmark')} ({names})"
        if comparison.confirmed:
            return both.format(f"is {words} than") + f" in {among}: a regression is confirmed."
        return both.format(f"looks {words} than") + f" in {among}, which is not confirmed."
    counts = {word: sum(row.verdict == word for row in rows) for word in _ORDER}
    several = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return both.format("against") + f": of {counted([len(rows)], 'benchmark')}, {several}."


def _shared(comparison: RevisionDiff) -> list[str]:
    """Words of the form key=value that every name has: they tell no two benchmarks apart."""
    words = [row.name.split(" ") for row in comparison.rows]
    return [word for word in words[0] if "=" in word and all(word in other for other in words)] if words[1:] else []


def _short(comparison: RevisionDiff, rows: Iterable[ComparedRow]) -> list[str]:
    """Names without what all of them share, words or folders; whole where nothing would be left of one."""
    shared, folder = _shared(comparison), _folder(comparison)
    names = [" ".join(word for word in row.name[folder:].split(" ") if word not in shared) for row in rows]
    return names if all(names) else [row.name for row in rows]


def _folder(comparison: RevisionDiff) -> int:
    """Letters of the folders that all names of tests are below."""
    files = [row.name.partition("::")[0] for row in comparison.rows if "::" in row.name]
    if len(files) < len(comparison.rows) or len(files) < 2:
        return 0
    levels = zip(*(file.split("/")[:-1] for file in files), strict=False)
    return sum(len(names[0]) + 1 for names in itertools.takewhile(lambda names: len(set(names)) == 1, levels))


def _how_to_read(comparison: RevisionDiff) -> str:
    """What kind of evidence it is; of two runs, the drift."""
    margin = format_percent(comparison.margin)
    if comparison.paired:
        values = [row.n for row in comparison.rows]
        starts = f"{counted(values, 'start')} of the processes"
        counts = starts if comparison.by_start else counted(values, "interleaved pair")
        floors = [row.floor for row in comparison.rows if math.isfinite(row.floor)]
        above = f"{margin} and the floor, up to {format_percent(round(max(floors), 3))}" if floors else margin
        return f"{counts} a benchmark; slower: p < 0.01 after Holm's correction and more than {above}."
    if all(row.quantity != "time" for row in comparison.rows):
        return ""
    drifts = [row.drift for row in comparison.rows if not math.isnan(row.drift)]
    controls = [row.control for row in comparison.rows if not math.isnan(row.control)]
    told = f"controls moved by {_span(controls)}, and " if controls else ""
    read = f"{told}ratios are to be read against a drift of {_upto(drifts)}" if drifts else "nothing tells their drift"
    return f"Two runs made at different times confirm nothing: {read}. Interleaved pairs can confirm."


def _missing(comparison: RevisionDiff) -> Iterator[str]:
    if comparison.differences:
        yield f"Compared by --force, though not of one kind: {'; '.join(comparison.differences)}."
    for side, names in (("base", comparison.only_base), ("new", comparison.only_new)):
        if names:
            yield f"Only the {side} one has {first_few(names, 1)}."
    yield from (f"Note: {note}." for note in comparison.notes)


def _span(ratios: Sequence[float]) -> str:
    ends = [format_percent(round(end - 1, 3), signed=True) for end in (min(ratios), max(ratios))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _upto(drifts: Sequence[float]) -> str:
    ends = [format_percent(round(end, 3)) for end in (min(drifts), max(drifts))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def table_of(comparison: RevisionDiff) -> Table:
    """A row a benchmark: losses first, then what is open; columns that nothing fills are left out."""
    rows = sorted(comparison.rows, key=lambda row: _ORDER.index(row.verdict))
    columns: dict[str, list[str]] = {
        "benchmark": _short(comparison, rows),
        "verdict": [row.verdict for row in rows],
        "change": [_change(row, row.change) for row in rows],
        "95 % interval": [_ends(row) for row in rows],
        "drift": [format_percent(round(row.drift, 3)) and f"±{format_percent(round(row.drift, 3))}" for row in rows],
        "floor": [f"±{format_percent(round(row.floor, 3))}" if math.isfinite(row.floor) else "" for row in rows],
        "control": [_change(replace(row, quantity="time"), row.control) for row in rows],
        "base": [_level(row, row.base) for row in rows],
        "new": [_level(row, row.new) for row in rows],
        "p, Holm": ["" if math.isnan(row.adjusted) else f"{row.adjusted:.2g}" for row in rows],
        "n": [str(row.n) for row in rows],
    }
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    cells = [list(cells) for cells in zip(*filled.values(), strict=True)]
    optional = [name for name in ("n", "p, Holm", "new", "base", "control") if name in filled]
    return Table(f"{comparison.new} against {comparison.base}", list(filled), cells, _note(comparison), optional)


def _note(comparison: RevisionDiff) -> str:
    """What the columns are, of those that are there, and why nothing is shown where something can be done about it."""
    rows, shared = comparison.rows, _shared(comparison)
    parts = [f"all: {' '.join(shared)}"] if shared else []
    if any(row.quantity == "time" for row in rows):
        over = ", over its control's" if any(not math.isnan(row.control) for row in rows) else ""
        parts.append(f"change: of the time{over}; the margin is {format_percent(comparison.margin)}")
    if any(not math.isnan(row.drift) for row in rows):
        parts.append("drift: what the machine may have moved by itself, as controls and other benchmarks tell")
    if any(math.isfinite(row.floor) for row in rows):
        parts.append("floor: how far the base's two processes may be apart")
    if any(row.quantity == "accuracy" for row in rows):
        parts.append("accuracy: area under the curve, paired by seed")
    if any(row.quantity == "peak" for row in rows):
        parts.append("peak: growth, from the least to the greatest ratio of two rounds")
    reasons = dict.fromkeys(row.why for row in rows if row.why and row in comparison.open)
    return ". ".join([*parts, *reasons]) + "."


def _change(row: ComparedRow, value: float) -> str:
    if math.isnan(value):
        return ""
    if row.quantity == "accuracy":
        return f"{value:+.4f}"
    return ratio_percent(value) if value < 10 else f"×{value:,.0f}"


def ratio_percent(ratio: float) -> str:
    """By how much a ratio changes what it is of.

    Example:
        >>> ratio_percent(1.25)
        '+25.0 %'
    """
    return f"{ratio - 1:+.1%}".replace("%", " %")


def _ends(row: ComparedRow) -> str:
    low, high = _change(row, row.low), _change(row, row.high)
    return f"{low.removesuffix(' %')} to {high}" if low and high else ""


def _level(row: ComparedRow, value: float) -> str:
    if row.quantity == "accuracy":
        return f"{value:.4f}"
    return format_seconds(value) if row.quantity == "time" else format_bytes(value)


def github_markdown(comparison: RevisionDiff) -> str:
    """A comment for a pull request: the lead, and the table folded where nothing counts against the new revision."""
    lead = [markdown_text(line) for line in lead_of(comparison)]
    table = table_of(comparison)
    if len(table.rows) > _MOST_ROWS:
        note = f"{len(table.rows) - _MOST_ROWS} more rows are left out. {table.note}"
        table = replace(table, rows=table.rows[:_MOST_ROWS], note=note)
    text = markdown_table(table)
    folded = text if comparison.losses else f"<details><summary>All benchmarks</summary>\n\n{text}\n\n</details>"
    return "\n\n".join([f"**{lead[0]}**", *lead[1:], folded]) + "\n"


def as_json(comparison: RevisionDiff, *, strict: bool) -> dict[str, Any]:
    """The comparison for programs: numbers unrounded, null where there is none."""
    rows = [{name: json_value(value) for name, value in asdict(row).items()} for row in comparison.rows]
    return {
        "fbench_diff": JSON_FORM,
        "base": comparison.base,
        "new": comparison.new,
        "margin": comparison.margin,
        "paired": comparison.paired,
        "confirmed": comparison.confirmed,
        "exit_code": comparison.exit_code(strict=strict),
        "lead": lead_of(comparison),
        "benchmarks": rows,
        "only_base": list(comparison.only_base),
        "only_new": list(comparison.only_new),
        "differences": list(comparison.differences),
        "notes": list(comparison.notes),
    }


def json_value(value: Any) -> Any:
    """A value for JSON: None for a number that is none.

    Example:
        >>> json_value(math.nan), json_value(1.5), json_value("a")
        (None, 1.5, 'a')
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value
