"""What is no time has rules of its own: accuracies are paired by seed, and a peak is held to a margin.

A seed has the same split, start and weights in both revisions, whatever the machine did meanwhile. A peak is a
high-water mark; what it is uncertain by is seen in the rounds of a case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from fbench.measure.statistics import holm, paired
from fbench.regression.compared import ComparedRow, Word
from fbench.regression.measured import Areas, Peaks

_LEVEL = 0.05
_FEWEST_SEEDS, _FEWEST_ROUNDS = 3, 2


def compare_areas(base: Areas, new: Areas, margin: float) -> list[ComparedRow]:
    """A row for every strategy that both have with a common seed: the area's difference, by a paired t test.

    ``worse`` and ``better`` have p < 0.05 after Holm's correction over the strategies and a difference above the
    margin, which is in the unit of the area.

    Example:
        >>> base = {"bait": {0: 0.80, 1: 0.82, 2: 0.81, 3: 0.83}}
        >>> new = {"bait": {0: 0.70, 1: 0.71, 2: 0.72, 3: 0.73}}
        >>> [row.verdict for row in compare_areas(base, new, 0.005)]
        ['worse']
    """
    shared = {name: sorted(base[name].keys() & new[name].keys()) for name in base if name in new}
    shared = {name: seeds for name, seeds in shared.items() if seeds}
    tests = {
        name: paired([new[name][seed] for seed in seeds], [base[name][seed] for seed in seeds])
        for name, seeds in shared.items()
    }
    corrected = holm([test.p for test in tests.values()]).tolist()
    rows = []
    for (name, test), adjusted in zip(tests.items(), corrected, strict=True):
        before = sum(base[name][seed] for seed in shared[name]) / test.n
        words = _verdict(test.difference, test.low, test.high, adjusted < _LEVEL, margin, ("worse", "better"))
        why = f"{test.n} common seeds are too few: {_FEWEST_SEEDS} or more" if test.n < _FEWEST_SEEDS else ""
        ends = (test.difference, test.low, test.high)
        rows.append(
            ComparedRow(
                name,
                "accuracy",
                test.n,
                before,
                before + test.difference,
                *ends,
                verdict=words,
                p=test.p,
                adjusted=adjusted,
                why=why if words == "not shown" else "",
            )
        )
    return rows


def compare_peaks(base: Peaks, new: Peaks, margin: float) -> list[ComparedRow]:
    """A row for every case that both have: growth at its peak, and from the least to the greatest ratio of two rounds.

    ``larger``: even the least ratio is above 1 + margin; ``smaller``: even the greatest is below 1/(1 + margin).

    Example:
        >>> [row.verdict for row in compare_peaks({"case": {0: 100.0, 1: 101.0}}, {"case": {0: 120.0, 1: 121.0}}, 0.03)]
        ['larger']
    """
    return [_peak_row(name, base[name], new[name], margin) for name in base if name in new]


def _peak_row(name: str, base: Mapping[int, float], new: Mapping[int, float], margin: float) -> ComparedRow:
    before, after = sorted(base.values()), sorted(new.values())
    n = min(len(before), len(after))
    middle = (before[len(before) // 2], after[len(after) // 2])
    if before[0] <= 0 or after[0] <= 0:
        none = (math.nan,) * 3
        return ComparedRow(name, "peak", n, *middle, *none, verdict="not shown", why="memory did not grow")
    change, low, high = middle[1] / middle[0], after[0] / before[-1], after[-1] / before[0]
    if n < _FEWEST_ROUNDS:
        why = f"one round tells no spread: {_FEWEST_ROUNDS} or more"
        return ComparedRow(name, "peak", n, *middle, change, low, high, verdict="not shown", why=why)
    edge = math.log1p(margin)
    logs = (math.log(change), math.log(low), math.log(high))
    verdict = _verdict(*logs, logs[1] > edge or logs[2] < -edge, edge, ("smaller", "larger"))
    return ComparedRow(name, "peak", n, *middle, change, low, high, verdict=verdict)


def _verdict(change: float, low: float, high: float, shown: bool, margin: float, words: tuple[Word, Word]) -> Word:
    """The word for less or more where that is shown and above the margin; the same where its interval is within it."""
    if shown and abs(change) > margin:
        return words[change > 0]
    return "same within the margin" if -margin <= low and high <= margin else "not shown"
