"""What ``fbench fisher`` says at the end: answers first, one table, one figure, then what lies behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from fbench.harness.contract import Evidence, Row, Summary, Table
from fbench.results.faster import FEWEST_BLOCKS, Pair, compare_times, with_ends
from fbench.results.findings import p_value, small_share
from fbench.results.words import counted
from fbench.units import format_bytes, format_seconds

from .answers import (
    NAMES,
    TARGET,
    WHAT,
    YARDSTICK,
    Group,
    JudgedFamily,
    family,
    fisher_answers,
    fisher_lead,
    largest_groups,
    way_of,
)
from .figures import figures
from .options import Options
from .rows import MeasuredMethod, read_methods, read_reasons

_YARDSTICK = "× k−1 backward passes"


def summary(rows: Sequence[Row], options: Options) -> Summary:
    """Everything that ``fbench fisher`` says at the end."""
    cases = read_methods(rows)
    groups = largest_groups(cases)
    judged = family(groups)
    replies = fisher_answers(groups, judged, options.dtype)
    tables = [_table(cases, options)] if cases else []
    behind = [*_comparisons(groups, judged), *_left_out(rows)]
    return Summary(
        tables, figures=figures(cases, options), lead=fisher_lead(groups, replies), answers=replies, evidence=behind
    )


def _groups(cases: Sequence[MeasuredMethod]) -> Iterator[dict[str, MeasuredMethod]]:
    """Yield the cases by method of every quantity and number of samples."""
    for key in dict.fromkeys((case.quantity, case.samples) for case in cases):
        yield {case.method: case for case in cases if (case.quantity, case.samples) == key}


def _table(cases: Sequence[MeasuredMethod], options: Options) -> Table:
    """One row a case: its seconds a sample, how much faster ours is, the yardstick, its memory and its error."""
    rows = [_row(case, group) for group in _groups(cases) for case in group.values()]
    ways = dict.fromkeys(way.method for group in _groups(cases) if (way := way_of(group)) is not None)
    named = " or ".join(ways) or "ours"
    columns = ("quantity", "way", "samples", "batch", "a sample", f"× {named}", _YARDSTICK, "peak", "error")
    blocks = max(len(case.seconds) for case in cases)
    note = (
        f"{options.model}, {options.classes} classes, images of {options.size} × {options.size}, {options.dtype}. "
        f"Geometric means of {counted([blocks], 'interleaved block')}. × {named}: its time over that of "
        f"{named}. {_YARDSTICK}: over plain ones, a yardstick and no bound. "
        + ("In parentheses 95 % intervals. " if blocks >= FEWEST_BLOCKS else "")
        + "Batch: samples at a time, each way's own. Peak: growth of memory. "
        "Error: the largest, to the loop in float64, over the largest value."
    )
    return Table("Time a sample", columns, rows, note, optional=("samples", "batch", _YARDSTICK))


def _row(case: MeasuredMethod, group: Group) -> list[str]:
    facts = [f"{case.samples:,}", f"{case.batch_size:,}", format_seconds(case.typical)]
    ratios = [_over(case, way_of(group)), _over(case, group.get(YARDSTICK))]
    wrong = "" if case.max_rel_error is None else small_share(case.max_rel_error)
    return [WHAT[case.quantity], case.method, *facts, *ratios, format_bytes(case.peak_bytes), wrong]


def _over(case: MeasuredMethod, base: MeasuredMethod | None) -> str:
    """How many times as long the case takes; empty where one was not measured, and for a way beside itself."""
    if base is None or base is case:
        return ""
    result = compare_times({"": Pair(case.seconds, base.seconds)})
    return with_ends(result[""].times) if result else ""


def _comparisons(groups: Mapping[str, Group], judged: JudgedFamily) -> list[Evidence]:
    """The statistics of all comparisons."""
    if not judged:
        return []
    rows = [
        [
            *(WHAT[quantity], _asked(quantity, method, groups), str(result.times.n), with_ends(result.times)),
            *(_p(result.p), _p(result.adjusted)),
        ]
        for (quantity, method), result in judged.items()
    ]
    columns = ("quantity", "comparison", "blocks", "times", "p", "Holm p")
    note = "Times: a 95 % t interval of the paired ratio, each for itself. "
    note += f"That to backward passes is tested against {TARGET}."
    claim = (
        "Comparisons are of logarithms of times, paired by block, by two-sided t tests; Holm's correction keeps false "
        "claims of the whole run at 3 %."
    )
    table = Table("Comparisons", columns, rows, note, optional=("p", "blocks"))
    return [Evidence("Comparisons", [claim], [table])]


def _asked(quantity: str, method: str, groups: Mapping[str, Group]) -> str:
    way = way_of(groups[quantity])
    assert way is not None
    return (
        f"{way.method} / k−1 backward passes" if method == YARDSTICK else f"{NAMES.get(method, method)} / {way.method}"
    )


def _p(value: float) -> str:
    return "" if math.isnan(value) else p_value(value).removeprefix("p ").removeprefix("= ")


def _left_out(rows: Sequence[Row]) -> list[Evidence]:
    """A sentence for every way that was not measured, with its reason."""
    reasons = [
        f"{method} gave no {quantity}: {' '.join(reason.split()[:25]).rstrip('.')}."
        for (quantity, method), reason in read_reasons(rows).items()
    ]
    return [Evidence("Not measured", reasons)] if reasons else []
