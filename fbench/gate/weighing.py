"""Peaks of memory of both sides: by how much a process grows at most while a benchmark is called once.

Every round has three processes begun anew, the base's, the base's again and the new side's, in an order that is drawn,
and each calls every benchmark in an order that all three share. The base's two are one sample: equal code has all of
its five peaks above all of the base's ten in one of 3,003 cases, the number of ways to choose five of fifteen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from fbench.gate.processes import BlockFailedError
from fbench.regression.other_rules import compare_peaks

PEAK_ROUNDS = 5
LEAST_BYTES = 2**20
"""A smaller peak counts as this: beside it the allocator's own pages would be a large share."""

PeakWord = Literal["larger", "inconclusive", "not shown", "smaller", "same within the margin"]


class Weigher(Protocol):
    """A side that weighs benchmarks."""

    role: str

    def weigh(self, name: str) -> int:
        """Bytes of one call's peak; raises BlockFailedError."""
        ...

    def stop(self) -> None:
        """End the process; the next call begins another."""
        ...


@dataclass
class Weighed:
    """Peaks of one benchmark.

    Attributes:
        peak_bytes: by side, one a round; those of a round that has not all three are left out.
        failed: by side, why it has none.
    """

    peak_bytes: dict[str, list[int]] = field(default_factory=lambda: {"base": [], "again": [], "new": []})
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PeakRow:
    """One benchmark's peak.

    Attributes:
        name: of the benchmark.
        verdict: what may be said of it.
        n: rounds.
        change: peak of new over base; ``low`` and ``high`` are the least and the greatest ratio of two rounds.
        base_bytes: the base's median; ``new_bytes`` is the new one's.
    """

    name: str
    verdict: PeakWord
    n: int
    change: float
    low: float
    high: float
    base_bytes: float
    new_bytes: float


def weigh_in_turn(
    sides: Sequence[Weigher],
    names: Sequence[str],
    *,
    budget_s: float,
    clock: Callable[[], float],
    rng: random.Random,
) -> dict[str, Weighed]:
    """Weigh benchmarks on three sides, ``base``, ``again`` and ``new``, for five rounds, or until out of budget."""
    until = clock() + budget_s
    weighed = {name: Weighed() for name in names}
    for _ in range(PEAK_ROUNDS):
        benchmarks, order = rng.sample(names, len(names)), rng.sample(sides, len(sides))
        peaks: dict[str, dict[str, int]] = {name: {} for name in names}
        for side in order:
            side.stop()
            for name in benchmarks:
                if clock() > until:
                    return weighed
                if not weighed[name].failed:
                    try:
                        peaks[name][side.role] = side.weigh(name)
                    except BlockFailedError as error:
                        weighed[name].failed[side.role] = str(error)
            side.stop()
        for name, of_round in peaks.items():
            if len(of_round) == len(sides):
                for role, peak in of_round.items():
                    weighed[name].peak_bytes[role].append(peak)
    return weighed


def judge_weighed(weighed: Mapping[str, Weighed], threshold: float) -> list[PeakRow]:
    """A row for every benchmark that did not fail, by the rule that ``fbench diff`` has for peaks.

    ``larger``: even the least ratio of two rounds is above the threshold. Where rounds are fewer than five, or the
    base's own differ by more than the threshold and nothing is shown, the answer is ``inconclusive``.

    Example:
        >>> peaks = {"base": [2**24] * 5, "again": [2**24] * 5, "new": [2**25] * 5}
        >>> [row.verdict for row in judge_weighed({"a": Weighed(peaks)}, 0.03)]
        ['larger']
    """
    return [_judged_peak(name, one, threshold) for name, one in weighed.items() if not one.failed]


def _judged_peak(name: str, one: Weighed, threshold: float) -> PeakRow:
    counted = {role: [max(peak, LEAST_BYTES) for peak in peaks] for role, peaks in one.peak_bytes.items()}
    base, new = counted["base"] + counted["again"], counted["new"]
    if not new:
        nan = float("nan")
        return PeakRow(name, "inconclusive", 0, nan, nan, nan, nan, nan)
    [row] = compare_peaks(
        {name: {at: float(peak) for at, peak in enumerate(base)}},
        {name: {at: float(peak) for at, peak in enumerate(new)}},
        threshold,
    )
    verdict = _word(row.verdict, len(new), max(base) / min(base) - 1 > threshold)
    middle = [sorted(peaks)[len(peaks) // 2] for peaks in (one.peak_bytes["base"], one.peak_bytes["new"])]
    return PeakRow(name, verdict, len(new), row.change, row.low, row.high, *map(float, middle))


def _word(verdict: str, n: int, differs: bool) -> PeakWord:
    if n < PEAK_ROUNDS or (verdict == "not shown" and differs):
        return "inconclusive"
    words: dict[str, PeakWord] = {"larger": "larger", "smaller": "smaller", "not shown": "not shown"}
    return words.get(verdict, "same within the margin")
