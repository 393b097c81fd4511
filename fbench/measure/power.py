"""How many paired seeds a claim would need: the power of the t intervals that ``statistics`` decides by."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from fbench.errors import InputError, UnknownNameError
from fbench.measure.statistics import Paired, check_margin, check_share, sd_interval, t_quantile

__all__ = ["NULL_BLOCKS", "POWER", "AboutSeeds", "Goal", "SeedRange", "about_seeds", "least_shown", "seeds_needed"]

POWER = 0.8
"""The chance with which an effect that is there should be shown."""
NULL_BLOCKS = (4, 5, 8, 10, 20)
"""Blocks that null runs draw at a time: the fewest that are judged, 5 and 10 as real runs have, and more."""

Goal = Literal["not inferior", "equivalent", "better by the margin"]
"""What a comparison is to show: that its difference lies above −δ, within ±δ, or clear of 0."""

# Midpoints of 512 equal slices of (0, 1): power is then within 0.0001 of the noncentral t from 2 seeds on
_SLICES = (np.arange(512) + 0.5) / 512


@dataclass(frozen=True)
class SeedRange:
    """How many seeds a claim needs in all, from ``low`` to ``high``; None stands for more than ``cap``."""

    low: int | None
    high: int | None
    cap: int

    def __str__(self) -> str:
        ends = [f"more than {self.cap:,}" if end is None else f"{end:,}" for end in (self.low, self.high)]
        return " to ".join(dict.fromkeys(ends))


class AboutSeeds(NamedTuple):
    """An order of seeds in all, from 1, 2, 5, 10, 20, 50, …; None stands for more than ``cap``."""

    number: int | None
    cap: int

    def __str__(self) -> str:
        return f"more than {self.cap:,}" if self.number is None else f"some {self.number:,}"


def least_shown(sd: float, n: int, *, ratio: float = 0.0, level: float = 0.95, power: float = POWER) -> float:
    """The smallest true difference that n paired seeds show with the chance ``power``, by a t interval clear of 0.

    Args:
        sd: of the differences, taken as it is.
        n: how many.
        ratio: test images over the others, where the splits of the seeds overlap (Nadeau and Bengio 2003).
        level: of the interval.
        power: the chance, between 0 and 1.

    Returns:
        The difference, in the unit of ``sd``; nan for fewer than two seeds.

    Example:
        >>> round(least_shown(1.0, 20), 3), round(least_shown(1.0, 8), 3)
        (0.66, 1.156)
    """
    from scipy import optimize

    check_share("power", power)
    if n < 2:
        return math.nan
    bound = t_quantile((1 + level) / 2, n)

    def missing(shift: float) -> float:
        return float(special.nctdtr(n - 1, shift, bound)) - (1 - power)

    shift = optimize.brentq(missing, 0.0, 4 * bound + 10)
    return float(shift) * sd * math.sqrt(1 / n + ratio)


def seeds_needed(
    comparison: Paired, goal: Goal, delta: float, *, power: float = POWER, cap: int = 1000
) -> SeedRange | None:
    """Seeds at which a claim would be made with the chance ``power``, over the 80 % interval of sd.

    What is taken for the true difference matters more than the formula. "not inferior" and "equivalent" take
    0: how many seeds two equal arms need. An arm that is worse, if within the margin, needs more; to plan
    with the mean just observed would only restate its p. "better by the margin" is a 95 % interval clear of 0
    where the true difference is ``delta``, the least that anybody cares for.

    Args:
        comparison: what was measured so far.
        goal: the label to be reached.
        delta: the margin.
        power: chance of the label, between 0 and 1.
        cap: beyond so many seeds the answer is None.

    Returns:
        Total numbers of seeds for the low and the high end of sd; None when no spread was measured.

    Raises:
        InputError: for a margin that is not positive, a power out of range or a cap below 2.
        UnknownNameError: for another goal.

    Example:
        >>> from fbench.measure.statistics import paired
        >>> comparison = paired([0.85, 0.86, 0.84], [0.84, 0.86, 0.85])
        >>> str(seeds_needed(comparison, "equivalent", delta=0.01))
        '6 to 83'
    """
    claim = _claim_of(goal, delta, power, cap)
    if not comparison.sd > 0:
        return None
    low, high = (_fewest_seeds(claim, sd, power, cap) for sd in sd_interval(comparison.sd, comparison.n))
    return SeedRange(low, high, cap)


def about_seeds(
    comparison: Paired, goal: Goal, delta: float, *, least: int = 2, power: float = POWER, cap: int = 1000
) -> AboutSeeds | None:
    """The seeds that the spread seen suggests, as an order: ``some 50``; for a first look at two or three seeds.

    The spread of so few is itself unknown within a factor of several, so that a range would say nothing, and a number
    more than there is. It is rounded up to 1, 2 or 5 times a power of ten.

    Args:
        comparison: what was measured so far.
        goal: the label to be reached, as of ``seeds_needed``.
        delta: the margin.
        least: fewer seeds are never suggested.
        power: chance of the label, between 0 and 1.
        cap: beyond so many seeds there is no number.

    Returns:
        A number with its words; None where no spread was measured.

    Raises:
        InputError: as ``seeds_needed``.
        UnknownNameError: for another goal.

    Example:
        >>> from fbench.measure.statistics import paired
        >>> str(about_seeds(paired([0.85, 0.86, 0.84], [0.84, 0.86, 0.85]), "equivalent", delta=0.01))
        'some 20'
    """
    claim = _claim_of(goal, delta, power, cap)
    if not comparison.sd > 0:
        return None
    seeds = _fewest_seeds(claim, comparison.sd, power, cap)
    if seeds is None:
        return AboutSeeds(None, cap)
    orders = (digit * 10**power for power in range(len(str(cap)) + 1) for digit in (1, 2, 5))
    return AboutSeeds(next(order for order in orders if order >= max(least, seeds)), cap)


class _Claim(NamedTuple):
    """That the t interval of this level lies within (low, high), were ``true`` the mean difference."""

    level: float
    low: float
    high: float
    true: float


def _claim_of(goal: Goal, delta: float, power: float, cap: int) -> _Claim:
    """The claim that reaches a label; refuses what cannot be asked."""
    check_margin(delta)
    check_share("power", power)
    if cap < 2:
        raise InputError(f"cap = {cap} seeds: a comparison needs 2 or more, give a larger cap")
    claims = {
        "not inferior": _Claim(0.90, -delta, math.inf, true=0.0),
        "equivalent": _Claim(0.90, -delta, delta, true=0.0),
        "better by the margin": _Claim(0.95, 0.0, math.inf, true=delta),
    }
    if goal not in claims:
        raise UnknownNameError("goal", goal, claims)
    return claims[goal]


def _fewest_seeds(claim: _Claim, sd: float, power: float, cap: int) -> int | None:
    seeds = range(2, cap + 1)
    position = bisect_left(seeds, power, key=lambda n: _power(claim, sd, n))  # it grows with n, above 0.1
    return seeds[position] if position < len(seeds) else None


def _power(claim: _Claim, sd: float, n: int) -> float:
    """Chance of the claim with n seeds of normal differences.

    Given the estimated spread the mean is normal, so the chance is a difference of two normal cdfs; its mean
    over the spread's χ distribution is, with one end infinite, the noncentral t's and, with two, Owen's Q,
    which scipy lacks.
    """
    se = sd / math.sqrt(n)
    half = t_quantile((1 + claim.level) / 2, n) * np.sqrt(special.chdtri(n - 1, _SLICES) / (n - 1))
    highest, lowest = (claim.high - claim.true) / se - half, (claim.low - claim.true) / se + half
    return float(np.maximum(special.ndtr(highest) - special.ndtr(lowest), 0).mean())
