"""Falls are looked for where there is one to find, and the poster's claim is judged part by part."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drift_rows import FALL, make_tables, variant_fall

from fbench.measure.statistics import Interval
from fbench.suites.drift import falls
from fbench.suites.drift.falls import fall_sentences, find_falls, nearly_zero, share_profile, steepness
from fbench.suites.drift.measured import Variant
from fbench.suites.drift.rows import read_drift


def drift_of(**more):
    return read_drift(make_tables(**{"seeds": 2, "rounds": 1, **more}))


def test_a_profile_is_of_weights_less_what_is_kept_by_decree():
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


def test_a_planted_fall_is_found_in_every_seed():
    (one, two) = find_falls(drift_of(fractions=(0.05, 0.2)))
    assert one.shown.p < 0.05
    assert one.shown.place == pytest.approx(0.35, abs=0.1)
    assert one.places == pytest.approx([0.35, 0.35], abs=0.1)
    assert two.shown.place > one.shown.place


def test_a_flat_profile_shows_none():
    drift = drift_of(fractions=(0.05,), fall=None)
    (one,) = find_falls(drift)
    assert one.fall is not None
    assert one.shown is None
    share = share_profile(drift, one.variant).shares.mean(axis=0)
    top, next_, half = (100 * np.sort(share)[-1], 100 * np.sort(share)[-2], 100 * np.median(share))
    sentence = fall_sentences([one])[1]
    assert sentence.startswith(f"With 5 % kept: no fall shown (p = {one.p:.2f}); the largest share is kept of ")
    assert f", {top:.3g} %), the next of " in sentence
    assert sentence.endswith(f", {next_:.3g} %); the median layer keeps {half:.3g} %.")


def test_too_few_layers_and_the_rule_by_layer_are_said():
    rule = find_falls(drift_of(rules=("layer",), fractions=(0.05,)))
    few = find_falls(drift_of(layers=20, fractions=(0.05, 0.2)))
    assert fall_sentences(rule) == [
        "The share of weights kept by depth has no fall judged (5 % kept): every layer keeps the same share by rule."
    ]
    assert fall_sentences(few) == [
        "The share of weights kept by depth has no fall judged (5 % kept; 20 % kept): too few layers (n = 6 < 8) to "
        "look for a fall; a deeper network, such as --model thin-resnet18, has more."
    ]
    assert math.isnan(few[0].p)


def test_only_the_first_strategy_and_the_main_draws_are_looked_at():
    drift = drift_of(strategies=("bait", "random"), samples=(64, 256), redraws=(1, 2), fractions=(0.05, 0.2))
    variants = [fall.variant for fall in find_falls(drift)]
    assert variants == [Variant("bait", 256, 2, "global", "kept", fraction) for fraction in (0.05, 0.2)]


def test_a_profile_that_only_rises_has_nothing_to_fit(monkeypatch):
    monkeypatch.setattr(falls, "fit_fall", lambda *_, **__: None)
    assert fall_sentences(find_falls(drift_of(fractions=(0.05,))))[0].endswith(
        "the share rises or stays from layer to layer, so there is no fall to fit."
    )


@pytest.mark.parametrize(
    ("interval", "word"), [((0, 0.25), "steep"), ((0.26, 0.5), "gradual"), ((0.1, 0.5), "unresolved")]
)
def test_steep_is_judged_by_the_interval(interval, word):
    fall = replace(FALL, width_interval=Interval(*interval))
    assert steepness(fall) == word
    assert word in fall_sentences([variant_fall(fall)])[1]


def test_nearly_zero_is_a_tenth_of_the_level_before():
    assert nearly_zero(FALL)
    assert not nearly_zero(replace(FALL, after=0.0101))
    assert nearly_zero(replace(FALL, after=-0.001))


def test_a_falls_sentence_carries_its_numbers():
    explained, sentence = fall_sentences([variant_fall()])
    assert explained == (
        "Whether the share of weights that bait+fish's masks keep falls with depth (0: first layer, 1: last) is judged "
        "by a ramp between two levels, fitted to 20 convolution and linear layers, mean over seeds and rounds: 95 % "
        "intervals over layers; steep: within 0.25 of the depth; nearly to zero: to under 10 % of the level before."
    )
    assert sentence == (
        "With 5 % kept: the share falls from 10 % to 0.5 %, nearly to zero, a drop of 9.5 points (8 to 10); the middle "
        "of the fall is at depth 0.35 (0.30 to 0.40), over 0.10 of the depth (width 0.00 to 0.20), steep; p = 0.002 "
        "against no fall; 3 of 3 seeds show it by themselves, at 0.34 to 0.36."
    )


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ((0.3,), "against no fall, one seed."),
        ((math.nan, math.nan), "; none of the 2 seeds shows it by itself."),
        ((0.3, math.nan), "; 1 of 2 seeds show it by themselves, at 0.30."),
    ],
)
def test_each_seeds_own_place(places, words):
    assert fall_sentences([variant_fall(places=places)])[1].endswith(words)


def test_no_layer_drops_by_more_than_all_of_it():
    assert "(61 to 100)" in fall_sentences([variant_fall(replace(FALL, drop_interval=Interval(0.61, 1.07)))])[1]


def test_a_step_lies_between_neighbours():
    sentence = fall_sentences([variant_fall(replace(FALL, width=0.0))])[1]
    assert "between two neighbouring layers (width 0.00 to 0.20)" in sentence


def test_pointwise_convolutions_are_left_out_and_counted():
    tables = make_tables(seeds=2, rounds=1, fractions=(0.05,))
    shortcuts = ("conv3.weight", "conv6.weight")
    for row in tables["results"]:
        if row["layer"] in shortcuts:
            row.update(kind="pointwise", share=1.0)
    drift = read_drift(tables)
    names = [drift.layers[i].name for i in share_profile(drift, drift.variants[0]).layers]
    assert names == [f"conv{i}.weight" for i in range(10) if i not in (3, 6)]
    (one,) = find_falls(drift)
    assert (one.layers, one.pointwise) == (8, 2)
    assert (
        "fitted to 8 convolution and linear layers (2 of 1×1, as in shortcuts, left out)," in fall_sentences([one])[0]
    )
