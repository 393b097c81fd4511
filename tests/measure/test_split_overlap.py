"""The interval that counts the overlap of splits: by hand, and on splits that do overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from comparisons import differences, four_errors
from scipy import stats

from fbench.measure.split_overlap import corrected_interval, corrected_p
from fbench.measure.statistics import paired


def test_by_hand():
    comparison = differences(0.01, 0.02, 8)
    error = 0.02 * math.sqrt(1 / 8 + 0.25)
    assert corrected_interval(comparison, 0.25) == pytest.approx(
        (0.01 - stats.t.ppf(0.975, 7) * error, 0.01 + stats.t.ppf(0.975, 7) * error)
    )
    assert corrected_p(comparison, 0.25) == pytest.approx(2 * stats.t.sf(0.01 / error, 7))


def test_without_overlap_it_is_the_t_interval():
    comparison = differences(0.01, 0.02, 8)
    assert corrected_interval(comparison, 0.0) == pytest.approx(comparison.interval())
    assert corrected_p(comparison, 0.0) == pytest.approx(comparison.p)


def test_what_has_no_spread_has_no_interval():
    for comparison in (paired([0.9], [0.8]), paired([0.3, 0.8, 0.5], [0.2, 0.7, 0.4])):
        assert np.isnan([*corrected_interval(comparison, 0.25), corrected_p(comparison, 0.25)]).all()
    assert corrected_p(paired([0.3, 0.8], [0.3, 0.8]), 0.25) == 1.0


def test_it_covers_where_a_fifth_is_drawn_again_and_again():
    """Means of drawn fifths of few numbers: the t interval misses the numbers' origin, this one does so more rarely."""
    rng, draws = np.random.default_rng(0), 1000
    missed = np.zeros(2)
    for _ in range(draws):
        numbers = rng.normal(size=100)
        means = [rng.choice(numbers, 20, replace=False).mean() for _ in range(8)]
        comparison = paired(means, np.zeros(8))
        for i, (low, high) in enumerate((comparison.interval(), corrected_interval(comparison, 0.25))):
            missed[i] += not low <= 0 <= high
    assert missed[0] / draws > 0.1
    assert missed[1] / draws < 0.05 + four_errors(0.05, draws)
