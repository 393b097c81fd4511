"""Does memory held at the end of a round grow from round to round, or only wander or fill up?

A slope fitted to held memory would be far too sure: what one round leaves behind the next one starts from, so that
neighbouring values are not independent, and a walk without drift has a slope. Its differences are independent: their
mean has an honest t interval. Where values only scatter about a level, differences undo each other and the interval is
wider than it need be; and a single step leaves it as wide as the mean itself. A cache that fills grows by less and
less: so only the last half of the rounds is judged, and the growth must last through it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from fbench.errors import InputError
from fbench.measure.statistics import Interval, mean_interval
from fbench.measure.t_tests import p_of_mean

__all__ = ["LEAST_ROUNDS", "Leak", "LeakVerdict", "leak", "material_bytes"]

LEAST_ROUNDS = 8
"""Rounds under which nothing is said: their last half is four differences."""

_LEAST_DIFFERENCES = 4
_LEVEL = 0.03
_LASTING = 0.75
_PAGEFUL = 2**20
_SHARE = 0.001

LeakVerdict = Literal["leak", "no leak", "not shown", "too few"]


@dataclass(frozen=True)
class Leak:
    """How memory held at the ends of rounds grows, and whether that is a leak.

    ``mean`` is the growth a round in bytes, ``growth`` its 95 % t interval, over ``differences`` between one round's
    end and the next one's in the last half of the rounds; nan where there are too few. ``material`` is the growth a
    round that counts, ``rounds`` how many there were in all. ``consistent`` says that it grows, by however little.
    """

    growth: Interval
    verdict: LeakVerdict
    rounds: int
    differences: int
    mean: float
    material: int

    @property
    def consistent(self) -> bool:
        """Whether it is shown to grow at all."""
        return self.growth.low > 0


def leak(held: Sequence[int | None], peak_bytes: int | None = None, *, family: int = 1) -> Leak:
    """Judge the growth of memory held at the end of each round.

    "leak": in the last half of the rounds the mean growth is above 0 at a level of 3 % (two-sided, shared by the
    ``family``) and at least the material size; and in the last half of that it still is, and has not fallen by a
    quarter. "no leak": the 95 % interval's
    upper end is below that size. Else "not shown"; with fewer than four known differences "too few".

    Args:
        held: bytes at the end of every round in turn; None where unknown, and the differences beside it with it.
        peak_bytes: the largest memory of any phase, which the material size is a share of.
        family: how many series are judged together.

    Raises:
        InputError: for a negative size.

    Example:
        >>> leak([100_000_000 + 2_100_000 * number for number in range(8)]).verdict
        'leak'
    """
    if any(size is not None and size < 0 for size in held):
        raise InputError("held memory is negative at the end of some round: give bytes, or None where unknown")
    material, differences = material_bytes(peak_bytes), _last_half(held)
    mean = fmean(differences) if differences else math.nan
    if len(differences) < _LEAST_DIFFERENCES:
        return Leak(Interval(math.nan, math.nan), "too few", len(held), len(differences), mean, material)
    estimate = mean_interval(differences)
    growth = Interval(estimate.low, estimate.high)
    latest = fmean(differences[len(differences) // 2 :])
    lasting = min(mean, latest) >= material and latest >= _LASTING * mean
    if lasting and p_of_mean(differences) < _LEVEL / family:
        verdict: LeakVerdict = "leak"
    else:
        verdict = "no leak" if growth.high < material else "not shown"
    return Leak(growth, verdict, len(held), len(differences), mean, material)


def _last_half(held: Sequence[int | None]) -> list[int]:
    """The differences that end in the last half of the rounds; the first round is never among them."""
    pairs = list(itertools.pairwise(held))[max(1, (len(held) + 1) // 2 - 1) :]
    return [after - before for before, after in pairs if before is not None and after is not None]


def material_bytes(peak_bytes: int | None) -> int:
    """Growth a round that counts: 1 MiB, or 0.1 % of the peak where that is more; resident memory wanders by less.

    Example:
        >>> material_bytes(None), material_bytes(5_000_000_000)
        (1048576, 5000000)
    """
    return max(_PAGEFUL, round(_SHARE * (peak_bytes or 0)))
