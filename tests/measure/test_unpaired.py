"""Welch's interval and test: scipy's numbers, what few or equal values give, and how often the interval covers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fbench.errors import InputError
from fbench.measure.statistics import paired
from fbench.measure.unpaired import unpaired

RNG = np.random.default_rng(3)
SAMPLES = [
    (RNG.normal(0.9, 0.01, n), RNG.normal(0.89, sd, m)) for n, m, sd in [(2, 2, 0.01), (4, 9, 0.05), (12, 5, 0.001)]
]


@pytest.mark.parametrize(("first", "second"), SAMPLES)
def test_it_is_scipys_welch(first: np.ndarray, second: np.ndarray) -> None:
    ours, theirs = unpaired(first, second), stats.ttest_ind(first, second, equal_var=False)
    assert (ours.t, ours.p, ours.df) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.df), rel=1e-12)
    for level in (0.5, 0.95, 0.99):
        assert tuple(ours.interval(level)) == pytest.approx(tuple(theirs.confidence_interval(level)), rel=1e-12)
    assert (ours.low, ours.high) == tuple(ours.interval())
    for margin in (0.005, -0.5):
        greater = stats.ttest_ind(first + margin, second, equal_var=False, alternative="greater").pvalue
        wanted = greater if ours.difference + margin > 0 else 2 * (1 - greater)
        assert ours.p_margin(margin) == pytest.approx(wanted, rel=1e-6)


def test_hedges_g_is_the_pooled_one() -> None:
    first, second = SAMPLES[1]
    pooled = math.sqrt((3 * first.var(ddof=1) + 8 * second.var(ddof=1)) / 11)
    approximate = (first.mean() - second.mean()) / pooled * (1 - 3 / (4 * 11 - 1))
    assert unpaired(first, second).hedges_g == pytest.approx(approximate, rel=1e-3)


def test_the_interval_covers_and_widens_where_splits_overlap() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        comparison = unpaired(rng.normal(0.3, 0.02, 5), rng.normal(0.2, 0.005, 9))
        covered += comparison.low <= 0.1 <= comparison.high
    assert 0.92 <= covered / 400 <= 0.98
    plain, counted = unpaired(*SAMPLES[1]), unpaired(*SAMPLES[1], ratio=0.25)
    assert counted.low < plain.low < plain.high < counted.high
    assert counted.p > plain.p


def test_what_cannot_be_told_is_nan() -> None:
    alone, equal = unpaired([0.5], [0.4, 0.3]), unpaired([0.5, 0.5], [0.4, 0.4])
    for comparison in (alone, equal):
        numbers = (comparison.low, comparison.p, comparison.t, comparison.hedges_g, comparison.p_margin(0.1))
        assert all(map(math.isnan, numbers))
    same = unpaired([0.5, 0.5], [0.5, 0.5, 0.5])
    assert (same.difference, same.low, same.high, same.p, same.hedges_g, same.p_margin(0.1)) == (0, 0, 0, 1, 0, 0)
    assert paired([0.5, 0.5], [0.5, 0.5]).p == same.p


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (([], [0.1]), "give a list of one value or more"),
        (([0.1, math.nan], [0.1]), "a mean needs finite values"),
        (([0.1], [0.1], -1.0), "ratio = -1 is out of range: give test images over the others, 0 or more"),
    ],
)
def test_what_is_refused(words: tuple, text: str) -> None:
    with pytest.raises(InputError, match=text):
        unpaired(*words)
