"""Medians of timings: their exact intervals, where a second run's would fall, the smallest size as fast as the best.

Nothing is assumed of how times are distributed: they are skewed, and now and then one is far out. The interval
of a median is a pair of order statistics, whose coverage the binomial gives exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fbench.errors import InputError
from fbench.measure.arrays import Floats
from fbench.measure.statistics import Interval

__all__ = [
    "LEAST_FOR_INTERVAL",
    "Median",
    "control_drift",
    "knee",
    "median_interval",
    "median_variance",
    "persistence",
    "repeat_interval",
]

LEAST_FOR_INTERVAL = 6
"""Values under which a median has no 95 % interval."""

_NORMAL = 1.959964
_NEAR = 0.05  # of the best median: what a wide interval may call as fast


@dataclass(frozen=True)
class Median:
    """A sample's median and its interval, in the unit of the values; nan ends where the sample is too small."""

    n: int
    median: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """(high − low)/median; nan where there is no interval, or no positive median to be relative to."""
        return (self.high - self.low) / self.median if self.median > 0 else math.nan


def median_interval(values: ArrayLike, level: float = 0.95) -> Median:
    """Median with the interval from the r-th smallest to the r-th largest value, r as large as the level allows.

    Each value lies below the true median as a coin falls, so that the interval covers it with the chance
    1 − 2·P(binomial(n, ½) < r), whatever the distribution: at least ``level``, and more where ranks are coarse.
    Six values give min to max at 95 % (96.9 %); fewer give no interval, and no values no median.

    Args:
        values: [n], finite, independent.
        level: coverage, between 0 and 1.

    Raises:
        InputError: for values that are not finite, another shape, or a level out of range.

    Example:
        >>> median_interval([3, 1, 2, 6, 5, 4])
        Median(n=6, median=3.5, low=1.0, high=6.0)
    """
    _check_level(level)
    sample = np.sort(_sample(values))
    n, rank = sample.size, _rank(sample.size, level)
    low, high = (float(sample[rank - 1]), float(sample[n - rank])) if rank else (math.nan, math.nan)
    return Median(n, float(np.median(sample)) if n else math.nan, low, high)


def median_variance(values: ArrayLike) -> float:
    """Variance of a median over its square, by 400 bootstrap samples; nan under three values.

    Of 4 to 20 normal values it is 1.1 to 1.4 times the true one; a variance from the width of the interval, whose
    ranks are coarse, 1.4 to 3.4 times.

    Raises:
        InputError: for values that are not finite, or another shape.

    Example:
        >>> 0.001 < median_variance([1.0, 1.1, 0.9, 1.05, 0.95, 1.0]) < 0.004
        True
    """
    sample = _sample(values)
    if sample.size < 3:
        return math.nan
    draws = np.random.default_rng(0).integers(sample.size, size=(400, sample.size))
    return float(np.median(sample[draws], axis=1).var(ddof=1) / np.median(sample) ** 2)


def control_drift(values: ArrayLike, level: float = 0.95) -> Interval:
    """How far the time of a control that always does the same work moved below and above its median, relative to it.

    Between the ends, about 0, a next reading would fall with the chance ``level``: they are quantiles of the readings,
    or the least and the greatest where there are too few for such quantiles (under 39 at 95 %); nan under two.

    Raises:
        InputError: for values that are not finite and positive, another shape, or a level out of range.

    Example:
        >>> low, high = control_drift([2.0, 2.2, 1.9])
        >>> round(low, 3), round(high, 3)
        (-0.05, 0.1)
    """
    _check_level(level)
    sample = _sample(values)
    if (sample <= 0).any():
        raise InputError(f"a control of {sample.min():g} seconds was never timed: give positive times, one a reading")
    if sample.size < 2:
        return Interval(math.nan, math.nan)
    # Weibull's quantiles, at rank p(n + 1), hold a next value with the chance meant; they end at min and max
    low, high = np.quantile(sample, ((1 - level) / 2, (1 + level) / 2), method="weibull")
    middle = np.median(sample)
    return Interval(float(low / middle - 1), float(high / middle - 1))


def persistence(series: Sequence[Sequence[float]]) -> float:
    """Lag-one autocorrelation of readings about their common mean, over several series in order of time; 0 at least.

    Example:
        >>> persistence([[1.0, 1.0, 2.0, 2.0], [2.0, 2.0, 1.0, 1.0]])
        0.25
    """
    readings = [np.asarray(values, dtype=np.float64) for values in series if len(values)]
    if not readings:
        return 0.0
    mean = np.concatenate(readings).mean()
    variance = sum(float(((values - mean) ** 2).sum()) for values in readings)
    lagged = sum(float(((values[1:] - mean) * (values[:-1] - mean)).sum()) for values in readings)
    return min(max(lagged / variance, 0.0), 0.99) if variance else 0.0


def repeat_interval(values: ArrayLike, control_sd: float, correlation: float) -> Interval:
    """Where the median of a second run falls (95 %), if the machine then goes through what it did in this one.

    It is the wider on each side of two. One is a pair of order statistics, between which the median of as many further
    values falls whatever the distribution: of a machine of two states, whose median jumps from one to the other, no
    standard error tells. The other is √2 times 1.96 standard errors of a median, √(π/2n)·sd of the logarithms, where
    values that strayed less than the control did were lucky and are taken to stray as it does. Of values that remember
    their past n are worth n(1 − r)/(1 + r).

    A state of the machine that outlasts the run is not in it: of a machine of two states it holds 96 % of second
    medians where the blocks span seven times what a state lasts, 88 % for three times and 54 % for a seventh of it.

    Args:
        values: [n], positive: a time a block.
        control_sd: standard deviation of the logarithms of the control's times in this run.
        correlation: autocorrelation from one block to the next, as ``persistence`` gives it.

    Returns:
        Both ends in the unit of the values; nan under six of them.

    Raises:
        InputError: for values that are not finite, or another shape.

    Example:
        >>> low, high = repeat_interval([9.0, 9.5, 10.0, 10.0, 10.5, 11.0], control_sd=0.05, correlation=0.0)
        >>> round(low, 2), round(high, 2)
        (9.0, 11.06)
    """
    sample = _sample(values)
    if sample.size < LEAST_FOR_INTERVAL:
        return Interval(math.nan, math.nan)
    worth = max(sample.size * (1 - correlation) / (1 + correlation), 1.0)
    logs = np.sort(np.log(sample))
    half = _NORMAL * max(float(logs.std(ddof=1)), control_sd) * math.sqrt(math.pi / worth)
    middle = float(np.median(logs))
    at = _repeat_rank(int(worth)) * (sample.size + 1) // (int(worth) + 1)  # of the r-th of fewer values, in these
    low, high = logs[max(at, 1) - 1], logs[sample.size - max(at, 1)]
    return Interval(math.exp(min(float(low), middle - half)), math.exp(max(float(high), middle + half)))


def _repeat_rank(n: int, level: float = 0.95) -> int:
    """Largest r for which the median of n further values falls between the r-th least and greatest of n; 0 if none.

    In a random order of both samples the chance that the m-th of the further ones comes before the r-th of these is
    that of at most r − 1 of these before it: a negative hypergeometric sum. Of an even n, whose median lies between two
    of them, it is the mean of both, which is within 0.01 of what normal samples give from n = 8 on.
    """
    most, below = 0, 0.0
    for r in range(1, n // 2 + 1):
        below += sum(
            math.comb(m + r - 2, r - 1) * math.comb(2 * n - m - r + 1, n - r + 1) / math.comb(2 * n, n) / 2
            for m in ((n + 1) // 2, n // 2 + 1)
        )
        if 2 * below > 1 - level:
            break
        most = r
    return most


def knee(
    sizes: Sequence[int], medians: Sequence[Median], peak_bytes: Sequence[int | None], budget: int | None
) -> int | None:
    """Smallest size that is as fast as the best, among those known to fit the memory budget.

    As fast: a median not above the upper end of the best one's interval, nor 5 % above its median, or noise would pass
    for speed; not above the best median itself where that has no interval. A size whose peak is unknown is not known
    to fit; without a budget all fit.

    Args:
        sizes: [p], in any order.
        medians: [p], of each size.
        peak_bytes: [p], of each size; None where unknown.
        budget: bytes; None for no limit.

    Returns:
        The size; None where no size that fits was timed.

    Example:
        >>> medians = [median_interval([seconds] * 6) for seconds in (3.0, 1.02, 1.0)]
        >>> knee([16, 32, 64], medians, [None, None, None], budget=None)
        64
    """
    points = [
        (size, timing)
        for size, timing, peak in zip(sizes, medians, peak_bytes, strict=True)
        if not math.isnan(timing.median) and _fits(peak, budget)
    ]
    if not points:
        return None
    best = min((timing for _, timing in points), key=lambda timing: timing.median)
    limit = best.median if math.isnan(best.high) else min(best.high, (1 + _NEAR) * best.median)
    return min(size for size, timing in points if timing.median <= limit)


def _fits(peak: int | None, budget: int | None) -> bool:
    return budget is None or (peak is not None and peak <= budget)  # nan, an empty cell read back, is not ≤ either


def _rank(n: int, level: float) -> int:
    """Largest r with 2·P(binomial(n, ½) < r) ≤ 1 − level; 0 where even min to max covers less.

    ``scipy.stats.quantile_test`` has the same interval, in 0.5 ms where this takes 0.01 ms; a summary asks for
    thousands, and the sample that is too small or empty would have to be kept from it.
    """
    below = special.bdtr(np.arange((n + 1) // 2), n, 0.5)  # P(at most 0, 1, … values below the median)
    return int(np.searchsorted(below, (1 - level) / 2, side="right"))


def _sample(values: ArrayLike) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise InputError(f"the sample has shape {sample.shape}: give a list of values, one a measurement")
    if not np.isfinite(sample).all():
        position = int(np.argmin(np.isfinite(sample)))
        raise InputError(f"the sample holds {sample[position]} at position {position}: a median needs finite values")
    return sample


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level = {level:g} is out of range: it must lie between 0 and 1, such as 0.95")
