"""Which of many paired differences are real, with one error rate for all of them: the max-t test by sign flips.

The same seeds keep or change their sign in every test at once, so what the tests share is kept: rounds of one curve,
pairs that have an arm in common (Westfall & Young 1993, single step).
"""

from __future__ import annotations

import math

import numpy as np

from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.sign_flips import sign_patterns

__all__ = ["max_t"]


def max_t(differences: Floats, seed: int = 0) -> Floats:
    """Family-wise two-sided p of every test's mean difference.

    Args:
        differences: [tests, n], seed s in column s.
        seed: of the sign patterns, where n is above 12 and they are drawn.

    Returns:
        [tests]: how often the largest of all |t| among sign flips reaches this one's. A test whose differences are
        all equal has no t, and nan.

    Example:
        >>> gains = np.array([[0.02, 0.03, 0.01, 0.02, 0.03, 0.02], [0.01, -0.01, 0.02, -0.02, 0.01, -0.01]])
        >>> max_t(gains).tolist()
        [0.03125, 1.0]
    """
    n = differences.shape[1]
    spread = np.ptp(differences, axis=1) > ROUNDING * np.abs(differences).max(axis=1, initial=0.0)
    p = np.full(len(differences), math.nan)
    if n < 2 or not spread.any():
        return p
    t = np.abs(_t(differences[spread], sign_patterns(n, seed)))
    largest = t.max(axis=1)
    p[spread] = (largest[:, None] >= t[:1] * (1 - ROUNDING)).mean(axis=0)
    return p


def _t(differences: Floats, signs: Floats) -> Floats:
    """Student's t [k, tests] under k patterns of signs; a flip leaves the sum of squares alone."""
    n = differences.shape[1]
    mean = signs @ differences.T / n
    square = (differences**2).mean(axis=1)
    variance = np.maximum(square - mean**2, ROUNDING * square)
    return np.asarray(mean / np.sqrt(variance / (n - 1)))
