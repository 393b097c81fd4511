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
from fbench.measure.medians import Median, control_drift, knee, median_interval, repeat_interval
from fbench.measure.statistics import Interval

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


def runs(rng, blocks, spread, passes):
    """Controls [2, blocks] and times [2, blocks, passes] of two runs, each at a level as spread as its blocks."""
    levels = rng.normal(0, spread, (2, 1)) + rng.normal(0, spread, (2, blocks))
    noise = rng.exponential(spread / 3, (2, blocks, passes))
    return np.exp(levels), np.exp(levels[:, :, None] + noise)


@pytest.mark.parametrize("spread", [0.01, 0.1])
@pytest.mark.parametrize(("blocks", "share"), [(6, 0.88), (10, 0.9), (20, 0.9), (40, 0.9)])
def test_a_second_median_falls_within_the_repeat_interval(blocks, share, spread):
    rng, hits = np.random.default_rng(3), []
    for _ in range(1000):
        controls, times = runs(rng, blocks, spread, 5)
        first, second = np.median(times, axis=2)
        low, high = repeat_interval(median_interval(first), control_drift(controls[0]))
        hits.append(low <= np.median(second) <= high)
    assert np.mean(hits) > share - four_errors(share, 1000) / 4  # one standard error


def test_without_drift_between_runs_it_covers_more_than_its_level():
    rng = np.random.default_rng(4)
    pairs = rng.lognormal(0, 0.2, size=(2000, 2, 12))
    interval = [repeat_interval(median_interval(first), Interval(0.0, 0.0)) for first, _ in pairs]
    hits = [low <= np.median(second) <= high for (low, high), (_, second) in zip(interval, pairs, strict=True)]
    assert np.mean(hits) > 0.95 - four_errors(0.95, 2000)


@given(st.floats(1e-6, 1e3), st.floats(0, 0.99), st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_repeat_intervals_are_no_wider_than_twice_the_precision_and_the_drift(median, below, above, down, up):
    interval = Median(9, median, median * (1 - below), median * (1 + above))
    precision = interval.width
    low, high = repeat_interval(interval, Interval(-down, up))
    assert low <= interval.low
    assert high >= interval.high
    assert (high - low) / median <= 2 * precision + down + up + 1e-9
    assert (high - low) / median == pytest.approx(math.sqrt(2) * precision + down + up)


def test_repeat_interval_keeps_its_sides_apart():
    low, high = repeat_interval(Median(9, 10.0, 9.0, 14.0), Interval(-0.1, 0.3))
    assert (low, high) == pytest.approx((10 - math.sqrt(2) - 1, 10 + 4 * math.sqrt(2) + 3))


@pytest.mark.parametrize(("low", "spread"), [(math.nan, 0.1), (9.0, math.nan)])
def test_no_repeat_interval_without_an_interval_or_a_drift(low, spread):
    assert all(math.isnan(end) for end in repeat_interval(Median(5, 10.0, low, low + 2), Interval(-spread, spread)))


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
