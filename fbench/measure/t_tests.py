"""The t test of one mean against 0, alone: where a family is judged, nothing else of a comparison is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.statistics import two_sided_p


def p_of_mean(values: Sequence[float] | Floats) -> float:
    """Two-sided p of Student's t test that the mean of the values is 0.

    Equal values measure no spread: they leave no doubt (0) where they are not 0, and are what no difference gives (1)
    where they are. One value alone has no test: nan.

    Example:
        >>> round(p_of_mean([0.02, 0.03, 0.01]), 3), p_of_mean([0.1, 0.1]), p_of_mean([0.0, 0.0])
        (0.074, 0.0, 1.0)
    """
    n, mean = len(values), fmean(values)
    if n < 2:
        return math.nan
    largest = max(map(abs, values))
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    if spread <= ROUNDING * largest:
        return 1.0 if largest == 0 else 0.0
    return two_sided_p(mean / spread * math.sqrt(n), n)
