"""Does memory held at the end of a round grow from round to round, or only wander?

A slope fitted to held memory would be far too sure: what one round leaves behind the next one starts from, so that
neighbouring values are not independent, and a walk without drift has a slope. Its differences are independent: their
mean has an honest t interval. Where values only scatter about a level, differences undo each other and the interval is
wider than it need be; and a single step leaves it as wide as the mean itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fbench.errors import InputError
from fbench.measure.statistics import Interval, mean_interval

__all__ = ["LEAST_ROUNDS", "Leak", "LeakVerdict", "leak", "material_bytes"]

LEAST_ROUNDS = 5
"""Rounds under which nothing is said: the first is left out, and three differences are the least."""

_LEAST_DIFFERENCES = LEAST_ROUNDS - 2
_PAGEFUL = 2**20
_SHARE = 0.001

LeakVerdict = Literal["leak", "no leak", "too short to tell"]


@dataclass(frozen=True)
class Leak:
    """How memory held at the ends of rounds grows, and whether that is a leak.

    ``mean`` is the growth a round in bytes, ``growth`` its 95 % t interval, over ``rounds`` differences between one
    round's end and the next one's; nan where there are too few. ``material`` is the growth a round that counts.
    """

    growth: Interval
    verdict: LeakVerdict
    rounds: int
    mean: float
    material: int


def leak(held: Sequence[int | None], peak_bytes: int | None = None) -> Leak:
    """Judge the growth of memory held at the end of each round.

    The first round is left out: what is allocated once, at first use, stays. "leak": the interval lies above 0 and the
    mean is at least the material size. "no leak": the interval's upper end is below that size. Else, or with fewer than
    three differences, "too short to tell". A walk without drift is called a leak in 2.5 % of runs at most, and one
    that drifts by just the material size is called no leak in 2.5 %.

    Args:
        held: bytes at the end of every round in turn; None where unknown, and the differences beside it with it.
        peak_bytes: the largest memory of any phase, which the material size is a share of.

    Raises:
        InputError: for a negative size.

    Example:
        >>> leak([0, 100_000_000, 110_000_000, 120_500_000, 130_000_000]).verdict
        'leak'
    """
    if any(size is not None and size < 0 for size in held):
        raise InputError("held memory is negative at the end of some round: give bytes, or None where unknown")
    material = material_bytes(peak_bytes)
    pairs = itertools.pairwise(held[1:])
    differences = [after - before for before, after in pairs if before is not None and after is not None]
    if not differences:
        return Leak(Interval(math.nan, math.nan), "too short to tell", 0, math.nan, material)
    estimate = mean_interval(differences)
    growth = Interval(estimate.low, estimate.high)
    return Leak(growth, _verdict(growth, estimate.mean, estimate.n, material), estimate.n, estimate.mean, material)


def material_bytes(peak_bytes: int | None) -> int:
    """Growth a round that counts: 1 MiB, or 0.1 % of the peak where that is more; resident memory wanders by less.

    Example:
        >>> material_bytes(None), material_bytes(5_000_000_000)
        (1048576, 5000000)
    """
    return max(_PAGEFUL, round(_SHARE * (peak_bytes or 0)))


def _verdict(growth: Interval, mean: float, differences: int, material: int) -> LeakVerdict:
    if differences < _LEAST_DIFFERENCES:
        return "too short to tell"
    if growth.low > 0 and mean >= material:
        return "leak"
    return "no leak" if growth.high < material else "too short to tell"
