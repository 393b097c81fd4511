"""What pairs can tell: how far the base is from itself, the smallest slowing that would have been seen, the word.

A value is the median log ratio of a start of the processes, or a pair's where starts are not known. The **floor** is
the end of the 95 % interval of the base's second process over its first that lies further from no change: a slowing
below it may be the machine's. The **smallest change seen** is the one that the paired rule finds nine times in ten with
as many values: (z(1 − 0.01/m) + z(0.9)) · s · √(π/3n), and never less than the threshold, or the floor where that is
larger, + z(0.9) · s · √(π/3n), as the change must be above both, too. m benchmarks share the level; s is the deviation
of a value, from the median one so that a few wild ones do not count; Wilcoxon's test needs π/3 times the values of a t
test where they are normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import Literal

from fbench.measure.signed_ranks import hodges_lehmann
from fbench.regression.paired_rule import PAIRED_LEVEL, PairedJudgement, fewest_pairs, time_verdict
from fbench.regression.pairs_file import TimedPair, by_start

GateWord = Literal["slower", "faster", "same within the margin", "not shown", "inconclusive"]
SUSPECT = 0.3
"""A benchmark whose p is below, uncorrected, looks slower: it is not done before there is enough to tell."""
_FOUND = 0.9
_NORMAL_MAD = 1.4826


def floor_of(pairs: Sequence[TimedPair], again_s: Sequence[float]) -> float:
    """The share by which equal code may differ here; infinite under six starts or pairs, which have no interval.

    Example:
        >>> pairs = [TimedPair(i, "base", 1.0 + 0.001 * i, 1.0) for i in range(20)]
        >>> round(floor_of(pairs, [1.01] * 20), 3)
        0.003
    """
    logs = base_logs(pairs, again_s)
    if len(logs) < 6:
        return math.inf
    middle = hodges_lehmann(logs)
    return math.expm1(max(abs(middle.low), abs(middle.high)))


def base_logs(pairs: Sequence[TimedPair], again_s: Sequence[float]) -> list[float]:
    """Logarithms of the base's second process over its first: one a start, or one a pair where starts are not known."""
    return by_start(pairs, [math.log(again / pair.base_s) for pair, again in zip(pairs, again_s, strict=True)])


def smallest_seen(logs: Sequence[float], threshold: float, family: int) -> float:
    """The share of slowing that would be found nine times in ten; nan without two values.

    Args:
        logs: log ratios of equal code.
        threshold: the change that is to be exceeded: a gate's threshold or its floor, whichever is larger.
        family: benchmarks that share the level.

    Example:
        >>> round(smallest_seen([0.05, -0.05] * 10, 0.03, 1), 3)
        0.063
    """
    if len(logs) < 2:
        return math.nan
    middle = median(logs)
    s = _NORMAL_MAD * median(abs(value - middle) for value in logs) * math.sqrt(math.pi / 3 / len(logs))
    z = NormalDist().inv_cdf
    shown = (z(1 - PAIRED_LEVEL / family) + z(_FOUND)) * s
    return math.expm1(max(shown, math.log1p(threshold) + z(_FOUND) * s))


def gate_word(judgement: PairedJudgement, threshold: float, floor: float, family: int) -> GateWord:
    """The word for what pairs say, of one of so many benchmarks.

    One that looks slower, and has too few, is open; so is one that looks slower by more than the threshold and is not
    shown to be: an odd start can do that, and it is no ground for letting the change pass.

    Example:
        >>> by = PairedJudgement(20, 1.2, 1.1, 1.3, 0.001, 0.001, "slower")
        >>> gate_word(by, 0.03, 0.05, 1), gate_word(by, 0.03, 0.25, 1), gate_word(by._replace(n=6), 0.03, 0.05, 1)
        ('slower', 'inconclusive', 'inconclusive')
        >>> gate_word(by._replace(adjusted=0.02, verdict="not shown"), 0.03, 0.01, 1)
        'inconclusive'
    """
    looks_slower = judgement.ratio > 1 and judgement.p < SUSPECT
    if math.isinf(floor) or (looks_slower and judgement.n < fewest_pairs(family)):
        return "inconclusive"
    middle, low, high = (math.log(end) for end in (judgement.ratio, judgement.low, judgement.high))
    word = time_verdict(middle, low, high, judgement.adjusted < PAIRED_LEVEL, max(threshold, floor))
    if word in ("slower", "faster"):
        return word
    return "inconclusive" if max(floor, judgement.ratio - 1) > threshold else word
