"""Times against times: geometric means over the blocks of an interleaved run, and how a ratio is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from fbench.measure.statistics import mean_interval

Seconds = Mapping[int, float]
"""Seconds of a pass, by block."""


class Ratio(NamedTuple):
    """A geometric mean of ratios over blocks and its 95 % t interval (of the logarithms); nan where there is none."""

    n: int
    mean: float
    low: float
    high: float

    def inverse(self) -> Ratio:
        """The ratio of the second to the first."""
        return Ratio(self.n, 1 / self.mean, 1 / self.high, 1 / self.low)


def geometric(seconds: Seconds) -> float:
    """The geometric mean over blocks, nan of none; ratios of such means are mean ratios.

    Example:
        >>> round(geometric({0: 1.0, 1: 4.0}), 12)
        2.0
    """
    return math.exp(fmean(math.log(value) for value in seconds.values())) if seconds else math.nan


def ratio(first: Seconds, second: Seconds) -> Ratio:
    """The geometric mean of first over second, paired by block; ``n`` is 0 where they share no block.

    Example:
        >>> mean = ratio({0: 8.0, 1: 2.0}, {0: 1.0, 1: 1.0})
        >>> mean.n, round(mean.mean, 12)
        (2, 4.0)
    """
    blocks = sorted(first.keys() & second.keys())
    if not blocks:
        return Ratio(0, math.nan, math.nan, math.nan)
    logarithm = mean_interval([math.log(first[block] / second[block]) for block in blocks])
    return Ratio(logarithm.n, math.exp(logarithm.mean), math.exp(logarithm.low), math.exp(logarithm.high))


def factor(value: float) -> str:
    """A ratio to three digits, thousands apart: 1,390, 139, 14.2, 1.08; n/a where there is none.

    Example:
        >>> [factor(value) for value in (1390.4, 14.23, 1.08)]
        ['1,390', '14.2', '1.08']
    """
    if math.isnan(value):
        return "n/a"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
