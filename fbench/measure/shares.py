"""Intervals of shares: of a mean share, inside (0, 1), and of the part that one mean is of another.

A share's interval is Student's on the logit scale, by the delta method: logit m ± t·sd/(√n·m(1 − m)), carried back. It
is one of the *mean* share, single values of 0 and 1 included, which a mean of logits is not; and it ends inside (0, 1)
of itself, where one that is cut off at 0 would lose what lies beyond.

Measured at 4, 8 and 20 values (20,000 draws): of Beta shares with a mean of 0.05 and a standard deviation of 0.03 it
covers 94.9, 94.7 and 94.0 %, where the plain interval covers 92.7, 93.4 and 93.4 % and ends below 0 in 32 % of the
draws of 4; with a mean and a standard deviation of 0.02, 93.9, 92.9 and 93.9 % (plain: 88.1, 89.1, 92.1 %).
``python tests/benchmarks/claims/drift.py`` draws them again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fbench.errors import InputError
from fbench.measure.arrays import Floats
from fbench.measure.statistics import Mean, check_share, mean_interval, t_quantile, two_sided_p

__all__ = ["PartOfWhole", "part_of_whole", "share_interval", "share_p"]


class PartOfWhole(NamedTuple):
    """A ratio of two means with Fieller's interval; both ends are nan where the whole is not clear of 0."""

    value: float
    low: float
    high: float


def share_interval(values: ArrayLike, level: float = 0.95) -> Mean:
    """Mean of shares with its interval inside (0, 1); one value has a mean only, equal ones an interval of no width.

    Args:
        values: [n], from 0 to 1.
        level: coverage, between 0 and 1.

    Raises:
        InputError: for no values, values outside [0, 1], or a level out of range.

    Example:
        >>> share = share_interval([0.02, 0.01, 0.06, 0.03])
        >>> round(share.mean, 3), round(share.low, 3), round(share.high, 3)
        (0.03, 0.009, 0.092)
    """
    mean = mean_interval(_shares(values), level)
    if mean.n < 2 or not mean.sd > 0:
        return mean
    half = t_quantile((1 + level) / 2, mean.n) * _logit_error(mean)
    centre = float(special.logit(mean.mean))
    low, high = (float(special.expit(centre + side)) for side in (-half, half))
    return Mean(mean.n, mean.mean, mean.sd, low, high)


def share_p(values: ArrayLike, bound: float) -> float:
    """Two-sided p of a mean share against a bound, of the test that ``share_interval`` inverts; nan without a spread.

    Raises:
        InputError: as ``share_interval``, or for a bound that does not lie between 0 and 1.

    Example:
        >>> round(share_p([0.02, 0.01, 0.06, 0.03], 0.1), 3)
        0.041
    """
    check_share("bound", bound)
    mean = mean_interval(_shares(values))
    if mean.n < 2 or not mean.sd > 0:
        return math.nan
    t = float(special.logit(mean.mean) - special.logit(bound)) / _logit_error(mean)
    return two_sided_p(t, mean.n)


def part_of_whole(part: ArrayLike, whole: ArrayLike, level: float = 0.95) -> PartOfWhole:
    """The part that one mean is of another, over pairs; it may lie outside [0, 1], as a difference may.

    ρ belongs to the interval where a t test of part − ρ·whole against 0 allows it (Fieller 1954), so that it covers as
    the t test does. It has ends only where the whole's own interval is clear of 0.

    Args:
        part: [n], one value a pair.
        whole: [n], of the same pairs.
        level: coverage, between 0 and 1.

    Raises:
        InputError: for unequal lengths, no pairs, values that are not finite, or a level out of range.

    Example:
        >>> ratio = part_of_whole([0.1, 0.12, 0.09, 0.11], [0.4, 0.41, 0.39, 0.42])
        >>> round(ratio.value, 3), round(ratio.low, 3), round(ratio.high, 3)
        (0.259, 0.217, 0.299)
    """
    a, b = mean_interval(part, level), mean_interval(whole, level)
    if a.n != b.n:
        raise InputError(f"{a.n} parts of {b.n} wholes: give one whole for every part")
    value = a.mean / b.mean if b.mean else math.nan
    if a.n < 2 or not b.low > 0:
        return PartOfWhole(value, math.nan, math.nan)
    t2 = t_quantile((1 + level) / 2, a.n) ** 2 / a.n
    (s_aa, s_ab), (_, s_bb) = np.cov(np.asarray(part, np.float64), np.asarray(whole, np.float64)).tolist()
    square, cross = b.mean**2 - t2 * s_bb, a.mean * b.mean - t2 * s_ab
    root = math.sqrt(max(cross**2 - square * (a.mean**2 - t2 * s_aa), 0.0))
    return PartOfWhole(value, (cross - root) / square, (cross + root) / square)


def _logit_error(mean: Mean) -> float:
    """The standard error of a mean's logit, by the delta method."""
    return mean.sd / math.sqrt(mean.n) / (mean.mean * (1 - mean.mean))


def _shares(values: ArrayLike) -> Floats:
    shares = np.asarray(values, dtype=np.float64)
    outside = shares[(shares < 0) | (shares > 1)]
    if outside.size:
        raise InputError(f"{outside[0]:g} is no share: give values from 0 to 1")
    return shares
