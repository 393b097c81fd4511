"""What is said of drift carries its numbers, and claims no more than these allow."""

from __future__ import annotations

import numpy as np
import pytest
from drift_rows import make_tables

from fbench.measure.statistics import mean_interval, paired
from fbench.results.findings import evidence, plus_minus
from fbench.suites.drift.answer import first_sentences, overlap_sentences, settling_sentences
from fbench.suites.drift.floors import floors_of, labels_share
from fbench.suites.drift.names import percent
from fbench.suites.drift.rows import read_drift


def drift_of(edit=lambda row: row, **more):
    tables = make_tables(**{"layers": 14, "rounds": 3, "fractions": (0.05,), **more})
    return read_drift({**tables, "results": [edit(dict(row)) for row in tables["results"]]})


def sentences_of(margin=0.05, **more):
    drift = drift_of(**more)
    return overlap_sentences(drift, drift.variants[0], margin)


def alike(row):
    """Every seed the same."""
    cells = {"jaccard_previous": 0.5, "jaccard_redraw": 0.9, "jaccard_retrain": 0.6}
    return {**row, **{name: value for name, value in cells.items() if row[name] is not None}}


def near_chance(row):
    """The floor of training where random masks are."""
    return {**row, "jaccard_chance": row["jaccard_retrain"]}


def test_the_first_sentence_has_every_number_of_its_rows():
    drift = drift_of()
    variant = drift.variants[0]
    means = {
        name: plus_minus(mean_interval(getattr(drift.masks(variant), name)[:, 1:].mean(axis=1)))
        for name in ("previous", "redraw", "retrain")
    }
    chance = drift.masks(variant).chance[:, 1:].mean(axis=1)
    gap = paired(drift.masks(variant).previous[:, 1:].mean(axis=1), chance)
    assert overlap_sentences(drift, variant, 0.05)[0] == (
        f"Masks of neighbouring rounds share {means['previous']} of the weights that either keeps (their Jaccard "
        "overlap J; random, 5 % kept; mean over rounds 1 to 3, ±: 95 % t interval over 6 seeds). Redrawing the images "
        f"for the same network leaves J at {means['redraw']} (the redraw floor), training it again on the same labels "
        f"at {means['retrain']} (the retrain floor); masks of random weights, as many in every layer, would share "
        f"{chance.mean():.4f}, less than neighbouring rounds by {gap.difference:+.4f} (95 % interval "
        f"{gap.low:+.4f} to {gap.high:+.4f})."
    )


def test_drift_is_claimed_with_both_comparisons():
    drift = drift_of()
    floors = floors_of(drift, drift.variants[0], 0.05)
    assert overlap_sentences(drift, drift.variants[0], 0.05)[1] == (
        "The mask drifts: neighbouring rounds overlap less than both floors, so new labels change it by more than "
        f"sampling and training noise do. Redraw floor less previous, {evidence(floors.redraw, 'J')}; retrain floor "
        f"less previous, {evidence(floors.retrain, 'J')}. Drift takes both to be above 0 (an intersection-union test), "
        "so neither is corrected. The options fixed this comparison before the run; what follows is exploratory."
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"previous": 0.58, "noise": 0.003}, " and training noise do, though by less than the margin of 0.05. Redraw"),
        ({"previous": 0.6}, "as much as the retrain floor, to within ±0.05 (90 % interval of the difference −0.0"),
        ({"previous": 0.8}, "No drift is seen: neighbouring rounds overlap more than the retrain floor. Red"),
        ({"previous": 0.59, "noise": 0.12, "seeds": 3}, "Drift is not shown: not every interval lies above 0. Red"),
        ({"seeds": 1}, "Whether the mask drifts cannot be tested with one seed. Redraw floor less previous, +0.4"),
        ({"edit": alike}, "Whether the mask drifts cannot be tested, since all seeds differ by exactly the same. Red"),
        ({"retrain": None}, "Masks of neighbouring rounds overlap less than sampling noise alone explains. Red"),
    ],
)  # fmt: skip
def test_verdicts_in_words(more, words):
    assert words in sentences_of(**more)[1]


def test_one_seed_has_no_interval_and_no_confirmation():
    first, verdict = sentences_of(seeds=1)
    assert "mean over rounds 1 to 3, one seed)" in first
    assert "±" not in first
    assert verdict.endswith("on one seed, which has no interval.")


def test_without_retraining_it_is_said_what_is_missing():
    first, verdict, *rest = sentences_of(retrain=None)
    assert "retrain" not in first
    assert verdict.endswith(
        "No network was trained again on the same labels, so how much of this is training noise is not known "
        "(`fbench drift` with --retrain 1 measures it)."
    )
    assert rest == []


def test_beside_another_question_it_is_exploratory():
    drift = drift_of()
    verdict = overlap_sentences(drift, drift.variants[0], 0.05, confirmatory=False)[1]
    assert verdict.endswith("The run was made to compare arms, so all that is said of masks is exploratory.")


def test_an_unclear_difference_says_how_many_seeds_would_do():
    def scattered(row):
        again = None if row["jaccard_previous"] is None else row["jaccard_previous"] + (0.08, 0.02, -0.01)[row["seed"]]
        return {**row, "jaccard_retrain": again}

    verdict = sentences_of(edit=scattered, seeds=3)[1]
    assert "Were this the true difference, " in verdict
    assert "seeds would show it (80 % power, over sd's 80 % interval)." in verdict


def test_the_loss_is_shared_out():
    drift = drift_of()
    share = labels_share(floors_of(drift, drift.variants[0], 0.05))
    text = sentences_of()[2]
    assert f"{percent(1 - share.value)} is training noise and {percent(share.value)} (95 % interval by" in text
    assert text.endswith("is what the new labels changed, so training noise explains most of the loss.")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"previous": 0.3, "retrain": 0.85}, "is what the new labels changed."),
        ({"previous": 0.597, "noise": 0.02}, "; the labels' part is not shown to be more than none."),
        ({"previous": 0.3, "retrain": 0.95}, "Training again is not seen to cost any of the 0."),
        ({"previous": 0.7}, "is seen to come from the new labels rather than from training noise: their part is −"),
    ],
)
def test_shares_beyond_the_plain_case(more, words):
    assert words in sentences_of(**more)[2]


def test_no_overlap_at_all_is_sentences_of():
    assert sentences_of(rounds=0) == [
        "No round after the first has an overlap with the one before (random, 5 % kept), so drift cannot be judged."
    ]


def test_what_varies_is_named():
    assert "J; random, N = 256, rule layer, 5 % kept; " in sentences_of(samples=(256, 64), rules=("layer", "global"))[0]


def test_the_last_round_beside_the_first():
    drift = drift_of()
    first, previous = (getattr(drift.masks(drift.variants[0]), name)[:, -1] for name in ("first", "previous"))
    gap = paired(previous, first)
    (text,) = first_sentences(drift, drift.variants[0])
    assert text.startswith(
        "The last round's mask (round 3, 250 labels) still overlaps that of round 0 (100 labels) by "
        f"J = {plus_minus(mean_interval(first))}, where chance gives about 0.0"
    )
    assert text.endswith(
        f"exceeds that by {gap.difference:.4f} (95 % interval {gap.low:+.4f} to {gap.high:+.4f}, 6 seeds), so changes "
        "add up over the rounds."
    )


def test_the_first_round_is_left_unsaid_where_it_is_the_one_before():
    drift = drift_of(rounds=1)
    assert first_sentences(drift, drift.variants[0]) == []
    one = drift_of(seeds=1)
    assert first_sentences(one, one.variants[0])[0].endswith("(one seed).")
    bare = drift_of(lambda row: {**row, "jaccard_first": None})
    assert first_sentences(bare, bare.variants[0]) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"previous": (0.4, 0.59, 0.6)}, "As far as new labels go, the mask has settled from round 2 (200 labels)"),
        ({"previous": (0.4, 0.59, 0.6)}, " lie less than 0.05 below the retrain floor, tested back from the last"),
        ({"previous": 0.4}, "still lies below the retrain floor, by more than the margin of 0.05 (90 %"),
        ({"previous": 0.55, "noise": 0.003}, "retrain floor, though not shown to be by more than the margin of 0.05"),
        ({"seeds": 1}, "to within 0.05 of the retrain floor, cannot be told: one seed has no interval."),
        ({"previous": 0.6, "noise": 0.1, "seeds": 3}, "cannot be told: the interval is too wide (90 % interval of"),
        ({"edit": near_chance, "previous": 0.6, "noise": 0.01}, "the floor is not shown to lie above chance by more"),
        ({"edit": alike}, "in the last round all seeds differ by exactly the same, which gives no interval."),
        ({"edit": lambda row: {**row, "jaccard_previous": None}}, "the overlap is not defined in every seed."),
        ({"retrain": None}, "cannot be told: what training again would leave of it is not known (90 %"),
    ],
)  # fmt: skip
def test_settling_in_words(more, words):
    drift = drift_of(**more)
    (text,) = settling_sentences(drift, drift.variants[0], 0.05)
    assert words in text


def test_a_single_round_cannot_settle():
    drift = drift_of(rounds=0)
    assert settling_sentences(drift, drift.variants[0], 0.05) == []
    assert np.isnan(drift.masks(drift.variants[0]).previous).all()
