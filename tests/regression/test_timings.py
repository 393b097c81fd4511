"""Medians over controls, their intervals, and several runs as one."""

import math

import numpy as np
import pytest

from fbench.errors import InputError
from fbench.measure.statistics import mean_interval
from fbench.regression.timings import LogTime, pooled, timings_of, timings_of_summary


def test_rounds_with_a_control_each_are_divided_one_by_one():
    waves = np.exp(np.random.default_rng(0).normal(0, 0.5, 30))
    together = timings_of("a", (0.02 * waves).tolist(), (0.01 * waves).tolist()).relative
    apart = timings_of("a", (0.02 * waves).tolist(), (0.01 * waves[:20]).tolist()).relative
    assert math.exp(together.middle) == pytest.approx(2)
    assert together.high - together.low < 1e-9 < 0.2 < apart.high - apart.low


def test_a_ratio_of_medians_moves_each_end_by_both():
    ratio = LogTime(9, 3.0, 2.7, 3.3).over(LogTime(8, 1.0, 0.6, 1.1))
    assert ratio == pytest.approx((8, 2.0, 2.0 - math.hypot(0.3, 0.1), 2.0 + math.hypot(0.3, 0.4)))


def test_the_interval_of_a_ratio_covers_it():
    """Of 400 ratios of medians of 20 times each, 95 % or more: order statistics cover a little more than asked."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        base, new = (timings_of("a", rng.lognormal(0, 0.1, 20).tolist()).time for _ in "ab")
        ratio = new.over(base)
        inside += ratio.low <= 0 <= ratio.high
    assert 0.93 <= inside / 400 <= 0.99


def test_a_summary_has_the_interval_of_normal_samples():
    """Of a normal sample the interquartile range tells what the order statistics do, about."""
    samples = np.random.default_rng(1).lognormal(0, 0.05, 4000)
    whole = timings_of("a", samples.tolist()).time
    low, high = np.quantile(samples, [0.25, 0.75])
    told = timings_of_summary("a", float(np.median(samples)), high - low, len(samples)).time
    assert told.middle == pytest.approx(whole.middle)
    assert told.high - told.low == pytest.approx(whole.high - whole.low, rel=0.3)
    assert math.isnan(timings_of_summary("a", 1.0, 0.1, 5).time.low)


def test_several_runs_are_a_value_each():
    runs = [timings_of("a", [math.exp(level)] * 9, [1.0] * 9) for level in (0.0, 0.1, 0.3)]
    together = pooled("a", runs)
    interval = mean_interval([0.0, 0.1, 0.3])
    assert together.relative == pytest.approx((3, interval.mean, interval.low, interval.high))
    assert together.control is not None
    assert pooled("a", [*runs, timings_of("a", [1.0])]).control is None
    assert pooled("a", runs[:1]) is runs[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: timings_of("a", []), "there are no times"),
        (lambda: timings_of("a", [1.0, -1.0]), "time 2 of 2 is -1 s: must be above 0"),
        (lambda: timings_of("a", [1.0], [math.nan]), "time 1 of 1 of the control is nan s"),
        (lambda: timings_of_summary("a", 0.0, 0.1, 9), "time 1 of 1 is 0 s"),
        (lambda: timings_of_summary("a", 1.0, math.nan, 9), "an interquartile range of nan s"),
    ],
)
def test_times_that_are_none(make, message):
    with pytest.raises(InputError, match=message):
        make()
