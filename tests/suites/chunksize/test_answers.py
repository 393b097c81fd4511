"""Answers of a chunk sweep: every verdict from rows in which it was planted, and none that noise gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chunk_rows import OPTIONS, memory, passes, row, swept, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import faults

from fbench.harness import registry
from fbench.suites.chunksize.answers import FASTER, MATTERS, PERIOD, PREDICTED
from fbench.suites.chunksize.decomposition import needed
from fbench.suites.chunksize.judged import judge_run
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.summary import summary

SIZES = [64, 128, 256]


def summary_of(*groups, options=OPTIONS, **more):
    return summary(tables(*groups, **more), options)


def answer(question, *groups, **more):
    (one,) = (one for one in summary_of(*groups, **more).answers if one.question == question)
    return one


def judged(*groups):
    return judge_run(read_run(complete(tables(*groups), OPTIONS)), OPTIONS).kernels


def blocks(*seconds):
    return [[time_s] for time_s in seconds]


def at(kernel, seconds, *, count=8, noise=0.01, **more):
    """A kernel at sizes with their seconds; blocks stray by ``noise``."""
    return swept(kernel, seconds.__getitem__, seconds, blocks=count, noise=noise, **more)


def foretold(kernel, sizes, scale=1.0, noise=0.004, n=4096):
    """Passes that are their single chunks, times ``scale``."""

    def tau(m):
        return 1e-5 + 1e-6 * m

    passes_ = swept(
        kernel, lambda c: scale * (n // c * tau(c) + (tau(n % c) if n % c else 0)), sizes, noise=noise, flops=10**6
    )
    return [*passes_, *swept(kernel, tau, sorted(needed(n, sizes)), phase="single", noise=noise)]


def test_a_size_that_costs_more_matters():
    found = answer(MATTERS, at("fused", {64: 1.5, 128: 1.0, 256: 1.0}))
    assert found.verdict == "yes"
    assert found.sentence.startswith("Chunk 64 takes 1.5")
    assert found.sentence.endswith(" times as long as chunk 128 with fused.")
    assert found.advice == "Use chunk 128."


def test_the_kernels_that_suffer_least_and_most_are_named():
    slow = {"published": 2.0, "fused": 1.5, "mine": 4.0}
    said = summary_of(*(at(name, {64: s, 128: 1.0, 256: 1.0}) for name, s in slow.items()))
    assert said.lead[0] == "The chunk size matters with all 3 kernels."
    assert said.lead[1].startswith("Across 3 kernels chunk 64 takes 1.5 (")
    assert ", fused) to 3." in said.lead[1]
    assert said.lead[1].endswith(", mine) times as long as the recommended chunk.")


def test_knees_that_differ_are_named_apart():
    groups = [at(name, {64: 1.0, 128: 1.0, 256: 1.0}, noise=0.001) for name in ("published", "fused")]
    said = summary_of(*groups, at("mine", {64: 2.0, 128: 1.5, 256: 1.0}))
    assert said.answers[0].advice == "Use chunk 64; 256 for mine; 256 is the largest tried: try larger --sizes."
    assert said.tables[0].note.endswith(
        "Sizes tried: 64, 128, 256. With mine 256 is the largest tried: try larger --sizes."
    )
    assert said.lead[0] == "The chunk size matters with 1 of 3 kernels."


def test_a_chunk_of_the_whole_pool_may_lie_short_of_the_knee():
    found = answer(MATTERS, at("fused", {64: 2.0, 128: 1.5, 256: 1.0}, candidates=256))
    assert found.advice == "Use chunk 256; 256 is the whole pool: try more --candidates."


def test_knees_that_may_be_others_are_called_plausible():
    said = summary_of(
        at("fused", {64: 1.07, 128: 1.0, 256: 1.0}, noise=0.05), at("mine", {64: 3.0, 128: 1.0, 256: 1.0})
    )
    assert said.lead[2].startswith("Use chunk 128")
    assert "plausible" in said.tables[0].columns
    assert "as good" not in str(said)


def test_the_fastest_kernel_comes_before_the_chunk():
    rows = at("published", {64: 8.0, 128: 4.0}), at("incremental", {64: 0.08, 128: 0.04}, noise=0.001)
    said = summary_of(*rows)
    assert said.lead[0].startswith("incremental is 100 (")
    assert said.lead[0].endswith(
        ") times faster than published for one more pick; the chunk size matters with both kernels."
    )
    equal = summary_of(at("published", {64: 4.0, 128: 4.0}, noise=0.001), at("fused", {64: 1.0, 128: 1.0}, noise=0.001))
    assert equal.lead[0].startswith("fused is 4 (")
    assert equal.lead[0].endswith(
        " times faster than published; the chunk size does not matter here: all sizes are within 5 % of one another."
    )


def test_sizes_tried_are_listed_or_told_by_their_step():
    assert summary_of(at("fused", {64: 1.0, 128: 1.0})).tables[0].note.endswith("Sizes tried: 64, 128.")
    many = dict.fromkeys(range(16, 16 * 12, 16), 1.0)
    assert "Sizes tried: 16 to 176 by 16 (11)." in summary_of(at("fused", many)).tables[0].note


def test_equal_sizes_do_not_matter():
    found = answer(MATTERS, at("fused", dict.fromkeys(SIZES, 1.0), noise=0.002))
    assert (found.verdict, found.advice) == ("no", "Take any of these sizes.")


def test_a_difference_under_five_percent_does_not_matter():
    found = answer(MATTERS, at("fused", {64: 1.03, 128: 1.0, 256: 1.0}, count=20, noise=0.002))
    assert found.verdict == "no"


def test_noise_is_not_shown_to_matter():
    found = answer(MATTERS, at("fused", dict.fromkeys(SIZES, 1.0), noise=0.3))
    assert found.verdict == "not shown"
    assert "is not told from noise" in found.sentence


@pytest.mark.parametrize(("count", "common"), [(1, "1 block"), (3, "3 blocks")])
def test_few_blocks_are_too_few(count, common):
    found = answer(MATTERS, at("fused", {64: 2.0, 128: 1.0}, count=count))
    assert found.verdict == "too few"
    assert found.sentence == f"The sizes of a kernel have {common} in common, and 4 are needed."
    assert found.advice.startswith("Give more time: --max-time ")


def test_sizes_that_got_no_time_need_time_not_sizes():
    found = answer(MATTERS, passes("fused", 64, blocks(*[1.0] * 8)), options=replace(OPTIONS, sizes=(64, 128)))
    assert (found.verdict, found.advice) == ("too few", "Give much more --max-time, or a quieter machine.")


def test_one_size_is_too_few():
    found = answer(MATTERS, passes("fused", 64, blocks(*[1.0] * 8)), options=replace(OPTIONS, sizes=(64,)))
    assert found.advice == "Give --sizes two or more sizes."
    assert (found.verdict, found.sentence) == (
        "too few",
        "No kernel was timed at two sizes, and a comparison needs two.",
    )


def test_a_restless_machine_names_no_winner():
    rows = at("published", {64: 2.0, 128: 1.0}), at("fused", {64: 1.0, 128: 0.5})
    said = summary_of(*rows, control_s=[0.01, 0.03] * 4)
    assert {one.question: one.verdict for one in said.answers if one.question in (MATTERS, FASTER)} == {
        MATTERS: "unreliable",
        FASTER: "unreliable",
    }
    assert said.lead[0] == "The machine was too busy to say whether the chunk size matters."
    assert said.answers[0].sentence.startswith("The control, always the same work, took up to 3.")
    assert not any("128" in line for line in said.lead)


def test_nothing_that_converged_on_a_restless_machine_is_unreliable():
    rows = at("fused", {64: 2.0, 128: 1.0}, noise=0.3)
    assert answer(MATTERS, rows).verdict == "yes"
    found = answer(MATTERS, rows, control_s=[0.01, 0.013] * 4)
    assert (found.verdict, found.sentence[:23]) == ("unreliable", "No time converged, and ")


def test_a_kernel_faster_than_the_product_beside_it_is_unreliable():
    found = answer(MATTERS, at("fused", {64: 0.008, 128: 0.007}))
    assert (found.verdict, "the rate of the matrix product beside it" in found.sentence) == ("unreliable", True)


def test_the_memory_budget_limits_the_knee():
    rows = [*at("fused", {64: 2.0, 128: 1.5, 256: 1.0}), *(memory("fused", size, size * 2**20) for size in SIZES)]
    assert answer(MATTERS, rows).advice == "Use chunk 256; 256 is the largest tried: try larger --sizes."
    assert answer(MATTERS, rows, options=replace(OPTIONS, memory_budget=200 * 2**20)).advice == "Use chunk 128."
    none = answer(MATTERS, rows, options=replace(OPTIONS, memory_budget=1024)).advice
    assert none == "Raise --memory-budget: no chunk is known to keep under it."


def test_predictions_that_hold():
    found = answer(PREDICTED, foretold("fused", SIZES))
    assert found.verdict == "yes"
    assert "on average, with fused" in found.sentence


@pytest.mark.parametrize("scale", [1.1, 1 / 1.1])
def test_predictions_that_are_a_tenth_off_are_told(scale):
    found = answer(PREDICTED, foretold("fused", SIZES, scale))
    assert (found.verdict, found.advice) == ("no", "Measure whole passes.")
    assert ("+10 % (" if scale > 1 else "−9.") in found.sentence


def test_the_committed_run_would_not_keep_predictions_scaled_by_a_tenth():
    rows = foretold("fused", SIZES, noise=0.02)
    scaled = [
        {**one, "time_s": 1.1 * one["time_s"]} if one["phase"] == "single" else one for one in rows if one["time_s"]
    ]
    assert answer(PREDICTED, rows).verdict == "yes"
    assert answer(PREDICTED, scaled).verdict != "yes"


def test_predictions_too_vague_are_not_shown():
    assert answer(PREDICTED, foretold("fused", SIZES, noise=0.4)).verdict == "not shown"


def test_predictions_of_few_blocks_are_too_few():
    few = [one for one in foretold("fused", SIZES) if one["block"] < 3]
    assert answer(PREDICTED, few).verdict == "too few"


def test_each_variant_is_held_against_its_own_published_kernel():
    seconds = {"published": 4.0, "published:no-inner": 3.0, "fused": 2.0, "fused:no-inner": 1.0, "factored": 0.5}
    found = answer(FASTER, *(at(name, {64: s}, noise=0.001) for name, s in seconds.items()))
    assert found.verdict == "yes"
    assert found.sentence.startswith("factored is 8.0")
    assert "; fused:no-inner 3 (" in found.sentence
    assert found.advice == "Use factored."


def test_the_incremental_kernel_is_given_more():
    seconds = {"published": 4.0, "incremental": 0.04, "fused": 2.0}
    found = answer(FASTER, *(at(name, {64: s}) for name, s in seconds.items()))
    assert "times faster, for one more pick; fused 2.0" in found.sentence
    assert found.advice == "Use incremental; fused for scores from nothing."


def test_a_slower_kernel_is_not_faster_and_an_equal_one_neither():
    assert answer(FASTER, at("published", {64: 1.0}), at("fused", {64: 2.0})).verdict == "no"
    equal = answer(FASTER, at("published", {64: 1.0}, noise=0.2), at("fused", {64: 1.0}, noise=0.2))
    assert equal.verdict == "not shown"
    few = answer(FASTER, at("published", {64: 1.0}, count=3), at("fused", {64: 0.5}, count=3))
    assert (few.verdict, few.sentence[:27]) == ("too few", "The kernels have 3 blocks i")


def test_without_the_published_kernel_nothing_is_asked():
    assert FASTER not in [one.question for one in summary_of(at("fused", {64: 1.0, 128: 2.0})).answers]


@pytest.mark.parametrize(
    ("dtype", "error", "wrong"), [("float32", 2e-3, True), ("float32", 2e-6, False), ("float64", 2e-6, True)]
)
def test_wrong_scores_come_first_and_are_not_ranked(dtype, error, wrong):
    rows = [*at("fused", {64: 1.0, 128: 2.0}, dtype=dtype), memory("fused", 64, 1, error, dtype=dtype)]
    said = summary_of(rows, at("published", {64: 4.0, 128: 4.0}, dtype=dtype))
    first = "The scores of fused are wrong, so its times answer another question."
    assert (said.lead[0] == first) is wrong
    assert ("fused" in [line[0] for line in said.tables[0].rows]) is not wrong
    assert registry.SUITES.get("chunksize").is_wrong(tables(rows), OPTIONS) is wrong
    assert faults(said) == []


def test_only_wrong_kernels_leave_no_ranking():
    rows = [*at("fused", {64: 1.0, 128: 2.0}), memory("fused", 64, 1, 0.5)]
    said = summary_of(rows)
    assert said.tables == []
    assert said.lead[1] == "fused is off by 5e-01 of the largest score; the others are ranked below."


def test_nothing_timed():
    said = summary_of([row("fused", 64, status="oom", reason="out of memory.")])
    assert said.lead[0] == "No pass was timed, so nothing is said of chunk sizes."
    assert said.answers[0].sentence == "1 row ended without a time; results.csv has the reasons."
    assert (list(said.tables), list(said.figures)) == ([], [])
    assert said.evidence[-1].claims == ["Not measured (oom): fused at chunk 64: out of memory."]


def test_problems_that_differ_stand_with_the_kernel():
    groups = [at("fused", {64: 2.0, 128: 1.0}, dim=dim, dtype=t) for dim in (640, 1280) for t in ("float32", "float64")]
    labels = [one.label for one in judged(*groups)]
    assert labels == [
        "fused (d=640, float32)",
        "fused (d=640, float64)",
        "fused (d=1280, float32)",
        "fused (d=1280, float64)",
    ]
    assert faults(summary_of(*groups)) == []


def test_all_tests_of_a_run_are_one_family():
    one = judged(at("fused", {64: 1.0, 128: 1.0}, count=6, noise=0.1))[0]
    six = judged(*(at(f"k{i}", {64: 1.0, 128: 1.0}, count=6, noise=0.1) for i in range(6)))
    assert one.worth_p == pytest.approx(one.raw["worth"])
    smallest = min(six, key=lambda kernel: kernel.raw["worth"])
    assert smallest.worth_p == pytest.approx(min(1, 6 * smallest.raw["worth"]))


def zigzag(kernel, sizes, lanes, gain, noise=0.004):
    """Passes of chunks whose τ is less at multiples of ``lanes``; single chunks are the same."""

    def tau(m):
        return (1e-4 + 1e-6 * m) * (1 - gain * (m % lanes == 0))

    n = 512
    more = {"candidates": n, "flops": 10**6}
    passes_ = swept(kernel, lambda c: n // c * tau(c) + (tau(n % c) if n % c else 0), sizes, noise=noise, **more)
    single = swept(kernel, tau, sorted(needed(n, sizes)), phase="single", noise=noise)
    return [*passes_, *single]


def test_full_packs_are_found_where_the_kernel_says_that_it_packs():
    sizes = list(range(8, 513, 8))
    found = answer(PERIOD, zigzag("incremental", sizes, 16, 0.05))
    assert found.verdict == "yes"
    assert found.sentence.startswith("With incremental multiples of 16 take ")
    assert found.advice == "Use a multiple of 16 with incremental."
    (one,) = judged(zigzag("incremental", sizes, 16, 0.05))
    assert one.lanes is not None
    assert one.lanes.beyond.share == pytest.approx(0.05, abs=0.015)
    assert judged(zigzag("fused", sizes, 16, 0.05))[0].lanes is None


def test_a_kernel_without_an_effect_of_its_lanes_has_none():
    (one,) = judged(zigzag("incremental", list(range(8, 513, 8)), 16, 0.0, noise=0.02))
    assert not one.packs
    assert one.lanes is not None
    assert one.lanes.beyond.low < 0 < one.lanes.beyond.high


def test_a_step_of_the_lanes_cannot_show_them():
    (one,) = judged(zigzag("incremental", list(range(16, 513, 16)), 16, 0.05))
    assert one.lanes is None
    said = summary_of(zigzag("incremental", list(range(16, 1041, 16)), 16, 0.0))
    assert said.evidence[1].heading == "Periods"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.02, 50.0), min_size=2, max_size=5),
    st.integers(1, 9),
    st.floats(0.0, 0.5),
    st.sampled_from([["fused"], ["published", "fused"], [f"kernel_with_a_long_name_{i}" for i in range(9)]]),
)
def test_whatever_the_times_the_contract_is_kept(seconds, count, noise, kernels):
    sizes = {16 * 2**i: s for i, s in enumerate(seconds)}
    rows = [at(name, sizes, count=count, noise=noise) for name in kernels]
    rows = [[one for one in group if one["time_s"] > 0] for group in rows]
    said = summary_of(*rows)
    assert faults(said) == []


def test_friedman_finds_what_even_and_odd_blocks_missed():
    """A size that costs a tenth more, in blocks that stray by 5 %: told in most runs of ten blocks."""
    draws = np.random.default_rng(0)
    told = 0
    for _ in range(60):
        times = {size: blocks(*(s * np.exp(0.05 * draws.standard_normal(10)))) for size, s in
                 zip((64, 128, 256, 512), (1.1, 1.0, 1.0, 1.0), strict=True)}  # fmt: skip
        told += judged([timed for size, b in times.items() for timed in passes("fused", size, b)])[0].matters
    assert told >= 30
