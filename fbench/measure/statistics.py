"""What paired seeds show: t intervals and tests, sign flips.

Every standard deviation has ddof = 1. What the data cannot give is nan, never 0: one seed has a mean and no
interval. The t interval decides and the sign flip stands beside it; bootstrap intervals are left out on
purpose, for at three seeds a 95 % one covers 76 % and at six 85 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fbench.errors import InputError
from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.sign_flips import sign_flips

__all__ = [
    "Interval",
    "Mean",
    "Paired",
    "check_margin",
    "check_share",
    "hedges_factor",
    "holm",
    "mean_interval",
    "paired",
    "sd_interval",
    "t_interval",
    "t_quantile",
    "two_sided_p",
]


class Interval(NamedTuple):
    """The two ends of an interval, in the unit of the values; both are nan where the data give none."""

    low: float
    high: float


@dataclass(frozen=True)
class Mean:
    """A sample's mean, its standard deviation, and the t interval of the mean."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """First arm minus second, seed by seed, in the unit of the values compared.

    ``low`` and ``high`` are the 95 % t interval, ``t`` and ``p`` the two-sided paired t test, ``d_z`` is the
    mean over ``sd`` and ``hedges_g`` the same without its small-sample bias (from three seeds on).
    ``sign_flip_p`` is two-sided and could not have been less than ``sign_flip_floor``, whatever the data;
    it is exact where ``sign_flip_draws`` is 0 and else comes from so many draws.

    One pair has no interval, t or effect size. Nor have differences that are all equal and not zero: they
    measure no spread, and the formula's p = 0 would be a claim from, say, two seeds and one test image.
    Differences that are all zero are what identical arms give: the interval is [0, 0], p is 1.
    """

    n: int
    difference: float
    sd: float
    low: float
    high: float
    t: float
    p: float
    d_z: float
    hedges_g: float
    sign_flip_p: float
    sign_flip_floor: float
    sign_flip_draws: int

    def interval(self, level: float = 0.95) -> Interval:
        """The mean difference's t interval at another level."""
        return _difference_interval(self.difference, self.sd, self.n, level)


def mean_interval(values: ArrayLike, level: float = 0.95) -> Mean:
    """Mean of a sample with its t interval; one value has a mean only, equal ones an interval of no width.

    Args:
        values: [n], finite.
        level: coverage, between 0 and 1.

    Raises:
        InputError: for no values, values that are not finite, another shape, or a level out of range.

    Example:
        >>> mean = mean_interval([0.82, 0.85, 0.84, 0.86])
        >>> round(mean.mean, 4), round(mean.low, 4), round(mean.high, 4)
        (0.8425, 0.8153, 0.8697)
    """
    sample = _sample(values, "the sample")
    mean, sd = float(sample.mean()), _sd(sample)
    return Mean(sample.size, mean, sd, *t_interval(mean, sd, sample.size, level))


def t_interval(mean: float, sd: float, n: int, level: float = 0.95) -> Interval:
    """Student's interval of a mean: mean ± t·sd/√n with n − 1 degrees of freedom; nan for n = 1.

    Example:
        >>> low, high = t_interval(mean=0.85, sd=0.02, n=6)
        >>> round(low, 4), round(high, 4)
        (0.829, 0.871)
    """
    check_share("level", level)
    if n < 2:
        return Interval(math.nan, math.nan)
    half = t_quantile((1 + level) / 2, n) * sd / math.sqrt(n)
    return Interval(mean - half, mean + half)


def sd_interval(sd: float, n: int, level: float = 0.80) -> Interval:
    """Interval of a normal standard deviation, sd·√((n−1)/χ²), from its estimate; nan for n = 1.

    At 80 % six values leave it uncertain by ×0.74 to ×1.76, and at 95 % by ×0.62 to ×2.45.

    Example:
        >>> low, high = sd_interval(1.0, n=6)
        >>> round(low, 2), round(high, 2)
        (0.74, 1.76)
    """
    check_share("level", level)
    if n < 2:
        return Interval(math.nan, math.nan)
    tails = ((1 - level) / 2, (1 + level) / 2)  # chdtri inverts the upper tail, so the low end comes first
    low, high = (sd * math.sqrt((n - 1) / float(special.chdtri(n - 1, tail))) for tail in tails)
    return Interval(low, high)


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """Compare two arms that share their seeds.

    Args:
        first: [n], one value a seed.
        second: [n], the same seeds in the same order.

    Raises:
        InputError: for unequal lengths, no seeds, or values that are not finite.

    Example:
        >>> comparison = paired([0.85, 0.86, 0.84], [0.83, 0.83, 0.83])
        >>> round(comparison.difference, 4), round(comparison.p, 3), comparison.sign_flip_p
        (0.02, 0.074, 0.25)
    """
    differences = _differences(_sample(first, "the first arm"), _sample(second, "the second arm"))
    n, mean, sd = differences.size, float(differences.mean()), _sd(differences)
    low, high = _difference_interval(mean, sd, n, 0.95)
    t, p, d_z, hedges_g = _t_test(mean, sd, n)
    return Paired(n, mean, sd, low, high, t, p, d_z, hedges_g, *sign_flips(differences))


def holm(p_values: Sequence[float]) -> Floats:
    """Holm's step-down correction of a family of p values, in the order given.

    A nan stays nan and still counts as a member of the family: a test that could not be made was planned.

    Raises:
        InputError: for a p outside [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    outside = p[(p < 0) | (p > 1)]
    if outside.size:
        raise InputError(f"p = {outside[0]:g} is no probability: give Holm's correction values from 0 to 1")
    order = np.argsort(p)  # nan sorts last
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted


def _difference_interval(mean: float, sd: float, n: int, level: float) -> Interval:
    if sd == 0 and mean != 0:
        return Interval(math.nan, math.nan)
    return t_interval(mean, sd, n, level)


def _t_test(mean: float, sd: float, n: int) -> tuple[float, float, float, float]:
    """T, two-sided p, d_z and Hedges' g of one sample of differences; all are nan where there is no spread.

    ``scipy.stats.ttest_1samp`` gives the same t and p. It would need the same guards, since it warns of one seed and
    of equal differences, and it gives neither effect size; importing ``scipy.stats`` takes another 0.3 s.
    """
    if n < 2 or (sd == 0 and mean != 0):
        return (math.nan,) * 4
    d_z = mean / sd if sd else 0.0
    t = d_z * math.sqrt(n)
    p = two_sided_p(t, n)
    return t, p, d_z, d_z * hedges_factor(n - 1)


def hedges_factor(df: int) -> float:
    """What takes the small-sample bias from a mean over its sd: Γ(df/2) / (√(df/2)·Γ((df−1)/2)), exact (Hedges 1981).

    One degree of freedom has none: nan.

    Example:
        >>> round(hedges_factor(7), 3)
        0.888
    """
    if df < 2:
        return math.nan
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)


def _differences(first: Floats, second: Floats) -> Floats:
    """First − second [n], without the rounding that would give equal differences a tiny spread."""
    if first.size != second.size:
        raise InputError(
            f"{first.size} values against {second.size} cannot be paired: keep the seeds that both arms have"
        )
    differences = np.asarray(first - second)
    rounding = ROUNDING * max(np.abs(first).max(), np.abs(second).max())
    if np.ptp(differences) > rounding:
        return differences
    return np.full_like(differences, differences[0] if abs(differences[0]) > rounding else 0.0)


def _sample(values: ArrayLike, name: str) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not sample.size:
        raise InputError(f"{name} has shape {sample.shape}: give a list of one value or more, one a seed")
    if not np.isfinite(sample).all():
        position = int(np.argmin(np.isfinite(sample)))
        raise InputError(
            f"{name} holds {sample[position]} at position {position}, and a mean needs finite values: "
            "rerun that seed, or leave it out of every arm"
        )
    return sample


def _sd(sample: Floats) -> float:
    if sample.size < 2:
        return math.nan
    return float(sample.std(ddof=1)) if np.ptp(sample) else 0.0  # the mean of equal values may round off them


def two_sided_p(t: float, n: int) -> float:
    """How often Student's t of the mean of n values lies as far from 0.

    Example:
        >>> round(two_sided_p(2.571, n=6), 3)
        0.05
    """
    return 2 * float(special.stdtr(n - 1, -abs(t)))


def t_quantile(p: float, n: int) -> float:
    """The p quantile of Student's t with n − 1 degrees of freedom, for the mean of n values.

    Example:
        >>> round(t_quantile(0.975, n=6), 3)
        2.571
    """
    return float(special.stdtrit(n - 1, p))


def check_share(name: str, value: float) -> None:
    """Refuse a level or a power that does not lie between 0 and 1.

    Raises:
        InputError: it does not.
    """
    if not 0 < value < 1:
        raise InputError(f"{name} = {value:g} is out of range: it must lie between 0 and 1, such as 0.8")


def check_margin(delta: float) -> None:
    """Refuse a margin that is not a positive number.

    Raises:
        InputError: it is not.
    """
    if not 0 < delta < math.inf:
        raise InputError(f"margin = {delta:g} is out of range: give a positive difference, such as 0.005")
