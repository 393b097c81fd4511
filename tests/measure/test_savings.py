"""Labels saved: by hand, where an arm never gets there, and how often the interval has the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from comparisons import four_errors

from fbench.errors import InputError
from fbench.measure.savings import label_saving

LABELS = [100, 200, 300, 400]
RISE = [0.2, 0.4, 0.6, 0.7]


def test_by_hand():
    # the arm reaches 0.6 halfway from 100 to 200
    saving = label_saving(LABELS, [[0.4, 0.8, 0.9, 0.9]], [RISE], index=2)
    assert (saving.target, saving.labels, saving.reference_labels, saving.n) == pytest.approx((0.6, 150, 300, 1))
    assert saving.saving == pytest.approx(0.5)
    assert np.isnan([saving.low, saving.high]).all()  # one seed


def test_an_arm_saves_nothing_against_itself():
    curves = np.array([RISE, [0.25, 0.4, 0.55, 0.7], [0.2, 0.45, 0.6, 0.75]])
    saving = label_saving(LABELS, curves, curves, index=2)
    assert saving.saving == pytest.approx(0)
    assert saving.low <= 0 <= saving.high


def test_a_score_below_0_saves_as_one_above_it():
    rng = np.random.default_rng(1)
    reference = np.array(RISE) + rng.normal(0, 0.01, size=(5, 4))
    arm = reference + 0.05 + rng.normal(0, 0.01, size=(5, 4))
    above, below = (label_saving(LABELS, arm - shift, reference - shift, index=2) for shift in (0.0, 3.0))
    assert (below.labels, below.low, below.high) == pytest.approx((above.labels, above.low, above.high))
    assert label_saving(LABELS, reference - 3, reference - 3, index=2).saving == pytest.approx(0)


def test_the_ends_are_where_the_paired_interval_reaches_zero():
    rng = np.random.default_rng(0)
    reference = np.array(RISE) + rng.normal(0, 0.005, size=(6, 4))
    arm = np.array([0.3, 0.7, 0.8, 0.85]) + rng.normal(0, 0.005, size=(6, 4))
    saving = label_saving(LABELS, arm, reference, index=2)
    for end, side in ((saving.high, 1), (saving.low, -1)):
        place = (1 - end) * 300
        gain = np.array([np.interp(place, LABELS, row) for row in arm]) - reference[:, 2]
        half = 2.5706 * gain.std(ddof=1) / math.sqrt(6)
        assert gain.mean() + side * half == pytest.approx(0, abs=1e-4)
    assert saving.low < saving.saving < saving.high < 1


def test_an_arm_that_never_gets_there_has_no_saving():
    low = np.array(RISE) - 0.19 + np.array([[0.0], [0.01], [0.02]])
    saving = label_saving(LABELS, low, np.tile(RISE, (3, 1)), index=3)
    assert np.isnan([saving.labels, saving.saving]).all()
    assert saving.low == -math.inf


def test_an_arm_that_may_never_get_there_has_no_lower_end():
    arm = np.array([[0.2, 0.3, 0.5, 0.62], [0.2, 0.3, 0.4, 0.5], [0.2, 0.5, 0.8, 0.9]])
    saving = label_saving(LABELS, arm, np.tile(RISE, (3, 1)), index=2)
    assert saving.low == -math.inf
    assert math.isfinite(saving.high)


@pytest.mark.parametrize("n", [4, 8])
def test_the_interval_covers(n):
    rng, draws = np.random.default_rng(n), 1000
    arm, reference = np.array([0.3, 0.6, 0.75, 0.8]), np.array(RISE)
    truth = label_saving(LABELS, [arm], [reference], index=2).saving
    covered = 0
    for _ in range(draws):
        shared = rng.normal(0, 0.01, size=(n, 4))
        one, two = (curve + shared + rng.normal(0, 0.02, size=(n, 4)) for curve in (arm, reference))
        saving = label_saving(LABELS, one, two, index=2)
        covered += saving.low <= truth <= saving.high
    assert covered / draws > 0.95 - four_errors(0.05, draws)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label_saving(LABELS, [RISE], [RISE], 4), r"round 4 is not there: give one from 0 to 3"),
        (lambda: label_saving(LABELS, [RISE], [RISE], 1, level=95), r"level = 95 is out of range"),
        (lambda: label_saving(LABELS, [RISE], [RISE] * 2, 1), r"the reference has 2 seeds and the arm has 1"),
    ],
)
def test_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
