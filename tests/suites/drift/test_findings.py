"""Findings stand in their order, differ where variants do, and say who is left out and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drift_rows import compare_tables, failed, make_options, make_tables

from fbench.measure.statistics import mean_interval
from fbench.results.findings import plus_minus
from fbench.suites.drift import falls
from fbench.suites.drift import findings as drift_findings
from fbench.suites.drift.findings import findings, left_out
from fbench.suites.drift.floors import floors_of
from fbench.suites.drift.rows import read_drift, read_failures

SMALL = {"layers": 14, "rounds": 2, "fractions": (0.05,)}


def sentences_of(edit=lambda row: row, **more):
    tables = make_tables(**{**SMALL, **more})
    tables["results"] = [edit(dict(row)) for row in tables["results"]]
    drift = read_drift(tables)
    return findings(drift, falls.find_falls(drift), 0.05, confirmatory=True)


def one(sentences, begin):
    (text,) = [sentence for sentence in sentences if sentence.startswith(begin)]
    return text


def test_the_order_of_a_whole_run():
    begins = [
        "Masks of neighbouring rounds", "The mask drifts", "Of the 0.", "Layer by layer", "The last round's mask",
        "The mask has not settled", "The ranks of", "Of the Fisher mass", "Whether the share", "With 5 % kept",
        "With 20 % kept", "The poster's claim", "The fall's place", "Mean F_j", "Mean w_j²F_j", "Exploratory",
        "All Fisher diagonals",
    ]  # fmt: skip
    sentences = sentences_of(layers=32, fractions=(0.05, 0.2), seeds=3)
    assert [text[: len(begin)] for text, begin in zip(sentences, begins, strict=True)] == begins


def test_rank_correlations_beside_their_floors():
    tables = make_tables(**SMALL)
    drift = read_drift(tables)
    values = drift.fisher(drift.variants[0]).previous
    text = one(sentences_of(), "The ranks")
    assert f"correlate (Spearman) at {plus_minus(mean_interval(values[:, 1:].mean(axis=1)))} with those" in text
    assert "after training again, below both floors: floors less previous +0.2" in text
    assert text.endswith("95 % intervals over 6 seeds.")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"retrain": None}, ", below the redraw floor, the only one: floors less previous +"),
        ({"seeds": 1}, "; one seed has no interval."),
        ({"previous": 0.7}, ", not shown to be below both floors: "),
        ({"previous": 0.92, "retrain": None}, ", not shown to be below it: "),
    ],
)
def test_rank_correlations_say_what_they_lack(more, words):
    assert words in one(sentences_of(**more), "The ranks")


def test_captured_mass_of_every_fraction():
    text = one(sentences_of(fractions=(0.05, 0.2), seeds=2), "Of the Fisher mass")
    assert " 5 % of the weights hold " in text
    assert " and 20 % of the weights hold " in text
    assert text.endswith("(mean over all rounds and 2 seeds; ±: 95 % t interval).")
    assert one(sentences_of(seeds=1), "Of the Fisher mass").endswith(" % (mean over all rounds and 1 seed).")


def test_variants_that_differ_from_the_main_one_have_a_sentence_of_their_own():
    def no_drift(row):
        if row["fraction"] == 0.2 and row["jaccard_previous"]:
            row["jaccard_previous"] = row["jaccard_retrain"] + 0.001 * (row["seed"] % 2)
        return row

    sentences = [text for text in sentences_of(no_drift, fractions=(0.05, 0.1, 0.2)) if text.startswith("Exploratory")]
    assert len(sentences) == 2
    assert sentences[0].startswith(
        "Exploratory, of 2 other variants, corrected by Holm for 2: the same verdict as above, below both: 10 % kept ("
    )
    assert sentences[1].startswith(
        "Exploratory, of 2 other variants, corrected by Holm for 2: at the floor: 20 % kept (J 0.5"
    )
    assert "retrain floor less that −0.0005, 95 % interval −0.00" in sentences[1]


def test_many_variants_are_left_to_the_table():
    text = one(sentences_of(fractions=tuple(0.01 * i for i in range(1, 10)), noise=0.001), "Exploratory")
    assert text.endswith("; and 2 more, in the table.")


def test_variants_without_an_overlap_and_one_seed():
    assert not any(text.startswith("Exploratory") for text in sentences_of(rounds=0, fractions=(0.05, 0.2)))

    def bare(row):
        return {**row, "jaccard_previous": None} if row["fraction"] == 0.2 else row

    assert one(sentences_of(bare, fractions=(0.05, 0.2)), "Exploratory").endswith("undefined: 20 % kept (no overlap).")
    assert "interval" not in one(sentences_of(seeds=1, fractions=(0.05, 0.2)), "Exploratory")


def test_who_is_left_out_and_why():
    tables = make_tables(seeds=4, strategies=("random", "bait"), **SMALL)
    good = [row for row in tables["results"] if (row["strategy"], row["seed"]) != ("random", 1)]
    rows = [
        *good, failed("random", 1, "loss is nan."), failed("bait+fish", 0, "too large", "oom"),
        failed("bait+fish", 1, "too large", "oom"),
    ]  # fmt: skip
    options = make_options(seeds=5, strategies=("random", "bait", "bait+fish", "badge"))
    assert left_out(read_drift({"results": rows}), read_failures(rows), options) == [
        "Seed 1 is left out of all of the above, for random: failed: loss is nan.",
        "bait+fish finished no seed and is left out: oom: too large.",
        "badge finished no seed and is left out: no rows.",
        "Seed 4 is left out of all of the above: not every round of every variant is there.",
    ]


def test_several_seeds_are_listed():
    rows = [*make_tables(seeds=2, **SMALL)["results"], failed("random", 2, "why"), failed("random", 3, "why")]
    assert left_out(read_drift({"results": rows}), read_failures(rows), make_options(seeds=4)) == [
        "Seeds 2 and 3 are left out of all of the above, for random: failed: why."
    ]


def test_a_comparison_says_itself_what_failed():
    rows = compare_tables(make_tables(seeds=2, **SMALL))["drift"]
    options = make_options(seeds=3, strategies=("random", "bait"))
    assert left_out(read_drift({"results": rows}), read_failures(rows), options) == [
        "Seed 2 is left out of all of the above: not every round of every variant is there."
    ]


def test_verdicts_come_in_the_order_of_the_variants(monkeypatch):
    """Not in a set's, which differs from process to process."""
    drift = read_drift(make_tables(seeds=3, rounds=2, fractions=(0.02, 0.05, 0.1, 0.2, 0.3)))
    words = ["not shown", "above the floor", "at the floor", "not shown", "no spread"]
    judged = {v: replace(floors_of(drift, v, 0.05), word=w) for v, w in zip(drift.variants, words, strict=True)}
    monkeypatch.setattr(drift_findings, "floors_of", lambda drift, variant, margin: judged[variant])
    monkeypatch.setattr(drift_findings, "corrected", list)
    main, *_ = drift.variants
    sentences = drift_findings._others(drift, main, 0.05)
    order = ["the same verdict as above, not shown", "above the floor", "at the floor", "no spread"]
    assert len(sentences) == len(order)
    assert all(f": {word}: " in sentence for word, sentence in zip(order, sentences, strict=True))
