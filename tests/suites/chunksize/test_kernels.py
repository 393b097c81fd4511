"""How kernels compare: shares, ratios and efficiencies are paired by block."""

from __future__ import annotations

import pytest
from chunk_rows import OPTIONS, memory, passes, tables

from fbench.suites.chunksize.evidence import compared
from fbench.suites.chunksize.judged import judge_run
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.summary import summary
from fbench.suites.chunksize.sweeps import Sweep, gemm_share, group_sweeps, published_of, scaling


def sweeps_of(*groups, **more) -> list[Sweep]:
    return group_sweeps(read_run(complete(tables(*groups, **more), OPTIONS)).points)


def claims_of(*groups):
    return list(compared(judge_run(read_run(complete(tables(*groups), OPTIONS)), OPTIONS).kernels))


def blocks(*seconds):
    return [[time_s] for time_s in seconds]


def test_the_share_of_gemm_is_paired_by_block():
    """A machine that slows down for both alike has not changed its share."""
    rows = passes("fused", 64, blocks(0.02, 0.04, 0.03, 0.02))
    run = read_run(complete(tables(rows, control_s=[0.01, 0.02, 0.015, 0.01]), OPTIONS))
    share = gemm_share(run.points[0], run.control)
    assert (share.n, share.mean, share.low) == (4, pytest.approx(0.5), pytest.approx(0.5))


def test_without_a_control_or_operations_there_is_no_share():
    rows = passes("fused", 64, blocks(*[0.02] * 8))
    assert "of GEMM" not in summary({**tables(rows), "conditions": []}, OPTIONS).tables[0].columns
    assert "of GEMM" not in summary(tables(passes("fused", 64, blocks(0.02), flops=None)), OPTIONS).tables[0].columns


def test_each_variant_has_its_own_published_kernel():
    names = ("published", "published:no-inner", "fused", "fused:no-inner")
    sweeps = sweeps_of(*(passes(name, 64, blocks(*[1.0] * 8)) for name in names))
    based = {sweep.kernel: base.kernel for sweep in sweeps if (base := published_of(sweep, sweeps))}
    assert based == {"fused": "published", "fused:no-inner": "published:no-inner"}


def test_scaling_is_paired_by_block():
    alone = passes("fused", 64, blocks(1.8, 3.6, 1.8, 3.6))
    both = passes("fused", 64, blocks(1.0, 2.0, 1.0, 2.0), gpus=2, device="cpu+cpu")
    efficiency = scaling(sweeps_of(alone, both)[0], 64)
    assert efficiency is not None
    assert (efficiency.n, efficiency.mean, efficiency.low) == (4, pytest.approx(0.9), pytest.approx(0.9))
    assert scaling(sweeps_of(alone)[0], 64) is None
    assert claims_of(alone, both) == ["fused on 2 devices has an efficiency t₁/(2·t) of 90 % (90 to 90)."]


def test_the_largest_error_is_named():
    rows = [*passes("fused", 64, blocks(*[1.0] * 8)), memory("fused", 64, 1, 2e-6)]
    assert claims_of(rows, passes("slow", 64, blocks(1.0))) == [
        "Scores are within 2e-06 of the float64 ones, over the largest; fused is the farthest."
    ]
