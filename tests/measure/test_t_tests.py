"""The t test of one mean is scipy's, and has an answer where there is no spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fbench.measure.statistics import paired
from fbench.measure.t_tests import p_of_mean


@pytest.mark.parametrize("values", [[0.02, 0.03, 0.01], [-1.0, 2.0, 5.0, 0.5], [1e9, 1.1e9]])
def test_it_is_scipys(values):
    assert p_of_mean(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_without_spread():
    assert p_of_mean([0.1, 0.1, 0.1]) == 0.0
    assert p_of_mean([0.0, 0.0]) == 1.0
    assert math.isnan(p_of_mean([1.0]))


def test_of_differences_it_is_the_test_of_pairs():
    first, second = [0.85, 0.86, 0.84], [0.83, 0.83, 0.83]
    assert p_of_mean(np.subtract(first, second)) == pytest.approx(paired(first, second).p)
