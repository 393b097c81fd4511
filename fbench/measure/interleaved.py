"""Cases that took turns in shuffled order, block by block: do their times differ, by how much, and which is the knee?

A block holds one reading of every case. The order within a block is drawn anew each time, so that a machine which
changes its speed meets all cases alike: if the cases are equal, the ranks within a block are a random permutation,
whatever the machine did. Friedman's test needs no more than that.

Layout: logs [n, k], logarithms of seconds, of k cases in n blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fbench.errors import InputError
from fbench.measure.arrays import Floats
from fbench.measure.statistics import mean_interval
from fbench.measure.t_tests import p_of_mean

__all__ = ["LEAST_BLOCKS", "Knee", "Shift", "Simultaneous", "friedman", "knee_between", "shift", "simultaneous"]

LEAST_BLOCKS = 4
"""Blocks under which nothing is said."""
_DRAWS = 9_999


class Shift(NamedTuple):
    """A mean over blocks, its 95 % t interval, and the two-sided p value that it is 0."""

    mean: float
    low: float
    high: float
    p: float


class Simultaneous(NamedTuple):
    """Means [k] of the logarithms, and how far any difference of two of them may be off: all hold together at 95 %."""

    means: Floats
    half_width: float

    def ratio(self, first: int, second: int) -> tuple[float, float, float]:
        """Time of one case over another's: the ratio and both ends."""
        difference = float(self.means[first] - self.means[second])
        return (
            math.exp(difference),
            math.exp(difference - self.half_width),
            math.exp(difference + self.half_width),
        )


class Knee(NamedTuple):
    """The smallest size that is near enough to the best, and the least and greatest size that it may be (95 %)."""

    size: int
    low: int
    high: int


def shift(values: Sequence[float]) -> Shift:
    """The mean of one value a block; equal values other than 0 have an interval of no width, and p = 0.

    Raises:
        InputError: for no values.

    Example:
        >>> shift([0.1, 0.1, 0.1, 0.1])
        Shift(mean=0.1, low=0.1, high=0.1, p=0.0)
    """
    sample = mean_interval(values)
    if not sample.n > 1:
        return Shift(sample.mean, math.nan, math.nan, math.nan)
    return Shift(sample.mean, sample.low, sample.high, p_of_mean(values))


def friedman(logs: Floats) -> float:
    """P value of Friedman's test that all cases take the same time; exact in its kind, by permutations within blocks.

    Raises:
        InputError: fewer than two cases, or no block.

    Example:
        >>> friedman(np.log([[1.0, 2.0, 3.0]] * 6)) < 0.001
        True
    """
    n, k = _shape(logs)
    ranking = logs.argsort(axis=1, kind="stable").argsort(axis=1) + 1.0
    for row, values in zip(ranking, logs, strict=True):  # equal values share their ranks
        for value in np.unique(values) if np.unique(values).size < k else ():
            row[values == value] = row[values == value].mean()
    spread = float(((ranking.sum(axis=0) - n * (k + 1) / 2) ** 2).sum())
    return float((1 + (_null_spreads(n, k) >= spread - 1e-9).sum()) / (1 + _DRAWS))


def simultaneous(logs: Floats) -> Simultaneous:
    """Means over the blocks, and Tukey's honest significant difference of two of them in the two-way layout.

    The level of a block is taken off all its readings; what is left is taken to spread alike in all cases. It is what
    these blocks are uncertain by: a machine that goes on in another state may shift ratios by more.

    Raises:
        InputError: fewer than two cases or two blocks.

    Example:
        >>> logs = np.log([[1.0, 2.0], [1.1, 2.1], [1.0, 2.1], [1.1, 2.0]])
        >>> [round(end, 2) for end in simultaneous(logs).ratio(1, 0)]
        [1.95, 1.77, 2.16]
    """
    n, k = _shape(logs)
    if n < 2:
        raise InputError("one block has no spread: give two or more")
    means = logs.mean(axis=0)
    rest = logs - means - logs.mean(axis=1, keepdims=True) + logs.mean()
    freedom = (n - 1) * (k - 1)
    variance = float((rest**2).sum()) / freedom
    return Simultaneous(means, _tukey(k, freedom) * math.sqrt(variance / n))


def knee_between(sizes: Sequence[int], times: Simultaneous, near: float) -> Knee:
    """The smallest size whose time is at most ``near`` (0.05 for 5 %) above the best, with its interval.

    A size is out of the interval's low side where it is shown to be farther from another size than that. The high side
    is the smallest size that is shown to be near enough to every other; where none is, the largest that is not out.

    Example:
        >>> logs = np.log([[3.0, 1.0, 1.01], [3.1, 1.0, 1.0], [3.0, 1.01, 1.0], [3.1, 1.0, 1.01]])
        >>> knee_between([16, 32, 64], simultaneous(logs), 0.05)
        Knee(size=32, low=32, high=32)
    """
    margin, means = math.log1p(near), times.means
    order = np.argsort(sizes)
    behind = [float(means[at] - means.min()) for at in order]  # of every size, the smallest first, to the best
    ascending = [sizes[at] for at in order]
    knee = next(size for size, gap in zip(ascending, behind, strict=True) if gap <= margin + 1e-12)
    possible = [size for size, gap in zip(ascending, behind, strict=True) if gap - times.half_width <= margin + 1e-12]
    sure = [size for size, gap in zip(ascending, behind, strict=True) if gap + times.half_width <= margin + 1e-12]
    return Knee(knee, possible[0], max(sure[0], knee) if sure else possible[-1])


def _shape(logs: Floats) -> tuple[int, int]:
    if logs.ndim != 2 or logs.shape[0] < 1 or logs.shape[1] < 2:
        raise InputError(f"readings of shape {list(logs.shape)}: give [blocks, cases], of two cases or more")
    return int(logs.shape[0]), int(logs.shape[1])


@lru_cache(maxsize=32)
def _null_spreads(n: int, k: int) -> Floats:
    """Sums of squares of rank sums about their mean, of random ranks; the same for all data of a shape."""
    draws = np.random.default_rng(0)
    sums = np.zeros((_DRAWS, k))
    base = np.broadcast_to(np.arange(1.0, k + 1), (_DRAWS, k))
    for _ in range(n):
        sums += draws.permuted(base, axis=1)
    return np.asarray(((sums - n * (k + 1) / 2) ** 2).sum(axis=1))


@lru_cache(maxsize=64)
def _tukey(k: int, freedom: int) -> float:
    """The 95 % quantile of the studentised range: 0.1 to 0.3 s the first time."""
    from scipy import stats

    return float(stats.studentized_range.ppf(0.95, k, freedom))
