"""The max-t test against its loop, and its error rate over the family."""

from __future__ import annotations

import itertools

import numpy as np
from comparisons import four_errors
from scipy import stats

from fbench.measure.max_t import max_t


def loop(differences):
    """Slow twin: Student's t of every test under every pattern of signs."""
    n = differences.shape[1]
    ts = np.array(
        [
            np.abs(stats.ttest_1samp(differences * np.array(signs), 0, axis=1).statistic)
            for signs in itertools.product([1, -1], repeat=n)
        ]
    )
    return np.array([np.mean(ts.max(axis=1) >= own * (1 - 1e-9)) for own in ts[0]])


def test_p_is_the_loops():
    differences = np.random.default_rng(0).normal([[0.0], [1.0], [2.0]], 1, size=(3, 6))
    assert max_t(differences).tolist() == loop(differences).tolist()


def test_a_test_without_spread_has_no_p():
    differences = np.stack([np.zeros(6), np.full(6, 0.1), np.arange(1.0, 7.0)])
    p = max_t(differences)
    assert np.isnan(p).tolist() == [True, True, False]
    assert p[2] == 2 / 2**6
    assert np.isnan(max_t(differences[:2])).all()
    assert np.isnan(max_t(differences[:, :1])).all()


def test_the_family_errs_in_five_percent():
    rng, draws = np.random.default_rng(1), 1000
    shared = rng.normal(size=(draws, 1, 8))
    differences = shared + rng.normal(size=(draws, 10, 8))
    wrong = np.mean([(max_t(each) <= 0.05).any() for each in differences])
    assert wrong < 0.05 + four_errors(0.05, draws)
    assert wrong > 0.02
