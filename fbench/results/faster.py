"""Which of two ways is faster: times paired by block, all comparisons of a run judged as one family."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fbench.harness.contract import VerdictWord
from fbench.measure.statistics import holm
from fbench.measure.t_tests import p_of_mean
from fbench.results.ratios import Ratio, Seconds, ratio
from fbench.results.words import counted

FEWEST_BLOCKS = 4
"""Blocks below which a ratio has no interval, and its verdict is ``too few``."""
FAMILY_LEVEL = 0.03
"""Chance of any false claim of a run whose ways are equally fast; 5 % is allowed, and a machine that changes its speed
adds to it (tests/benchmarks/claims)."""
CHANGED_SPEED = 2.0
"""Times of one way over the blocks that differ by more say that the machine was not left alone."""

_WIDEST = 100
"""Ends of an interval that are further apart say nothing."""


class TimeComparison(NamedTuple):
    """How many times longer ``slow`` takes than ``fast``, judged against ``bound`` times.

    Attributes:
        times: slow over fast, the geometric mean over common blocks.
        p: two-sided, of the mean logarithm against that of the bound; nan below four blocks.
        adjusted: the same after Holm's correction for the family.
        verdict: ``yes`` where ``fast`` is the faster one by more than ``bound`` times, ``no`` where it is not.
    """

    times: Ratio
    p: float
    adjusted: float
    verdict: VerdictWord

    @property
    def shown(self) -> bool:
        """Whether the rows show which of the two it is."""
        return self.verdict in ("yes", "no")


class Pair(NamedTuple):
    """Seconds by block of two ways; is ``slow`` more than ``bound`` times as slow as ``fast``?"""

    slow: Seconds
    fast: Seconds
    bound: float = 1.0


def compare_times(pairs: Mapping[str, Pair]) -> dict[str, TimeComparison]:
    """Judge all pairs of a run as one family; pairs without a common block are left out.

    Example:
        >>> slow = {block: 2.0 + block / 100 for block in range(6)}
        >>> compare_times({"half": Pair(slow, dict.fromkeys(range(6), 1.0))})["half"].verdict
        'yes'
    """
    times = {name: ratio(pair.slow, pair.fast) for name, pair in pairs.items()}
    known = {name: pair for name, pair in pairs.items() if times[name].n}
    p = [_p_value(pair) if times[name].n >= FEWEST_BLOCKS else math.nan for name, pair in known.items()]
    adjusted = holm(p).tolist()
    return {
        name: TimeComparison(times[name], alone, together, _verdict(known[name], times[name], together))
        for name, alone, together in zip(known, p, adjusted, strict=True)
    }


def _p_value(pair: Pair) -> float:
    """Of the mean logarithm over blocks against the bound's; equal ratios in every block leave no doubt."""
    blocks = sorted(pair.slow.keys() & pair.fast.keys())
    return p_of_mean([math.log(pair.slow[block] / pair.fast[block] / pair.bound) for block in blocks])


def _verdict(pair: Pair, times: Ratio, adjusted: float) -> VerdictWord:
    if times.n < FEWEST_BLOCKS:
        return "too few"
    if adjusted < FAMILY_LEVEL:
        return "yes" if times.mean > pair.bound else "no"
    return "unreliable" if max(_spread(pair.slow), _spread(pair.fast)) > CHANGED_SPEED else "not shown"


def _spread(seconds: Seconds) -> float:
    """The slowest block over the fastest."""
    return max(seconds.values()) / min(seconds.values())


def ratio_number(value: float, like: float | None = None) -> str:
    """A ratio in few digits: ``104``, ``9.4``, ``1.81``; with the decimals of another where it stands beside it.

    Example:
        >>> ratio_number(104.3), ratio_number(1.812), ratio_number(10.55, like=9.41), ratio_number(0.0312)
        ('104', '1.81', '10.6', '0.031')
    """
    size = value if like is None else like
    if size >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 2 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def with_ends(times: Ratio) -> str:
    """``9.4 (8.4 to 10.6)``; the number alone below four blocks, and where the ends are over 100 times apart.

    Example:
        >>> with_ends(Ratio(6, 9.41, 8.38, 10.6)), with_ends(Ratio(3, 9.41, 2.0, 40.0))
        ('9.4 (8.4 to 10.6)', '9.4')
    """
    if not times.n:
        return ""
    ends = f" ({ratio_number(times.low, times.mean)} to {ratio_number(times.high, times.mean)})"
    return ratio_number(times.mean) + (ends if times.n >= FEWEST_BLOCKS and times.high <= _WIDEST * times.low else "")


def faster_in_words(times: Ratio, than: str = "") -> str:
    """``9.4 times faster than vmap (8.4 to 10.6)``, or ``slower`` where the ratio is below 1.

    Example:
        >>> faster_in_words(Ratio(6, 9.41, 8.38, 10.6), "vmap"), faster_in_words(Ratio(3, 0.5, 0.4, 0.6))
        ('9.4 times faster than vmap (8.4 to 10.6)', '2.0 times slower')
    """
    above = times if times.mean >= 1 else times.inverse()
    mean, ends = ratio_number(above.mean), with_ends(above).removeprefix(ratio_number(above.mean))
    return f"{mean} times {'faster' if times.mean >= 1 else 'slower'}{f' than {than}' if than else ''}{ends}"


def judged_words(result: TimeComparison, than: str = "") -> str:
    """As ``faster_in_words``; where nothing is shown no winner is named, and the ratio stands alone.

    Example:
        >>> judged_words(TimeComparison(Ratio(6, 1.1, 0.9, 1.3), 0.2, 0.2, "not shown"), "vmap")
        'not shown to differ from vmap, ratio 1.10 (0.90 to 1.30)'
    """
    if result.shown or result.verdict == "too few":
        return faster_in_words(result.times, than)
    return f"not shown to differ{f' from {than}' if than else ''}, ratio {with_ends(result.times)}"


def no_interval(results: Iterable[TimeComparison]) -> str:
    """What stands behind numbers that have no interval; nothing where all of them have one.

    Example:
        >>> no_interval([TimeComparison(Ratio(1, 1.1, 1.1, 1.1), 1.0, 1.0, "too few")])
        ' (1 block, no interval)'
    """
    shown = list(results)
    if all(result.verdict != "too few" for result in shown):
        return ""
    return f" ({counted([min(result.times.n for result in shown)], 'block')}, no interval)"


def first_shown(verdicts: Sequence[VerdictWord]) -> VerdictWord:
    """One verdict for several comparisons that must all hold: ``no`` beats all, then what leaves one of them open.

    Example:
        >>> first_shown(["yes", "not shown", "yes"]), first_shown(["yes", "no"])
        ('not shown', 'no')
    """
    order: tuple[VerdictWord, ...] = ("no", "unreliable", "too few", "not shown", "yes")
    return min(verdicts, key=order.index)
