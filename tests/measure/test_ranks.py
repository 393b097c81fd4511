"""Ranks and their correlation against scipy's, ties included, and against counting."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fbench.errors import InputError
from fbench.measure.ranks import correlation, ranks

VALUES = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False)), max_size=30)


def spearman(first, second):
    return correlation(ranks(first), ranks(second))


@given(VALUES)
def test_ranks_are_counts(values):
    """The rank is 1, and 1 for each smaller value, and ½ for each other equal one."""
    x = np.array(values, dtype=np.float64)
    expected = [1 + np.sum(x < value) + (np.sum(x == value) - 1) / 2 for value in x]
    np.testing.assert_array_equal(ranks(values), np.array(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("levels", [1, 3, 50, 10**6])
def test_ranks_are_scipys(dtype, levels):
    values = np.random.default_rng(levels).integers(0, levels, 3000).astype(dtype)
    np.testing.assert_array_equal(ranks(values), stats.rankdata(values))


@pytest.mark.parametrize("levels", [2, 5, 100, 10**9])
def test_the_correlation_is_scipys(levels):
    generator = np.random.default_rng(levels)
    first = generator.integers(0, levels, 2000)
    second = first + generator.integers(0, levels, 2000)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-13)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20))
def test_the_correlation_of_few_values(pairs):
    first, second = np.array(pairs).T
    coefficient = spearman(first, second)
    if np.ptp(first) and np.ptp(second):
        assert coefficient == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
        assert spearman(second, first) == pytest.approx(coefficient, abs=1e-14)
        assert spearman(first, -second) == pytest.approx(-coefficient, abs=1e-14)
    else:
        assert math.isnan(coefficient)


def test_only_the_order_counts():
    values = np.random.default_rng(0).standard_normal(100)
    assert spearman(values, np.exp(values)) == pytest.approx(1)
    assert spearman(values, -(values**3)) == pytest.approx(-1)
    assert spearman([1, 2, math.inf], [-math.inf, 0, 5]) == pytest.approx(1)
    assert -1 <= spearman(values, -values) <= spearman(values, values) <= 1


def test_large_counts_lose_no_digits():
    """Sums of squared ranks are of order n³: 10¹⁷ here."""
    values = np.arange(10**6, dtype=np.float32)
    assert spearman(values, values) == pytest.approx(1, abs=1e-12)
    assert ranks(np.zeros(10**6))[0] == 500_000.5


@pytest.mark.slow
def test_eleven_million_values_take_seconds():
    generator = np.random.default_rng(0)
    first = generator.standard_normal(11_000_000).astype(np.float32)
    second = first + generator.standard_normal(11_000_000).astype(np.float32)
    begun = time.process_time()
    coefficient = spearman(first, second)
    assert time.process_time() - begun < 20
    assert coefficient == pytest.approx(6 / math.pi * math.asin(math.sqrt(0.5) / 2), abs=0.002)  # of a normal pair


@pytest.mark.parametrize(("first", "second"), [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3]), ([1, 2], [5, 5])])
def test_no_correlation_is_nan(first, second):
    assert math.isnan(spearman(first, second))


def test_no_values_have_no_ranks():
    assert ranks([]).shape == (0,)


def test_nan_is_refused():
    with pytest.raises(InputError, match=r"ranks of 3 values, the one at position 1 nan: leave out"):
        ranks([1, math.nan, 2])


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"shape \(2, 2\): give a list of values, or flatten it"):
        ranks([[1, 2], [3, 4]])
