"""Answers and the three lines carry their numbers, in every verdict, in few plain words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drift_draws import NOISES, World, draw
from drift_rows import make_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import faults

from fbench.harness.contract import Summary, Table
from fbench.measure.power import about_seeds
from fbench.measure.statistics import paired
from fbench.suites.drift.answers import both_answers, lead
from fbench.suites.drift.claim_answer import claim_answer, other_parts
from fbench.suites.drift.falls import ClaimParts
from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.verdicts import judge
from fbench.suites.drift.wording import part_with_interval


def said(margin=0.2, edit=lambda row: row, **more):
    tables = make_tables(**{"layers": 32, "rounds": 3, "fractions": (0.05,), **more})
    drift = read_drift({**tables, "results": [edit(dict(row)) for row in tables["results"]]})
    verdicts = judge(drift, margin)
    summary = Summary([Table("t", [], [])], lead=lead(drift, verdicts), answers=both_answers(drift, verdicts))
    assert faults(summary) == []
    return summary, verdicts


def near_chance(row):
    """The baseline of training where random masks are."""
    return {**row, "jaccard_chance": row["jaccard_retrain"]}


def scattered(by):
    """A baseline of training that lies above the overlap by this on average, and below it in a seed."""

    def edit(row):
        known = row["jaccard_retrain"] is not None
        again = 0.45 + by + (-0.1, 0.1, -0.05, 0.05)[row["seed"]] + 0.001 * row["round"]
        return {**row, "jaccard_retrain": again if known else None}

    return edit


def test_drift_is_said_with_what_new_labels_take():
    summary, verdicts = said()
    (compared,) = verdicts.compared.values()
    taken = part_with_interval(compared.taken, compared.seeds)
    assert taken.startswith("29 % (")
    first, numbers, to_do = summary.lead
    assert first == (
        f"New labels change the mask: neighbouring rounds overlap by J {compared.mean('previous'):.2f}, masks trained "
        f"again on the same labels by {compared.mean('retrain'):.2f}."
    )
    assert numbers == (f"With 5 % kept, 6 seeds: new labels take {taken} of retraining's overlap above chance.")
    assert to_do.startswith("Make the mask again after every round")
    assert summary.answers[0].verdict == "yes"
    assert summary.answers[0].sentence == (f"The part new labels take is {taken} with 5 % kept, over 6 seeds.")


@pytest.mark.parametrize(
    ("more", "verdict", "sentence", "advice"),
    [
        ({"previous": 0.6, "noise": 0.002}, "no", "The part new labels take is ", "20 %: keep the mask for a while."),
        (
            {"edit": scattered(0.08), "seeds": 4},
            "not shown",
            "over 4 seeds; up to ",
            "showing that it is below 20 % would need ",
        ),
        (
            {"edit": scattered(-0.02), "seeds": 4, "margin": 0.01},
            "not shown",
            "so none is shown",
            "",
        ),
        (
            {"seeds": 3},
            "too few",
            "over 3 seeds.",
            "Verdicts need 4 seeds or more; at this spread, some 5 would settle the margin of 20 %.",
        ),
        ({"seeds": 1}, "too few", "over 1 seed.", "verdicts need 4 seeds or more."),
        ({"retrain": None}, "not shown", "none was trained again.", "fbench drift --retrain 1"),
        ({"rounds": 0}, "too few", "No round has an overlap with the one before", ""),
        ({"edit": near_chance, "previous": 0.6}, "not shown", "not shown to be more than chance gives", "Keep another"),
    ],
)
def test_every_verdict_in_words(more, verdict, sentence, advice):
    answer = said(**more)[0].answers[0]
    assert answer.verdict == verdict
    assert sentence in answer.sentence
    assert advice in answer.advice


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"previous": 0.6, "noise": 0.002},
            "but hardly more than training again on the same labels changes them (0.60).",
        ),
        ({"edit": scattered(0.08), "seeds": 4}, ": drift is neither shown nor excluded."),
        ({"seeds": 3}, "3 seeds are too few to judge drift: neighbouring rounds overlap by J 0."),
        ({"seeds": 1}, "1 seed is too few to judge drift"),
        ({"retrain": None}, "without training again, new labels cannot be told from training noise."),
        ({"rounds": 0}, "Whether masks drift cannot be told"),
    ],
)
def test_the_first_line(more, words):
    assert words in said(**more)[0].lead[0]


def test_rows_that_are_shown_to_be_small_are_counted_beside_those_that_are_open():
    """One fraction's masks scatter, the other's hardly move."""
    scatter = scattered(0.3)

    def one_scatters(row):
        return scatter(row) if row["fraction"] == 0.05 else row

    summary, verdicts = said(edit=one_scatters, seeds=4, fractions=(0.05, 0.2), previous=0.6, noise=0.002)
    assert sorted(verdicts.drifts.values()) == ["no", "not shown"]
    assert summary.lead[0].endswith("new labels do little of it at 1 of 2 fractions, the other is open.")
    assert summary.answers[0].verdict == "not shown"
    assert "% remains possible" in summary.answers[0].sentence


def test_drift_of_another_fraction_is_said_to_be_that():
    def alike(row):
        same = row["fraction"] == 0.05 and row["jaccard_previous"]
        return {**row, "jaccard_previous": row["jaccard_retrain"]} if same else row

    summary, _ = said(edit=alike, fractions=(0.05, 0.2))
    assert summary.lead[0].startswith("New labels change the mask with 20 % kept: neighbouring rounds overlap by J 0.4")
    assert summary.lead[1].startswith("With 20 % kept, 6 seeds: new labels take 30 % (")
    assert "with 20 % kept, over 6 seeds; drift is shown at 1 of 2 fractions." in summary.answers[0].sentence


def test_few_seeds_have_no_interval_to_laugh_at():
    text = str(said(seeds=3, noise=0.15, previous=0.55)[0].answers[0])
    assert " to " not in text.split("Too few.")[1].split("over")[0]


def test_where_the_share_falls():
    summary, verdicts = said(fractions=(0.05, 0.2), layers=62, fall=(0.3, 0.05))
    answer, place = summary.answers[1], verdicts.falls[0].place
    assert answer.verdict == verdicts.claim
    large = verdicts.falls[1].place
    assert answer.sentence == (
        f"The share halves by depth {place.mean:.3f} ({place.low:.3f} to {place.high:.3f}) at 5 % kept, by "
        f"{large.mean:.3f} ({large.low:.3f} to {large.high:.3f}) at 20 %; a third (0.29 to 0.42) is shown at 5 %."
    )
    assert answer.advice == "Name the fraction kept wherever the depth of a fall is told."


def claimed(*words):
    """The verdicts where every fraction's parts of the claim are these."""
    fractions = (0.01, 0.02, 0.05, 0.2)[: len(words)]
    _, verdicts = said(fractions=fractions, layers=32, seeds=4)
    parts = [ClaimParts(*one) for one in words]
    verdicts = replace(verdicts, parts=dict(zip(verdicts.parts, parts, strict=True)))
    drift = read_drift(make_tables(fractions=fractions, layers=32, seeds=4, rounds=3))
    summary = Summary([Table("t", [], [])], lead=lead(drift, verdicts), answers=both_answers(drift, verdicts))
    assert faults(summary) == []
    return verdicts


ALL, NONE, FLAT = ("yes", "yes", "yes"), ("no", "no", "not shown"), ("yes", "no", "yes")
OPEN = ("not shown", "yes", "not shown")


@pytest.mark.parametrize(
    ("words", "verdict", "third", "other"),
    [
        ((ALL, FLAT), "yes", "all", "depth) at 1 %, and to leave nearly nothing (below 10 % of the"),
        ((NONE, FLAT), "no", "2 %", "of the depth) at none, and to leave nearly nothing"),
        ((FLAT, FLAT, FLAT, NONE), "no", "3 of 4", "highest share) at 3 of 4."),
        ((ALL, OPEN), "not shown", "1 %", "of the depth) at all, and"),
        ((NONE, OPEN), "no", "none", "highest share) at none."),
        ((FLAT,), "yes", "1 %", "highest share) at 1 %."),
    ],
)
def test_one_depth_decides_and_the_rest_is_evidence(words, verdict, third, other):
    verdicts = claimed(*words)
    answer = claim_answer(verdicts)
    assert answer.verdict == verdict
    assert answer.sentence.startswith("The share halves by depth 0.")
    assert answer.sentence.endswith(f"; a third (0.29 to 0.42) is shown at {third}.")
    (sentence,) = other_parts(verdicts)
    assert other in sentence
    assert len(sentence.split()) <= 40


def test_too_few_seeds_have_a_depth_and_nothing_shown():
    verdicts = claimed(*[("too few",) * 3] * 2)
    assert "shown" not in claim_answer(verdicts).sentence
    assert list(other_parts(verdicts)) == []


def test_what_remains_possible_and_the_range_of_all_rows():
    summary, verdicts = said(edit=scattered(-0.02), seeds=4, fractions=(0.05, 0.2))
    takes = [one.taken for one in verdicts.compared.values()]
    assert summary.lead[1].endswith(f"so none is shown; up to {100 * takes[0].high:.0f} % remains possible.")
    summary, verdicts = said(edit=scattered(0.08), seeds=4, fractions=(0.05, 0.2))
    takes = [one.taken for one in verdicts.compared.values()]
    least, most = (round(100 * end(taken.value for taken in takes)) for end in (min, max))
    assert f"; up to {100 * takes[0].high:.0f} % remains possible; estimates by fraction " in summary.lead[1]
    assert summary.lead[1].endswith(f"estimates by fraction {least} to {most} %.")


def test_too_few_seeds_are_said_so_with_what_is_known():
    def low(row):
        return {**row, "jaccard_retrain": row["jaccard_retrain"] and 0.2}

    first, _, to_do = said(seeds=3, edit=low)[0].lead
    assert first.endswith("masks trained again on the same labels by 0.20.")
    assert to_do.startswith("Average over trainings (retrained masks share J 0.20); at this spread, some ")
    assert said(seeds=1, edit=low)[0].lead[2].startswith("Provisional: a retrained mask shares only J 0.20")
    assert said(seeds=1)[0].lead[2] == "Take 4 seeds or more for a verdict."


def test_the_spread_of_two_or_three_seeds_suggests_how_many_settle_the_margin():
    summary, verdicts = said(seeds=3, noise=0.1)
    (compared,) = verdicts.compared.values()
    gap = paired(compared.values["previous"], compared.values["retrain"])
    room = compared.mean("retrain") - compared.mean("chance")
    expected = about_seeds(gap, "not inferior", 0.2 * room, least=4)
    assert expected.number > 4
    assert summary.lead[2] == (
        f"Take 4 seeds or more for a verdict; at this spread, {expected} would settle the margin of 20 %."
    )


@pytest.mark.parametrize(
    ("more", "verdict", "words"),
    [
        ({"fall": None}, "no", "No fall is read: no share falls to its half."),
        ({"rules": ("layer",)}, "not shown", "every layer keeps the same share by rule."),
        ({"layers": 14}, "not shown", "too few layers, 4 of the 8 that a third can be told in."),
        ({"seeds": 3}, "too few", "The share halves by depth 0.3"),
    ],
)
def test_the_posters_claim_in_words(more, verdict, words):
    answer = said(**more)[0].answers[1]
    assert answer.verdict == verdict
    assert words in answer.sentence


@settings(max_examples=60, deadline=None)
@given(
    seeds=st.integers(1, 9),
    noise=st.sampled_from(NOISES),
    taken=st.floats(-1, 1),
    sd=st.floats(0.001, 0.2),
    margin=st.floats(0.001, 1),
    seed=st.integers(0, 2**32),
)
def test_words_are_few_whatever_was_measured(seeds, noise, taken, sd, margin, seed):
    world = World(taken=taken, sd=sd, seed_sd=sd, layer_sd=10 * sd)
    drift = draw(world, seeds, noise, np.random.default_rng(seed))
    verdicts = judge(drift, margin)
    summary = Summary([Table("t", [], [])], lead=lead(drift, verdicts), answers=both_answers(drift, verdicts))
    assert faults(summary) == []
