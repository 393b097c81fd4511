"""What ``fbench select`` says at the end: answers first, one table, one figure, then what lies behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fbench.harness.contract import Evidence, Row, Summary, Table
from fbench.results.faster import FEWEST_BLOCKS, with_ends
from fbench.results.findings import small_share
from fbench.results.ratios import geometric, ratio
from fbench.units import format_bytes, format_seconds

from .answers import select_lead, select_replies
from .cases import MeasuredCase, measured_selections, not_measured
from .comparisons import comparisons, exact_ways, find, inverse_of, seconds
from .evidence import Cells, cases_table, objective, same_picks, select_evidence
from .figures import figures
from .null import null_summary
from .options import Options
from .sizes import ProblemSizes


def summary(rows: Sequence[Row], options: Options) -> Summary:
    """The summary of a run's rows; of a ``--null`` run, how often it claims a difference that is none."""
    cases, left_out = measured_selections(rows), not_measured(rows)
    if options.null:
        return null_summary(cases, left_out)
    compared = comparisons(cases)
    replies = select_replies(cases, compared)
    tables = [*_selections(cases), *_scores(cases)]
    more = [Evidence("The batched score alone", tables=tables[1:])] if tables[1:] else []
    behind = [*more, *select_evidence(cases, compared, left_out, options)]
    answers = [reply.answer for reply in replies]
    return Summary(tables[:1], figures=figures(cases), lead=select_lead(replies), answers=answers, evidence=behind)


def _base(cases: Sequence[MeasuredCase], sizes: ProblemSizes) -> MeasuredCase | None:
    """What a selection of these sizes is compared with: published, else the first exact way."""
    same = [case for case in cases if case.sizes == sizes and case.timed]
    return find(same, "published") or next(iter(exact_ways(same)), None)


def _against(base_of: Callable[[ProblemSizes], MeasuredCase | None]) -> Callable[[MeasuredCase], str]:
    """A cell that says how many times faster a case is than its base; empty for the base itself."""

    def cell(case: MeasuredCase) -> str:
        base = base_of(case.sizes)
        if base is None or base is case:
            return ""
        return with_ends(ratio(seconds(base), seconds(case)))

    return cell


def _selections(cases: Sequence[MeasuredCase]) -> list[Table]:
    selections = [case for case in cases if not case.score]
    if not selections:
        return []
    cells: Cells = {
        "way": lambda case: case.method,
        "whole selection": _whole,
        "× faster": _against(lambda sizes: _base(selections, sizes)),
        "a pick": lambda case: format_seconds(geometric(case.step("forward"))) if case.timed else "",
        "same picks": same_picks,
        "objective": objective,
        "peak": lambda case: format_bytes(case.peak_bytes),
    }
    title = "What a batch takes, and what it is worth"
    return [cases_table(title, selections, cells, _note(selections), optional=("a pick", "objective"))]


def _whole(case: MeasuredCase) -> str:
    if not case.timed:
        return ""
    return ("≈ " if case.cut_short else "") + format_seconds(geometric(case.whole()))


def _note(cases: Sequence[MeasuredCase]) -> str:
    timed = [case for case in cases if case.timed]
    if not timed:
        return "Nothing was timed."
    bases = {base.method for case in timed if (base := _base(cases, case.sizes)) is not None and base is not case}
    blocks = max(len(case.whole()) for case in timed)
    note = f"Geometric means of {blocks} interleaved blocks." if blocks > 1 else "One block."
    if bases:
        note += f" × faster: than {' or '.join(sorted(bases))}"
        note += ", with its 95 % interval." if blocks >= FEWEST_BLOCKS else "."
    note += " Whole: set-up, picks (more than are kept) and removals."
    if any(case.cut_short for case in timed):
        note += " ≈: extrapolated from the picks and removals that were timed"
        note += "; the interval has timing noise alone." if blocks >= FEWEST_BLOCKS and bases else "."
    if any(case.objectives for case in cases):
        note += " Objective: over the float64 reference's; less is better."
    drawn = find(cases, "random")
    if drawn is not None and len(drawn.objectives) > 1:
        note += f" random: mean of {len(drawn.objectives)} batches."
    return note + " Peak: memory beyond logits and features."


def _scores(cases: Sequence[MeasuredCase]) -> list[Table]:
    scored = [case for case in cases if case.score]
    if not scored:
        return []
    inverse = {
        case.sizes: base for case in scored if (base := inverse_of([c for c in scored if c.sizes == case.sizes]))
    }
    cells: Cells = {
        "way": lambda case: case.method,
        "a pass": lambda case: format_seconds(geometric(case.score)),
        "× faster": _against(inverse.get),
        "a candidate": lambda case: format_seconds(geometric(case.score) / case.sizes.candidates),
        "error": lambda case: "" if case.max_rel_error is None else small_share(case.max_rel_error),
        "peak": lambda case: format_bytes(case.peak_bytes),
    }
    note = (
        "All scores tr((I+G)⁻¹H) once, without computing G and H. Error: the largest to float64 scores, over the "
        "largest score."
    )
    if inverse:
        note += " × faster: than inverting the k×k stacks, as published."
    return [cases_table("The batched score alone", scored, cells, note, optional=("a candidate",))]
