"""What ``fbench chunksize`` says at the end: its answers, the chunk of every kernel, figures, and what is behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fbench.harness.contract import Summary, Table, Tables
from fbench.units import format_bytes, format_percent, format_seconds, format_si

from .answers import answered
from .evidence import evidence_of, ratio_cell
from .figures import figures
from .judged import Judged, Judgement, at_the_edge, judge_run
from .options import Options
from .points import TimedPoint, complete, read_run
from .rows import ProblemKey
from .sweeps import PROBLEM_LETTERS, gemm_share, scaling, sizes_tried
from .wording import some, times

_MOST = 60
"""Points that a table is still read with."""
_OPTIONAL = ("rate", "largest ÷ chunk", "95 % of time", "of GEMM", "memory", "plausible")
"""Columns of the main table that a narrow terminal may leave out."""


def summary(tables: Tables, options: Options) -> Summary:
    """The answers, the main table and figure, and the evidence; of a run that is not finished, from what it has."""
    judgement = judge_run(read_run(tables if tables.get("points") else complete(tables, options)), options)
    sweeps, kernels = judgement.sweeps, judgement.kernels
    shown = [point for sweep in sweeps for point in (*sweep.points.values(), *sweep.alone.values())]
    drawn = figures(kernels, judgement.run.multiprocessors)
    everything = [_all(shown, options)] if 0 < len(shown) <= _MOST else []
    lead, answers, behind = answered(judgement, options)
    return Summary(
        tables=[_main(judgement, options, len(shown))] if kernels else [],
        figures=drawn[:1],
        lead=lead,
        answers=answers,
        evidence=[*behind, *evidence_of(judgement, options, everything, drawn[1:])],
    )


def _table(title: str, problems: Sequence[ProblemKey], columns: Mapping[str, Sequence[str]], note: str) -> Table:
    """A row a problem of ``problems``; sizes that vary are columns, others stand in the title; no empty columns."""
    sizes = {
        PROBLEM_LETTERS[name]: [_size(size) for size in column]
        for name, column in zip(ProblemKey._fields, zip(*problems, strict=True), strict=True)
    }
    fixed = [f"{name} = {cells[0]}" for name, cells in sizes.items() if len(set(cells)) == 1]
    varying = {name: cells for name, cells in sizes.items() if len(set(cells)) > 1}
    kept = {name: cells for name, cells in {**varying, **columns}.items() if any(cells)}
    rows = [list(row) for row in zip(*kept.values(), strict=True)]
    return Table(f"{title}: {', '.join(fixed)}".removesuffix(": ").replace("dtype = ", ""), list(kept), rows, note)


def _size(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _main(judgement: Judgement, options: Options, points: int) -> Table:
    """A row for every kernel on every problem; kernels whose scores are wrong have none."""
    kernels = judgement.kernels
    cells: dict[str, Callable[[Judged], str]] = {
        "kernel": lambda one: one.sweep.kernel,
        "chunk": lambda one: _size(one.point.key.chunk_size),
        "plausible": _possible,
        "time": lambda one: format_seconds(one.point.median.median),
        "95 % of time": lambda one: _interval(one.point.median.low, one.point.median.high),
        "smallest ÷ chunk": lambda one: _end_cost(one, 0),
        "largest ÷ chunk": lambda one: _end_cost(one, -1),
        "memory": lambda one: format_bytes(one.point.peak_bytes),
        "rate": lambda one: format_si(one.point.flops_per_s, "FLOP/s"),
        "of GEMM": lambda one: format_percent(gemm_share(one.point, judgement.run.control).mean),
        "× published": ratio_cell,
        "efficiency": lambda one: _efficiency(one),
    }
    left_out = _OF_SIZES if options.null else ()
    columns = {name: [cell(one) for one in kernels] for name, cell in cells.items() if name not in left_out}
    note = _note(columns, points, options, "" if options.null else _tried(kernels))
    table = _table(
        "Every size the same work" if options.null else "Chunk of every kernel",
        [one.sweep.problem for one in kernels],
        columns,
        note,
    )
    return replace(table, optional=[name for name in _OPTIONAL if name in table.columns])


def _tried(kernels: Sequence[Judged]) -> str:
    """The sizes tried, and what to try where a kernel's chunk lies at their edge."""
    edges: dict[str, list[str]] = {}
    for name, words in at_the_edge(kernels).items():
        edges.setdefault(words, []).append(name)
    return " ".join([
        f"Sizes tried: {sizes_tried([one.sweep for one in kernels])}.",
        *(f"With {some(names)} {words}." for words, names in edges.items()),
    ])  # fmt: skip


def _possible(one: Judged) -> str:
    """Where the knee may lie: ``64 to 256``, or one size."""
    knee = one.worth.knee if one.worth else None
    if knee is None:
        return ""
    return _size(knee.low) if knee.low == knee.high else f"{_size(knee.low)} to {_size(knee.high)}"


def _end_cost(one: Judged, end: int) -> str:
    """What the smallest or the largest size asked for costs: ``16: 1.44 (1.38 to 1.49)``."""
    size = one.sweep.sizes[end]
    if one.worth is None or size == one.worth.reference:
        return ""
    return f"{_size(size)}: {times(*one.worth.cost(size)[1:])}"


def _efficiency(one: Judged) -> str:
    share = scaling(one.sweep, one.point.key.chunk_size)
    return format_percent(share.mean) if share is not None and share.n else ""


_OF_SIZES = ("chunk", "plausible", "smallest ÷ chunk", "largest ÷ chunk", "memory", "× published")
"""What says nothing where all sizes did the same work."""
_NOTES = {
    "chunk": "Chunk: the smallest within 5 % of the fastest{under}; plausible: sizes that may be that one, with "
    "at least 95 % confidence.",
    "95 % of time": "Time: of a pass over all candidates, median over the blocks of this run.",
    "smallest ÷ chunk": "Smallest, largest: time at that size asked for over the time at the chunk.",
    "of GEMM": "Of GEMM: of the rate of the matrix products timed in the same blocks.",
    "× published": "× published: how many times as fast as the published kernel of its kind, with or without A⁻¹, each "
    "at its chunk.",
    "efficiency": "Efficiency: t₁/(g·t) on g devices.",
}


def _note(columns: Mapping[str, Sequence[str]], points: int, options: Options, tried: str) -> str:
    """What the columns with something in them are, and which sizes were tried."""
    under = " that keep to the memory budget" if options.memory_budget else ""
    sentences = [text.format(under=under) for name, text in _NOTES.items() if any(columns.get(name, ()))]
    sentences += [tried] if tried else []
    sentences += [f"All {points} points are in points.csv."] if points > _MOST else []
    return " ".join(sentences)


def _interval(low: float, high: float) -> str:
    """``12.1 to 12.6 ms``; nothing where there is no interval."""
    first, last = format_seconds(low), format_seconds(high)
    if not first or not last:
        return ""
    unit = last.split(" ")[-1]
    return f"{first.removesuffix(f' {unit}')} to {last}" if first.count(" ") == 1 else f"{first} to {last}"


def _all(points: Sequence[TimedPoint], options: Options) -> Table:
    """A row for every point of a pass over the pool."""
    several = len({point.key.device for point in points}) > 1
    cells: dict[str, Callable[[TimedPoint], str]] = {
        "kernel": lambda point: point.key.kernel,
        "devices": lambda point: point.key.device if several else "",
        "size": lambda point: _size(point.key.chunk_size),
        "chunks": lambda point: _size(point.chunks),
        "time": lambda point: format_seconds(point.median.median),
        "95 %": lambda point: _interval(point.median.low, point.median.high),
        "a repeat": lambda point: _interval(*point.repeat),
        "predicted": lambda point: format_seconds(point.predicted_s),
        "rate": lambda point: format_si(point.flops_per_s, "FLOP/s"),
        "memory": lambda point: format_bytes(point.peak_bytes),
        "error": lambda point: "" if point.max_rel_error is None else f"{point.max_rel_error:.0e}",
        "converged": lambda point: "yes" if point.converged else "no",
    }
    columns = {name: [cell(point) for point in points] for name, cell in cells.items()}
    note = (
        "Intervals are of this run; a repeat: where the median of a second run would fall. Predicted: from single "
        "chunks alone. Memory: peak growth of a pass that is not timed. Error: to float64 scores, over the largest. "
        f"Converged: the 95 % interval is no wider than {format_percent(options.precision)} of the median."
    )
    table = _table("All chunk sizes", [point.key.problem for point in points], columns, note)
    dropped = ("rate", "converged", "error", "chunks", "memory", "a repeat")
    return replace(table, optional=[name for name in dropped if name in table.columns])
