"""Statistics in words: numbers, intervals, p and the evidence of a pair."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fbench.measure.statistics import Paired, paired
from fbench.results.findings import evidence, interval_ends, number, p_value

SPREAD = np.array([-1.0, 0.5, 1.0, -0.5, 0.25, -0.25, 0.75, -0.75])  # mean 0


def comparison(mean: float, sd: float, n: int = 8) -> Paired:
    """Differences with about this mean and spread, around a level of 0.8."""
    return paired(0.8 + mean + sd * SPREAD[:n], [0.8] * n)


def test_evidence_has_every_number() -> None:
    measured = comparison(0.0123, 0.02)
    text = evidence(measured, "AULC")
    low, high = measured.interval()
    assert f"+0.0123 AULC (95 % interval {number(low, signed=True)} to {number(high, signed=True)}; 8 seeds" in text
    assert f"paired t against 0 {p_value(measured.p)}, sign-flip {p_value(measured.sign_flip_p)}, the smallest" in text
    assert "the smallest possible being 0.0078" in text
    assert f"d_z {measured.d_z:.2f}, g {measured.hedges_g:.2f})" in text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (math.nan, "no p"), (0.0, "p < 0.001"), (0.00099, "p < 0.001"), (0.001, "p = 0.001"), (0.0312, "p = 0.031"),
        (0.0994, "p = 0.099"), (0.0999, "p = 0.10"), (0.5, "p = 0.50"), (1.0, "p = 1.00"),
    ],
)  # fmt: skip
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text


def test_numbers_have_a_real_minus_and_no_nan() -> None:
    assert number(-0.12345) == "−0.1235"
    assert number(0.5, 2, signed=True) == "+0.50"
    assert number(math.nan) == "n/a"
    assert interval_ends(math.nan, 1.0) == "n/a"
    assert interval_ends(-1.0, 1.0, signed=True) == "−1.0000 to +1.0000"


def test_a_rounded_zero_has_no_sign() -> None:
    assert number(-0.00001) in ("0.0000", "−0.0000")
    assert number(0.0) == "0.0000"
