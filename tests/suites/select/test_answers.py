"""Answers of a selection run: every verdict, and the numbers of its rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import faults
from selection_rows import EQUAL, exact, row, selection

from fbench.harness import registry
from fbench.suites.select.answers import APPROXIMATION
from fbench.suites.select.summary import summary

OPTIONS = registry.SUITES.get("select").typed()
SAME = "On this pool, does incremental choose the same batch as float64?"


def answered(rows):
    return {answer.question: answer for answer in summary(rows, OPTIONS).answers}


def speed(incremental, published):
    rows = [*selection("incremental", incremental), *selection("published", published)]
    return answered(rows)["Is incremental faster than the published order?"]


def test_the_lead():
    lead = summary(exact(), OPTIONS).lead
    assert lead[0] == (
        "A batch of 4 takes 1.29 s with incremental, about 27.7 s (extrapolated) with published: "
        "21 times faster (10 to 44)."
    )
    assert lead[1].startswith("On this pool incremental has all 4 picks of the float64 reference.")
    assert lead[2] == "Use incremental."


@pytest.mark.parametrize(
    ("incremental", "published", "verdict", "advice"),
    [
        ([0.01] * 5, [1.0, 1.1, 1.0, 1.2, 1.0], "yes", "Use incremental."),
        ([1.0, 1.1, 1.0, 1.2, 1.0], [0.01] * 5, "no", "Use published."),
        ([1.0, 1.1, 1.0, 1.2], [1.1, 1.0, 1.1, 1.1], "not shown", "Use either; more --passes tell them apart."),
        ([1.0, 9.0, 1.0, 2.0], [1.1, 1.0, 5.1, 1.1], "unreliable", "Run it again on a machine that does nothing else."),
        ([0.01] * 3, [1.0] * 3, "too few", "Use incremental; --passes 4 or more gives an interval."),
    ],
)
def test_verdicts_of_speed(incremental, published, verdict, advice):
    answer = speed(incremental, published)
    assert (answer.verdict, answer.advice) == (verdict, advice)


def test_few_blocks_give_the_number_without_an_interval():
    sentence = speed([0.25] * 3, [99.0] * 3).sentence
    assert sentence == "incremental is 297 times faster than published (3 blocks, no interval)."
    assert "(1 block, no interval)" in speed([0.1], [9.0]).sentence


def test_a_slower_way_is_said_to_be_slower():
    assert "times slower than published (" in speed([2.0] * 4, [1.0] * 4).sentence


def test_without_a_rival_the_time_stands_alone():
    shown = summary(selection("incremental", [1.0]), OPTIONS)
    answer = shown.answers[0]
    assert answer.question == "Is incremental faster than the published order?"
    assert (answer.verdict, answer.sentence) == (
        "not shown",
        "published was not timed; incremental alone takes 13 s (1 block).",
    )
    assert shown.lead[0] == "A batch of 4 takes 13 s with incremental (1 block); published was not timed."


@pytest.mark.parametrize(
    ("more", "verdict", "text"),
    [
        ({}, "yes", "On this pool incremental has all 4 picks of the float64 reference."),
        ({"same_picks": 0.5, "first_difference": 88, "gap_there": 3e-6}, "yes", "left at pick 89, at a near-tie"),
        (
            {"same_picks": 0.5, "first_difference": 88, "gap_there": 0.02},
            "no",
            "On this pool incremental has 2 of the 4 picks",
        ),
        ({"same_picks": 0.5, "objective": 2.2}, "no", "its objective is 10 % higher."),
    ],
)
def test_verdicts_of_agreement(more, verdict, text):
    rows = [*selection("incremental", [1.0]), row("incremental", "agreement", **{**EQUAL, "objective": 2.0, **more})]
    answer = answered(rows)[SAME]
    assert answer.verdict == verdict
    assert text in answer.sentence


def test_no_reference_and_the_reference_itself():
    question = SAME
    rows = [*selection("incremental", [1.0]), row("incremental", "agreement")]
    assert answered(rows)[question].verdict == "not shown"
    own = row("incremental", "agreement", **{**EQUAL, "reference": "incremental"}, dtype="float64")
    assert question not in answered([*selection("incremental", [1.0], dtype="float64"), own])


@pytest.mark.parametrize(("peak", "verdict"), [(100, "yes"), (950, "not shown"), (2000, "no")])
def test_verdicts_of_memory(peak, verdict):
    rows = [
        *exact()[:-2],
        row("published", "memory", peak_bytes=1000),
        *selection("published", [1.0]),
    ]
    rows = [{**line, "peak_bytes": peak} if line["peak_bytes"] == 7200 else line for line in rows]
    assert answered(rows)["Does incremental need less memory than published?"].verdict == verdict


def test_memory_without_published_is_against_all_gradients():
    rows = [*selection("incremental", [1.0]), row("incremental", "memory", peak_bytes=7200)]
    answer = answered(rows)["Does incremental need less memory than all gradients?"]
    assert answer.sentence == "incremental takes 7.03 KiB against 14.1 KiB for all gradients."


@pytest.mark.parametrize(
    ("steps", "objective", "verdict", "text"),
    [
        ([0.005] * 4, 2.01, "yes", "its objective 0.5 % higher on this one pool"),
        ([0.005] * 4, 1.998, "yes", "its objective 0.1 % lower on this one pool"),
        ([0.005] * 4, 2.2, "no", "its objective 10 % higher"),
        ([9.0, 9.1, 9.0, 9.2], 2.0, "no", "times slower"),
        ([0.01, 0.02, 0.021, 0.041], 2.0, "not shown", "its objective equal to within 0.1 %"),
        ([0.005] * 3, 2.0, "too few", "(3 blocks, no interval)"),
    ],
)
def test_verdicts_of_approximations(steps, objective, verdict, text):
    agreed = {**EQUAL, "objective": objective, "same_picks": 0.25}
    faster = [
        {**line, "time_s": 0.5 if line["phase"] == "setup" else line["time_s"]} for line in selection("top2", steps)
    ]
    rows = [*exact(), *(faster if max(steps) < 0.01 else selection("top2", steps)), row("top2", "agreement", **agreed)]
    shown = summary(rows, OPTIONS)
    (answer,) = (answer for answer in shown.answers if answer.question == APPROXIMATION)
    assert answer.verdict == verdict
    assert shown.lead[1].startswith("top2: ")
    assert text in shown.lead[1]
    assert answer.sentence.endswith(" on this one pool, without an interval over pools.")


def test_a_faster_approximation_that_is_worse_is_said_beside():
    rows = exact()
    for method, seconds, objective in (("pca", 0.01, 2.002), ("binary", 0.001, 2.2)):
        steps = selection(method, [seconds] * 4)
        rows += [{**line, "time_s": seconds if line["phase"] == "setup" else line["time_s"]} for line in steps]
        rows.append(row(method, "agreement", **{**EQUAL, "objective": objective}))
    shown = summary(rows, OPTIONS)
    (answer,) = (answer for answer in shown.answers if answer.question == APPROXIMATION)
    assert shown.lead[1].startswith("pca: ")
    assert "its objective 0.1 % higher on this one pool; binary: " in shown.lead[1]
    assert shown.lead[1].endswith(" times faster, 10 % higher.")
    assert answer.sentence.startswith("2 of 2 are shown to be faster, 1 of these with an objective within 1 %; pca's")
    assert answer.advice == shown.lead[2] == "Keep incremental for exact picks; take pca only where time is short."


def test_what_to_do_is_of_the_exact_ways_where_incremental_is_not_the_faster():
    rows = [*selection("incremental", [1.0] * 4), *selection("published", [0.01, 0.02, 0.01, 0.02])]
    rows += [*selection("pca", [0.001] * 4), row("pca", "agreement", **{**EQUAL, "objective": 2.0})]
    shown = summary(rows, OPTIONS)
    assert shown.lead[1].startswith("pca: ")
    assert shown.lead[2] == "Use published."


def test_dtypes():
    rows = [*selection("incremental", [1.0] * 4), *selection("incremental", [2.0] * 4, dtype="float64")]
    answer = answered(rows)["Is float32 faster than float64?"]
    assert answer.sentence == "float32 is 1.92 times faster than float64 (1.92 to 1.92), over 4 blocks."
    first = "A batch of 4 takes 13 s in float32, 25 s in float64: 1.92 times faster (1.92 to 1.92)."
    assert summary(rows, OPTIONS).lead[0] == first


def test_ways_without_published_are_compared_with_each_other():
    rows = [*selection("incremental", [1.0] * 4), *selection("fused", [3.0] * 4)]
    answer = answered(rows)["Is incremental faster than fused?"]
    assert (answer.verdict, answer.advice) == ("yes", "Use incremental.")


SECONDS = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=6)


@given(incremental=SECONDS, published=SECONDS, pca=SECONDS, objective=st.floats(0.1, 100), same=st.floats(0, 1))
@settings(max_examples=25)
def test_every_run_keeps_the_contract(incremental, published, pca, objective, same):
    agreed = {**EQUAL, "objective": objective, "same_picks": same}
    rows = [
        *selection("incremental", incremental),
        *selection("published", published, picks=(3, 1, 2)),
        *selection("pca", pca),
        *(row(method, "agreement", **agreed) for method in ("incremental", "pca")),
        row("incremental", "memory", peak_bytes=10**9),
    ]
    assert faults(summary(rows, OPTIONS)) == []
