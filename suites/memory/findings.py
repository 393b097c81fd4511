"""Sentences of ``fbench memory``: what sets the peak, how good predictions are, what fits; then leaks and readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fbench.results.words import listed
from fbench.units import format_bytes, format_count, format_percent

from .conduct import conduct_findings
from .leaks import leak_findings
from .names import bytes_range, case_names, gauge_in_words, sizes_in_words, varying_round_sizes
from .options import Options
from .peaks import CaseMemory, GaugeProfile, PhaseGrowth, largest_cases
from .rows import LimitRow, RunRows, grouped

_LARGE = 500_000_000
_NEAR = 0.15


def findings(cases: Sequence[CaseMemory], rows: RunRows, options: Options) -> list[str]:
    """What a run says: peaks, predictions, limits, leaks, then how the run went."""
    names = case_names(cases)
    return [
        *_peaks(cases, names),
        *_predictions(cases, names),
        *_kept(cases, options.malloc),
        *_limits(rows.limits, free=options.memory_budget is None),
        *leak_findings(cases, rows.held, names),
        *conduct_findings(cases, rows, names),
    ]


def _peaks(cases: Sequence[CaseMemory], names: Mapping[str, str]) -> Iterable[str]:
    """Which phase sets the peak of each method, at its largest problem."""
    shown = largest_cases(cases)
    if not shown:
        yield "No phase has a measured peak, so nothing can be said of where memory goes: see the rows' reasons."
    for case in shown:
        main = case.main
        if main is not None and main.top is not None:
            yield _peak(names[case.case], main, main.top)


def _peak(name: str, main: GaugeProfile, top: PhaseGrowth) -> str:
    before = "" if main.baseline is None else f" over the {format_bytes(main.baseline)} held before the first round"
    there = "" if top.held_before is None else f", {format_bytes(top.held_before)} of it there when the phase began"
    return (
        f"{top.name.capitalize()} sets the peak of {name}{_how_often(main, top)}: {gauge_in_words(main.gauge)} grows "
        f"by {format_bytes(top.measured)}{before}{_rounds(top)}{there}{_next(main, top)}."
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
    return f" (median of {n} rounds, {'the same in each' if equal else bytes_range(low, high)})"


def _next(main: GaugeProfile, top: PhaseGrowth) -> str:
    rest = [phase for phase in main.phases if phase.growth and phase is not top]
    if not rest:
        return ""
    second = max(rest, key=lambda phase: phase.measured or 0.0)
    return f"; next is {second.name} with {format_bytes(second.measured)}"


class _Pair(NamedTuple):
    """One phase of a case, predicted and measured."""

    name: str
    predicted: float
    measured: float

    @property
    def near(self) -> bool:
        return abs(self.predicted - self.measured) <= _NEAR * abs(self.measured)

    @property
    def far(self) -> float:
        return abs(self.predicted - self.measured)


def _predictions(cases: Sequence[CaseMemory], names: Mapping[str, str]) -> Iterable[str]:
    """How far predictions lie from what was measured: large phases by share, small ones by bytes."""
    pairs = [pair for case in cases for pair in _pairs(case, names[case.case])]
    if not pairs:
        yield "No phase has both a prediction and a measured peak, so predictions cannot be judged."
        return
    large, small = [pair for pair in pairs if pair.measured >= _LARGE], [p for p in pairs if p.measured < _LARGE]
    if large:
        worst = max(large, key=lambda pair: pair.far / pair.measured)
        share = format_percent(float(f"{worst.predicted / worst.measured - 1:.2g}"), signed=True)
        yield (
            f"Predicted growth is within {format_percent(_NEAR)} of the measured in {sum(p.near for p in large)} of "
            f"{len(large)} phases that grew by 500 MB or more; the farthest is {_worst(worst)} ({share})."
        )
    else:
        yield "Predicted growth cannot be judged of large phases: none with a prediction grew by 500 MB or more."
    if small:
        worst = max(small, key=lambda pair: pair.far)
        yield (
            f"Of smaller phases predicted growth is within {format_percent(_NEAR)} in {sum(p.near for p in small)} of "
            f"{len(small)}; the farthest in bytes is {_worst(worst)}."
        )


def _pairs(case: CaseMemory, name: str) -> Iterable[_Pair]:
    for profile in case.profiles.values():
        for phase in profile.phases:
            measured = phase.measured
            if phase.predicted is not None and measured is not None:
                yield _Pair(f"{phase.name} of {name}", phase.predicted, measured)


def _worst(pair: _Pair) -> str:
    return f"{pair.name}, {format_bytes(pair.predicted)} predicted for {format_bytes(pair.measured)}"


def _kept(cases: Sequence[CaseMemory], malloc: str) -> Iterable[str]:
    """What resident memory shows beside what is held, where the C library was left as it is."""
    gauges = [case.main.gauge for case in cases if case.main]
    if malloc == "system" and any(gauge.source == "rss" for gauge in gauges):
        yield (
            "Predictions and limits are of what is held; resident memory has in it as well what the C library keeps of "
            "freed blocks (of up to 32 MiB each in glibc). A run with --malloc returning shows it without them."
        )


def _limits(limits: Sequence[LimitRow], *, free: bool) -> Iterable[str]:
    """The largest chunk and pool that fit: of each method at its largest problem; how often nothing fits.

    The budget is one that was asked for, or what was ``free`` when a case began.
    """
    rows = [row for row in limits if row.budget_bytes is not None]
    varying = varying_round_sizes([row.sizes for row in rows])
    for (_, margin), group in grouped(rows, lambda row: (None if free else row.budget_bytes, row.margin)).items():
        by_method = grouped(group, lambda row: row.method).values()
        largest = [max(of_method, key=lambda row: row.sizes.rank) for of_method in by_method]
        keep = f" with a margin of {format_percent(margin)}" if margin else ""
        fits = "; ".join(_limit(row, varying) for row in largest)
        yield f"Predicted to stay within {_budget(largest, free=free)}{keep}: {fits}."
    none = sum(row.largest_pool == 0 for row in rows)
    if none:
        yield f"In {none} of {len(rows)} cases no pool is predicted to fit."


def _budget(rows: Sequence[LimitRow], *, free: bool) -> str:
    sizes = sorted({row.budget_bytes for row in rows if row.budget_bytes is not None})
    ends = " to ".join(dict.fromkeys(format_bytes(size) for size in (sizes[0], sizes[-1])))
    return f"what was free ({ends})" if free else f"the budget of {ends}"


def _limit(row: LimitRow, varying: Sequence[str]) -> str:
    """``published pools of up to 40,000 candidates, and chunks of up to 4,096 at n = 5,000``."""
    sizes = sizes_in_words(row.sizes, varying)
    pool, chunk = row.largest_pool, row.largest_chunk
    words = []
    if pool is not None:
        words.append(f"pools of up to {format_count(pool)} candidates" if pool else "no pool")
    if chunk is not None:
        at = f" at n = {format_count(row.sizes.candidates)}"
        words.append((f"chunks of up to {format_count(chunk)}" if chunk else "no chunk") + at)
    return f"{row.method}{f' ({sizes})' if sizes else ''}: {' and '.join(words) or 'not known'}"
