"""Intervals of shares stay inside 0 and 1, cover what they say, and agree with the tests that they invert."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbench.errors import InputError
from fbench.measure.shares import part_of_whole, share_interval, share_p
from fbench.measure.statistics import mean_interval


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_share_stays_inside(values):
    share = share_interval(values)
    assert 0 <= share.low <= share.mean <= share.high <= 1


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [1.0, 1.0], [0.3, 0.3, 0.3]])
def test_equal_shares_have_an_interval_of_no_width(values):
    share = share_interval(values)
    assert share.low == share.mean == share.high == pytest.approx(values[0])


def test_shares_at_the_ends_count_as_they_are():
    share = share_interval([0.0, 0.0, 0.0, 0.1])
    assert share.mean == pytest.approx(0.025)
    assert 0 < share.low < 0.025 < share.high < 1


def test_one_share_has_no_interval():
    share = share_interval([0.4])
    assert share.mean == 0.4
    assert math.isnan(share.low)
    assert math.isnan(share_p([0.4], 0.5))


def test_far_from_the_ends_it_is_the_t_interval():
    values = [0.499, 0.501, 0.5, 0.502]
    plain, share = mean_interval(values), share_interval(values)
    assert (share.low, share.high) == pytest.approx((plain.low, plain.high), abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=8), st.floats(0.05, 0.95))
def test_the_test_rejects_what_the_interval_leaves_out(values, bound):
    share = share_interval(values)
    if share.sd > 1e-6 and min(abs(bound - share.low), abs(bound - share.high)) > 1e-9:
        assert (share_p(values, bound) < 0.05) == (not share.low <= bound <= share.high)


def fieller_by_search(part, whole):
    """The slow twin: every ρ on a grid whose t interval of part − ρ·whole holds 0."""
    grid = np.linspace(-3, 3, 301)
    inside = [rho for rho in grid if (mean := mean_interval(part - rho * whole)).low <= 0 <= mean.high]
    fine = np.concatenate([np.linspace(end - 0.03, end + 0.03, 601) for end in (min(inside), max(inside))])
    held = [rho for rho in fine if (mean := mean_interval(part - rho * whole)).low <= 0 <= mean.high]
    return min(held), max(held)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_part_inverts_the_t_test(seed):
    rng = np.random.default_rng(seed)
    whole, part = 0.4 + 0.05 * rng.normal(size=5), 0.1 + 0.05 * rng.normal(size=5)
    share = part_of_whole(part, whole)
    assert share.value == pytest.approx(part.mean() / whole.mean())
    assert (share.low, share.high) == pytest.approx(fieller_by_search(part, whole), abs=2e-4)


def test_a_part_of_a_whole_that_may_be_none_has_no_ends():
    share = part_of_whole([0.1, 0.2, 0.1], [0.2, -0.1, 0.1])
    assert math.isnan(share.low)
    assert math.isnan(share.high)
    assert math.isnan(part_of_whole([0.1], [0.2]).low)
    assert math.isnan(part_of_whole([0.1, 0.1], [0.0, 0.0]).value)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: share_interval([0.5, 1.2]), "1.2 is no share: give values from 0 to 1"),
        (lambda: share_p([0.5, 0.6], 1.0), "bound = 1 is out of range"),
        (lambda: part_of_whole([0.1, 0.2], [0.3]), "2 parts of 1 wholes: give one whole for every part"),
    ],
)
def test_refusals(call, match):
    with pytest.raises(InputError, match=match):
        call()
