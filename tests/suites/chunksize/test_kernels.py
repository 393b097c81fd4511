"""How kernels compare: shares, ratios and efficiencies are paired by block, and are said in one sentence each."""

from __future__ import annotations

import pytest
from chunk_rows import OPTIONS, memory, passes, tables

from fbench.suites.chunksize.findings import findings
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.sweeps import Sweep, against, gemm_share, group_sweeps, scaling


def sentences_of(*groups, **more):
    return findings(read_run(complete(tables(*groups, **more), OPTIONS)), OPTIONS)


def sweeps_of(*groups, **more) -> list[Sweep]:
    return group_sweeps(read_run(complete(tables(*groups, **more), OPTIONS)).points)


def blocks(*seconds):
    return [[time_s] for time_s in seconds]


def only(sentences, words):
    (sentence,) = (sentence for sentence in sentences if words in sentence)
    return sentence


def test_the_share_of_gemm_beside_it():
    rows = [*passes("published", 64, blocks(*[0.02] * 8)), *passes("fused", 64, blocks(*[0.04] * 6))]
    assert only(sentences_of(rows), "matrix product") == (
        "At its best chunk published reaches 50 % of the rate of the matrix product timed beside it (95 % interval 50 "
        "to 50 %), fused 25 % (25 to 25 %), over 6 to 8 blocks."
    )


def test_one_block_has_no_interval():
    rows = [*passes("published", 64, blocks(0.02)), *passes("fused", 64, blocks(0.01))]
    text = sentences_of(rows)
    assert only(text, "matrix product").endswith("fused 100 % (one block, which has no interval).")
    assert only(text, "than published").endswith("2 times less than published (one block, which has no interval).")


def test_kernels_without_a_common_block_are_named():
    rows = [*passes("fused", 64, blocks(*[0.02] * 8)), *passes("slow", 64, blocks(0.02), flops=None)]
    assert only(sentences_of(rows), "matrix product").endswith(
        "(95 % interval 50 to 50 %), over 8 blocks; of slow no block has both."
    )
    late = [{**row, "block": 9} for row in passes("late", 64, blocks(0.01))]
    text = sentences_of(rows, passes("published", 64, blocks(*[0.02] * 8)), late)
    assert "; of late no block has both." in only(text, "than published")
    assert not any(
        "than published" in sentence for sentence in sentences_of(passes("published", 64, blocks(1.0)), late)
    )


def test_without_a_control_no_share_is_said():
    rows = passes("fused", 64, blocks(*[0.02] * 8))
    run = read_run(complete({**tables(rows), "conditions": []}, OPTIONS))
    assert not any("matrix product" in sentence for sentence in findings(run, OPTIONS))


def test_the_share_of_gemm_is_paired_by_block():
    """A machine that slows down for both alike has not changed its share."""
    rows = passes("fused", 64, blocks(0.02, 0.04, 0.03, 0.02))
    run = read_run(complete(tables(rows, control_s=[0.01, 0.02, 0.015, 0.01]), OPTIONS))
    share = gemm_share(run.points[0], run.control)
    assert (share.n, share.mean, share.low) == (4, pytest.approx(0.5), pytest.approx(0.5))


def test_each_variant_is_compared_with_its_own_published_one():
    kernels = {
        "published": 4.0, "published:no-inner": 3.0, "fused": 2.0, "fused:no-inner": 1.0, "factored": 1.0, "slow": 8.0,
    }  # fmt: skip
    groups = [passes(kernel, 64, blocks(*[seconds] * 8)) for kernel, seconds in kernels.items()]
    assert only(sentences_of(*groups), "than published") == (
        "With A⁻¹, each at its best chunk, fused takes 2 times less than published (95 % interval 2 to 2), factored 4 "
        "(4 to 4), slow takes 2 times more than published (95 % interval 2 to 2); without A⁻¹ fused:no-inner takes 3 "
        "times less than published:no-inner (95 % interval 3 to 3), over 8 blocks."
    )
    alone = sweeps_of(groups[0])
    assert against(alone[0], alone) is None
    only_without = sentences_of(groups[1], groups[3])
    assert only(only_without, "than published").startswith("Without A⁻¹, each at its best chunk, fused:no-inner takes")


def test_the_incremental_kernel_is_given_more():
    kernels = {"published:no-inner": 4.0, "incremental:no-inner": 0.04, "fused:no-inner": 2.0}
    text = sentences_of(*(passes(kernel, 64, blocks(*[seconds] * 8)) for kernel, seconds in kernels.items()))
    assert (
        "incremental:no-inner takes 100 times less than published:no-inner (95 % interval 100 to 100) for one more "
        "pick from the state before it, fused:no-inner 2 (2 to 2), over 8 blocks."
    ) in only(text, "than published")


def test_scaling_is_paired_by_block():
    alone = passes("fused", 64, blocks(1.8, 3.6, 1.8, 3.6))
    both = passes("fused", 64, blocks(1.0, 2.0, 1.0, 2.0), gpus=2, device="cpu+cpu")
    efficiency = scaling(sweeps_of(alone, both)[0])
    assert efficiency is not None
    assert (efficiency.n, efficiency.mean, efficiency.low) == (4, pytest.approx(0.9), pytest.approx(0.9))
    assert scaling(sweeps_of(alone)[0]) is None


def test_efficiencies_are_said_in_one_sentence():
    two = {"gpus": 2, "device": "cpu+cpu"}
    first = [*passes("fused", 64, blocks(*[1.8] * 4)), *passes("fused", 64, blocks(*[1.0] * 4), **two)]
    second = [*passes("slow", 128, blocks(*[4.0] * 4)), *passes("slow", 128, blocks(*[2.5] * 4), **two)]
    lost = [*passes("lost", 64, blocks(*[4.0] * 4)), *passes("lost", 128, blocks(*[2.5] * 4), **two)]
    single = passes("single", 64, blocks(1.0))  # failed on both
    assert only(sentences_of(first, second, lost, single), "efficiency") == (
        "fused on 2 devices reaches an efficiency t₁/(2·t) of 90 % (95 % interval 90 to 90 %) at chunk 64, slow 80 % "
        "(80 to 80 %) at chunk 128, over 4 blocks; of lost no block has both."
    )


@pytest.mark.parametrize(
    ("dtype", "error", "wrong"), [("float32", 2e-3, True), ("float32", 2e-6, False), ("float64", 2e-6, True)]
)
def test_errors(dtype, error, wrong):
    rows = [*passes("fused", 64, blocks(*[1.0] * 8), dtype=dtype), memory("fused", 64, 1, error, dtype=dtype)]
    text = "\n".join(sentences_of(rows))
    assert (
        f"Scores are wrong: fused by {error:.0e} of the largest score at chunk 64; its times answer another question."
        in text
    ) is wrong
    within = f"Scores are within {error:.0e} of the float64 ones, over the largest (fused is the farthest)."
    assert (within in text) is not wrong


def test_several_wrong_kernels_are_one_sentence():
    rows = [
        *(timed for kernel in ("fused", "slow") for timed in passes(kernel, 64, blocks(1.0))),
        memory("fused", 64, 1, 0.5),
        memory("slow", 64, 1, 0.25),
    ]
    assert only(sentences_of(rows), "question") == (
        "Scores are wrong: fused by 5e-01 of the largest score at chunk 64, slow by 2e-01 at chunk 64; their times "
        "answer another question."
    )
