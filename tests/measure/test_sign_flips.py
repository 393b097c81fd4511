"""Sign flips against the loop over all patterns, and the bound against the test it inverts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from comparisons import four_errors

from fbench.measure.sign_flips import FLIP_DRAWS, flip_bound, flip_p_above, sign_patterns


def loop_p_above(differences, threshold):
    """Slow twin: the share of all sign patterns whose sum of differences to the threshold is as large."""
    values = np.asarray(differences) - threshold
    sums = [np.dot(signs, values) for signs in itertools.product([1, -1], repeat=len(values))]
    return np.mean(np.array(sums) >= values.sum() - 1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_p_is_the_loops(n):
    rng = np.random.default_rng(n)
    for threshold in (-1.0, 0.0, 0.4):
        differences = rng.normal(size=n)
        assert flip_p_above(differences, threshold) == loop_p_above(differences, threshold)


def test_ties_count_as_far():
    assert flip_p_above(np.array([0.1 + 0.2, 0.3, 0.3]), 0.3) == 1.0


@pytest.mark.parametrize("level", [0.9, 0.95, 0.9875])
def test_the_bound_is_where_the_test_begins_to_reject(level):
    for seed in range(20):
        differences = np.random.default_rng(seed).normal(size=8)
        bound = flip_bound(differences, level)
        assert flip_p_above(differences, bound - 1e-6) <= 1 - level + 1e-12
        assert flip_p_above(differences, bound + 1e-6) > 1 - level


def test_too_few_seeds_have_no_bound():
    assert flip_bound(np.ones(4), 0.95) == -math.inf
    assert flip_bound(np.arange(1.0, 6.0), 0.95) == pytest.approx(1.0)
    assert flip_bound(np.arange(1.0, 7.0), 0.9875) == -math.inf
    assert flip_bound(np.arange(1.0, 8.0), 0.9875) == pytest.approx(1.0)


def test_more_than_twenty_seeds_are_drawn():
    differences = np.random.default_rng(0).normal(0.5, 1, size=25)
    p, bound = flip_p_above(differences, 0.0), flip_bound(differences, 0.95)
    assert flip_p_above(differences, 0.0) == p
    assert flip_p_above(differences, bound - 1e-6) <= 0.05 < flip_p_above(differences, bound + 1e-6)
    assert p >= 1 / (FLIP_DRAWS + 1)


def test_the_bound_covers_skewed_means_of_symmetric_noise():
    rng, draws = np.random.default_rng(1), 2000
    covered = np.mean([flip_bound(rng.standard_t(3, size=8), 0.95) <= 0 for _ in range(draws)])
    assert abs(covered - (1 - 12 / 256)) < four_errors(0.05, draws)


def test_patterns():
    assert sign_patterns(3).shape == (8, 3)
    assert len({tuple(row) for row in sign_patterns(12)}) == 2**12
    drawn = sign_patterns(13)
    assert (drawn.shape, set(drawn.ravel()), drawn[0].min()) == ((2**12, 13), {-1.0, 1.0}, 1.0)
    assert (sign_patterns(13, seed=1) != drawn).any()
