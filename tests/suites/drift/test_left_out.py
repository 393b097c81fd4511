"""Who is left out, and why."""

from __future__ import annotations

from drift_rows import compare_tables, failed, make_options, make_tables

from fbench.suites.drift.left_out import left_out
from fbench.suites.drift.rows import read_drift, read_failures

SMALL = {"layers": 14, "rounds": 2, "fractions": (0.05,)}


def test_who_is_left_out_and_why():
    tables = make_tables(seeds=4, strategies=("random", "bait"), **SMALL)
    good = [row for row in tables["results"] if (row["strategy"], row["seed"]) != ("random", 1)]
    rows = [
        *good, failed("random", 1, "loss is nan."), failed("bait+fish", 0, "too large", "oom"),
        failed("bait+fish", 1, "too large", "oom"),
    ]  # fmt: skip
    options = make_options(seeds=5, strategies=("random", "bait", "bait+fish", "badge"))
    assert left_out(read_drift({"results": rows}), read_failures(rows), options) == [
        "Seed 1 is left out, for random: failed: loss is nan.",
        "bait+fish finished no seed and is left out: oom: too large.",
        "badge finished no seed and is left out: no rows.",
        "Seed 4 is left out: not every round of every variant is there.",
    ]


def test_several_seeds_are_listed():
    rows = [*make_tables(seeds=2, **SMALL)["results"], failed("random", 2, "why"), failed("random", 3, "why")]
    assert left_out(read_drift({"results": rows}), read_failures(rows), make_options(seeds=4)) == [
        "Seeds 2 and 3 are left out, for random: failed: why."
    ]


def test_a_comparison_says_itself_what_failed():
    rows = compare_tables(make_tables(seeds=2, **SMALL))["drift"]
    options = make_options(seeds=3, strategies=("random", "bait"))
    assert left_out(read_drift({"results": rows}), read_failures(rows), options) == [
        "Seed 2 is left out: not every round of every variant is there."
    ]


def test_a_long_reason_is_cut():
    rows = [*make_tables(seeds=2, **SMALL)["results"], failed("random", 2, "word " * 100)]
    (sentence,) = left_out(read_drift({"results": rows}), read_failures(rows), make_options(seeds=3))
    assert len(sentence.split()) < 40
