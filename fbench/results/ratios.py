"""Times against times: geometric means over the blocks of an interleaved run, and how a ratio is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from fbench.measure.statistics import mean_interval

Seconds = Mapping[int, float]
"""By block."""


class Ratio(NamedTuple):
    """A geometric mean of ratios over blocks and its 95 % t interval (of the logarithms); nan where there is none."""

    n: int
    mean: float
    low: float
    high: float

    def inverse(self) -> Ratio:
        """Second over first."""
        return Ratio(self.n, 1 / self.mean, 1 / self.high, 1 / self.low)


def geometric(seconds: Seconds) -> float:
    """The geometric mean over blocks: ratios of these are the mean ratios."""
    return math.exp(fmean(math.log(value) for value in seconds.values())) if seconds else math.nan


def ratio(first: Seconds, second: Seconds) -> Ratio:
    """First over second, paired by block."""
    blocks = sorted(first.keys() & second.keys())
    if not blocks:
        return Ratio(0, math.nan, math.nan, math.nan)
    found = mean_interval([math.log(first[block] / second[block]) for block in blocks])
    return Ratio(found.n, math.exp(found.mean), math.exp(found.low), math.exp(found.high))


def factor(value: float) -> str:
    """A ratio to three digits, thousands apart: 1,390, 139, 14.2, 1.08; n/a where there is none."""
    if math.isnan(value):
        return "n/a"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def with_interval(found: Ratio) -> str:
    """``105 (98 to 112)``; the ratio alone where there is no interval, nothing where there is no ratio."""
    ends = f" ({factor(found.low)} to {factor(found.high)})" if found.n > 1 else ""
    return factor(found.mean) + ends if found.n else ""
