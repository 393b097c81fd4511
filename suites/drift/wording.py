"""How drift's sentences and tables write a number with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable

from fbench.measure.shares import PartOfWhole
from fbench.measure.statistics import Mean
from fbench.results.findings import number

from .baselines import LEAST_SEEDS

_WIDEST = 0.5
"""An interval over more of its scale says nothing where seeds are few, and is left out."""


def mean_with_interval(mean: Mean | None, digits: int = 2) -> str:
    """A mean share or depth with its 95 % interval, ``0.53 (0.52 to 0.54)``; the mean where its ends round to it."""
    if mean is None:
        return ""
    if all(number(end, digits) == number(mean.mean, digits) for end in (mean.low, mean.high)):
        return number(mean.mean, digits)
    return number(mean.mean, digits) + _ends(mean.low, mean.high, mean.n, lambda end: number(end, digits))


def percent_with_interval(mean: Mean | None) -> str:
    """The same in percent, ``3.5 % (2.9 to 4.2)``."""
    if mean is None:
        return ""
    largest = mean.mean if math.isnan(mean.high) else mean.high
    if largest < 0.0001:
        return "under 0.01 %" if largest else "0 %"
    digits = _digits(largest)
    return f"{in_percent(mean.mean, digits)} %" + _ends(
        mean.low, mean.high, mean.n, lambda end: in_percent(end, digits)
    )


def part_with_interval(part: PartOfWhole, seeds: int) -> str:
    """A part of a whole in percent, ``5.6 % (−13 to +24)``; empty where there is none."""
    if math.isnan(part.value):
        return ""
    wide = max(abs(end) for end in part if not math.isnan(end))
    digits = _digits(wide)
    return f"{in_percent(part.value, digits)} %" + _ends(
        part.low, part.high, seeds, lambda end: _signed(end, digits, beside=part.low)
    )


def percent_range(low: float, high: float) -> str:
    """From one part to another in percent, ``−28 to +32 %``."""
    return f"{in_percent(low)} to {_signed(high, 0, beside=low)} %"


def _signed(share: float, digits: int, beside: float) -> str:
    """A share in percent, with its plus sign beside a negative one."""
    text, other = in_percent(share, digits), in_percent(beside, digits)
    return f"+{text}" if other.startswith("−") and not text.startswith("−") and float(text) else text


def in_percent(share: float, digits: int = 0) -> str:
    """A share in percent without the sign of it; −0 is 0."""
    return number(round(100 * share, digits) + 0.0, digits)


def _digits(largest: float) -> int:
    return 0 if largest >= 0.1 else 1 if largest >= 0.01 else 2


def useful(low: float, high: float, n: int) -> bool:
    """Say whether there is an interval of a share, and not one that few seeds leave too wide to be of use."""
    return not math.isnan(low) and not math.isnan(high) and not (n < LEAST_SEEDS and high - low > _WIDEST)


def _ends(low: float, high: float, n: int, write: Callable[[float], str]) -> str:
    """`` (0.52 to 0.54)``; nothing where there is no interval, or one that few seeds leave too wide to be of use."""
    if low == high or not useful(low, high, n):
        return ""
    return f" ({write(low)} to {write(high)})"
