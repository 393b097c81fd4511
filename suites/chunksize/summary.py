"""What ``fbench chunksize`` says at the end: the best chunk of every kernel, all points, findings and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Summary, Table, Tables
from fbench.results.ratios import Ratio, with_interval
from fbench.units import format_bytes, format_percent, format_seconds, format_si

from .control import Control
from .figures import figures
from .findings import findings
from .options import Options
from .points import TimedPoint, complete, read_run
from .rows import ProblemKey
from .sweeps import PROBLEM_LETTERS, Sweep, against, effect, gemm_share, group_sweeps, knee_of, scaling

_MOST = 60
"""Points that a table is still read with."""


def summary(tables: Tables, options: Options) -> Summary:
    """Tables, findings and figures; of a run that is not finished, from the points it has so far."""
    run = read_run(tables if tables.get("points") else complete(tables, options))
    sweeps = group_sweeps(run.points)
    shown = [point for sweep in sweeps for point in (*sweep.points.values(), *sweep.alone.values())]
    printed = [_best(sweeps, run.control, options, len(shown))] if sweeps else []
    if 0 < len(shown) <= _MOST:
        printed.append(_all(shown, options))
    return Summary(printed, findings(run, options), figures(sweeps, run.multiprocessors, options.seed))


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


def _best(sweeps: Sequence[Sweep], control: Control, options: Options, points: int) -> Table:
    """A row for every kernel on every problem."""
    budget = options.memory_budget or None
    cells: dict[str, Callable[[Sweep], str]] = {
        "kernel": lambda sweep: sweep.kernel,
        "best chunk": lambda sweep: _size(sweep.best.key.chunk_size),
        "time": lambda sweep: format_seconds(sweep.best.median.median),
        "95 %": lambda sweep: _interval(sweep.best.median.low, sweep.best.median.high),
        "worst chunk": lambda sweep: _effect(sweep)[0],
        "× worst": lambda sweep: _effect(sweep)[1],
        "knee": lambda sweep: "" if (size := knee_of(sweep, budget)) is None else _size(size),
        "rate": lambda sweep: format_si(sweep.best.flops_per_s, "FLOP/s"),
        "of GEMM": lambda sweep: format_percent(gemm_share(sweep.best, control).mean),
        "× published": lambda sweep: _cell(against(sweep, sweeps), with_interval),
        "efficiency": lambda sweep: _cell(scaling(sweep), lambda share: format_percent(share.mean)),
    }
    columns = {name: [cell(sweep) for sweep in sweeps] for name, cell in cells.items()}
    note = _note(sweeps, points, options)
    return _table("Best chunk of every kernel", [sweep.problem for sweep in sweeps], columns, note)


def _note(sweeps: Sequence[Sweep], points: int, options: Options) -> str:
    under = " and fits the memory budget" if options.memory_budget else ""
    sentences = [
        "Time: median over blocks of a pass over all candidates. × worst: worst over best chunk, both chosen on the "
        f"even blocks and compared on the odd. Knee: the smallest chunk within the interval of the best{under}, and 5 "
        "% of it. Of GEMM: of the rate of the matrix products timed in the same blocks."
    ]
    if any(_cell(against(sweep, sweeps), with_interval) for sweep in sweeps):
        sentences.append("× published: how many times less than the published kernel, each at its best chunk.")
    if any(_cell(scaling(sweep), with_interval) for sweep in sweeps):
        sentences.append("Efficiency: t₁/(g·t) on g devices.")
    if points > _MOST:
        sentences.append(f"All {points} points are in points.csv.")
    return " ".join(sentences)


def _cell(times: Ratio | None, write: Callable[[Ratio], str]) -> str:
    """A ratio as it is written; nothing where there is none, or one of no block."""
    return write(times) if times is not None and times.n else ""


def _effect(sweep: Sweep) -> tuple[str, str]:
    """The worst chunk and its ratio to the best; the ratio is empty where blocks are too few."""
    worth = effect(sweep)
    return ("", "") if worth is None else (_size(worth.worst), with_interval(worth.ratio))


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
        "chunk": lambda point: _size(point.key.chunk_size),
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
        "A repeat: where the median of a second run would fall. Predicted: ⌊n/c⌋·τ(c) + τ(n mod c) from single chunks "
        "alone. Memory: peak growth of a pass that is not timed. Error: the largest, to float64 scores, over the "
        "largest score. Converged: the 95 % interval is no wider than "
        f"{format_percent(options.precision)} of the median."
    )
    return _table("All chunk sizes", [point.key.problem for point in points], columns, note)
