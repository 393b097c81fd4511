"""Numbers with their intervals, and those intervals that are left out."""

from __future__ import annotations

import math

import pytest

from fbench.measure.shares import PartOfWhole
from fbench.measure.statistics import Mean
from fbench.suites.drift.wording import (
    in_percent,
    mean_with_interval,
    part_with_interval,
    percent_range,
    percent_with_interval,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("mean", "text"),
    [
        (Mean(4, 0.532, 0.01, 0.521, 0.544), "0.53 (0.52 to 0.54)"),
        (Mean(4, 0.532, 0.001, 0.5315, 0.5325), "0.53"),
        (Mean(1, 0.5, NAN, NAN, NAN), "0.50"),
        (Mean(3, 0.5, 0.2, 0.1, 0.9), "0.50"),
        (Mean(4, 0.5, 0.2, 0.1, 0.9), "0.50 (0.10 to 0.90)"),
        (None, ""),
    ],
)
def test_a_mean(mean, text):
    assert mean_with_interval(mean) == text


@pytest.mark.parametrize(
    ("mean", "text"),
    [
        (Mean(4, 0.35, 0.1, 0.31, 0.38), "35 % (31 to 38)"),
        (Mean(4, 0.035, 0.1, 0.031, 0.038), "3.5 % (3.1 to 3.8)"),
        (Mean(4, 1e-6, 1e-6, 1e-7, 1e-5), "under 0.01 %"),
        (Mean(4, 0.0, 0.0, 0.0, 0.0), "0 %"),
        (Mean(1, 0.2, NAN, NAN, NAN), "20 %"),
        (None, ""),
    ],
)
def test_a_share_in_percent(mean, text):
    assert percent_with_interval(mean) == text


@pytest.mark.parametrize(
    ("part", "seeds", "text"),
    [
        (PartOfWhole(0.056, -0.13, 0.24), 4, "6 % (−13 to +24)"),
        (PartOfWhole(0.025, 0.005, 0.045), 3, "2.5 % (0.5 to 4.5)"),
        (PartOfWhole(0.056, -0.5, 0.6), 3, "6 %"),
        (PartOfWhole(0.056, NAN, NAN), 4, "5.6 %"),
        (PartOfWhole(NAN, NAN, NAN), 4, ""),
    ],
)
def test_a_part(part, seeds, text):
    assert part_with_interval(part, seeds) == text


def test_no_minus_before_zero():
    assert in_percent(-0.001) == "0"
    assert in_percent(-0.021) == "−2"


@pytest.mark.parametrize(
    ("low", "high", "text"), [(-0.28, 0.32, "−28 to +32 %"), (-0.001, 0.12, "0 to 12 %"), (-0.3, -0.1, "−30 to −10 %")]
)
def test_a_range_signs_what_lies_beside_a_minus(low, high, text):
    assert percent_range(low, high) == text
