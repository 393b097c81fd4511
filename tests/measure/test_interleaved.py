"""Interleaved cases: Friedman's test, simultaneous ratios and the knee, against scipy and against planted effects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fbench.errors import InputError
from fbench.measure.interleaved import LEAST_BLOCKS, friedman, knee_between, shift, simultaneous


def logs(n: int, k: int, seed: int = 0, sd: float = 0.03):
    draws = np.random.default_rng(seed)
    return draws.standard_normal((n, 1)) + sd * draws.standard_normal((n, k))


def test_friedman_is_scipys_where_that_is_near_enough():
    for seed in range(5):
        sample = logs(30, 5, seed)
        assert friedman(sample) == pytest.approx(stats.friedmanchisquare(*sample.T).pvalue, abs=0.02)


def test_friedman_of_four_blocks_and_two_cases_is_the_sign_test():
    assert friedman(np.log([[1.0, 2.0]] * 4)) == pytest.approx(1 / 8, abs=0.02)
    assert friedman(np.log([[1.0, 2.0], [2.0, 1.0]] * 2)) == 1


def test_equal_times_have_no_effect():
    assert friedman(np.zeros((6, 4))) == 1
    assert simultaneous(np.zeros((6, 4))).ratio(0, 3) == (1, 1, 1)


def test_a_machine_that_changes_its_speed_is_no_effect():
    """Blocks differ by a factor of e or more; ranks within them do not."""
    false = sum(friedman(logs(6, 6, seed)) <= 0.05 for seed in range(400))
    assert false <= 48  # of 400 at 5 %, more than 48 come about once in 10⁷


def test_simultaneous_ratios_are_tukeys():
    sample = logs(8, 5)
    times = simultaneous(sample)
    rest = sample - sample.mean(axis=1, keepdims=True)
    means = sample.mean(axis=0)
    variance = ((rest - (means - means.mean())) ** 2).sum() / (7 * 4)
    half = stats.studentized_range.ppf(0.95, 5, 28) * math.sqrt(variance / 8)
    ratio, low, high = times.ratio(3, 1)
    assert ratio == pytest.approx(math.exp(means[3] - means[1]))
    assert (low, high) == (pytest.approx(ratio / math.exp(half)), pytest.approx(ratio * math.exp(half)))


def test_all_ratios_hold_together():
    planted = np.log([1.5, 1.2, 1.0, 1.02])
    held = 0
    for seed in range(400):
        times = simultaneous(logs(6, 4, seed) + planted)
        held += float(np.ptp(times.means - planted)) <= times.half_width
    assert held >= 352  # of 400 at 95 %, fewer come about once in 10⁷


def test_the_knee_and_where_it_may_lie():
    sizes, planted = [16, 32, 64, 128], np.log([1.5, 1.04, 1.0, 1.0])
    sure = knee_between(sizes, simultaneous(logs(20, 4, sd=0.002) + planted), 0.05)
    assert sure == (32, 32, 32)
    vague = knee_between(sizes, simultaneous(logs(6, 4, sd=0.05) + planted), 0.05)
    assert vague.low in (16, 32)
    assert vague.high > 32


def test_of_equal_sizes_the_smallest_may_be_the_knee():
    missed = sum(knee_between([16, 32, 64], simultaneous(logs(6, 3, seed)), 0.05).low > 16 for seed in range(300))
    assert missed <= 38  # of 300 at 5 %, more come about once in 10⁷


def test_sizes_may_stand_in_any_order():
    sample = logs(8, 3, sd=0.001) + np.log([1.0, 2.0, 1.0])
    assert knee_between([64, 16, 32], simultaneous(sample), 0.05).size == 32


def test_a_shift_and_its_p_are_those_of_a_t_test():
    values = [0.1, 0.2, -0.05, 0.12]
    moved, tested = shift(values), stats.ttest_1samp(values, 0)
    assert (moved.mean, moved.p) == (pytest.approx(np.mean(values)), pytest.approx(tested.pvalue))
    assert (moved.low, moved.high) == pytest.approx(tuple(tested.confidence_interval()))
    assert shift([0.0, 0.0]).p == 1
    assert math.isnan(shift([0.3]).p)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (0, 3)])
def test_what_cannot_be_compared_is_refused(shape):
    with pytest.raises(InputError, match=r"readings of shape \["):
        friedman(np.zeros(shape))
    with pytest.raises(InputError, match="two or more"):
        simultaneous(np.zeros((1, 3)))


def test_fewer_blocks_say_nothing():
    assert LEAST_BLOCKS == 4
