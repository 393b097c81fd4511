"""Whether the cases of ``fbench memory`` leak: sentences on what is held at the end of their rounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fbench.measure.leaks import LEAST_ROUNDS, Leak, leak
from fbench.results.words import counted
from fbench.units import format_bytes

from .names import bytes_range, gauge_in_words
from .peaks import CaseMemory
from .rows import Gauge, HeldRow, grouped

_JUDGED = ("used", "allocated")
"""Quantities that are judged for leaks: reserved and non_torch are parts of used, requested of allocated."""


def leak_findings(cases: Sequence[CaseMemory], held: Sequence[HeldRow], names: Mapping[str, str]) -> Iterable[str]:
    """How many cases leak, and the worst of them; a case is as bad as its worst gauge.

    ``names`` says what each case is called, by its id.
    """
    leaks = _leaks(cases, held)
    if not leaks:
        return
    verdicts: dict[str, str] = {}
    for (case, _), judged in sorted(leaks.items(), key=lambda item: _severity(item[1])):
        verdicts[case] = judged.verdict
    count = Counter(verdicts.values())
    yield (
        "Leaks, memory held at a round's end that grows by 1 MiB a round or 0.1 % of the peak, whichever is more: "
        f"found in {count['leak']} of {len(verdicts)} cases, ruled out in {count['no leak']}, too short to tell in "
        f"{count['too short to tell']}."
    )
    (case, gauge), worst = max(leaks.items(), key=lambda item: _severity(item[1]))
    yield f"The worst is {names.get(case, case)}, {worst.verdict}: {_growth(gauge, worst)}{_chance(leaks.values())}."


def _leaks(cases: Sequence[CaseMemory], held: Sequence[HeldRow]) -> dict[tuple[str, Gauge], Leak]:
    """The verdict on every case and gauge of which something is known; a round without a row counts as unknown."""
    judged = (row for row in held if row.gauge.quantity in _JUDGED)
    leaks = {}
    for (case, gauge), rows in grouped(judged, lambda row: (row.case, row.gauge)).items():
        sizes = {row.round: row.held_bytes for row in rows}
        if any(size is not None for size in sizes.values()):
            in_turn = [sizes.get(number) for number in range(min(sizes), max(sizes) + 1)]
            leaks[case, gauge] = leak(in_turn, _peak_of(cases, case, gauge))
    return leaks


def _peak_of(cases: Sequence[CaseMemory], case_id: str, gauge: Gauge) -> int | None:
    """The gauge's largest peak in that case, what was held before included."""
    profiles = [case.profiles[gauge] for case in cases if case.case == case_id and gauge in case.profiles]
    tops = [(profile.baseline or 0) + (profile.top.measured or 0) for profile in profiles if profile.top]
    return round(max(tops)) if tops else None


def _severity(judged: Leak) -> tuple[int, float]:
    """A leak by its mean; else how far up the interval reaches, and furthest where there is none."""
    order = ("no leak", "too short to tell", "leak").index(judged.verdict)
    reach = judged.mean if judged.verdict == "leak" else judged.growth.high
    return order, math.inf if math.isnan(reach) else reach


def _growth(gauge: Gauge, judged: Leak) -> str:
    if judged.rounds < LEAST_ROUNDS - 2:
        return f"{counted([judged.rounds], 'difference')} between rounds, and {LEAST_ROUNDS} rounds are the least"
    return (
        f"{gauge_in_words(gauge)} grows by {format_bytes(judged.mean)} a round (95 % interval "
        f"{bytes_range(*judged.growth)}, over {judged.rounds} differences between rounds, the first round left out)"
    )


def _chance(leaks: Iterable[Leak]) -> str:
    """Of many series some are called leaks by chance."""
    verdicts = [judged.verdict for judged in leaks]
    if "leak" not in verdicts or len(verdicts) == 1:
        return ""
    return f"; {len(verdicts)} series were judged, and of those that only wander 1 in 40 at most is called a leak"
