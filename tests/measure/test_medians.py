"""Order statistics against the exact binomial, brute force and skewed data; second runs against simulation.

Simulated shares of N are held to within four standard errors, 4·√(q(1 − q)/N), with fixed seeds.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import InputError
from fbench.measure import medians
from fbench.measure.medians import (
    Median,
    control_drift,
    knee,
    median_interval,
    median_variance,
    persistence,
    repeat_interval,
)

LEVELS = [0.5, 0.8, 0.95, 0.99]


def four_errors(share, count):
    return 4 * math.sqrt(share * (1 - share) / count)


def exact_coverage(n, rank):
    """Share of the 2ⁿ sides that n values can take where the median lies between the r-th of either end."""
    return 1 - 2 * sum(math.comb(n, below) for below in range(rank)) / 2**n


def timed(*values, low=math.nan, high=math.nan):
    """One median a value; the ends are those of all."""
    return [Median(9, value, low, high) for value in values]


def test_all_lists_the_public_names():
    defined = {name for name, value in vars(medians).items() if getattr(value, "__module__", "") == medians.__name__}
    assert {name for name in defined if not name.startswith("_")} | {"LEAST_FOR_INTERVAL"} == set(medians.__all__)


# --- the interval of a median


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [*range(1, 40), 100, 299, 300])
def test_ranks_are_the_narrowest_symmetric_ones_that_cover(n, level):
    interval = median_interval(np.arange(1, n + 1), level)
    ranks = [rank for rank in range(1, n // 2 + 1) if exact_coverage(n, rank) >= level]
    if ranks:
        assert (interval.low, interval.high) == (max(ranks), n + 1 - max(ranks))
    else:
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
    assert (interval.n, interval.median) == (n, (n + 1) / 2)


def test_coverage_by_counting_every_side():
    sides = np.array(list(itertools.product([-1, 1], repeat=9)))  # values about a median of 0
    covered = [interval.low < 0 < interval.high for interval in map(median_interval, sides * np.arange(1, 10))]
    assert np.mean(covered) == exact_coverage(9, 2) == 0.9609375


@pytest.mark.parametrize("n", [6, 11, 30])
def test_it_covers_the_median_of_skewed_data(n):
    samples = np.random.default_rng(n).lognormal(0.0, 1.5, size=(3000, n))  # its median is 1
    intervals = [median_interval(sample) for sample in samples]
    share = np.mean([interval.low <= 1 <= interval.high for interval in intervals])
    rank = int(np.flatnonzero(np.sort(samples[0]) == intervals[0].low)[0]) + 1
    assert abs(share - exact_coverage(n, rank)) < four_errors(0.95, 3000)


def test_six_values_give_min_to_max_and_five_give_none():
    assert median_interval([5.0, 1.0, 4.0, 2.0, 9.0, 3.0]) == Median(6, 3.5, 1.0, 9.0)
    five = median_interval([5.0, 1.0, 4.0, 2.0, 3.0])
    assert five.median == 3.0
    assert all(math.isnan(value) for value in (five.low, five.high, five.width))


def test_no_values_no_median():
    none = median_interval([])
    assert none.n == 0
    assert all(math.isnan(value) for value in (none.median, none.low, none.high, none.width))


def test_width_is_relative_to_a_positive_median():
    assert Median(6, 4.0, 3.0, 5.0).width == 0.5
    assert math.isnan(Median(6, 0.0, 0.0, 1.0).width)


@given(st.lists(st.floats(0.001, 1e6), min_size=6, max_size=60), st.randoms())
def test_order_is_of_no_account(values, random):
    interval = median_interval(values)
    random.shuffle(values)
    assert median_interval(values) == interval
    assert interval.low <= interval.median <= interval.high


# --- second runs


@pytest.mark.parametrize("blocks", [6, 10, 20, 40])
def test_a_second_median_falls_within_the_repeat_interval(blocks):
    rng = np.random.default_rng(3)
    pairs = rng.lognormal(0, 0.1, size=(2000, 2, blocks))
    intervals = [repeat_interval(first, 0.1, 0.0) for first, _ in pairs]
    hits = [low <= np.median(second) <= high for (low, high), (_, second) in zip(intervals, pairs, strict=True)]
    assert np.mean(hits) > 0.95 - four_errors(0.95, 2000)


def test_a_second_median_of_two_states_falls_within_it():
    """Half of the blocks in each of two states: a median lies in either, and a standard error of it tells nothing."""
    rng = np.random.default_rng(5)
    states = 1 + 0.2 * rng.integers(2, size=(1000, 2, 20)) + rng.normal(0, 0.005, size=(1000, 2, 20))
    intervals = [repeat_interval(first, 0.0, 0.0) for first, _ in states]
    hits = [low <= np.median(second) <= high for (low, high), (_, second) in zip(intervals, states, strict=True)]
    assert np.mean(hits) > 0.95 - four_errors(0.95, 1000)


def test_a_repeat_interval_is_no_wider_than_it_must_be():
    """Two medians of 20 values differ by √(π/20)·sd: twice 1.96 of these are the least width that holds."""
    rng = np.random.default_rng(4)
    ends = [repeat_interval(rng.lognormal(0, 0.1, 20), 0.1, 0.0) for _ in range(200)]
    assert np.mean([math.log(high / low) for low, high in ends]) < 1.4 * 2 * 1.96 * 0.1 * math.sqrt(math.pi / 20)


def test_values_that_remember_their_past_are_worth_fewer():
    values = [9.9, 9.95, 10.0, 10.0, 10.05, 10.1]
    plain, remembered = (repeat_interval(values, 0.05, correlation) for correlation in (0.0, 0.5))
    assert math.log(remembered[1] / remembered[0]) == pytest.approx(math.sqrt(3) * math.log(plain[1] / plain[0]))


def test_lucky_values_stray_as_the_control_does():
    low, high = repeat_interval([10.0] * 8, 0.1, 0.0)
    assert math.log(high / low) == pytest.approx(2 * 1.96 * 0.1 * math.sqrt(math.pi / 8), rel=1e-3)
    assert repeat_interval([10.0] * 8, 0.0, 0.0) == pytest.approx((10, 10))


def test_no_repeat_interval_of_few_values():
    assert all(math.isnan(end) for end in repeat_interval([1.0] * 5, 0.1, 0.0))


def test_persistence_is_that_of_an_autoregression():
    rng = np.random.default_rng(5)
    series = [[0.0]]
    for _ in range(4000):
        series[0].append(0.6 * series[0][-1] + rng.standard_normal())
    assert persistence(series) == pytest.approx(0.6, abs=0.06)
    assert persistence([rng.standard_normal(4000)]) == pytest.approx(0, abs=0.07)
    assert persistence([]) == persistence([[1.0], [1.0]]) == 0


def test_the_variance_of_a_median_is_about_the_true_one():
    rng = np.random.default_rng(6)
    samples = rng.normal(1, 0.02, size=(1000, 8))
    true = np.median(samples, axis=1).var()
    assert 0.9 < np.mean([median_variance(sample) for sample in samples]) / true < 1.5
    assert math.isnan(median_variance([1.0, 2.0]))


# --- the control


def test_drift_is_the_range_of_few_blocks():
    assert control_drift([2.0, 2.2, 1.9]) == pytest.approx((-0.05, 0.1))
    assert control_drift([3.0, 3.0]) == (0, 0)
    assert all(math.isnan(end) for end in (*control_drift([3.0]), *control_drift([])))


def test_drift_of_many_blocks_leaves_out_the_tails():
    values = np.arange(1.0, 1000.0)  # rank p(n + 1): the 25th and the 975th of 999
    assert control_drift(values) == pytest.approx((25 / 500 - 1, 975 / 500 - 1))
    assert control_drift(values, level=0.5) == pytest.approx((-0.5, 0.5))


# --- the knee


def test_knee_is_the_smallest_within_the_interval_of_the_best():
    interval = [*timed(3.0, 2.1, 2.2), Median(9, 2.0, 1.9, 2.15)]
    assert knee([64, 128, 256, 512], interval, [1, 2, 3, 4], None) == 128
    assert knee([512, 64, 256, 128], [interval[3], interval[0], interval[2], interval[1]], [1] * 4, None) == 128


def test_a_budget_excludes_the_best():
    interval = [*timed(3.0, 2.5), Median(9, 2.0, 1.9, 2.05)]
    assert knee([64, 128, 256], interval, [10, 20, 40], None) == 256
    assert knee([64, 128, 256], interval, [10, 20, 40], 20) == 128
    assert knee([64, 128, 256], interval, [10, 20, 40], 9) is None


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_an_unknown_peak_is_not_known_to_fit(unknown):
    interval = timed(3.0, 2.0)
    assert knee([64, 128], interval, [10, unknown], 1000) == 64
    assert knee([64, 128], interval, [10, unknown], None) == 128


def test_noise_does_not_pass_for_speed():
    """However wide the best one's interval, a size 5 % slower is not as fast."""
    assert knee([64, 128, 256], [*timed(3.0, 2.09), Median(9, 2.0, 1.9, 9.0)], [1] * 3, None) == 128


def test_without_an_interval_the_best_median_decides():
    assert knee([64, 128, 256], timed(2.0001, 2.0, 2.0), [None] * 3, None) == 128


def test_no_knee_where_nothing_was_timed():
    assert knee([], [], [], None) is None
    assert knee([64], [median_interval([])], [1], None) is None
    assert knee([64, 128], [median_interval([]), *timed(2.0)], [1, 1], None) == 128


# --- messages


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: median_interval([[1.0]]), r"the sample has shape \(1, 1\): give a list of values"),
        (lambda: median_interval([1.0, math.nan]), r"the sample holds nan at position 1: a median needs finite"),
        (lambda: median_interval([1.0], level=95), r"level = 95 is out of range.*such as 0.95"),
        (lambda: control_drift([1.0, 1.0], level=0), r"level = 0 is out of range"),
        (lambda: control_drift([1.0, 0.0]), r"a control of 0 seconds was never timed: give positive times"),
    ],
)
def test_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
