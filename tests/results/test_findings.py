"""Statistics in words: numbers and p values."""

from __future__ import annotations

import math

import pytest

from fbench.results.findings import number, p_value


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


def test_a_rounded_zero_has_no_sign() -> None:
    assert number(-0.00001) in ("0.0000", "−0.0000")
    assert number(0.0) == "0.0000"
