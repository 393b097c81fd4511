"""What ``fbench select`` says at the end: tables of time, scores, agreement and memory, with findings and a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fbench.harness.contract import Row, Summary, Table
from fbench.results.ratios import Seconds, factor, geometric, ratio, with_interval
from fbench.units import format_bytes, format_seconds

from .cases import MeasuredCase, measured_selections, not_measured, problems, varying_problem_sizes
from .figures import figures
from .findings import findings
from .options import Options
from .sizes import SIZE_LETTERS, ProblemSizes

Cells = Mapping[str, Callable[[MeasuredCase], str]]
"""The columns of a table by their heads: each makes a case's cell."""


def summary(rows: Sequence[Row], options: Options) -> Summary:
    """Tables, findings and the figure of a run's rows."""
    cases = measured_selections(rows)
    tables = [*_times(cases), *_scores(cases), *_agreements(cases)]
    return Summary(tables=tables, findings=findings(cases, not_measured(rows), options), figures=figures(cases))


def _table(title: str, cases: Sequence[MeasuredCase], cells: Cells, note: str) -> Table:
    """A row a case; sizes that vary are columns, the others stand in the title; empty columns are left out."""
    varying, order = varying_problem_sizes(cases), problems(cases)
    fixed = cases[0].sizes.equations(tuple(name for name in ProblemSizes._fields if name not in varying))
    columns: Cells = {SIZE_LETTERS[name]: partial(_size_cell, name) for name in varying} | dict(cells)
    rows = [[cell(case) for cell in columns.values()] for case in sorted(cases, key=lambda c: order.index(c.sizes))]
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    names = list(columns)
    full = f"{title}: {fixed}" if fixed else title
    return Table(full, [names[i] for i in kept], [[row[i] for i in kept] for row in rows], note)


def _size_cell(name: str, case: MeasuredCase) -> str:
    return case.sizes.value(name)


def _times(cases: Sequence[MeasuredCase]) -> list[Table]:
    timed = [case for case in cases if case.timed]
    if not timed:
        return []
    published = {case.sizes: case for case in timed if case.method == "published"}

    def seconds(of: Callable[[MeasuredCase], Seconds]) -> Callable[[MeasuredCase], str]:
        return lambda case: format_seconds(geometric(of(case)))

    def against(of: Callable[[MeasuredCase], Seconds]) -> Callable[[MeasuredCase], str]:
        return lambda case: _times_less(case, published.get(case.sizes), of)

    cells: Cells = {
        "method": lambda case: case.method,
        "set-up": seconds(lambda case: case.step("setup")),
        "forward pick": seconds(lambda case: case.step("forward")),
        "first removal": seconds(lambda case: case.step("first_removal")),
        "removal": seconds(MeasuredCase.removal),
        "whole": lambda case: ("≈ " if case.cut_short else "") + format_seconds(geometric(case.whole())),
        "× a pick": against(lambda case: case.step("forward")),
        "× whole": against(MeasuredCase.whole),
    }
    blocks = max(len(case.step("setup")) for case in timed)
    over = f"Geometric means of {blocks} interleaved blocks" if blocks > 1 else "One block"
    note = f"{over}, from logits and features on."
    if published:
        note += " ×: how many times less than the published order, with its 95 % t interval, paired by block."
    if any(case.cut_short for case in timed):
        note += " ≈: carried on in proportion from the picks and removals that were timed."
    return [_table("Time", timed, cells, note)]


def _times_less(case: MeasuredCase, base: MeasuredCase | None, of: Callable[[MeasuredCase], Seconds]) -> str:
    """How many times less the case takes than the base, with its interval; empty for the base itself."""
    return "" if base is None or base is case else with_interval(ratio(of(base), of(case)))


def _scores(cases: Sequence[MeasuredCase]) -> list[Table]:
    scored = [case for case in cases if case.score]
    if not scored:
        return []
    whole = (case for case in scored if case.method == f"score-inverse {case.sizes.classes}×{case.sizes.classes}")
    inverse = {case.sizes: case for case in whole}
    cells: Cells = {
        "method": lambda case: case.method,
        "a pass": lambda case: format_seconds(geometric(case.score)),
        "a candidate": lambda case: format_seconds(geometric(case.score) / case.sizes.candidates),
        "× inverse": lambda case: _times_less(case, inverse.get(case.sizes), lambda other: other.score),
        "max error": lambda case: _share(case.max_rel_error),
        "peak growth": lambda case: format_bytes(case.peak_bytes),
    }
    note = "All scores tr((I+G)⁻¹H) once, G and H there already. max error: to float64 scores, over the largest."
    if inverse:
        note += " × inverse: how many times less than inverting the k×k stacks, as published (95 % t interval)."
    return [_table("The batched score alone", scored, cells, note)]


def _agreements(cases: Sequence[MeasuredCase]) -> list[Table]:
    selections = [case for case in cases if not case.score]
    if not selections:
        return []
    cells: Cells = {
        "method": lambda case: case.method,
        "same picks": _same_picks,
        "leaves the order at": _departure_pick,
        "lead there": _departure_gap,
        "objective": _objective,
        "d_eff": lambda case: "" if case.d_eff is None else f"{case.d_eff:.1f}",
        "drift": lambda case: _share(case.drift),
        "refreshes": lambda case: "" if case.refreshes is None else str(case.refreshes),
        "peak growth": lambda case: format_bytes(case.peak_bytes),
        "of n·k·d": _peak_share,
    }
    note = "Peak growth: of memory beyond logits and features, in a pass of its own; n·k·d: V with all its rows, built."
    if any(case.agreement for case in selections):
        note = (
            "Same picks: in the batch of the float64 reference (of a selection cut short: first forward picks). "
            "Objective: tr(F M⁻¹) of the batch in float64 with all of V, over the reference's; less is better. " + note
        )
    return [_table("Agreement and memory", selections, cells, note)]


def _same_picks(case: MeasuredCase) -> str:
    agreement = case.agreement
    return "" if agreement is None else f"{agreement.same_picks * agreement.picks:.3g} of {agreement.picks:.0f}"


def _departure_pick(case: MeasuredCase) -> str:
    """The first pick out of the reference's order; an approximation was never meant to follow it."""
    departure = case.agreement.departure if case.agreement and case.exact else None
    return "" if departure is None else f"pick {departure.pick + 1}"


def _departure_gap(case: MeasuredCase) -> str:
    departure = case.agreement.departure if case.agreement and case.exact else None
    return "" if departure is None else _share(departure.gap)


def _objective(case: MeasuredCase) -> str:
    worth = case.objective_ratio()
    if worth is None:
        return ""
    half = f" ± {(worth.high - worth.low) / 2:.3f}" if worth.n > 1 else ""
    return f"{worth.mean:.4f}{half}"


def _peak_share(case: MeasuredCase) -> str:
    """Peak growth over the bytes of V built with all its rows."""
    return "" if case.peak_bytes is None else factor(case.peak_bytes / case.sizes.embedding_bytes)


def _share(value: float | None) -> str:
    """A small number, to two digits."""
    return "" if value is None else f"{value:.2g}"
