"""Geometric means and ratios, paired by block."""

from __future__ import annotations

import math

import pytest

from fbench.results.ratios import geometric, ratio


def test_ratios_are_paired_and_geometric():
    assert geometric({0: 1.0, 1: 4.0}) == pytest.approx(2.0)
    assert math.isnan(geometric({}))
    mean = ratio({0: 8.0, 1: 2.0, 2: 9.0}, {0: 1.0, 1: 1.0})
    assert (mean.n, mean.mean) == (2, pytest.approx(4.0))
    half = 12.7062047 * math.log(2) / 1  # t(.975, 1)·sd/√2 with sd = ln 4/√2
    assert math.log(mean.high / mean.mean) == pytest.approx(half, rel=1e-6)
    assert math.log(mean.mean / mean.low) == pytest.approx(half, rel=1e-6)
    one = ratio({0: 8.0}, {0: 2.0})
    assert one.mean == pytest.approx(4.0)
    assert math.isnan(one.low)
    assert ratio({0: 1.0}, {1: 1.0}).n == 0
