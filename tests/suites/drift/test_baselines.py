"""Baselines of both rounds, paired over seeds; what new labels take, and from when on it is little."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drift_rows import make_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from fbench.measure.shares import part_of_whole
from fbench.measure.statistics import holm, mean_interval
from fbench.measure.t_tests import p_of_mean
from fbench.suites.drift.baselines import (
    DEFAULT_MARGIN,
    compare,
    compared_of,
    corrected,
    of_both,
    settled_from,
    verdict_of,
)
from fbench.suites.drift.measured import MaskRounds
from fbench.suites.drift.rows import read_drift

ROUNDS = [0, 1, 2, 3]


def masks(previous, redraw=None, retrain=None, chance=None):
    """Values a seed, the same in every round; nothing before round 0."""
    rows = np.repeat(np.array(previous, float)[:, None], 4, axis=1)
    rows[:, 0] = np.nan

    def spread(values, default):
        return np.full(rows.shape, default) if values is None else np.repeat(np.array(values, float)[:, None], 4, 1)

    nothing = np.full(rows.shape, np.nan)
    return MaskRounds(
        nothing, nothing, rows, nothing, spread(redraw, 0.9), spread(retrain, math.nan), spread(chance, 0.1)
    )


def test_a_pair_of_rounds_has_the_baselines_of_both():
    values = np.array([[0.2, 0.4, 0.5, math.nan]])
    np.testing.assert_allclose(of_both(values), [[0.3, 0.45, math.nan]])


def test_an_overlap_that_grows_is_no_drift():
    """With the baseline of the later round alone, it would lie below it in every seed."""
    level = np.array([0.2, 0.3, 0.4, 0.5])
    between = np.array([math.nan, 0.25, 0.35, 0.45])
    seeds = np.array([[0.0], [0.01], [-0.01], [0.02]])
    retrain = level + seeds
    drift = masks([0.0] * 4)._replace(previous=between + seeds, retrain=retrain)
    compared = compare(drift, ROUNDS)
    assert compared.below("retrain") == pytest.approx(np.zeros(4), abs=1e-12)
    assert compared.rounds == [1, 2, 3]


def test_a_round_without_a_baseline_before_it_is_left_out():
    retrain = np.full((4, 4), 0.5)
    retrain[:, 0] = np.nan  # one batch holds all labels of the start
    compared = compare(masks([0.4] * 4)._replace(retrain=retrain), ROUNDS)
    assert compared.rounds == [2, 3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(0, 1))] * 4), min_size=8, max_size=8))
def test_means_are_over_rounds_that_have_all(cells):
    """The slow twin goes through seeds and rounds one by one."""
    arrays = np.array([[math.nan if value is None else value for value in row] for row in cells]).T.reshape(4, 2, 4)
    previous, redraw, retrain, chance = arrays
    if not np.isfinite(retrain).any():
        return
    expected = []
    for seed in range(2):
        values = [
            [previous[seed, r], (redraw[seed, r] + redraw[seed, r - 1]) / 2,
             (retrain[seed, r] + retrain[seed, r - 1]) / 2, chance[seed, r]]
            for r in range(1, 4)
        ]  # fmt: skip
        whole = [row for row in values if all(map(math.isfinite, row))]
        if whole:
            expected.append(np.mean(whole, axis=0))
    none = np.full((2, 4), np.nan)
    compared = compare(MaskRounds(none, none, previous, none, redraw, retrain, chance), ROUNDS)
    shown = np.array([compared.values[name] for name in ("previous", "redraw", "retrain", "chance")]).T
    np.testing.assert_allclose(shown, np.array(expected).reshape(-1, 4), rtol=1e-12)


CLEAR, WIDE = [0.58, 0.59, 0.57, 0.58], [0.9, 0.3, 0.8, 0.2]
PREVIOUS = [0.50, 0.51, 0.49, 0.495]


@pytest.mark.parametrize(
    ("retrain", "redraw", "margin", "word"),
    [
        (CLEAR, None, 0.2, "yes"),
        ([0.502, 0.511, 0.491, 0.494], None, 0.2, "no"),
        (WIDE, None, 0.2, "not shown"),
        (CLEAR, WIDE, 0.1, "not shown"),
        ([0.4, 0.42, 0.39, 0.4], None, 0.2, "no"),
        (None, None, 0.2, "not shown"),
        ([0.502, 0.511, 0.491, 0.494], None, 0.001, "not shown"),
    ],
)
def test_verdicts(retrain, redraw, margin, word):
    compared = compare(masks(PREVIOUS, redraw, retrain), ROUNDS)
    assert verdict_of(compared, compared.p, margin) == word


def test_fewer_than_four_seeds_are_too_few():
    compared = compare(masks(PREVIOUS[:3], None, CLEAR[:3]), ROUNDS)
    assert verdict_of(compared, compared.p, 0.2) == "too few"


def test_nothing_is_no_without_room_above_chance():
    compared = compare(masks(PREVIOUS, None, PREVIOUS[::-1], [0.5, 0.49, 0.51, 0.5]), ROUNDS)
    assert not compared.roomy
    assert not compared.within(0.2)
    assert verdict_of(compared, compared.p, 0.2) == "not shown"


def test_p_is_the_larger_and_of_one_side():
    compared = compare(masks(PREVIOUS, WIDE, CLEAR), ROUNDS)
    assert compared.p == pytest.approx(p_of_mean(np.subtract(WIDE, PREVIOUS)))
    assert compared.p > p_of_mean(np.subtract(CLEAR, PREVIOUS))
    assert compare(masks(PREVIOUS, None, [0.4, 0.42, 0.39, 0.4]), ROUNDS).p == 1
    assert compare(masks([0.5] * 4, None, [0.6] * 4), ROUNDS).p == 0


def test_what_new_labels_take():
    compared = compare(masks(PREVIOUS, None, CLEAR), ROUNDS)
    gap, room = np.subtract(CLEAR, PREVIOUS), np.array(CLEAR) - 0.1
    assert compared.taken == pytest.approx(part_of_whole(gap, room))
    assert compared.taken.value == pytest.approx(gap.mean() / room.mean())


def test_the_margin_is_a_part_of_the_room():
    compared = compare(masks(PREVIOUS, None, [0.52, 0.531, 0.51, 0.514]), ROUNDS)
    gap, room = compared.below("retrain"), compared.values["retrain"] - 0.1
    edge = next(margin for margin in np.linspace(0.01, 0.2, 400) if mean_interval(gap - margin * room).high < 0)
    assert compared.within(edge + 1e-6)
    assert not compared.within(edge - 1e-3)


def test_holm_counts_only_what_was_tested():
    assert corrected([0.01, math.nan, 0.04]) == pytest.approx([*holm([0.01]) * 2, math.nan, 0.04], nan_ok=True)
    assert corrected([]) == []


def test_nothing_defined_is_said_and_never_0():
    compared = compare(masks([math.nan] * 4), ROUNDS)
    assert (compared.seeds, compared.rounds) == (0, [])
    assert math.isnan(compared.mean("previous"))
    assert math.isnan(compared.p)
    assert math.isnan(compared.taken.value)
    assert not compared.within(1.0)


def settled_of(previous, margin=0.05, **more):
    drift = read_drift(make_tables(rounds=len(previous), previous=previous, layers=11, **more))
    return settled_from(drift, drift.variants[0], margin)


def test_settled_from_the_round_that_the_sequence_reaches():
    assert settled_of((0.4, 0.6, 0.4, 0.6, 0.6), noise=0.005) == 4  # round 2 lies before a failure
    assert settled_of((0.6, 0.6, 0.4), noise=0.005) is None
    assert settled_of((0.6, 0.6), seeds=1) is None
    assert settled_of((0.6, 0.6), retrain=None) is None


def test_layers_and_the_whole_network_are_those_of_the_run():
    drift = read_drift(make_tables(seeds=4, rounds=2, layers=14))
    whole = compared_of(drift, drift.variants[0])
    previous = drift.masks(drift.variants[0]).previous[:, 1:].mean(axis=1)
    assert whole.values["previous"] == pytest.approx(previous)
    assert compared_of(drift, drift.variants[0], "fc.weight").seeds == 0
    assert DEFAULT_MARGIN == 0.2
