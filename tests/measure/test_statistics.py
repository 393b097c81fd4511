"""Intervals, tests and verdicts against scipy, brute force, hand-computed cases and simulation.

Simulated shares of N are held to within four standard errors, 4·√(q(1 − q)/N), with fixed seeds.
"""

import itertools
import math
from dataclasses import astuple

import numpy as np
import pytest
from comparisons import DELTA, differences, four_errors
from scipy import stats

from fbench.errors import InputError
from fbench.measure import sign_flips, statistics
from fbench.measure.power import seeds_needed
from fbench.measure.statistics import (
    holm,
    mean_interval,
    paired,
    sd_interval,
    t_interval,
)


def test_all_lists_the_public_names():
    home = statistics.__name__
    defined = {name for name, value in vars(statistics).items() if getattr(value, "__module__", "") == home}
    assert {name for name in defined if not name.startswith("_")} == set(statistics.__all__)


# --- one sample


def test_mean_interval_by_hand():
    result = mean_interval([1.0, 2.0, 3.0])
    assert (result.n, result.mean, result.sd) == (3, 2.0, 1.0)
    half = 4.302652729911275 / math.sqrt(3)  # t(.975, 2) from a printed table
    assert (result.low, result.high) == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_t_interval_is_scipys(level):
    sample = np.random.default_rng(1).normal(size=7)
    expected = stats.t.interval(level, 6, loc=sample.mean(), scale=stats.sem(sample))
    assert t_interval(sample.mean(), sample.std(ddof=1), 7, level) == pytest.approx(expected)
    assert astuple(mean_interval(sample, level))[3:] == pytest.approx(expected)


def test_one_value_has_a_mean_and_nothing_else():
    result = mean_interval([0.7])
    assert (result.n, result.mean) == (1, 0.7)
    assert np.isnan([result.sd, result.low, result.high]).all()
    assert np.isnan(sd_interval(0.1, 1)).all()


def test_equal_values_have_an_interval_of_no_width():
    assert astuple(mean_interval([0.1] * 3))[2:] == (0.0, pytest.approx(0.1), pytest.approx(0.1))


def test_intervals_cover_what_they_say():
    samples = np.random.default_rng(2).normal(3.0, 2.0, size=(4000, 4))
    results = [mean_interval(sample) for sample in samples]
    covered = np.mean([result.low < 3.0 < result.high for result in results])
    assert abs(covered - 0.95) < four_errors(0.95, 4000)
    spreads = [sd_interval(result.sd, 4) for result in results]
    assert abs(np.mean([low < 2.0 < high for low, high in spreads]) - 0.8) < four_errors(0.8, 4000)


def test_sd_interval_of_six_seeds():
    assert sd_interval(1.0, 6) == pytest.approx((0.736, 1.762), abs=1e-3)
    assert sd_interval(1.0, 6, 0.95) == pytest.approx((0.624, 2.453), abs=1e-3)


# --- paired comparison


@pytest.mark.parametrize("n", [2, 3, 8, 25])
def test_paired_is_scipys_ttest_rel(n):
    first, second = np.random.default_rng(n).normal([[0.3], [0.0]], 1.0, size=(2, n))
    expected = stats.ttest_rel(first, second)
    result = paired(first, second)
    assert (result.n, result.difference) == (n, pytest.approx(np.mean(first - second)))
    assert (result.t, result.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (result.low, result.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert result.interval(0.9) == pytest.approx(tuple(expected.confidence_interval(0.9)))
    assert result.d_z == pytest.approx(np.mean(first - second) / np.std(first - second, ddof=1))


def test_hedges_correction():
    # exact factors: Γ(1)/(√1·Γ(1/2)) = 1/√π for 2 degrees of freedom; 1 − 3/(4·df − 1) is near it for many
    three = differences(1.0, 1.0, 3)
    assert three.hedges_g == pytest.approx(1 / math.sqrt(math.pi))
    assert differences(1.0, 1.0, 50).hedges_g == pytest.approx(1 - 3 / (4 * 49 - 1), abs=1e-4)
    assert math.isnan(differences(1.0, 1.0, 2).hedges_g)


def test_hedges_g_is_unbiased():
    samples = np.random.default_rng(3).normal(0.5, 1.0, size=(4000, 5))
    g = np.array([paired(sample, np.zeros(5)).hedges_g for sample in samples])
    assert abs(g.mean() - 0.5) < 4 * g.std(ddof=1) / math.sqrt(g.size)
    assert g.mean() / statistics.hedges_factor(4) - 0.5 > 0.1  # d_z itself is off by a quarter


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_exact_sign_flips_are_all_of_them(n):
    rng = np.random.default_rng(n)
    for values in (rng.normal(0.5, 1.0, n), rng.integers(-2, 4, n) / 360):  # the second has ties and zeros
        sums = [abs(np.dot(signs, values)) for signs in itertools.product([1, -1], repeat=n)]
        result = paired(values, np.zeros(n))
        assert result.sign_flip_p == np.mean(np.array(sums) >= abs(values.sum()) - 1e-9)
        assert (result.sign_flip_floor, result.sign_flip_draws) == (2 / 2**n, 0)


def test_sign_flips_reach_their_floor():
    assert paired(np.arange(1.0, 9.0), np.zeros(8)).sign_flip_p == 2 / 2**8


def test_many_seeds_draw_their_sign_flips():
    values = np.random.default_rng(5).normal(0.3, 1.0, 25)
    result = paired(values, np.zeros(25))
    assert result.sign_flip_draws == sign_flips.FLIP_DRAWS
    signs = 1 - 2 * ((np.arange(2**19)[:, None] >> np.arange(20)) & 1)  # the last stays: the others are its mirror
    exact = np.mean(np.abs(signs @ values[:20]) >= abs(values[:20].sum()) - 1e-12)
    assert paired(values[:20], np.zeros(20)).sign_flip_p == pytest.approx(exact)
    assert abs(result.sign_flip_p - result.p) < 0.02  # normal differences: both tests say much the same
    assert paired(values, np.zeros(25)) == result
    certain = paired(np.arange(1.0, 31.0), np.zeros(30))
    assert certain.sign_flip_p == certain.sign_flip_floor == 1 / (sign_flips.FLIP_DRAWS + 1)


def test_false_positives_are_five_percent():
    samples = np.random.default_rng(6).normal(size=(4000, 7))
    results = [paired(sample, np.zeros(7)) for sample in samples]
    assert abs(np.mean([result.p < 0.05 for result in results]) - 0.05) < four_errors(0.05, 4000)
    # 2⁷ patterns, each |sum| twice: p ≤ 6/128 for the three most extreme of 64
    assert abs(np.mean([result.sign_flip_p < 0.05 for result in results]) - 3 / 64) < four_errors(3 / 64, 4000)


def test_one_pair():
    result = paired([0.9], [0.8])
    assert (result.n, result.sign_flip_p, result.sign_flip_floor) == (1, 1.0, 1.0)
    assert result.difference == pytest.approx(0.1)
    assert np.isnan([result.sd, result.low, result.high, result.t, result.p, result.d_z, result.hedges_g]).all()
    assert seeds_needed(result, "equivalent", DELTA) is None


def test_equal_differences_are_no_evidence_of_certainty():
    result = paired([0.3, 0.8, 0.5], [0.2, 0.7, 0.4])  # 0.1 each, but for rounding
    assert (result.sd, result.sign_flip_p) == (0.0, 0.25)
    assert np.isnan([result.low, result.high, result.t, result.p, result.d_z, result.hedges_g]).all()
    assert np.isnan(result.interval(0.9)).all()
    assert seeds_needed(result, "better by the margin", DELTA) is None


def test_identical_arms_differ_by_nothing():
    result = paired([0.3, 0.8], [0.3, 0.8])
    assert astuple(result)[1:7] == (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    assert result.sign_flip_p == 1.0
    assert seeds_needed(result, "equivalent", DELTA) is None


# --- Holm


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_holm_rejects_what_the_steps_reject(alpha):
    for p in np.random.default_rng(7).beta(0.3, 2.0, size=(50, 6)):
        rejected = np.zeros(6, dtype=bool)
        for step, index in enumerate(np.argsort(p)):
            if p[index] > alpha / (6 - step):
                break
            rejected[index] = True
        assert (holm(p) <= alpha).tolist() == rejected.tolist()


def test_holm_counts_a_test_that_could_not_be_made():
    assert holm([math.nan, 0.01, 0.04]) == pytest.approx([math.nan, 0.03, 0.08], nan_ok=True)


# --- messages


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired([0.1, 0.2], [0.1]), r"2 values against 1 cannot be paired: keep the seeds that both"),
        (lambda: paired([], []), r"the first arm has shape \(0,\): give a list of one value or more"),
        (lambda: mean_interval([[0.1, 0.2]]), r"the sample has shape \(1, 2\): give a list of one value"),
        (
            lambda: paired([0.1, 0.2], [0.1, math.nan]),
            r"the second arm holds nan at position 1.*rerun that seed",
        ),
        (lambda: mean_interval([math.inf, 0.2]), r"the sample holds inf at position 0"),
        (lambda: mean_interval([0.1], level=95), r"level = 95 is out of range: it must lie between 0 and 1"),
        (lambda: sd_interval(1.0, 3, level=0), r"level = 0 is out of range"),
        (lambda: holm([0.2, 1.2]), r"p = 1.2 is no probability: give Holm's correction values from 0 to 1"),
    ],
)
def test_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
