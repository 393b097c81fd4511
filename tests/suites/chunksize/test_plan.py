"""What ``fbench chunksize`` times: kernels by name, shards, automatic sizes, points and their shares of the time."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from dataclasses import replace

import cases
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import SweepError, UnknownNameError, UsageError
from fbench.fisher.selection.greedy import shard_bounds, shard_edges
from fbench.harness import registry
from fbench.harness.contract import Context
from fbench.suites.chunksize.decomposition import chunks, needed
from fbench.suites.chunksize.options import Options, Point, parse_kernel, parse_kernels
from fbench.suites.chunksize.plan import (
    case_budget_s,
    factor_features,
    misfit_reason,
    operations,
    points,
    resolve,
    shares,
)

SMALL = {"kernels": "published,factored:no-inner", "sizes": "4,10", "candidates": "30", "classes": "3", "dim": "12"}
SUITE = registry.SUITES.get("chunksize")


def options(**more: str) -> Options:
    return SUITE.typed(**{**SMALL, "max_time": 10.0, **more})


def point(**more) -> Point:
    return Point("published", "float32", 10, 1280, "sweep", 512, 64)._replace(**more)


# Kernels by name


@pytest.mark.parametrize("name", ["published", "fused", "factored", "incremental"])
def test_a_kernel_with_and_without_the_inner_matrix(name):
    whole, bare = parse_kernel(name), parse_kernel(f"{name}:no-inner")
    assert (whole.kernel.name, whole.with_inner) == (name, True)
    assert (bare.kernel.name, bare.with_inner) == (name, False)


@pytest.mark.parametrize(
    ("text", "near"),
    [("fusd", "fused"), ("fusd:no-inner", "fused:no-inner"), ("fused:no_inner", "fused:no-inner")],
)
def test_another_kernel_names_the_nearest(text, near):
    with pytest.raises(UnknownNameError, match=rf"unknown kernel '{text}'; did you mean '{near}'\? Known: factored, "):
        parse_kernel(text)


@pytest.mark.parametrize("text", ["fused:no-inner:no-inner", ":no-inner", ""])
def test_no_kernel_at_all(text):
    with pytest.raises(UnknownNameError, match="unknown kernel"):
        parse_kernel(text)


def test_a_list_of_kernels():
    names = ("fused", "fused:no-inner")
    assert parse_kernels("fused, fused:no-inner") == names
    with pytest.raises(SweepError, match="kernel 'fused' stands twice"):
        parse_kernels("fused,fused")
    with pytest.raises(UnknownNameError, match="'fusd'"):
        parse_kernels("fused,fusd")


def test_planning_needs_no_torch():
    code = "import sys, fbench.suites.chunksize.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Shards


@given(n=st.integers(0, 500), devices=st.integers(1, 9))
@cases.randomised(200)
def test_shards_partition_the_pool_as_evenly_as_a_selections_do(n, devices):
    """The largest and the smallest are what ``resolve`` takes them for."""
    sizes = [b - a for a, b in itertools.pairwise(shard_edges(n, devices))]
    assert (len(sizes), sum(sizes)) == (devices, n)
    assert max(sizes) - min(sizes) <= 1
    assert (max(sizes), min(sizes)) == (chunks(n, devices), n // devices)
    assert [b - a for a, b in shard_bounds(n, devices)] == [size for size in sizes if size]


# What is resolved


@pytest.mark.parametrize(("threads", "n"), [(1, 256), (2, 512), (3, 512), (4, 1024), (64, 16384), (999, 32768)])
def test_an_automatic_pool_grows_with_the_threads(threads, n):
    resolved = resolve(options(candidates="auto", sizes="auto"), Context(threads=threads))
    assert resolved.candidates == (n,)
    assert resolved.sizes == tuple(16 << i for i in range(20) if 16 << i <= n)


def test_an_automatic_pool_of_a_gpu():
    resolved = resolve(options(candidates="auto", sizes="auto"), Context(devices=("cuda:0",), threads=2))
    assert resolved.candidates == (50_000,)
    assert resolved.sizes == (64, 128, 256, 512, 1024, 2048, 4096)


@pytest.mark.parametrize(("device", "n"), [("cpu", 5), ("cuda:0", 40)])
def test_automatic_sizes_of_a_small_pool(device, n):
    assert resolve(options(candidates=str(n), sizes="auto"), Context(devices=(device,))).sizes[-1] == n


def test_what_is_given_is_left_as_it_is():
    typed = options()
    resolved = resolve(typed, Context())
    assert replace(resolved, single=()) == typed


def test_singles_are_those_that_predictions_need_and_those_asked_for():
    resolved = resolve(options(candidates="7,30", single="1,5"), Context())
    wanted = needed(30, (4, 10)) | needed(7, (4, 10)) | {1, 5}
    assert resolved.single == tuple(sorted(wanted)) == (1, 2, 3, 4, 5, 7, 10)


def test_of_several_devices_the_largest_shards_are_predicted_and_the_first_alone():
    resolved = resolve(options(candidates="31", sizes="4,20"), Context(devices=("cpu", "cpu")))
    assert set(resolved.single) == needed(31, (4, 20)) | needed(16, (4, 20)) == {3, 4, 11, 16, 20}


def test_sizes_above_every_pool_are_clamped_and_said():
    with pytest.warns(UserWarning, match=r"^--sizes: 40, 50 \(2 values\) above the 30 candidates .* clamped to 30; a "):
        resolved = resolve(options(sizes="4,40,50", candidates="20,30"), Context())
    assert resolved.sizes == (4, 30)


def test_singles_above_the_smallest_shard_are_clamped_and_said():
    with pytest.warns(UserWarning, match=r"^--single: 16, 17 \(2 values\) above the 15 candidates .* clamped to 15"):
        resolved = resolve(options(candidates="31", single="2,16,17"), Context(devices=("cpu", "cpu")))
    assert {2, 15} <= set(resolved.single)
    assert 17 not in resolved.single


def test_sizes_that_fit_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve(options(single="15"), Context(devices=("cpu", "cpu")))


def test_what_cannot_be_asked():
    with pytest.raises(UsageError, match="--candidates 2: must be at least 1 for each of the 3 devices"):
        resolve(options(candidates="2,30"), Context(devices=("cpu",) * 3))


# Points


def test_points_are_every_sweep_of_every_pool_and_every_single_once():
    planned = points(options(candidates="6,30", single="2,5", dtype="float32,float64", classes="3,4"))
    assert len(planned) == len(set(planned)) == 2 * 2 * 2 * (2 + 2 + 2)
    alike = [case for case in planned if (case.kernel, case.dtype, case.classes) == ("published", "float64", 4)]
    assert [(case.phase, case.candidates, case.chunk_size) for case in alike] == [
        *(("sweep", 6, 4), ("sweep", 6, 6)),  # 10 is clamped to the pool
        *(("sweep", 30, 4), ("sweep", 30, 10)),
        *(("single", 2, 2), ("single", 5, 5)),
    ]


def test_sizes_clamped_to_one_pool_stand_once():
    planned = points(options(candidates="3", sizes="4,10", kernels="fused"))
    assert [(case.phase, case.chunk_size) for case in planned] == [("sweep", 3)]


def test_features_of_a_last_layer():
    assert factor_features(point()) == 128
    assert factor_features(point(dim=1281)) is None


def test_what_a_last_layers_kernel_cannot_be_put_to():
    reason = "factored:no-inner needs dim = classes × features, and 1281 is not a multiple of 10"
    assert misfit_reason(point(kernel="factored:no-inner", dim=1281)) == reason
    assert misfit_reason(point(kernel="factored")) == ""
    assert all(misfit_reason(point(kernel=name, dim=1281)) == "" for name in ("published", "incremental"))


def test_operations_of_a_point():
    kernel = parse_kernel("published").kernel
    n, r, d = 512, 9, 1280
    assert operations(point()) == (kernel.flops(n, r, d), kernel.bytes(n, r, d, 4))
    bare = operations(point(kernel="published:no-inner", dtype="float64"))
    assert bare == (kernel.flops(n, r, d, False), kernel.bytes(n, r, d, 8))
    incremental = parse_kernel("incremental").kernel
    assert operations(point(kernel="incremental"))[0] == incremental.flops(n, r, d, True, 128)
    assert operations(point(kernel="incremental", dim=1281))[0] == incremental.flops(n, r, 1281, True, None)


# Time


def test_shares_add_up_and_none_is_starved():
    plan = points(resolve(options(candidates="512", sizes="1,64", classes="10", dim="1280,1281"), Context()))
    seconds = dict(zip(plan, shares(plan, 60.0), strict=True))
    fit = [seconds[case] for case in plan if not misfit_reason(case)]
    assert sum(seconds.values()) == pytest.approx(60)
    assert {seconds[case] for case in plan if misfit_reason(case)} == {0.0}
    assert 0 < len(fit) < len(plan)
    assert min(fit) > 0.16 * 60 / len(fit)  # a fifth of the mean, which the fifths themselves raise


def test_shares_grow_with_what_a_pass_costs():
    small, large, fine = shares([point(), point(candidates=1024), point(chunk_size=1)], 1.0)
    assert small < large
    assert small < fine


def test_nothing_fit_shares_nothing():
    assert shares([point(kernel="factored", dim=1281)] * 2, 5.0) == [0.0, 0.0]
    assert shares([], 5.0) == []


def test_a_points_own_share():
    resolved = resolve(options(), Context())
    plan = points(resolved)
    budgets = [case_budget_s(case, resolved) for case in plan]
    assert budgets == pytest.approx(shares(plan, 10.0))
    assert case_budget_s(plan[0], replace(resolved, max_time=20.0)) == pytest.approx(2 * budgets[0])
