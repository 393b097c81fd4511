"""What two samples show that share no seeds: Welch's t interval and test, Hedges' g.

Each side has its own spread, and degrees of freedom by Satterthwaite. Sign flips need pairs, and are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import special

from fbench.errors import InputError
from fbench.measure.arrays import ROUNDING
from fbench.measure.statistics import Interval, Mean, check_share, hedges_factor, mean_interval

__all__ = ["Unpaired", "unpaired"]


@dataclass(frozen=True)
class Unpaired:
    """First sample's mean minus the second's, in the unit of the values compared.

    ``sizes`` are both n, ``error`` the standard error of the difference, ``df`` its degrees of freedom, ``low`` and
    ``high`` the 95 % interval, ``t`` and ``p`` Welch's two-sided test. ``hedges_g``: the difference over the pooled sd,
    without its small-sample bias.

    A side of one value has no spread, and two sides of equal values that differ measure none: interval, test and effect
    size are nan. Where all values are equal the interval is [0, 0] and p is 1.
    """

    sizes: tuple[int, int]
    difference: float
    error: float
    df: float
    low: float
    high: float
    t: float
    p: float
    hedges_g: float

    def interval(self, level: float = 0.95) -> Interval:
        """The interval of the difference at another level."""
        return _interval(self.difference, self.error, self.df, level)

    def p_margin(self, margin: float) -> float:
        """P that the difference lies above −margin, one-sided, or below it, two-sided; nan without an interval."""
        above = self.difference + margin
        if math.isnan(self.error):
            return math.nan
        if not self.error:
            return 0.0
        tail = float(special.stdtr(self.df, -abs(above) / self.error))
        return tail if above > 0 else min(1.0, 2 * tail)


def unpaired(first: ArrayLike, second: ArrayLike, ratio: float = 0.0) -> Unpaired:
    """Compare two samples that share nothing.

    Args:
        first: [n], one value a seed.
        second: [m], of other seeds.
        ratio: test images over the others, where the seeds of a side redraw their test sets from the same images: a
            mean's variance is then sd²·(1/n + ratio) (Nadeau and Bengio 2003).

    Raises:
        InputError: no values, values that are not finite, or a ratio below 0.

    Example:
        >>> comparison = unpaired([0.85, 0.86, 0.84], [0.80, 0.84, 0.82, 0.81])
        >>> round(comparison.difference, 4), round(comparison.df, 2), round(comparison.p, 3)
        (0.0325, 4.85, 0.026)
    """
    if not ratio >= 0:
        raise InputError(f"ratio = {ratio:g} is out of range: give test images over the others, 0 or more")
    one, two = mean_interval(first), mean_interval(second)
    difference = one.mean - two.mean
    if abs(difference) <= ROUNDING * max(abs(one.mean), abs(two.mean)):
        difference = 0.0
    error, df = _error(one, two, difference, ratio)
    low, high = _interval(difference, error, df, 0.95)
    t = math.nan if math.isnan(error) else difference / error if error else 0.0
    p = math.nan if math.isnan(t) else 2 * float(special.stdtr(df, -abs(t))) if error else 1.0
    return Unpaired((one.n, two.n), difference, error, df, low, high, t, p, _hedges_g(one, two, difference))


def _error(one: Mean, two: Mean, difference: float, ratio: float) -> tuple[float, float]:
    """The standard error of the difference, and Satterthwaite's degrees of freedom."""
    if min(one.n, two.n) < 2 or (one.sd == two.sd == 0 and difference != 0):
        return math.nan, math.nan
    first, second = (side.sd**2 * (1 / side.n + ratio) for side in (one, two))
    if not first + second:
        return 0.0, float(one.n + two.n - 2)
    df = (first + second) ** 2 / (first**2 / (one.n - 1) + second**2 / (two.n - 1))
    return math.sqrt(first + second), df


def _interval(difference: float, error: float, df: float, level: float) -> Interval:
    check_share("level", level)
    half = float(special.stdtrit(df, (1 + level) / 2)) * error if not math.isnan(error) else math.nan
    return Interval(difference - half, difference + half)


def _hedges_g(one: Mean, two: Mean, difference: float) -> float:
    df = one.n + two.n - 2
    if min(one.n, two.n) < 2:
        return math.nan
    pooled = math.sqrt(((one.n - 1) * one.sd**2 + (two.n - 1) * two.sd**2) / df)
    if not pooled:
        return math.nan if difference else 0.0
    return difference / pooled * hedges_factor(df)
