"""Which of two ways is faster: verdicts of a family, and how ratios are written."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fbench.results.faster import (
    FAMILY_LEVEL,
    Pair,
    compare_times,
    faster_in_words,
    first_shown,
    ratio_number,
    with_ends,
)
from fbench.results.ratios import Ratio


def seconds(*values):
    return dict(enumerate(values))


ONE = seconds(1.0, 1.01, 0.99, 1.0)


@pytest.mark.parametrize(
    ("slow", "verdict"),
    [
        (seconds(2.0, 2.02, 2.1, 2.0), "yes"),
        (seconds(0.5, 0.49, 0.51, 0.5), "no"),
        (seconds(1.0, 1.02, 0.98, 1.0), "not shown"),
        (seconds(1.0, 9.0, 0.5, 1.0), "unreliable"),
        (seconds(9.0, 9.0, 9.0), "too few"),
    ],
)
def test_verdicts(slow, verdict):
    assert compare_times({"it": Pair(slow, ONE)})["it"].verdict == verdict


def test_blocks_are_paired_and_pairs_without_one_are_left_out():
    found = compare_times({"none": Pair({7: 1.0}, ONE), "two": Pair({2: 2.0, 3: 2.0, 9: 4.0}, ONE)})
    assert list(found) == ["two"]
    assert found["two"].times.n == 2


def test_equal_ratios_leave_no_doubt_and_equal_times_all():
    assert compare_times({"it": Pair(seconds(*[2.0] * 4), seconds(*[1.0] * 4))})["it"].verdict == "yes"
    assert compare_times({"it": Pair(ONE, ONE)})["it"].verdict == "not shown"


def test_holm_is_over_the_whole_family():
    near = Pair(seconds(1.1, 1.12, 1.05, 1.2), seconds(1.0, 1.0, 1.0, 1.0))
    alone = compare_times({"it": near})["it"]
    many = compare_times({"it": near, **{str(i): Pair(ONE, seconds(1.0, 1.0, 1.01, 0.98)) for i in range(9)}})["it"]
    assert many.p == alone.p
    assert many.adjusted == pytest.approx(10 * alone.p)


def test_a_bound_is_what_must_be_exceeded():
    pair = Pair(seconds(1.5, 1.52, 1.5, 1.49), ONE)
    assert compare_times({"it": pair._replace(bound=1.1)})["it"].verdict == "yes"
    assert compare_times({"it": pair._replace(bound=2.0)})["it"].verdict == "no"


@pytest.mark.parametrize("blocks", [4, 8])
def test_equal_ways_are_hardly_called_different(blocks):
    """Of 300 draws 9 are claimed at the family's level; 27 or more in one of 10⁶ runs (binomial)."""
    generator = np.random.default_rng(blocks)
    claims = 0
    for _ in range(300):
        ways = np.exp(0.05 * generator.standard_normal((4, blocks)))
        pairs = {str(i): Pair(seconds(*ways[0]), seconds(*way)) for i, way in enumerate(ways[1:])}
        claims += any(result.shown for result in compare_times(pairs).values())
    assert FAMILY_LEVEL == 0.03
    assert claims < 27


def test_numbers():
    assert [ratio_number(value) for value in (1390.4, 104.3, 14.2, 9.41, 1.812, 0.274, 0.0312)] == [
        *("1,390", "104", "14", "9.4", "1.81", "0.27", "0.031"),
    ]
    assert with_ends(Ratio(0, math.nan, math.nan, math.nan)) == ""
    assert faster_in_words(Ratio(4, 0.5, 0.4, 0.625), "vmap") == "2.0 times slower than vmap (1.6 to 2.5)"
    assert first_shown(["yes", "unreliable", "too few"]) == "unreliable"
