"""Sentences of ``fbench memory``: what sets the peak, how good predictions are, what fits, leaks, and the readers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fbench.harness.contract import Row
from fbench.measure.leaks import LEAST_ROUNDS, Leak, leak
from fbench.results.words import counted, listed
from fbench.units import format_bytes, format_count, format_percent

from . import conduct
from .peaks import SIZES, Measured, Meter, Phase, Profile, Tables, ends, largest, meter_said, named, sizes_said, varying

_LARGE = 500_000_000
_NEAR = 0.15
_JUDGED = ("used", "allocated")
"""Quantities that are judged for leaks: reserved and non_torch are parts of used, requested of allocated."""


def findings(cases: Sequence[Measured], tables: Tables, options: Mapping[str, Any]) -> list[str]:
    """What a run says: peaks, predictions, limits, leaks, then how the run went."""
    label = named(cases)
    said = [*_peaks(cases), *_predictions(cases, label), *_kept(cases, options.get("malloc"))]
    said += _limits(tables.get("limits", ()), free=options.get("memory_budget", 0) is None)
    return [*said, *_leaks(cases, tables, label), *conduct.findings(cases, tables, label)]


def _peaks(cases: Sequence[Measured]) -> Iterable[str]:
    """Which phase sets the peak of each method, at its largest problem."""
    shown, label = largest(cases), named(cases)
    if not shown:
        yield "No phase has a measured peak, so nothing can be said of where memory goes: see the rows' reasons."
    for case in shown:
        main = case.main
        if main is not None and main.top is not None:
            yield _peak(label[case.case], main, main.top)


def _peak(name: str, main: Profile, top: Phase) -> str:
    before = "" if main.baseline is None else f" over the {format_bytes(main.baseline)} held before the first round"
    there = "" if top.held_before is None else f", {format_bytes(top.held_before)} of it there when the phase began"
    return (
        f"{top.name.capitalize()} sets the peak of {name}{_how_often(main, top)}: {meter_said(main.meter)} grows by "
        f"{format_bytes(top.measured)}{before}{_rounds(top)}{there}{_next(main, top)}."
    )


def _how_often(main: Profile, top: Phase) -> str:
    """In how many rounds it is the phase with the largest growth; the first of equals."""
    highest = Counter(
        max((phase for phase in main.phases if number in phase.growth), key=lambda phase: phase.growth[number]).name
        for number in top.growth
    )
    n, own = len(top.growth), highest[top.name]
    if n == 1 or own == n:
        return "" if n == 1 else f" in all {n} rounds"
    others = [f"{name} in {count}" for name, count in highest.most_common() if name != top.name]
    return f" in {own} of {n} rounds ({listed(others)})"


def _rounds(top: Phase) -> str:
    low, high, n = min(top.growth.values()), max(top.growth.values()), len(top.growth)
    if n == 1:
        return " (one round)"
    equal = format_bytes(low) == format_bytes(high)
    return f" (median of {n} rounds, {'the same in each' if equal else ends(low, high)})"


def _next(main: Profile, top: Phase) -> str:
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


def _predictions(cases: Sequence[Measured], label: dict[str, str]) -> Iterable[str]:
    """How far predictions lie from what was measured: large phases by share, small ones by bytes."""
    pairs = [pair for case in cases for pair in _pairs(case, label[case.case])]
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


def _pairs(case: Measured, name: str) -> Iterable[_Pair]:
    for profile in case.profiles.values():
        for phase in profile.phases:
            measured = phase.measured
            if phase.predicted is not None and measured is not None:
                yield _Pair(f"{phase.name} of {name}", phase.predicted, measured)


def _worst(pair: _Pair) -> str:
    return f"{pair.name}, {format_bytes(pair.predicted)} predicted for {format_bytes(pair.measured)}"


def _kept(cases: Sequence[Measured], malloc: str | None) -> Iterable[str]:
    """What resident memory shows beside what is held, where the C library was left as it is."""
    meters = [case.main.meter for case in cases if case.main]
    if malloc == "system" and any(meter.source == "rss" for meter in meters):
        yield (
            "Predictions and limits are of what is held; resident memory has in it as well what the C library keeps of "
            "freed blocks (of up to 32 MiB each in glibc). A run with --malloc returning shows it without them."
        )


def _limits(limits: Sequence[Row], *, free: bool) -> Iterable[str]:
    """The largest chunk and pool that fit: of each method at its largest problem; how often nothing fits.

    The budget is one that was given, or what was ``free`` when a case began.
    """
    rows = [row for row in limits if row["budget_bytes"] is not None]
    last: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (None if free else row["budget_bytes"], row["margin"], row["method"])
        last[key] = row if key not in last or _rank(row) > _rank(last[key]) else last[key]
    which = varying([[row[name] for name in SIZES] for row in rows]) if rows else []
    for group in dict.fromkeys(key[:2] for key in last):
        own = [row for key, row in last.items() if key[:2] == group]
        keep = f" with a margin of {format_percent(group[1])}" if group[1] else ""
        each = "; ".join(_limit(row, which) for row in own)
        yield f"Predicted to stay within {_budget(own, free=free)}{keep}: {each}."
    none = sum(row["largest_pool"] == 0 for row in rows)
    if none:
        yield f"In {none} of {len(rows)} cases no pool is predicted to fit."


def _budget(rows: Sequence[Row], *, free: bool) -> str:
    sizes = sorted({row["budget_bytes"] for row in rows})
    said = " to ".join(dict.fromkeys(format_bytes(size) for size in (sizes[0], sizes[-1])))
    return f"what was free ({said})" if free else f"the budget of {said}"


def _rank(row: Row) -> tuple[Any, ...]:
    n, k, d, batch, dtype, chunk = (row[name] for name in SIZES)
    return (n or 0) * (k or 0) * (d or 0), n or 0, batch or 0, str(dtype), chunk or 0


def _limit(row: Row, which: Sequence[int]) -> str:
    """``published pools of up to 40,000 candidates, and chunks of up to 4,096 at n = 5,000``."""
    sizes = sizes_said([row[name] for name in SIZES], which)
    pool, chunk = row["largest_pool"], row["largest_chunk"]
    words = []
    if pool is not None:
        words.append(f"pools of up to {format_count(pool)} candidates" if pool else "no pool")
    if chunk is not None:
        at = f" at n = {format_count(row['candidates'])}"
        words.append((f"chunks of up to {format_count(chunk)}" if chunk else "no chunk") + at)
    return f"{row['method']}{f' ({sizes})' if sizes else ''}: {' and '.join(words) or 'not known'}"


def _leaks(cases: Sequence[Measured], tables: Tables, label: dict[str, str]) -> Iterable[str]:
    """How many cases leak, and the worst of them; a case is as bad as its worst meter."""
    found = _judged(cases, tables.get("rounds", ()))
    if not found:
        return
    worst: dict[str, str] = {}
    for (case, _), each in sorted(found.items(), key=lambda item: _severity(item[1])):
        worst[case] = each.verdict
    count = Counter(worst.values())
    yield (
        "Leaks, memory held at a round's end that grows by 1 MiB a round or 0.1 % of the peak, whichever is more: "
        f"found in {count['leak']} of {len(worst)} cases, ruled out in {count['no leak']}, too short to tell in "
        f"{count['too short to tell']}."
    )
    (case, meter), bad = max(found.items(), key=lambda item: _severity(item[1]))
    yield f"The worst is {label.get(case, case)}, {bad.verdict}: {_growth(meter, bad)}{_chance(found.values())}."


def _judged(cases: Sequence[Measured], rounds: Sequence[Row]) -> dict[tuple[str, Meter], Leak]:
    held: dict[tuple[str, Meter], dict[int, int | None]] = {}
    for row in rounds:
        if row["quantity"] in _JUDGED:
            meter = Meter(row["device"], row["source"], row["quantity"])
            held.setdefault((row["case"], meter), {})[row["round"]] = row["held_bytes"]
    found = {}
    for key, sizes in held.items():
        if any(size is not None for size in sizes.values()):
            in_turn = [sizes.get(number) for number in range(min(sizes), max(sizes) + 1)]
            found[key] = leak(in_turn, _peak_of(cases, *key))
    return found


def _peak_of(cases: Sequence[Measured], name: str, meter: Meter) -> int | None:
    """The meter's largest peak in that case, what was held before included."""
    profiles = [case.profiles[meter] for case in cases if case.case == name and meter in case.profiles]
    tops = [(each.baseline or 0) + (each.top.measured or 0) for each in profiles if each.top]
    return round(max(tops)) if tops else None


def _severity(found: Leak) -> tuple[int, float]:
    """A leak by its mean; else how far up the interval reaches, and furthest where there is none."""
    order = ("no leak", "too short to tell", "leak").index(found.verdict)
    reach = found.mean if found.verdict == "leak" else found.growth.high
    return order, math.inf if math.isnan(reach) else reach


def _growth(meter: Meter, found: Leak) -> str:
    if found.rounds < LEAST_ROUNDS - 2:
        return f"{counted([found.rounds], 'difference')} between rounds, and {LEAST_ROUNDS} rounds are the least"
    return (
        f"{meter_said(meter)} grows by {format_bytes(found.mean)} a round (95 % interval {ends(*found.growth)}, over "
        f"{found.rounds} differences between rounds, the first round left out)"
    )


def _chance(found: Iterable[Leak]) -> str:
    """Of many series some are called leaks by chance."""
    verdicts = [each.verdict for each in found]
    if "leak" not in verdicts or len(verdicts) == 1:
        return ""
    return f"; {len(verdicts)} series were judged, and of those that only wander 1 in 40 at most is called a leak"
