"""The fall of the share kept is read seed by seed, and the poster's claim by its three parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drift_rows import make_tables

from fbench.measure.falls import fall_of
from fbench.suites.drift.falls import THIRD, VariantFall, find_falls, share_profile
from fbench.suites.drift.measured import Variant
from fbench.suites.drift.rows import read_drift

VARIANT = Variant("random", 1024, 1, "global", "kept", 0.05)


def drift_of(**more):
    return read_drift(make_tables(**{"seeds": 2, "rounds": 1, **more}))


def test_a_profile_is_of_weights_less_what_is_always_kept():
    drift = drift_of(classifier=("kept", "free"), fractions=(0.05,))
    kept, free = (share_profile(drift, variant) for variant in drift.variants)
    assert [drift.layers[i].name for i in kept.layers] == [f"conv{i}.weight" for i in range(10)]
    assert [drift.layers[i].name for i in free.layers][-1] == "fc.weight"
    assert kept.depth.tolist() == [drift.layers[i].depth for i in kept.layers]
    for column, index in enumerate(kept.layers):
        share = drift.masks(drift.variants[0], drift.layers[index].name).share
        assert kept.shares[:, column] == pytest.approx([sum(row) / 2 for row in share])


def test_a_layer_that_is_kept_whole_by_choice_stays():
    drift = drift_of(fractions=(0.9,), fall=None, levels=(1.2, 1.2), noise=0.02)
    assert len(share_profile(drift, drift.variants[0]).layers) == 10


def test_pointwise_convolutions_are_left_out():
    tables = make_tables(seeds=2, rounds=1, fractions=(0.05,))
    for row in tables["results"]:
        if row["layer"] in ("conv3.weight", "conv6.weight"):
            row.update(kind="pointwise", share=1.0)
    drift = read_drift(tables)
    names = [drift.layers[i].name for i in share_profile(drift, drift.variants[0]).layers]
    assert names == [f"conv{i}.weight" for i in range(10) if i not in (3, 6)]


def test_a_planted_fall_is_read_in_every_seed():
    drift = drift_of(fractions=(0.2, 0.05), seeds=4, layers=62)
    small, large = find_falls(drift)
    assert (small.variant.fraction, large.variant.fraction) == (0.05, 0.2)
    profile = share_profile(drift, small.variant)
    assert small.places.tolist() == [fall_of(profile.depth, share).place for share in profile.shares]
    assert small.place.mean < large.place.mean
    assert small.readable


def test_too_few_layers_and_the_rule_by_layer_are_said():
    (rule,) = find_falls(drift_of(rules=("layer",), fractions=(0.05,)))
    few, _ = find_falls(drift_of(layers=20, fractions=(0.05, 0.2)))
    assert rule.reason == "every layer keeps the same share by rule"
    assert few.reason == "too few layers, 6 of the 8 that a third can be told in"
    assert few.tested == []
    assert not few.readable


def test_only_the_first_strategy_and_the_main_draws_are_looked_at():
    drift = drift_of(strategies=("bait", "random"), samples=(64, 256), redraws=(1, 2), fractions=(0.05, 0.2))
    variants = [fall.variant for fall in find_falls(drift)]
    assert variants == [Variant("bait", 256, 2, "global", "kept", fraction) for fraction in (0.05, 0.2)]


def near(mean, sd=0.002, n=4):
    """Values of this mean with a little spread."""
    return mean + sd * np.linspace(-1, 1, n)


def words(place=0.34, width=0.1, left=0.01, **more):
    fall = VariantFall(VARIANT, near(place, **more), near(width, **more), near(left, **more))
    return [word for word, _ in fall.tested]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ["yes", "yes", "yes"]),
        ({"place": 0.2}, ["no", "yes", "yes"]),
        ({"place": THIRD[0]}, ["not shown", "yes", "yes"]),
        ({"width": 0.25}, ["yes", "not shown", "yes"]),
        ({"width": 0.4}, ["yes", "no", "yes"]),
        ({"left": 0.1}, ["yes", "yes", "not shown"]),
        ({"left": 0.2}, ["yes", "yes", "no"]),
        ({"n": 3}, ["too few"] * 3),
        ({"place": math.nan, "width": math.nan, "left": 0.9}, ["no", "no", "no"]),
    ],
)
def test_parts_of_the_claim(values, expected):
    assert words(**values) == expected


def test_an_interval_that_holds_more_than_a_third_is_no_yes():
    fall = VariantFall(VARIANT, np.array([0.1, 0.6, 0.3, 0.4]), near(0.1), near(0.01))
    assert fall.tested[0][0] == "not shown"


def test_a_share_that_falls_in_some_seeds_alone_is_not_shown():
    fall = VariantFall(VARIANT, np.array([0.3, math.nan, 0.3, 0.31]), near(0.1), near(0.4))
    assert fall.tested[0] == ("not shown", 1.0)
    assert fall.place is None


def test_the_p_of_a_part_is_that_of_the_nearer_end():
    inside = VariantFall(VARIANT, near(0.30), near(0.1), np.zeros(4))
    (_, third), (_, steep), (_, zero) = inside.tested
    assert 0 < steep < third < 0.05
    assert zero == 0
