"""What ``fbench chunksize`` times: kernels by name, shards, automatic sizes, points and their shares of the time."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings

import cases
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import SweepError, UnknownNameError, UsageError
from fbench.fisher.selection.greedy import shard_bounds, shard_edges
from fbench.harness.contract import Context
from fbench.suites.chunksize import plan as chunk_points
from fbench.suites.chunksize.decomposition import chunks, needed
from fbench.suites.chunksize.plan import parse_kernel, points, resolve, shares

OPTIONS = {
    "kernels": ("published", "factored:no-inner"),
    "sizes": (4, 10),
    "single": (),
    "candidates": (30,),
    "classes": (3,),
    "dim": (12,),
    "dtype": ("float32",),
    "max_time": 10.0,
}


def options(**more):
    return {**OPTIONS, **more}


def point(**more):
    sizes = {"dtype": "float32", "classes": 10, "dim": 1280, "phase": "sweep", "candidates": 512, "chunk_size": 64}
    return {"kernel": "published", **sizes, **more}


# Kernels by name


@pytest.mark.parametrize("name", ["published", "fused", "factored", "incremental"])
def test_a_kernel_with_and_without_the_inner_matrix(name):
    found, bare = parse_kernel(name), parse_kernel(f"{name}:no-inner")
    assert (found.kernel.name, found.with_inner) == (name, True)
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
    assert chunk_points.parse_kernels("fused, fused:no-inner") == names
    with pytest.raises(SweepError, match="kernel 'fused' stands twice"):
        chunk_points.parse_kernels("fused,fused")
    with pytest.raises(UnknownNameError, match="'fusd'"):
        chunk_points.parse_kernels("fused,fusd")


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
    found = resolve(options(candidates=(), sizes=()), Context(threads=threads))
    assert found["candidates"] == (n,)
    assert found["sizes"] == tuple(16 << i for i in range(20) if 16 << i <= n)


def test_an_automatic_pool_of_a_gpu():
    found = resolve(options(candidates=(), sizes=()), Context(devices=("cuda:0",), threads=2))
    assert found["candidates"] == (50_000,)
    assert found["sizes"] == (64, 128, 256, 512, 1024, 2048, 4096)


@pytest.mark.parametrize(("device", "n"), [("cpu", 5), ("cuda:0", 40)])
def test_automatic_sizes_of_a_small_pool(device, n):
    assert resolve(options(candidates=(n,), sizes=()), Context(devices=(device,)))["sizes"][-1] == n


def test_what_is_given_is_left_as_it_is():
    given_ = options()
    found = resolve(given_, Context())
    assert {name: found[name] for name in OPTIONS if name != "single"} == {
        n: given_[n] for n in OPTIONS if n != "single"
    }
    assert given_["single"] == ()  # and nothing is changed in place


def test_singles_are_those_that_predictions_need_and_those_asked_for():
    found = resolve(options(candidates=(30, 7), single=(1, 5)), Context())
    wanted = needed(30, (4, 10)) | needed(7, (4, 10)) | {1, 5}
    assert found["single"] == tuple(sorted(wanted)) == (1, 2, 3, 4, 5, 7, 10)


def test_of_several_devices_the_largest_shards_are_predicted_and_the_first_alone():
    found = resolve(options(candidates=(31,), sizes=(4, 20)), Context(devices=("cpu", "cpu")))
    assert set(found["single"]) == needed(31, (4, 20)) | needed(16, (4, 20)) == {3, 4, 11, 16, 20}


def test_sizes_above_every_pool_are_clamped_and_said():
    with pytest.warns(UserWarning, match=r"^--sizes: 40, 50 \(2 values\) above the 30 candidates .* clamped to 30; a "):
        found = resolve(options(sizes=(4, 40, 50), candidates=(20, 30)), Context())
    assert found["sizes"] == (4, 30)


def test_singles_above_the_smallest_shard_are_clamped_and_said():
    with pytest.warns(UserWarning, match=r"^--single: 16, 17 \(2 values\) above the 15 candidates .* clamped to 15"):
        found = resolve(options(candidates=(31,), single=(2, 16, 17)), Context(devices=("cpu", "cpu")))
    assert {2, 15} <= set(found["single"])
    assert 17 not in found["single"]


def test_sizes_that_fit_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve(options(single=(15,)), Context(devices=("cpu", "cpu")))


def test_what_cannot_be_asked():
    with pytest.raises(UsageError, match="--classes 1: must be at least 2"):
        resolve(options(classes=(3, 1)), Context())
    with pytest.raises(UsageError, match="--candidates 2: must be at least 1 for each of the 3 devices"):
        resolve(options(candidates=(2, 30)), Context(devices=("cpu",) * 3))


# Points


def test_points_are_every_sweep_of_every_pool_and_every_single_once():
    given_ = options(candidates=(6, 30), single=(2, 5), dtype=("float32", "float64"), classes=(3, 4))
    found = points(given_)
    assert len(found) == len({tuple(sorted(each.items())) for each in found}) == 2 * 2 * 2 * (2 + 2 + 2)
    own = [each for each in found if (each["kernel"], each["dtype"], each["classes"]) == ("published", "float64", 4)]
    assert [(each["phase"], each["candidates"], each["chunk_size"]) for each in own] == [
        *(("sweep", 6, 4), ("sweep", 6, 6)),  # 10 is clamped to the pool
        *(("sweep", 30, 4), ("sweep", 30, 10)),
        *(("single", 2, 2), ("single", 5, 5)),
    ]


def test_sizes_clamped_to_one_pool_stand_once():
    found = points(options(candidates=(3,), sizes=(4, 10), kernels=("fused",)))
    assert [(each["phase"], each["chunk_size"]) for each in found] == [("sweep", 3)]


def test_features_of_a_last_layer():
    assert chunk_points.features_of(point()) == 128
    assert chunk_points.features_of(point(dim=1281)) is None


def test_what_a_last_layers_kernel_cannot_be_put_to():
    said = "factored:no-inner needs dim = classes × features, and 1281 is not a multiple of 10"
    assert chunk_points.unfit(point(kernel="factored:no-inner", dim=1281)) == said
    assert chunk_points.unfit(point(kernel="factored")) == ""
    assert all(chunk_points.unfit(point(kernel=name, dim=1281)) == "" for name in ("published", "incremental"))


def test_operations_of_a_point():
    kernel = parse_kernel("published").kernel
    n, r, d = 512, 9, 1280
    assert chunk_points.operations(point()) == (kernel.flops(n, r, d), kernel.bytes(n, r, d, 4))
    bare = chunk_points.operations(point(kernel="published:no-inner", dtype="float64"))
    assert bare == (kernel.flops(n, r, d, False), kernel.bytes(n, r, d, 8))
    own = parse_kernel("incremental").kernel
    assert chunk_points.operations(point(kernel="incremental"))[0] == own.flops(n, r, d, True, 128)
    assert chunk_points.operations(point(kernel="incremental", dim=1281))[0] == own.flops(n, r, 1281, True, None)


# Time


def test_shares_add_up_and_none_is_starved():
    plan = points(resolve(options(candidates=(512,), sizes=(1, 64), classes=(10,), dim=(1280, 1281)), Context()))
    found = shares(plan, 60.0)
    fit = [seconds for seconds, each in zip(found, plan, strict=True) if not chunk_points.unfit(each)]
    assert sum(found) == pytest.approx(60)
    assert [s for s, each in zip(found, plan, strict=True) if chunk_points.unfit(each)] == [0.0] * (
        len(plan) - len(fit)
    )
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
    found = resolve(options(), Context())
    plan = points(found)
    budgets = [chunk_points.budget_of(each, found) for each in plan]
    assert budgets == pytest.approx(shares(plan, 10.0))
    assert chunk_points.budget_of(plan[0], {**found, "max_time": 20.0}) == pytest.approx(2 * budgets[0])
