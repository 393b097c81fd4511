"""What ``fbench chunksize`` says at the end: the best chunk of every kernel, all points, findings and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Summary, Table
from fbench.results.ratios import Ratio, with_interval
from fbench.units import format_bytes, format_percent, format_seconds, format_si

from .figures import figures
from .findings import findings
from .points import Control, Point, Tables, complete, read_points
from .sweeps import LETTERS, PROBLEM, Sweep, against, effect, gemm_share, knee_of, scaling, sweeps

_MOST = 60
"""Points that a table is still read with."""


def summary(tables: Tables, options: Mapping[str, Any]) -> Summary:
    """Tables, findings and figures; of a run that is not finished, from the points it has so far."""
    whole = tables if tables.get("points") else complete(tables, options)
    points = read_points(whole)
    own, control = sweeps(points), Control(whole)
    shown = [point for sweep in own for point in (*sweep.points.values(), *sweep.alone.values())]
    found = [_best(own, control, options, len(shown))] if own else []
    if 0 < len(shown) <= _MOST:
        found.append(_all(shown, options))
    return Summary(found, findings(whole, options), figures(own, whole.get("conditions", ()), options))


def _table(title: str, problems: Sequence[Sequence[Any]], columns: Mapping[str, Sequence[str]], note: str) -> Table:
    """A row a problem of ``problems``; sizes that vary are columns, others stand in the title; no empty columns."""
    each = {LETTERS[name]: [_size(sizes[i]) for sizes in problems] for i, name in enumerate(PROBLEM)}
    fixed = [f"{name} = {cells[0]}" for name, cells in each.items() if len(set(cells)) == 1]
    varying = {name: cells for name, cells in each.items() if len(set(cells)) > 1}
    kept = {name: cells for name, cells in {**varying, **columns}.items() if any(cells)}
    rows = [list(row) for row in zip(*kept.values(), strict=True)]
    return Table(f"{title}: {', '.join(fixed)}".removesuffix(": ").replace("dtype = ", ""), list(kept), rows, note)


def _size(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _best(own: Sequence[Sweep], control: Control, options: Mapping[str, Any], points: int) -> Table:
    budget = options.get("memory_budget") or None
    cells: dict[str, Callable[[Sweep], str]] = {
        "kernel": lambda sweep: sweep.kernel,
        "best chunk": lambda sweep: _size(sweep.best.row["chunk_size"]),
        "time": lambda sweep: format_seconds(sweep.best.median.median),
        "95 %": lambda sweep: _interval(sweep.best.median.low, sweep.best.median.high),
        "worst chunk": lambda sweep: _effect(sweep)[0],
        "× worst": lambda sweep: _effect(sweep)[1],
        "knee": lambda sweep: "" if (size := knee_of(sweep, budget)) is None else _size(size),
        "rate": lambda sweep: format_si(sweep.best.number("flops_per_s"), "FLOP/s"),
        "of GEMM": lambda sweep: format_percent(gemm_share(sweep.best, control).mean),
        "× published": lambda sweep: _cell(against(sweep, own), with_interval),
        "efficiency": lambda sweep: _cell(scaling(sweep), lambda found: format_percent(found.mean)),
    }
    columns = {name: [cell(sweep) for sweep in own] for name, cell in cells.items()}
    return _table("Best chunk of every kernel", [sweep.problem for sweep in own], columns, _note(own, points, options))


def _note(own: Sequence[Sweep], points: int, options: Mapping[str, Any]) -> str:
    under = " and fits the memory budget" if options.get("memory_budget") else ""
    said = [
        "Time: median over blocks of a pass over all candidates. × worst: worst over best chunk, both chosen on the "
        f"even blocks and compared on the odd. Knee: the smallest chunk within the interval of the best{under}, and 5 "
        "% of it. Of GEMM: of the rate of the matrix products timed in the same blocks."
    ]
    if any(_cell(against(sweep, own), with_interval) for sweep in own):
        said.append("× published: how many times less than the published kernel, each at its best chunk.")
    if any(_cell(scaling(sweep), with_interval) for sweep in own):
        said.append("Efficiency: t₁/(g·t) on g devices.")
    if points > _MOST:
        said.append(f"All {points} points are in points.csv.")
    return " ".join(said)


def _cell(found: Ratio | None, write: Callable[[Ratio], str]) -> str:
    """Nothing where there is no ratio, or none of any block."""
    return write(found) if found is not None and found.n else ""


def _effect(sweep: Sweep) -> tuple[str, str]:
    """The worst chunk and its ratio to the best; the ratio is empty where blocks are too few."""
    found = effect(sweep)
    return ("", "") if found is None else (_size(found.worst), with_interval(found.ratio))


def _interval(low: float, high: float) -> str:
    """``12.1 to 12.6 ms``; nothing where there is no interval."""
    first, last = format_seconds(low), format_seconds(high)
    if not first or not last:
        return ""
    unit = last.split(" ")[-1]
    return f"{first.removesuffix(f' {unit}')} to {last}" if first.count(" ") == 1 else f"{first} to {last}"


def _all(points: Sequence[Point], options: Mapping[str, Any]) -> Table:
    cells: dict[str, Callable[[Point], str]] = {
        "kernel": lambda point: point.row["kernel"],
        "devices": lambda point: point.row["device"] if len({each.row["device"] for each in points}) > 1 else "",
        "chunk": lambda point: _size(point.row["chunk_size"]),
        "chunks": lambda point: _size(point.row["chunks"]),
        "time": lambda point: format_seconds(point.median.median),
        "95 %": lambda point: _interval(point.median.low, point.median.high),
        "a repeat": lambda point: _interval(*point.repeat),
        "predicted": lambda point: format_seconds(point.number("predicted_s")),
        "rate": lambda point: format_si(point.number("flops_per_s"), "FLOP/s"),
        "memory": lambda point: format_bytes(point.number("peak_bytes")),
        "error": lambda point: "" if (error := point.number("max_rel_error")) is None else f"{error:.0e}",
        "converged": lambda point: "yes" if point.row["converged"] else "no",
    }
    columns = {name: [cell(point) for point in points] for name, cell in cells.items()}
    problems = [[point.row[name] for name in PROBLEM] for point in points]
    note = (
        "A repeat: where the median of a second run would fall. Predicted: ⌊n/c⌋·τ(c) + τ(n mod c) from single chunks "
        "alone. Memory: peak growth of a pass that is not timed. Error: the largest, to float64 scores, over the "
        "largest score. Converged: the 95 % interval is no wider than "
        f"{format_percent(float(options['precision']))} of the median."
    )
    return _table("All chunk sizes", problems, columns, note)
