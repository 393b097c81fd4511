"""Falls are looked for where there is one to find, and the poster's claim is judged part by part."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drift_rows import make_tables

from fbench.measure.falls import Fall
from fbench.measure.statistics import Interval
from fbench.results import drift_falls
from fbench.results.drift_claim import claim
from fbench.results.drift_falls import Found, find, nearly_zero, profile, sentences, steepness
from fbench.results.drift_rows import Variant, read_drift

MAIN = Variant("bait+fish", 1024, 1, "global", "kept", 0.05)
FALL = Fall(
    layers=20, place=0.35, place_interval=Interval(0.3, 0.4), width=0.1, width_interval=Interval(0.0, 0.2),
    before=0.1, after=0.005, drop=0.095, drop_interval=Interval(0.08, 0.1), p=0.002, autocorrelation=0.0, explained=0.9,
)  # fmt: skip


def found(fall=FALL, places=(0.34, 0.36, 0.35), reason="", layers=20, **variant):
    return Found(MAIN._replace(**variant), fall, reason, layers, np.array(places, dtype=float))


def drift_of(**more):
    return read_drift(make_tables(**{"seeds": 2, "rounds": 1, **more})["results"])


def test_a_profile_is_of_weights_less_what_is_kept_by_decree():
    drift = drift_of(classifier=("kept", "free"), fractions=(0.05,))
    kept, free = (profile(drift, variant) for variant in drift.variants)
    assert [drift.layers[i].name for i in kept.layers] == [f"conv{i}.weight" for i in range(10)]
    assert [drift.layers[i].name for i in free.layers][-1] == "fc.weight"
    assert kept.depth.tolist() == [drift.layers[i].depth for i in kept.layers]
    for column, index in enumerate(kept.layers):
        each = drift.values(drift.variants[0], "share", drift.layers[index].name)
        assert kept.values[:, column] == pytest.approx([sum(row) / 2 for row in each])


def test_a_layer_that_is_kept_whole_by_choice_stays():
    drift = drift_of(fractions=(0.9,), fall=None, levels=(1.2, 1.2), noise=0.02)
    assert len(profile(drift, drift.variants[0]).layers) == 10


def test_a_planted_fall_is_found_in_every_seed():
    (one, two) = find(drift_of(fractions=(0.05, 0.2)))
    assert one.shown.p < 0.05
    assert one.shown.place == pytest.approx(0.35, abs=0.1)
    assert one.places == pytest.approx([0.35, 0.35], abs=0.1)
    assert two.shown.place > one.shown.place


def test_a_flat_profile_shows_none():
    drift = drift_of(fractions=(0.05,), fall=None)
    (one,) = find(drift)
    assert one.fall is not None
    assert one.shown is None
    share = profile(drift, one.variant).values.mean(axis=0)
    top, next_, half = (100 * np.sort(share)[-1], 100 * np.sort(share)[-2], 100 * np.median(share))
    said = sentences([one])[1]
    assert said.startswith(f"With 5 % kept: no fall shown (p = {one.p:.2f}); the largest share is kept of ")
    assert f", {top:.3g} %), the next of " in said
    assert said.endswith(f", {next_:.3g} %); the median layer keeps {half:.3g} %.")


def test_too_few_layers_and_the_rule_by_layer_are_said():
    rule, few = find(drift_of(rules=("layer",), fractions=(0.05,))), find(drift_of(layers=20, fractions=(0.05, 0.2)))
    assert sentences(rule) == [
        "The share of weights kept by depth has no fall judged (5 % kept): every layer keeps the same share by rule."
    ]
    assert sentences(few) == [
        "The share of weights kept by depth has no fall judged (5 % kept; 20 % kept): too few layers (n = 6 < 8) to "
        "look for a fall; a deeper network, such as --model thin-resnet18, has more."
    ]
    assert claim(few) == []
    assert math.isnan(few[0].p)


def test_only_the_first_strategy_and_the_main_draws_are_looked_at():
    drift = drift_of(strategies=("bait", "random"), samples=(64, 256), redraws=(1, 2), fractions=(0.05, 0.2))
    own = [each.variant for each in find(drift)]
    assert own == [Variant("bait", 256, 2, "global", "kept", fraction) for fraction in (0.05, 0.2)]


def test_a_profile_that_only_rises_has_nothing_to_fit(monkeypatch):
    monkeypatch.setattr(drift_falls, "fit_fall", lambda *_, **__: None)
    assert sentences(find(drift_of(fractions=(0.05,))))[0].endswith(
        "the share rises or stays from layer to layer, so there is no fall to fit."
    )


@pytest.mark.parametrize(
    ("interval", "word"), [((0, 0.25), "steep"), ((0.26, 0.5), "gradual"), ((0.1, 0.5), "unresolved")]
)
def test_steep_is_judged_by_the_interval(interval, word):
    fall = replace(FALL, width_interval=Interval(*interval))
    assert steepness(fall) == word
    assert word in sentences([found(fall)])[1]


def test_nearly_zero_is_a_tenth_of_the_level_before():
    assert nearly_zero(FALL)
    assert not nearly_zero(replace(FALL, after=0.0101))
    assert nearly_zero(replace(FALL, after=-0.001))


def test_a_falls_sentence_carries_its_numbers():
    explained, said = sentences([found()])
    assert explained == (
        "Whether the share of weights that bait+fish's masks keep falls with depth (0: first layer, 1: last) is judged "
        "by a ramp between two levels, fitted to 20 convolution and linear layers, mean over seeds and rounds: 95 % "
        "intervals over layers; steep: within 0.25 of the depth; nearly to zero: to under 10 % of the level before."
    )
    assert said == (
        "With 5 % kept: the share falls from 10 % to 0.5 %, nearly to zero, a drop of 9.5 points (8 to 10); the middle "
        "of the fall is at depth 0.35 (0.30 to 0.40), over 0.10 of the depth (width 0.00 to 0.20), steep; p = 0.002 "
        "against no fall; 3 of 3 seeds show it by themselves, at 0.34 to 0.36."
    )


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ((0.3,), "against no fall, one seed."),
        ((math.nan, math.nan), "; none of the 2 seeds shows it by itself."),
        ((0.3, math.nan), "; 1 of 2 seeds show it by themselves, at 0.30."),
    ],
)
def test_each_seeds_own_place(places, said):
    assert sentences([found(places=places)])[1].endswith(said)


def test_no_layer_drops_by_more_than_all_of_it():
    assert "(61 to 100)" in sentences([found(replace(FALL, drop_interval=Interval(0.61, 1.07)))])[1]


def test_a_step_lies_between_neighbours():
    assert "between two neighbouring layers (width 0.00 to 0.20)" in sentences([found(replace(FALL, width=0.0))])[1]


def test_the_claim_part_by_part():
    deep = replace(FALL, place=0.6, place_interval=Interval(0.5, 0.7), width_interval=Interval(0.3, 0.4), after=0.05)
    none = found(replace(FALL, p=0.3), fraction=0.4)
    said, moved = claim([found(), found(deep, (0.6, 0.62, 0.58), fraction=0.2), none])
    assert said == (
        "The poster's claim, that the share falls steeply to nearly zero about a third of the way into the network, "
        "holds in every part at 1 of 3 fractions (5 % kept). Part by part: with 5 % kept, a fall: yes (p = 0.002), at "
        "a third: yes (0.30 to 0.40), steep: yes (width 0.00 to 0.20), nearly to zero: yes (to 5 % of the level "
        "before); with 20 % kept, a fall: yes (p = 0.002), at a third: no (0.50 to 0.70), steep: no (width 0.30 to "
        "0.40), nearly to zero: no (to 50 % of the level before); with 40 % kept, a fall is not shown (p = "
        "0.30), so the rest has no answer."
    )
    assert moved == (
        "The fall's place by the fraction kept: 0.35 with 5 % and 0.60 with 20 %, a range of 0.25 of the depth. From "
        "5 % to 20 % it shifts by +0.25 (95 % interval +0.21 to +0.29, p = 0.0016, 3 seeds paired)."
    )


def test_an_unresolved_width_is_said_and_does_not_count():
    said = claim([found(replace(FALL, width_interval=Interval(0.1, 0.4)))])[0]
    assert "at 0 of 1 fraction." in said
    assert "steep: unresolved (width 0.10 to 0.40)" in said


def test_other_rules_and_classifiers_are_no_part_of_the_claim():
    said = claim([found(), found(replace(FALL, place_interval=Interval(0.5, 0.6)), classifier="free")])
    assert len(said) == 1
    assert "1 of 1 fraction" in said[0]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        ((0.3, math.nan), (0.6, 0.6), "two seeds show both falls, so the shift from 5 % to 20 % has no interval."),
        ((0.3, 0.3), (0.6, 0.6), "From 5 % to 20 % it shifts by +0.30 in each of 2 seeds alike."),
        ((0.3, 0.5), (0.6, 0.4), "2 seeds paired), which does not show that it moves."),
    ],
)  # fmt: skip
def test_how_the_place_moves(low, high, said):
    assert claim([found(places=low), found(places=high, fraction=0.2)])[1].endswith(said)
