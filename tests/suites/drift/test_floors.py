"""Floors: paired over seeds, against two at once, and settled only where it is shown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drift_rows import make_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from fbench.measure.statistics import holm, mean_interval
from fbench.suites.drift import floors as drift_floors
from fbench.suites.drift.floors import (
    compare_with_floors,
    corrected,
    floors_by_layer,
    floors_of,
    labels_share,
    settling,
)
from fbench.suites.drift.rows import read_drift

NONE = np.full((4, 3), np.nan)


def levels(seed_values, rounds=3):
    """[seeds, rounds] with nothing in round 0."""
    repeated = np.repeat(np.array(seed_values, float)[:, None], rounds, axis=1)
    repeated[:, 0] = np.nan
    return repeated


PREVIOUS = levels([0.50, 0.51, 0.49, 0.50])


def judged(redraw, retrain=None, margin=0.05, previous=PREVIOUS, chance=None):
    gap = lambda by: previous + np.array(by, float)[:, None]  # noqa: E731
    return compare_with_floors(previous, gap(redraw), NONE if retrain is None else gap(retrain), margin, chance)


CLEAR, NEAR, WIDE = [0.3, 0.31, 0.29, 0.3], [0.001, -0.001, 0.002, 0], [0.3, -0.1, 0.2, 0.0]
SMALL, UNDER = [0.02, 0.021, 0.019, 0.02], [-0.2, -0.21, -0.2, -0.19]


@pytest.mark.parametrize(
    ("redraw", "retrain", "word", "small"),
    [
        (CLEAR, CLEAR, "below both", False),
        (CLEAR, SMALL, "below both", True),
        (CLEAR, NEAR, "at the floor", False),
        (CLEAR, WIDE, "not shown", False),
        (WIDE, CLEAR, "not shown", False),
        (CLEAR, UNDER, "above the floor", False),
        (CLEAR, None, "below redraw", False),
        (NEAR, None, "at the floor", False),
        (WIDE, None, "not shown", False),
    ],
)
def test_verdicts(redraw, retrain, word, small):
    floors = judged(redraw, retrain)
    assert (floors.word, floors.small, floors.seeds) == (word, small, 4)


def test_p_is_the_larger_and_of_the_right_side():
    both = judged(CLEAR, WIDE)
    assert both.p == both.retrain.p > both.redraw.p
    assert judged(CLEAR, UNDER).p == 1


@pytest.mark.parametrize(
    ("below", "word", "small"),
    [
        (0.3, "at the floor", False),
        (0.051, "at the floor", False),
        (0.049, "near chance", False),
        (0, "near chance", False),
    ],
)
def test_equivalence_needs_a_floor_that_random_masks_do_not_reach(below, word, small):
    chance = PREVIOUS - below + np.array(NEAR)[:, None]  # beside the retrain floor
    floors = judged(CLEAR, NEAR, chance=chance)
    assert (floors.word, floors.small) == (word, small)


def test_a_small_drift_beside_a_floor_near_chance_is_not_called_small():
    chance = PREVIOUS + np.array(SMALL)[:, None] - 0.04
    floors = judged(CLEAR, SMALL, chance=chance)
    assert (floors.word, floors.small) == ("below both", False)


def test_masks_that_keep_everything_show_nothing():
    """J is 1 throughout, by chance too."""
    whole = levels([1.0, 1.0, 1.0])
    assert compare_with_floors(whole, whole, whole, 0.05, whole).word == "near chance"


def test_equivalence_needs_a_margin():
    assert judged(CLEAR, NEAR, margin=0).word == "not shown"


def test_one_seed_and_equal_seeds_have_no_verdict():
    one = compare_with_floors(PREVIOUS[:1], PREVIOUS[:1] + 0.3, PREVIOUS[:1] + 0.1, 0.05)
    assert one.word == "one seed"
    assert math.isnan(one.p)
    assert one.redraw.difference == pytest.approx(0.3)
    alike = judged([0.3] * 4, [0.25] * 4, previous=levels([0.5] * 4))
    assert alike.word == "no spread"
    assert math.isnan(alike.p)


def test_nothing_defined_is_said_and_never_0():
    floors = compare_with_floors(NONE, NONE, NONE, 0.05)
    assert (floors.word, floors.redraw, floors.retrain, floors.mean("previous")) == ("undefined", None, None, None)
    assert math.isnan(floors.p)
    assert judged(CLEAR).mean("retrain") is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(0, 1))] * 3), min_size=8, max_size=8))
def test_means_are_over_rounds_that_all_have(cells):
    """The slow twin goes through seeds and rounds one by one."""
    arrays = np.array([[math.nan if value is None else value for value in row] for row in cells]).T.reshape(3, 2, 4)
    if not np.isfinite(arrays[2]).any():
        return
    expected = []
    for seed in range(2):
        whole = [r for r in range(4) if all(math.isfinite(arrays[i, seed, r]) for i in range(3))]
        if whole:
            expected.append([sum(arrays[i, seed, r] for r in whole) / len(whole) for i in range(3)])
    floors = compare_with_floors(*arrays, 0.05)
    shown = np.array([floors.values[name] for name in ("previous", "redraw", "retrain")]).T
    np.testing.assert_allclose(shown, np.array(expected).reshape(-1, 3), rtol=1e-12)


def test_a_seed_without_any_overlap_is_left_out_of_the_layer():
    previous = PREVIOUS.copy()
    previous[0] = np.nan
    previous[1, 1] = np.nan
    floors = compare_with_floors(previous, PREVIOUS + 0.3, PREVIOUS + 0.1, 0.05)
    assert floors.seeds == 3


def test_holm_counts_only_layers_that_are_defined():
    weak = judged([0.3, 0.1, 0.2, 0.15], [0.25, 0.06, 0.2, 0.12])
    assert weak.word == "below both"
    none = compare_with_floors(NONE, NONE, NONE, 0.05)
    family = corrected([weak, none, judged(CLEAR, CLEAR), judged(CLEAR, WIDE)])
    strict = holm([weak.p, judged(CLEAR, CLEAR).p, judged(CLEAR, WIDE).p])
    assert [floors.word for floors in family] == ["not after Holm", "undefined", "below both", "not shown"]
    assert [family[0].p, family[2].p, family[3].p] == pytest.approx(strict)
    assert corrected([weak])[0].word == "below both"
    assert corrected([]) == []


def test_layers_are_those_of_the_run():
    drift = read_drift(make_tables(seeds=4, rounds=2, layers=14))
    variant = drift.variants[0]
    by_layer = floors_by_layer(drift, variant, 0.05)
    assert len(by_layer) == 14
    assert [floors.word for floors in by_layer[-2:]] == ["undefined", "undefined"]
    alone = floors_of(drift, variant, 0.05, "conv1.weight")
    assert by_layer[3].retrain == alone.retrain
    assert by_layer[3].p >= alone.p


def fieller_by_search(part, whole):
    """The slow twin: every ρ on a grid whose t interval of part − ρ·whole holds 0."""
    grid = np.linspace(-3, 3, 60_001)
    means = [mean_interval(part - rho * whole) for rho in grid[::200]]
    inside = [rho for rho, mean in zip(grid[::200], means, strict=True) if mean.low <= 0 <= mean.high]
    fine = np.concatenate([np.linspace(end - 0.03, end + 0.03, 601) for end in (min(inside), max(inside))])
    held = [rho for rho in fine if (mean := mean_interval(part - rho * whole)).low <= 0 <= mean.high]
    return min(held), max(held)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fiellers_interval_inverts_the_t_test(seed):
    rng = np.random.default_rng(seed)
    whole, part = 0.4 + 0.05 * rng.normal(size=5), 0.1 + 0.05 * rng.normal(size=5)
    floors = judged_values(whole, part)
    share = labels_share(floors)
    assert share.value == pytest.approx(part.mean() / whole.mean())
    assert (share.low, share.high) == pytest.approx(fieller_by_search(part, whole), abs=2e-4)


def judged_values(whole, part):
    previous = levels(np.linspace(0.4, 0.5, len(whole)))
    return compare_with_floors(previous, previous + whole[:, None], previous + part[:, None], 0.05)


def test_nothing_lost_cannot_be_shared_out():
    assert labels_share(judged(NEAR, NEAR)) is None
    assert labels_share(judged(CLEAR)) is None
    assert labels_share(compare_with_floors(PREVIOUS[:1], PREVIOUS[:1] + 0.3, PREVIOUS[:1] + 0.1, 0.05)) is None


def settled_of(previous, margin=0.05, **more):
    drift = read_drift(make_tables(rounds=len(previous), previous=previous, layers=11, **more))
    return settling(drift, drift.variants[0], margin)


def test_settled_from_the_round_that_the_sequence_reaches():
    result = settled_of((0.4, 0.6, 0.4, 0.58, 0.6), noise=0.005)
    assert (result.floor, result.outcome, result.number) == ("retrain", "settled", 4)  # round 2 lies before a failure


def test_the_sequence_is_that_of_the_intervals_one_by_one():
    drift = read_drift(make_tables(rounds=6, previous=(0.5, 0.53, 0.55, 0.56, 0.58, 0.6), layers=11))
    variant = drift.variants[0]
    retrain, previous = (getattr(drift.masks(variant), name) for name in ("retrain", "previous"))
    for margin in (0.02, 0.04, 0.06, 0.11):
        since = None
        for r in range(6, 0, -1):
            if mean_interval(retrain[:, r] - previous[:, r], 0.90).high >= margin:
                break
            since = r
        assert settling(drift, variant, margin).number == since


def test_not_settled_above_the_margin_or_above_the_floor():
    far, near = settled_of((0.4, 0.45)), settled_of((0.4, 0.55), noise=0.003)
    assert (far.outcome, near.outcome) == ("not settled", "not settled")
    assert far.interval.low > 0.05 > near.interval.low > 0


def test_settling_that_cannot_be_told():
    one = settled_of((0.6, 0.6), seeds=1)
    assert (one.outcome, one.number, one.last.n) == ("cannot tell", None, 1)
    wide = settled_of((0.6, 0.6), noise=0.1, seeds=3)
    assert wide.outcome == "cannot tell"
    drift = read_drift({"results": [{**row, "jaccard_previous": None} for row in make_tables(layers=11)["results"]]})
    assert settling(drift, drift.variants[0], 0.05).last is None


def test_without_a_retrain_floor_the_stricter_one_stands_in():
    result = settled_of((0.4, 0.89), retrain=None, noise=0.003)
    assert (result.floor, result.outcome, result.number) == ("redraw", "settled", 2)


def test_false_alarms_are_rare():
    """Without drift, previous and retrain are alike: below both in no more than 2.5 % and settled as it should."""
    rng = np.random.default_rng(0)
    words = []
    for _ in range(1000):
        previous, redraw, retrain = (rng.normal(mean, 0.05, size=(5, 4)) for mean in (0.6, 0.9, 0.6))
        words.append(compare_with_floors(previous, redraw, retrain, 0.05).word)
    assert words.count("below both") <= 35
    assert drift_floors.DEFAULT_MARGIN == 0.05
