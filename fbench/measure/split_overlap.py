"""The interval of a mean difference over splits that share images: Nadeau and Bengio (2003).

Seeds that redraw the test set from the same images are no independent repetitions: what they share is never averaged
away. The variance of the mean is sd²·(1/n + test/train) in place of sd²/n.
"""

from __future__ import annotations

import math

from fbench.measure.statistics import Interval, Paired, check_share, t_quantile, two_sided_p

__all__ = ["corrected_interval", "corrected_p", "standard_error"]


def corrected_interval(comparison: Paired, ratio: float, level: float = 0.95) -> Interval:
    """The interval for other images of the same kind; the t interval is for more seeds of these.

    Args:
        comparison: of paired seeds.
        ratio: test images over those that are not; 0 where no splits overlap.
        level: two-sided coverage.

    Example:
        >>> from fbench.measure.statistics import paired
        >>> interval = corrected_interval(paired([0.85, 0.86, 0.84], [0.83, 0.83, 0.83]), ratio=0.25)
        >>> round(interval.low, 4), round(interval.high, 4)
        (-0.0129, 0.0529)
    """
    check_share("level", level)
    error = standard_error(comparison, ratio)
    if math.isnan(error):
        return Interval(math.nan, math.nan)
    half = t_quantile((1 + level) / 2, comparison.n) * error
    return Interval(comparison.difference - half, comparison.difference + half)


def corrected_p(comparison: Paired, ratio: float) -> float:
    """Two-sided p of the difference against 0, by the same standard error."""
    error = standard_error(comparison, ratio)
    if math.isnan(error):
        return math.nan
    t = comparison.difference / error if error else 0.0
    return two_sided_p(t, comparison.n)


def standard_error(comparison: Paired, ratio: float) -> float:
    """Of the mean difference: sd·√(1/n + ratio); nan where no spread was measured.

    Example:
        >>> from fbench.measure.statistics import paired
        >>> round(standard_error(paired([0.85, 0.86, 0.84], [0.83, 0.83, 0.83]), ratio=0.25), 4)
        0.0076
    """
    if comparison.n < 2 or (comparison.sd == 0 and comparison.difference != 0):
        return math.nan
    return comparison.sd * math.sqrt(1 / comparison.n + ratio)
