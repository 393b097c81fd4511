"""What lies behind the answers of ``fbench select``: times by phase, agreement, scores, tests, what was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from fbench.harness.contract import Evidence, Table
from fbench.results.faster import FEWEST_BLOCKS, with_ends
from fbench.results.findings import p_value, small_share
from fbench.results.ratios import Seconds, factor, geometric, ratio
from fbench.units import format_bytes, format_seconds

from .cases import MeasuredCase, NotMeasured, problems, varying_problem_sizes
from .comparisons import ComparedCases, find
from .options import Options
from .sizes import SIZE_LETTERS, ProblemSizes

Cells = Mapping[str, Callable[[MeasuredCase], str]]
"""The columns of a table by their heads: each makes a case's cell."""


def select_evidence(
    cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases], left_out: Iterable[NotMeasured], options: Options
) -> list[Evidence]:
    """Every part that has something to say."""
    parts = [
        Evidence("Time by phase", list(_growth(cases)), _phases(cases)),
        Evidence("Agreement and memory", list(_agreement_claims(cases, options)), _agreements(cases)),
        Evidence("Comparisons", _family(compared), _tests(compared)),
        Evidence("Not measured", list(_left_out(left_out))),
    ]
    return [part for part in parts if part.claims or part.tables]


def cases_table(
    title: str, cases: Sequence[MeasuredCase], cells: Cells, note: str, optional: Sequence[str] = ()
) -> Table:
    """A row a case; sizes that vary are columns, the others stand in the title; empty columns are left out."""
    varying, order = varying_problem_sizes(cases), problems(cases)
    fixed = cases[0].sizes.equations(tuple(name for name in ProblemSizes._fields if name not in varying))
    columns: Cells = {SIZE_LETTERS[name]: partial(_size_cell, name) for name in varying} | dict(cells)
    rows = [[cell(case) for cell in columns.values()] for case in sorted(cases, key=lambda c: order.index(c.sizes))]
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    names = [list(columns)[i] for i in kept]
    full = f"{title}: {fixed}" if fixed else title
    shown = [[row[i] for i in kept] for row in rows]
    return Table(full, names, shown, note, optional=[name for name in optional if name in names])


def _size_cell(name: str, case: MeasuredCase) -> str:
    return case.sizes.value(name)


def same_picks(case: MeasuredCase) -> str:
    """``10 of 10``; empty without a reference."""
    agreement = case.agreement
    return "" if agreement is None else f"{agreement.same_picks * agreement.picks:.3g} of {agreement.picks:.0f}"


def objective(case: MeasuredCase) -> str:
    """The objective over the reference's; with an interval from four batches on."""
    worth = case.objective_ratio()
    if worth is None:
        return ""
    ends = f" ({worth.low:.2f} to {worth.high:.2f})" if worth.n >= FEWEST_BLOCKS else ""
    return f"{worth.mean:.4f}{ends}" if not ends else f"{worth.mean:.2f}{ends}"


def _phases(cases: Sequence[MeasuredCase]) -> list[Table]:
    timed = [case for case in cases if case.timed]
    if not timed:
        return []
    published = {case.sizes: case for case in timed if case.method == "published"}

    def seconds(of: Callable[[MeasuredCase], Seconds]) -> Callable[[MeasuredCase], str]:
        return lambda case: format_seconds(geometric(of(case)))

    def faster(case: MeasuredCase) -> str:
        base = published.get(case.sizes)
        if base is None or base is case:
            return ""
        return with_ends(ratio(base.step("forward"), case.step("forward")))

    cells: Cells = {
        "way": lambda case: case.method,
        "set-up": seconds(lambda case: case.step("setup")),
        "forward pick": seconds(lambda case: case.step("forward")),
        "× faster a pick": faster,
        "first removal": seconds(lambda case: case.step("first_removal")),
        "removal": seconds(MeasuredCase.removal),
    }
    note = "Geometric means over blocks, from logits and features on."
    if published:
        note += f" × faster a pick: than published; a 95 % interval from {FEWEST_BLOCKS} blocks on."
    return [cases_table("Time by phase", timed, cells, note, optional=("first removal", "removal"))]


def _growth(cases: Sequence[MeasuredCase]) -> Iterable[str]:
    """How the time of a pick grows along a size that was swept alone."""
    timed = [case for case in cases if case.timed]
    swept = [name for name in varying_problem_sizes(timed) if name != "dtype"]
    if len(swept) != 1:
        return
    (name,) = swept
    for method, dtype in dict.fromkeys((case.method, case.sizes.dtype) for case in timed):
        same = [case for case in timed if (case.method, case.sizes.dtype) == (method, dtype)]
        same.sort(key=lambda case: case.sizes.count(name))
        if len(same) > 1:
            least, most = same[0], same[-1]
            times = ratio(most.step("forward"), least.step("forward"))
            grown = factor(most.sizes.count(name) / least.sizes.count(name))
            if times.n:
                yield (
                    f"With {grown} times {SIZE_LETTERS[name]} a forward pick by {method} ({dtype}) takes "
                    f"{factor(times.mean)} times as long."
                )


def _agreements(cases: Sequence[MeasuredCase]) -> list[Table]:
    selections = [case for case in cases if not case.score]
    if not selections:
        return []
    cells: Cells = {
        "way": lambda case: case.method,
        "same picks": same_picks,
        "leaves the order at": _departure_pick,
        "lead there": _departure_gap,
        "objective": objective,
        "d_eff": lambda case: "" if case.d_eff is None else f"{case.d_eff:.1f}",
        "drift": lambda case: "" if case.drift is None else small_share(case.drift),
        "refreshes": lambda case: "" if case.refreshes is None else f"{case.refreshes:g}",
        "peak": lambda case: format_bytes(case.peak_bytes),
        "share of V": _peak_share,
    }
    note = "Peak: of memory beyond logits and features, in one pass of its own; V: all gradients built, n·k·d numbers."
    if any(case.agreement for case in selections):
        note = (
            "Same picks: in the batch of the float64 reference (of a selection cut short: first forward picks). "
            "Objective: tr(F M⁻¹) of the batch in float64 with all of V, over the reference's; less is better. " + note
        )
    return [cases_table("Agreement and memory", selections, cells, note, optional=("refreshes", "d_eff", "drift"))]


def _departure_pick(case: MeasuredCase) -> str:
    """The first pick out of the reference's order; an approximation was never meant to follow it."""
    departure = case.agreement.departure if case.agreement and case.exact else None
    return "" if departure is None else f"pick {departure.pick + 1:.0f}"


def _departure_gap(case: MeasuredCase) -> str:
    departure = case.agreement.departure if case.agreement and case.exact else None
    return "" if departure is None else small_share(departure.gap)


def _peak_share(case: MeasuredCase) -> str:
    """Peak growth over the bytes of V built with all its rows."""
    return "" if case.peak_bytes is None else factor(case.peak_bytes / case.sizes.embedding_bytes)


def _agreement_claims(cases: Sequence[MeasuredCase], options: Options) -> Iterable[str]:
    yield from _reference(cases, options)
    drawn = find(cases, "random")
    worth = drawn.objective_ratio() if drawn else None
    if worth is not None:
        yield f"Random batches have {factor(worth.mean)} times the reference's objective: the most that can be lost."
    for case in cases:
        if case.method == "incremental" and case.drift is not None and case.refreshes is not None:
            often = {0: "not", 1: "once"}.get(case.refreshes, f"{case.refreshes:g} times")
            yield (
                f"After {case.picks('forward')[0]} forward picks by incremental in {case.sizes.dtype}, P = M⁻¹ had "
                f"drifted by {small_share(case.drift)}; it was {often} made afresh."
            )


def _reference(cases: Sequence[MeasuredCase], options: Options) -> Iterable[str]:
    """What the picks were compared with, and why."""
    budget = f"--reference-budget {options.reference_budget:.2g}"
    agreements = [case.agreement for case in cases if case.was_compared and not case.score]
    references = {agreement.reference if agreement else None for agreement in agreements}
    if "published" in references:
        yield "The reference is the published order in float64."
    if "incremental" in references:
        yield (
            "The reference is the incremental selection in float64: the published order would take more than "
            f"{budget} operations, or more memory than is free."
        )
    if None in references:
        yield f"Same picks and objective are empty where no float64 reference keeps to {budget}."


def _family(compared: Sequence[ComparedCases]) -> list[str]:
    if not compared:
        return []
    count = len(compared)
    what = "The comparison is" if count == 1 else f"All {count} comparisons are"
    return [
        f"{what} of logarithms of times, paired by block, by a two-sided t test; Holm's correction keeps false claims "
        "of the whole run at 3 %."
    ]


def _tests(compared: Sequence[ComparedCases]) -> list[Table]:
    if not compared:
        return []
    rows = [
        [*c.names, str(c.result.times.n), with_ends(c.result.times), _p(c.result.p), _p(c.result.adjusted)]
        for c in compared
    ]
    rows = [[*cells, c.result.verdict] for cells, c in zip(rows, compared, strict=True)]
    columns = ("way", "than", "blocks", "× faster", "p", "Holm p", "faster?")
    note = "Whole selections, or passes of the score. × faster: 95 % t interval of the paired ratio, each for itself."
    if any(case.cut_short for c in compared for case in (c.case, c.base)):
        note += " Of what is extrapolated it has timing noise alone."
    return [Table("Is the first faster than the second?", columns, rows, note, optional=("p", "blocks", "Holm p"))]


def _p(value: float) -> str:
    return "" if math.isnan(value) else p_value(value).removeprefix("p ").removeprefix("= ")


def _left_out(groups: Iterable[NotMeasured]) -> Iterable[str]:
    """Cases without a number, and why."""
    for status, reason, names in groups:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more} ({status}): {' '.join(reason.split()[:25])}."
