"""What ``fbench select`` says at the end: tables of time, agreement and memory, and a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Figure, Panel, Row, Series, Summary, Table
from fbench.results.ratios import Seconds, factor, geometric, ratio, with_interval
from fbench.units import format_bytes, format_seconds

from .cases import LETTERS, SIZES, Measured, problems, read_cases
from .findings import EXACT, findings

Cells = Mapping[str, Callable[[Measured], str]]
"""A table's columns, each from a case."""


def summary(rows: Sequence[Row], options: Mapping[str, Any]) -> Summary:
    """Tables, findings and the figure."""
    cases = read_cases(rows)
    tables = [*_times(cases), *_scores(cases), *_agreements(cases)]
    return Summary(tables=tables, findings=findings(cases, rows, options), figures=_figures(cases))


def _table(title: str, cases: Sequence[Measured], cells: Cells, note: str) -> Table:
    """A row a case; sizes that vary are columns, those that do not stand in the title; empty columns are left out."""
    varying = [i for i in range(len(SIZES)) if len({case.sizes[i] for case in cases}) > 1]
    fixed = [_size(i, cases[0]) for i in range(len(SIZES)) if i not in varying]
    columns: dict[str, Callable[[Measured], str]] = {LETTERS[SIZES[i]]: _cell(i) for i in varying}
    columns |= cells
    order = problems(cases)
    rows = [[cell(case) for cell in columns.values()] for case in sorted(cases, key=lambda c: order.index(c.sizes))]
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    names = list(columns)
    full = f"{title}: {', '.join(fixed)}" if fixed else title
    return Table(full, [names[i] for i in kept], [[row[i] for i in kept] for row in rows], note)


def _cell(index: int) -> Callable[[Measured], str]:
    return lambda case: _number(case.sizes[index])


def _number(size: Any) -> str:
    return f"{size:,}" if isinstance(size, int) else str(size)


def _size(index: int, case: Measured) -> str:
    """``n = 5,000``; a dtype says itself."""
    name = SIZES[index]
    return str(case.sizes[index]) if name == "dtype" else f"{LETTERS[name]} = {_number(case.sizes[index])}"


def _times(cases: Sequence[Measured]) -> list[Table]:
    timed = [case for case in cases if case.timed]
    if not timed:
        return []
    base = {case.sizes: case for case in timed if case.method == "published"}

    def seconds(of: Callable[[Measured], Seconds]) -> Callable[[Measured], str]:
        return lambda case: format_seconds(geometric(of(case)))

    def against(of: Callable[[Measured], Seconds]) -> Callable[[Measured], str]:
        return lambda case: _against(case, base.get(case.sizes), of)

    cells: Cells = {
        "method": lambda case: case.method,
        "set-up": seconds(lambda case: case.step("setup")),
        "forward pick": seconds(lambda case: case.step("forward")),
        "first removal": seconds(lambda case: case.step("first_removal")),
        "removal": seconds(Measured.removal),
        "whole": lambda case: ("≈ " if case.cut_short else "") + format_seconds(geometric(case.whole())),
        "× a pick": against(lambda case: case.step("forward")),
        "× whole": against(Measured.whole),
    }
    blocks = max(len(case.step("setup")) for case in timed)
    over = f"Geometric means of {blocks} interleaved blocks" if blocks > 1 else "One block"
    note = f"{over}, from logits and features on."
    if base:
        note += " ×: how many times less than the published order, with its 95 % t interval, paired by block."
    if any(case.cut_short for case in timed):
        note += " ≈: carried on in proportion from the picks and removals that were timed."
    return [_table("Time", timed, cells, note)]


def _against(case: Measured, base: Measured | None, of: Callable[[Measured], Seconds]) -> str:
    return "" if base is None or base is case else with_interval(ratio(of(base), of(case)))


def _scores(cases: Sequence[Measured]) -> list[Table]:
    scored = [case for case in cases if case.of("score")]
    if not scored:
        return []
    base = {case.sizes: case for case in scored if case.method == f"score-inverse {case.sizes[1]}×{case.sizes[1]}"}
    cells: Cells = {
        "method": lambda case: case.method,
        "a pass": lambda case: format_seconds(geometric(case.score())),
        "a candidate": lambda case: format_seconds(geometric(case.score()) / case.sizes[0]),
        "× inverse": lambda case: _against(case, base.get(case.sizes), Measured.score),
        "max error": lambda case: _share(case.fact("max_rel_error")),
        "peak growth": lambda case: format_bytes(case.peak_bytes),
    }
    note = "All scores tr((I+G)⁻¹H) once, G and H there already. max error: to float64 scores, over the largest."
    if base:
        note += " × inverse: how many times less than inverting the k×k stacks, as published (95 % t interval)."
    return [_table("The batched score alone", scored, cells, note)]


def _agreements(cases: Sequence[Measured]) -> list[Table]:
    compared = [case for case in cases if not case.of("score")]
    if not compared:
        return []
    cells: Cells = {
        "method": lambda case: case.method,
        "same picks": _same,
        "leaves the order at": lambda case: "" if (at := _left_at(case)) is None else f"pick {at + 1}",
        "lead there": lambda case: "" if _left_at(case) is None else _share(case.fact("gap_there")),
        "objective": _objective,
        "d_eff": lambda case: "" if (d_eff := case.fact("d_eff")) is None else f"{d_eff:.1f}",
        "drift": lambda case: _share(case.fact("drift")),
        "refreshes": lambda case: "" if (times := case.fact("refreshes")) is None else str(times),
        "peak growth": lambda case: format_bytes(case.peak_bytes),
        "of n·k·d": lambda case: factor(case.peak_bytes / case.embedding_bytes) if case.peak_bytes is not None else "",
    }
    note = "Peak growth: of memory beyond logits and features, in a pass of its own; n·k·d: V with all its rows, built."
    if any(case.fact("reference") for case in compared):
        note = (
            "Same picks: in the batch of the float64 reference (of a selection cut short: first forward picks). "
            "Objective: tr(F M⁻¹) of the batch in float64 with all of V, over the reference's; less is better. " + note
        )
    return [_table("Agreement and memory", compared, cells, note)]


def _left_at(case: Measured) -> int | None:
    """Where an exact way left the reference's order; an approximation never was to follow it."""
    at: int | None = case.fact("first_difference") if case.method in EXACT else None
    return at


def _same(case: Measured) -> str:
    share, picks = case.fact("same_picks"), case.fact("picks")
    return "" if share is None else f"{share * picks:.3g} of {picks:.0f}"


def _objective(case: Measured) -> str:
    found = case.objective_ratio()
    if found is None:
        return ""
    half = f" ± {(found.high - found.low) / 2:.3f}" if found.n > 1 else ""
    return f"{found.mean:.4f}{half}"


def _share(value: float | None) -> str:
    """A small number, to two digits."""
    return "" if value is None else f"{value:.2g}"


def _figures(cases: Sequence[Measured]) -> list[Figure]:
    """Time against a size that was swept; else against what the batch is worth; else block by block."""
    timed = [case for case in cases if case.timed] or [case for case in cases if case.of("score")]
    if not timed:
        return []
    swept = max(range(4), key=lambda i: len({case.sizes[i] for case in timed}))
    what = "a forward pick" if timed[0].timed else "a pass of the score"
    if len({case.sizes[swept] for case in timed}) > 1:
        return [_sweep(timed, swept, what)]
    compared = all(case.timed and case.fact("reference") for case in timed)
    if compared and any(case.method not in EXACT for case in timed):
        return [_worth(timed)]
    return [_by_block(timed, what)]


def _unit_seconds(case: Measured) -> Seconds:
    return case.step("forward") if case.timed else case.score()


def _largest(cases: Sequence[Measured], swept: int) -> list[Measured]:
    """The cases along one size, the other sizes at their largest."""
    rest = [i for i in range(4) if i != swept]
    most = max(tuple(case.sizes[i] for i in rest) for case in cases)
    return [case for case in cases if tuple(case.sizes[i] for i in rest) == most]


def _lines(cases: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Cases by their line's label: the method, and the dtype where there are several."""
    several = len({case.sizes[4] for case in cases}) > 1
    found: dict[str, list[Measured]] = {}
    for case in sorted(cases, key=lambda case: case.method != "published"):  # the first colour is the baseline's
        found.setdefault(f"{case.method}, {case.sizes[4]}" if several else case.method, []).append(case)
    return found


def _sweep(cases: Sequence[Measured], swept: int, what: str) -> Figure:
    along, series = _largest(cases, swept), []
    for label, own in _lines(along).items():
        own = sorted(own, key=lambda case: case.sizes[swept])
        x = [float(case.sizes[swept]) for case in own]
        points = [(float(case.sizes[swept]), value) for case in own for value in _unit_seconds(case).values()]
        series.append(Series(label, x, [geometric(_unit_seconds(case)) for case in own], points=points))
    ticks = sorted({float(case.sizes[swept]) for case in along})
    name = f"{SIZES[swept]} {LETTERS[SIZES[swept]]}"
    fixed = ", ".join(_size(i, along[0]) for i in range(4) if i != swept)
    panel = Panel(series, name, f"seconds {what}", "", x_ticks=ticks, x_log=True, y_log=True)
    return Figure("time", f"Time of {what}: {fixed}", [panel], "geometric mean over blocks, and every block as a dot")


def _worth(cases: Sequence[Measured]) -> Figure:
    """Seconds a pick against the objective: low and left is good."""
    along, series = _largest(cases, 0), []
    for label, own in _lines(along).items():
        found = own[0].objective_ratio()
        x = 100 * (found.mean - 1) if found else 0.0  # cut short: an exact way's batch is the reference's
        points = [(x, value) for value in own[0].whole().values()]
        series.append(Series(label, [x], [geometric(own[0].whole())], points=points))
    panel = Panel(series, "objective tr(F M⁻¹) above the reference's, in %", "seconds a selection", "", y_log=True)
    fixed = ", ".join(_size(i, along[0]) for i in range(4))
    note = "geometric mean over blocks, and every block as a dot; low and left is good"
    short = dict.fromkeys(case.method for case in along if case.cut_short)
    if short:
        note += f"; {', '.join(short)} carried on from a few picks"
    return Figure("time", f"What a batch costs and what it is worth: {fixed}", [panel], note)


def _by_block(cases: Sequence[Measured], what: str) -> Figure:
    series = []
    for label, own in _lines(cases).items():
        seconds = _unit_seconds(own[0])
        series.append(Series(label, [float(block) for block in seconds], list(seconds.values())))
    ticks = sorted({x for each in series for x in each.x})
    panel = Panel(series, "block", f"seconds {what}", "", x_ticks=ticks, y_log=True)
    fixed = ", ".join(_size(i, cases[0]) for i in range(4))
    return Figure("time", f"Time of {what}, block by block: {fixed}", [panel])
