"""Where a profile has lost half, over which depth it falls, and what is left of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbench.errors import InputError
from fbench.measure.falls import fall_of, never_rising

DEPTH = np.linspace(0, 1, 21)


def test_a_straight_fall():
    fall = fall_of(DEPTH, 1 - DEPTH)
    assert (fall.place, fall.width, fall.left) == pytest.approx((0.5, 0.8, 0.0))


def test_a_step_lies_between_its_layers():
    fall = fall_of(DEPTH, np.where(DEPTH > 0.425, 0.02, 0.8))
    assert 0.40 < fall.place < 0.45
    assert 0 < fall.width < 0.05
    assert fall.left == pytest.approx(0.025)


def test_the_first_layer_may_be_all_of_the_high_part():
    """81 % of the first layer and 17 % of the next, as with 0.4 % kept on the digits."""
    fall = fall_of([0.0, 0.05, 0.10, 0.15], [0.81, 0.17, 0.15, 0.0])
    assert fall.place == pytest.approx(0.05 * (0.81 - 0.405) / (0.81 - 0.17))


def test_the_last_layers_may_be_all_of_the_low_part():
    fall = fall_of(DEPTH, [1.0] * 20 + [0.05])
    assert 0.95 < fall.place < 1
    assert fall.left == pytest.approx(0.05)


def test_what_never_falls_so_far_has_no_place():
    flat = fall_of(DEPTH, np.full(21, 0.3))
    assert math.isnan(flat.place)
    assert math.isnan(flat.width)
    assert flat.left == 1
    half = fall_of(DEPTH, np.where(DEPTH > 0.5, 0.3, 0.9))
    assert half.place == pytest.approx(0.5 + 0.05 * 0.75)
    assert math.isnan(half.width)
    assert all(math.isnan(value) for value in fall_of(DEPTH, np.zeros(21)))


def test_a_rise_in_between_is_evened_out():
    up_and_down = [0.9, 0.5, 0.7, 0.2, 0.0]
    assert fall_of(range(5), up_and_down) == fall_of(range(5), [0.9, 0.6, 0.6, 0.2, 0.0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_the_closest_profile_that_never_rises(values):
    """The slow twin: the min-max formula of isotonic regression (Barlow and others 1972)."""
    y = np.array(values)
    expected = [min(max(y[i : j + 1].mean() for j in range(at, len(y))) for i in range(at + 1)) for at in range(len(y))]
    np.testing.assert_allclose(never_rising(y), expected, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=12), st.floats(0.1, 10))
def test_a_fall_knows_no_scale(values, factor):
    y = np.array(values)
    if y.max() > 1e-3:
        np.testing.assert_allclose(fall_of(range(len(y)), factor * y), fall_of(range(len(y)), y), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("depth", "share", "match"),
    [
        ([0.0, 0.5], [0.1], "give two lists, one value a layer"),
        ([0.0], [0.1], "give two lists, one value a layer"),
        ([0.0, 0.5], [0.1, math.nan], "layer 1 has depth 0.5 and share nan: leave out what is no share"),
        ([0.0, 0.5], [-0.1, 0.2], "layer 0 has depth 0 and share -0.1"),
        ([0.5, 0.5], [0.1, 0.2], "depth 0.5 follows 0.5: give layers from the input on, each once"),
    ],
)
def test_refusals(depth, share, match):
    with pytest.raises(InputError, match=match):
        fall_of(depth, share)
