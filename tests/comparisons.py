"""Comparisons of known mean and sd, and how far a simulated share may lie from what it estimates."""

import math

import numpy as np

from fbench.measure.statistics import paired

DELTA = 0.005


def four_errors(share, count):
    return 4 * math.sqrt(share * (1 - share) / count)


def differences(mean, sd, n):
    """A comparison whose differences have exactly this mean and sd."""
    values = np.random.default_rng(n).normal(size=n)
    values = (values - values.mean()) / values.std(ddof=1)
    return paired(mean + sd * values, np.zeros(n))
