"""What lies behind the answers of ``fbench memory``: peaks, predictions, what fits, leaks, how it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fbench.harness.contract import Evidence, Figure
from fbench.results.words import listed
from fbench.units import format_bytes

from .answers import Miss, misses
from .conduct import conduct_findings
from .formulas import formula_tables
from .leaks import JudgedSeries, leak_tables
from .margin import margin_in_words
from .names import bytes_range, case_names, gauge_in_words
from .options import Options
from .peaks import CaseMemory, GaugeProfile, PhaseGrowth, largest_cases
from .rows import RunRows
from .tables import before_tables, every_case, limit_tables, ratio_tables, source_tables

_LARGE = 500_000_000


def memory_evidence(
    cases: Sequence[CaseMemory],
    rows: RunRows,
    options: Options,
    series: Sequence[JudgedSeries],
    timelines: Sequence[Figure],
) -> list[Evidence]:
    """Every part that has something to say."""
    names, largest = case_names(cases), largest_cases(cases)
    parts = [
        Evidence(
            "Peaks",
            list(_peaks(largest, names)),
            [*before_tables(largest), *every_case(cases), *source_tables(largest)],
            timelines,
        ),
        Evidence(
            "Predictions",
            [*_predictions(cases), *_kept(cases, options.malloc)],
            [*ratio_tables(largest), *formula_tables(largest)],
        ),
        Evidence("What fits", _nothing_fits(rows), list(limit_tables(rows.limits))),
        Evidence("What is held at a round's end", [], leak_tables(series)),
        Evidence("How memory was read", conduct_findings(cases, rows, names)),
    ]
    return [part for part in parts if part.claims or part.tables or part.figures]


def _peaks(cases: Sequence[CaseMemory], names: Mapping[str, str]) -> Iterable[str]:
    """Which phase sets the peak of each method, in how many rounds, and which is next."""
    for case in cases:
        main = case.main
        if main is not None and main.top is not None:
            yield _peak(names[case.case], main, main.top)


def _peak(name: str, main: GaugeProfile, top: PhaseGrowth) -> str:
    return (
        f"{name} peaks in {top.name}{_how_often(main, top)}: {gauge_in_words(main.gauge)} grows by "
        f"{format_bytes(top.measured)}{_rounds(top)}{_next(main, top)}."
    )


def _how_often(main: GaugeProfile, top: PhaseGrowth) -> str:
    """In how many rounds it is the phase with the largest growth; the first of equals."""
    highest = Counter(
        max((phase for phase in main.phases if number in phase.growth), key=lambda phase: phase.growth[number]).name
        for number in top.growth
    )
    n, wins = len(top.growth), highest[top.name]
    if n == 1 or wins == n:
        return "" if n == 1 else f" in all {n} rounds"
    others = [f"{name} in {count}" for name, count in highest.most_common() if name != top.name]
    return f" in {wins} of {n} rounds ({listed(others)})"


def _rounds(top: PhaseGrowth) -> str:
    low, high, n = min(top.growth.values()), max(top.growth.values()), len(top.growth)
    if n == 1:
        return " (one round)"
    equal = format_bytes(low) == format_bytes(high)
    return f" ({'the same in each' if equal else bytes_range(low, high)})"


def _next(main: GaugeProfile, top: PhaseGrowth) -> str:
    rest = [phase for phase in main.phases if phase.growth and phase is not top]
    if not rest:
        return ""
    second = max(rest, key=lambda phase: phase.measured or 0.0)
    return f"; next is {second.name} with {format_bytes(second.measured)}"


def _predictions(cases: Sequence[CaseMemory]) -> Iterable[str]:
    """How many fall short, and what the worst ones of large and of small phases are."""
    known = misses(cases)
    if not known:
        yield "No phase has both a prediction and a measured peak, so predictions cannot be judged."
        return
    short = [miss for miss in known if miss.beyond > 0]
    covered = sum(miss.covered for miss in known)
    yield (
        f"Of {len(known)} predictions {len(short)} fall short; {margin_in_words(known[0].device)} to spare cover "
        f"{covered}. "
        "Predictions count tensors; resident memory also has what Python, libraries and threads take."
    )
    yield (
        "Measured peaks of large plans lay within the 15 %; the 64 MiB of a CPU were chosen to cover the worst miss of "
        "the reference runs. Neither is a bound."
    )
    for what, some in (
        ("500 MB or more", [miss for miss in known if miss.measured >= _LARGE]),
        ("less than 500 MB", [miss for miss in known if miss.measured < _LARGE]),
    ):
        if some:
            worst = some[0]
            yield (
                f"Of phases that grew by {what} the worst is {worst.name}: {_worst_round(worst)}, "
                f"{format_bytes(worst.predicted)} predicted."
            )


def _worst_round(miss: Miss) -> str:
    """``480 MiB in its worst round (median 477 MiB)``; of one round what was measured."""
    if len(miss.phase.growth) == 1:
        return f"{format_bytes(miss.measured)} measured"
    return f"{format_bytes(miss.measured)} in its worst round (median {format_bytes(miss.phase.measured)})"


def _kept(cases: Sequence[CaseMemory], malloc: str) -> Iterable[str]:
    """What resident memory shows beside what is held, where the C library was left as it is."""
    gauges = [case.main.gauge for case in cases if case.main]
    if malloc == "system" and any(gauge.source == "rss" for gauge in gauges):
        yield (
            "Resident memory also has what the C library keeps of freed blocks, up to 32 MiB each in glibc; a run with "
            "--malloc returning shows it without them."
        )


def _nothing_fits(rows: RunRows) -> list[str]:
    limits = [row for row in rows.limits if row.budget_bytes is not None]
    none = sum(row.largest_pool == 0 for row in limits)
    return [f"In {none} of {len(limits)} cases no pool is predicted to fit."] if none else []
