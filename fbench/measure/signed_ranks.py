"""Wilcoxon's signed ranks: whether paired differences lie above 0, and their middle (Hodges and Lehmann 1963).

The null distribution is counted, not approximated, up to 200 pairs: for the differences as they are, ties and all.
Nothing is asked of them but that they are as likely to lie on either side of their middle.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fbench.errors import InputError
from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.ranks import ranks

__all__ = ["EXACT_RANKS", "Middle", "hodges_lehmann", "least_p", "p_above"]

EXACT_RANKS = 200
"""Pairs up to which the distribution is counted: 3 ms at 200. Beyond, the normal one is within 0.0005 of it."""


class Middle(NamedTuple):
    """The median of all means of two differences, and its interval; nan ends where there are too few for one."""

    n: int
    value: float
    low: float
    high: float


def p_above(differences: ArrayLike) -> float:
    """One-sided p that differences [n] are symmetric about 0, against that they lie above; 1 where all are 0.

    Differences of 0 say nothing and are left out, as Wilcoxon did. ``scipy.stats.wilcoxon`` has the same exact p for
    differences without ties; with them it goes over to the normal distribution, or to drawing.

    Raises:
        InputError: no differences, or one that is not finite.

    Example:
        >>> p_above([0.1, 0.2, 0.3, 0.4, -0.05])
        0.0625
    """
    values = _sample(differences)
    values = values[np.abs(values) > ROUNDING * np.abs(values).max()]
    if not values.size:
        return 1.0
    doubled = np.rint(2 * ranks(_without_rounding(np.abs(values)))).astype(np.int64)
    above = int(doubled[values > 0].sum())
    if values.size > EXACT_RANKS:
        return _normal_p(doubled, above)
    chances = _chances(tuple(np.sort(doubled).tolist()))
    return float(min(chances[above:].sum(), 1.0))


def least_p(n: int) -> float:
    """The smallest p that ``n`` differences can have, all of them above 0: 2⁻ⁿ.

    Example:
        >>> least_p(7)
        0.0078125
    """
    return 2.0**-n


def hodges_lehmann(differences: ArrayLike, level: float = 0.95) -> Middle:
    """The Hodges–Lehmann middle of differences [n], with the interval that inverts Wilcoxon's test.

    The interval covers at least ``level`` where differences are symmetric and without ties; six are the fewest that
    have one at 95 %.

    Raises:
        InputError: no differences, one that is not finite, or a level that is no share.

    Example:
        >>> middle = hodges_lehmann([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        >>> round(middle.value, 2), round(middle.low, 2), round(middle.high, 2)
        (0.35, 0.1, 0.6)
    """
    values = _sample(differences)
    if not 0 < level < 1:
        raise InputError(f"level = {level:g} is out of range: it must lie between 0 and 1, such as 0.95")
    first, second = np.triu_indices(values.size)
    means = np.sort((values[first] + values[second]) / 2)
    rank = _rank(values.size, (1 - level) / 2)
    ends = (float(means[rank - 1]), float(means[-rank])) if rank else (math.nan, math.nan)
    return Middle(values.size, float(np.median(means)), *ends)


def _rank(n: int, tail: float) -> int:
    """Largest r with P(W < r) ≤ tail: the r-th mean of two from either end is an end of the interval; 0 if none."""
    if n > EXACT_RANKS:
        mean, sd = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return int(mean + float(special.ndtri(tail)) * sd)
    below = np.cumsum(_chances(tuple(range(2, 2 * n + 1, 2)))[::2])
    return int(np.searchsorted(below, tail, side="right"))


@lru_cache(maxsize=128)
def _chances(doubled: tuple[int, ...]) -> Floats:
    """Chance of every sum of twice the ranks of those above 0, [0, …, Σ], where each is there as a coin falls."""
    chances = np.zeros(sum(doubled) + 1)
    chances[0] = 1.0
    reached = 0
    for rank in doubled:
        chances[rank : reached + rank + 1] += chances[: reached + 1].copy()
        reached += rank
        chances[: reached + 1] /= 2
    return chances


def _normal_p(doubled: np.ndarray[tuple[int, ...], np.dtype[np.int64]], above: int) -> float:
    """The same by the normal distribution, with the variance of these ranks and a correction of half a rank."""
    mean, sd = float(doubled.sum()) / 2, math.sqrt(float((doubled.astype(np.float64) ** 2).sum())) / 2
    return float(special.ndtr(-(above - 1 - mean) / sd))


def _without_rounding(sizes: Floats) -> Floats:
    """Sizes whose digits beyond those of the clock are gone: equal ones stay ties."""
    step = ROUNDING * float(sizes.max())
    return np.asarray(np.rint(sizes / step) * step)


def _sample(values: ArrayLike) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not sample.size:
        raise InputError(f"differences of shape {list(sample.shape)}: give a list of one or more, one a pair")
    if not np.isfinite(sample).all():
        position = int(np.argmin(np.isfinite(sample)))
        raise InputError(f"the difference at position {position} is {sample[position]}: leave that pair out")
    return sample
