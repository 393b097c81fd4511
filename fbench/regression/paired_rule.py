"""The rule for pairs: samples of two revisions that took turns, one pair after another, in random order.

A benchmark is slower where Wilcoxon's one-sided test of its logarithms of new over base has p < 0.01 after Holm's
correction over the benchmarks, and where the Hodges–Lehmann change is above the margin besides. The test alone would
call what is shown and does not matter, the change alone what is large and may be chance.

Pairs of the same living processes are not independent: two processes of one code differ by a few percent for as long as
they live. Where processes were begun anew between pairs, what counts is a start: its pairs' median is one value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from fbench.measure.signed_ranks import hodges_lehmann, least_p, p_above
from fbench.measure.statistics import holm
from fbench.results.words import counted

SAME = "same within the margin"
TimeVerdict = Literal["slower", "same within the margin", "faster", "not shown"]
"""What may be said of a benchmark's time."""
VERDICTS: tuple[TimeVerdict, ...] = get_args(TimeVerdict)
PAIRED_LEVEL = 0.01
"""Chance of calling any benchmark of a comparison slower whose code is the same, where pairs are independent."""
TIME_MARGIN = 0.03
"""Changes up to here do not matter, if nothing else is asked for."""


class PairedJudgement(NamedTuple):
    """What the pairs of one benchmark say.

    Attributes:
        n: values: starts of the processes, or pairs where those are not known.
        ratio: time of new over base, the Hodges–Lehmann middle of the logarithms.
        low: lower end of its 95 % interval; nan under six values.
        high: the upper end.
        p: one-sided, on the side where the ratio lies.
        adjusted: the same after Holm's correction over the benchmarks.
        verdict: what may be said.
        why: why nothing is shown where that has a remedy; else empty.
    """

    n: int
    ratio: float
    low: float
    high: float
    p: float
    adjusted: float
    verdict: TimeVerdict
    why: str = ""


def judge_pairs(
    logs: Mapping[str, Sequence[float]], margin: float = TIME_MARGIN, *, unit: str = "pair"
) -> dict[str, PairedJudgement]:
    """Judge all benchmarks of a comparison as one family, for slower and for faster each.

    Args:
        logs: by benchmark, log(new/base) of every pair, or of every start; one or more.
        margin: share of the time that does not matter, as 0.03; slower ends at 1 + margin, faster at 1/(1 + margin).
        unit: what one of ``logs`` is called where there are too few.

    Raises:
        InputError: a benchmark without a pair, or a logarithm that is not finite.

    Example:
        >>> judged = judge_pairs({"slowed": [0.1 + 0.001 * i for i in range(20)]})
        >>> judged["slowed"].verdict, round(judged["slowed"].ratio, 3)
        ('slower', 1.116)
    """
    above = [p_above(values) for values in logs.values()]
    below = [p_above([-value for value in values]) for values in logs.values()]
    corrected = zip(above, below, holm(above).tolist(), holm(below).tolist(), strict=True)
    return {
        name: _judged(values, p, margin, len(logs), unit)
        for (name, values), p in zip(logs.items(), corrected, strict=True)
    }


def _judged(
    values: Sequence[float], p: tuple[float, float, float, float], margin: float, family: int, unit: str
) -> PairedJudgement:
    middle = hodges_lehmann(values)
    slower = middle.value > 0
    alone, adjusted = (p[0], p[2]) if slower else (p[1], p[3])
    verdict = time_verdict(middle.value, middle.low, middle.high, adjusted < PAIRED_LEVEL, margin)
    needed = fewest_pairs(family)
    few = f"{counted([len(values)], unit)} cannot show a change among {family}: {needed} can"
    why = few if len(values) < needed else ""
    ratio, low, high = (math.exp(end) for end in middle[1:])
    reason = why if verdict == "not shown" else ""
    return PairedJudgement(len(values), ratio, low, high, alone, adjusted, verdict, reason)


def time_verdict(change: float, low: float, high: float, shown: bool, margin: float) -> TimeVerdict:
    """The verdict on a logarithm of new over base with its interval; ``shown`` says that it is not chance.

    Example:
        >>> time_verdict(0.1, 0.05, 0.15, True, 0.03), time_verdict(0.0, -0.01, 0.01, False, 0.03)
        ('slower', 'same within the margin')
    """
    edge = math.log1p(margin)
    if shown and abs(change) > edge:
        return "slower" if change > 0 else "faster"
    return "same within the margin" if -edge <= low and high <= edge else "not shown"


def fewest_pairs(family: int) -> int:
    """Pairs, or starts, that a benchmark of so many needs for its least p, 2⁻ⁿ, to pass Holm's correction.

    Example:
        >>> fewest_pairs(1), fewest_pairs(10)
        (7, 10)
    """
    n = 1
    while least_p(n) * family >= PAIRED_LEVEL:
        n += 1
    return n
