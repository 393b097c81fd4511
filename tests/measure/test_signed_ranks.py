"""Wilcoxon's signed ranks against every pattern of signs, and against scipy's."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fbench.errors import InputError
from fbench.measure import signed_ranks
from fbench.measure.signed_ranks import hodges_lehmann, least_p, p_above


def every_pattern(values):
    """The slow twin: of all 2ⁿ signs, the share whose rank sum is as large."""
    values = np.asarray([value for value in values if value])
    ranking = stats.rankdata(np.abs(values))
    above = ranking[values > 0].sum()
    sums = [np.dot(ranking, signs) for signs in itertools.product((0, 1), repeat=len(values))]
    return np.mean(np.asarray(sums) >= above - 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_p_is_that_of_all_patterns_with_ties_and_zeros(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-4, 6, size=rng.integers(1, 12)) / 10
    assert p_above(values) == pytest.approx(every_pattern(values) if values.any() else 1.0)


@pytest.mark.parametrize("n", [1, 5, 20, 60, 200])
def test_p_is_scipys(n):
    values = np.random.default_rng(n).normal(0.1, 1, n)
    assert p_above(values) == pytest.approx(stats.wilcoxon(values, alternative="greater", method="exact").pvalue)


def test_many_pairs_go_over_to_the_normal_distribution(monkeypatch):
    values = np.random.default_rng(0).normal(0.1, 1, 200)
    exact, middle = p_above(values), hodges_lehmann(values)
    monkeypatch.setattr(signed_ranks, "EXACT_RANKS", 100)
    assert p_above(values) == pytest.approx(exact, abs=5e-4)
    assert hodges_lehmann(values)[1:] == pytest.approx(middle[1:], abs=2e-3)
    large = np.random.default_rng(0).normal(0.1, 1, 300)
    scipys = stats.wilcoxon(large, alternative="greater", method="exact").pvalue
    assert p_above(large) == pytest.approx(scipys, abs=5e-4)


def test_the_least_p():
    assert [p_above([1.0] * n) for n in (1, 5, 20)] == [least_p(n) for n in (1, 5, 20)]


def test_equal_differences_are_ties_whatever_their_last_digits():
    logs = np.log([1.1, 1.1, 2.2]) - np.log([1.0, 1.0, 2.0])
    assert p_above(logs) == 0.125
    assert p_above([0.0, 0.0]) == 1.0


def test_the_middle_is_the_median_of_all_means_of_two():
    values = np.random.default_rng(3).normal(size=9)
    means = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])
    assert hodges_lehmann(values).value == pytest.approx(np.median(means))


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 4), (10, 9), (20, 53)])
def test_the_interval_has_the_ranks_of_the_tables(n, rank):
    """Hollander and Wolfe, table A.4: the largest rank whose tail is at most 2.5 %."""
    values = np.random.default_rng(n).normal(size=n)
    means = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])
    middle = hodges_lehmann(values)
    assert (middle.low, middle.high) == (means[rank - 1], means[-rank])


def test_the_interval_holds_what_the_test_does_not_refuse():
    values = np.random.default_rng(1).normal(0.5, 1, 15)
    middle = hodges_lehmann(values)
    assert p_above(values - middle.low + 1e-9) <= 0.025 < p_above(values - middle.low - 1e-9)


def test_few_differences_have_a_middle_and_no_interval():
    middle = hodges_lehmann([0.1, 0.2, 0.3])
    assert middle.value == pytest.approx(0.2)
    assert math.isnan(middle.low)
    assert math.isnan(middle.high)


@pytest.mark.parametrize("function", [p_above, hodges_lehmann])
@pytest.mark.parametrize(("values", "message"), [([], "one or more"), ([1.0, math.nan], "position 1 is nan")])
def test_what_is_refused(function, values, message):
    with pytest.raises(InputError, match=message):
        function(values)


def test_a_level_that_is_none():
    with pytest.raises(InputError, match="between 0 and 1"):
        hodges_lehmann([1.0], level=1.0)
