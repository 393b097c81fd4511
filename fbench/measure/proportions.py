"""A share of draws with its exact interval."""

from __future__ import annotations

from scipy import special

from fbench.errors import InputError
from fbench.measure.statistics import Interval, check_share


def clopper_pearson(count: int, draws: int, level: float = 0.95) -> Interval:
    """The exact interval of a share, inside [0, 1]; it covers at least ``level`` (Clopper and Pearson 1934).

    Raises:
        InputError: a count below 0 or above the draws, or no draws.

    Example:
        >>> low, high = clopper_pearson(0, 100)
        >>> low, round(high, 3)
        (0.0, 0.036)
    """
    check_share("level", level)
    if not 0 <= count <= draws or not draws:
        raise InputError(f"{count} of {draws} is no share: give a count from 0 to the draws, and one draw or more")
    tail = (1 - level) / 2
    low = float(special.betaincinv(count, draws - count + 1, tail)) if count else 0.0
    high = float(special.betaincinv(count + 1, draws - count, 1 - tail)) if count < draws else 1.0
    return Interval(low, high)
