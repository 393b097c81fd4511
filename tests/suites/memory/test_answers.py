"""Answers of a memory run: every verdict, the numbers of its rows, and what is planted in them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_rows import ALLOCATED, GIB, MIB, NVML, held, limit, rounds_of, row, tables
from plain import faults

from fbench.harness import registry
from fbench.suites.memory.margin import ADDED_BYTES, margin_in_words, with_process_margin
from fbench.suites.memory.summary import summary

SUITE = registry.SUITES.get("memory")
PEAK = "Is the selection the largest phase of every method?"
MARGIN = "Did the margin cover every phase of this run?"
FITS = "Is every method predicted to fit into memory?"
LEAK = "Does memory leak from round to round?"


def said(*groups, options=None, **more):
    return summary(tables(*groups, **more), SUITE.typed(**(options or {"memory_budget": "8GiB"})))


def answered(*groups, **more):
    return {answer.question: answer for answer in said(*groups, **more).answers}


def claims(heading, *groups, **more):
    return [claim for part in said(*groups, **more).evidence if part.heading == heading for claim in part.claims]


def test_the_lead_names_peaks_phases_and_the_miss():
    rows = [
        *rounds_of("published", {"train": [50] * 4, "forward": [200] * 4}, {"forward": 190, "train": 50}),
        *rounds_of("incremental:mask", {"diagonal": [480] * 4}, {"diagonal": 400}),
    ]
    assert said(rows).lead == [
        "published peaks at 200 MiB (forward) and incremental:mask at 480 MiB (diagonal).",
        "Predictions fall 5 to 17 % short of measured peaks, in the worst round by 80 MiB (diagonal of "
        "incremental:mask).",
        "Keep 15 % and 64 MiB free beyond a prediction: it covered our reference runs.",
    ]


def test_the_lead_gives_the_largest_pool_where_it_is_known():
    rows = rounds_of("bait", {"forward": [200] * 4}, {"forward": 190})
    limits = [limit("bait", largest_pool=50_000), limit("published", largest_pool=9_000)]
    assert said(rows, limits=limits).lead[1] == (
        "Within 8 GiB pools of about 9,000 (published) to 50,000 (bait) candidates are predicted to fit; predictions "
        "fall 5 % short of measured peaks."
    )
    unknown = [limit("bait", budget_bytes=None, largest_pool=None)]
    assert said(rows, limits=unknown).lead[1].startswith("Predictions fall 5 % short of measured peaks")


def test_predictions_that_exceed_are_said_with_their_sign():
    rows = rounds_of("bait", {"forward": [100]}, {"forward": 120})
    assert said(rows).lead[1] == "Predictions differ from measured peaks by +20 %."


def test_many_methods_are_named_by_the_ends():
    rows = [line for i in range(6) for line in rounds_of(f"m{i}", {"forward": [100 + i]})]
    assert said(rows).lead[0] == "m5 peaks at 105 MiB (forward) and m0 at 100 MiB (forward)."


@pytest.mark.parametrize(
    ("peaks", "verdict"),
    [
        ({"embed": [100, 101, 99, 100], "forward": [200, 201, 202, 200]}, "yes"),
        ({"embed": [300, 301, 299, 300], "forward": [200, 201, 202, 200]}, "no"),
        ({"embed": [200, 203, 198, 200], "forward": [200, 201, 202, 201]}, "not shown"),
        ({"embed": [100] * 3, "forward": [200] * 3}, "too few"),
    ],
)
def test_verdicts_of_the_peak(peaks, verdict):
    assert answered(rounds_of("bait", peaks))[PEAK].verdict == verdict


def test_one_method_outside_is_enough_for_no():
    rows = [*rounds_of("a", {"forward": [200] * 4}), *rounds_of("b", {"embed": [300] * 4, "forward": [100] * 4})]
    answer = answered(rows)[PEAK]
    assert answer.verdict == "no"
    assert answer.sentence == "b peaks at 300 MiB (embed), before the selection (fisher to backward)."


@pytest.mark.parametrize(
    ("measured", "verdict", "advice"),
    [
        ([470] * 4, "yes", "Keep 15 % and 64 MiB free beyond a prediction: it covered our reference runs."),
        ([470, 470, 470, 600], "no", "Keep 200 MiB free beyond a prediction."),
        (
            [470] * 3,
            "too few",
            "Keep 15 % and 64 MiB free beyond a prediction: it covered our reference runs.",
        ),
    ],
)
def test_verdicts_of_the_margin(measured, verdict, advice):
    answer = answered(rounds_of("bait", {"forward": measured}, {"forward": 400}))[MARGIN]
    assert (answer.verdict, answer.advice) == (verdict, advice)
    count = "0 of 1" if verdict == "no" else "all 1"
    assert answer.sentence == (
        f"15 % and 64 MiB to spare covered {count} phases of this run ({len(measured)} rounds); "
        f"worst round: forward of bait, {max(measured)} MiB, 400 MiB predicted."
    )


def test_a_gpus_prediction_has_the_share_alone():
    rows = rounds_of("bait", {"forward": [120] * 4}, {"forward": 100}, which=ALLOCATED, baseline=0)
    answer = answered(rows)[MARGIN]
    assert answer.verdict == "no"
    assert answer.sentence.startswith("15 % to spare covered 0 of 1 phases")
    assert (margin_in_words("cpu"), with_process_margin(0, "cpu"), with_process_margin(100, "cuda:1")) == (
        "15 % and 64 MiB",
        ADDED_BYTES,
        114,
    )


def test_the_margin_covers_the_worst_committed_miss():
    """480 MiB for 406 predicted: the share alone does not."""
    assert with_process_margin(406 * MIB, "cpu") > 480 * MIB > 406 * MIB * 1.15


def test_without_predictions_nothing_is_said_of_them():
    assert MARGIN not in answered(rounds_of("bait", {"forward": [10]}))


def test_what_fits():
    rows = [limit("bait", largest_pool=50_000), limit("published", chunk_size=256, largest_pool=9_000)]
    answer = answered(limits=rows)[FITS]
    assert (answer.verdict, answer.advice) == ("yes", "Take bait for larger pools.")
    assert (
        answer.sentence
        == "Predicted limit within 8 GiB: about 9,000 candidates (published), 50,000 (bait), not measured."
    )
    free = [limit("bait", budget_bytes=7 * GIB), limit("fused", budget_bytes=8 * GIB)]
    assert "Predicted limit within 7 to 8 GiB: about" in answered(limits=free)[FITS].sentence


def test_what_does_not_fit():
    rows = [limit("bait", largest_pool=50_000), limit("tight", largest_pool=0), limit("free", budget_bytes=None)]
    answer = answered(limits=rows)[FITS]
    assert (answer.verdict, answer.advice) == ("no", "Take bait: tight is too large.")
    assert claims("What fits", limits=rows) == ["In 1 of 2 cases no pool is predicted to fit."]


STEADY = [400.0] * 10
LEAKING = [400, 430, 440, 450, 460, 470.1, 480, 490.2, 500, 510.1]


@pytest.mark.parametrize(
    ("mebibytes", "verdict", "text"),
    [
        (LEAKING, "yes", "Resident memory of bait grows by 10 MiB ("),
        (STEADY, "no", "at most 0 B a round (95 %, over the last 5 of 10 rounds), where 1 MiB would count."),
        ([400 + 0.06 * i for i in range(10)], "no", "where 1 MiB would count; it does grow in 1 of 1."),
        ([400, 402, 401, 409, 400, 420, 402, 425, 403, 430], "not shown", "Resident memory of bait grows by"),
        ([400 + 30 * (1 - 0.6065**i) for i in range(10)], "not shown", "grows by 763 KiB"),
        ([400, 400.06, 400.12, 400.18, 400.24], "too few", "this run has 5; held memory grew by 61.4 KiB a round"),
        ([400, 399, 398, 397], "too few", "this run has 4; held memory shrank by 1 MiB a round"),
        ([400], "too few", "8 rounds are needed and this run has 1."),
    ],
)
def test_verdicts_of_leaks(mebibytes, verdict, text):
    answer = answered(rounds_of("bait", {"train": [10]}), rounds=held("bait", mebibytes))[LEAK]
    assert answer.verdict == verdict
    assert text in answer.sentence


def test_the_worst_series_speaks():
    rounds = [*held("bait", STEADY), *held("other", LEAKING)]
    answer = answered(rounds=rounds)[LEAK]
    assert answer.verdict == "yes"
    assert "of method=other" in answer.sentence
    both = [*held("bait", [20] * 10, ALLOCATED), *held("bait", LEAKING, NVML)]
    assert answered(rounds=both)[LEAK].sentence.startswith("NVML's used memory on cuda:0 of ")


def test_the_peak_decides_what_is_material():
    grown = [400 + 2 * number for number in range(10)]
    assert answered(rounds=held("bait", grown))[LEAK].verdict == "yes"
    assert answered(rounds_of("bait", {"train": [8 * 1024]}), rounds=held("bait", grown))[LEAK].verdict == "no"


def test_reserved_memory_and_unknown_rounds_are_not_judged():
    reserved = held("bait", LEAKING, ("cuda:0", "torch", "reserved", "process"))
    assert LEAK not in answered(rounds=reserved)
    assert LEAK not in answered(rounds=held("bait", [None] * 9))


def test_evidence_of_peaks():
    rows = rounds_of("bait", {"train": [300, 100, 300], "embed": [1, 1, 400], "forward": [200, 310, 310]})
    assert claims("Peaks", rows)[0].startswith("bait peaks in forward in 1 of 3 rounds (train in 1 and embed in 1): ")
    rows = rounds_of("bait", {"forward": [100, 100], "train": [30, 30]})
    assert claims("Peaks", rows) == [
        "bait peaks in forward in all 2 rounds: resident memory grows by 100 MiB (the same in each); next is train "
        "with 30 MiB."
    ]


def test_evidence_of_predictions():
    peaks = {"train": [1000], "forward": [2000], "data": [10]}
    text = claims("Predictions", rounds_of("bait", peaks, {"train": 1140, "forward": 1800, "data": 4}))
    assert text[0].startswith("Of 3 predictions 2 fall short; 15 % and 64 MiB to spare cover 3.")
    assert text[2].startswith("Of phases that grew by 500 MB or more the worst is forward of bait: 1.95 GiB measured")
    assert text[3].startswith("Of phases that grew by less than 500 MB the worst is data of bait: 10 MiB measured")


def test_what_the_c_library_keeps_is_said_where_it_shows():
    rss, torch = rounds_of("bait", {"train": [300]}), rounds_of("bait", {"train": [300]}, which=ALLOCATED)
    system, returning = {"malloc": "system"}, {"malloc": "returning"}
    assert any("--malloc returning" in claim for claim in claims("Predictions", rss, options=system))
    assert not any("--malloc" in claim for claim in claims("Predictions", rss, options=returning))
    assert not any("--malloc" in claim for claim in claims("Predictions", torch, options=system))


SIZES = st.lists(st.floats(0, 1e5), min_size=1, max_size=6)


@given(forward=SIZES, embed=SIZES, predicted=st.floats(0, 1e5), ends=st.lists(st.floats(0, 1e4), max_size=12))
@settings(max_examples=25)
def test_every_run_keeps_the_contract(forward, embed, predicted, ends):
    rows = [
        *rounds_of("published", {"embed": embed, "forward": forward}, {"forward": predicted}),
        *rounds_of("incremental:mask", {"embed": forward}, {"embed": predicted}),
    ]
    limits = [limit("published", chunk_size=256, largest_chunk=4096), limit("incremental:mask")]
    assert faults(said(rows, limits=limits, rounds=held("published", ends))) == []


def test_nothing_measured():
    shown = said([row("bait", "train", predicted_bytes=10)])
    assert shown.lead[0] == "No phase has a measured peak."
    assert shown.answers == []
