"""Axes of chunk figures have few ticks, which are round numbers or the sizes themselves."""

from __future__ import annotations

import pytest

from fbench.results.axes import Axis, nice, ticks_of


@pytest.mark.parametrize(
    ("sizes", "ticks"),
    [([100, 200, 300], [100, 200, 300]), (range(16, 300, 16), [16, 32, 64, 128, 256]), ([5], [5])],
)
def test_ticks_of_sizes(sizes, ticks):
    assert ticks_of(sizes) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (41, 44, [41, 42, 43, 44]),
        (2.6, 43, [3, 5, 7, 10, 20, 30]),
        (0.3, 180, [0.5, 1, 2, 5, 10, 20, 50, 100]),
        (0.5, 5000, [1, 10, 100, 1000]),
        (11, 40, [10, 20, 30, 50]),
        (2, 2, [2]),
    ],
)
def test_ticks_of_times(low, high, ticks):
    assert nice(low, high) == ticks


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [((0.5, 3.0), "seconds"), ((0.001, 0.02), "milliseconds"), ((2e-7, 1e-6), "microseconds")],
)
def test_the_unit_that_reads_best(seconds, unit):
    assert Axis(seconds).unit == unit
