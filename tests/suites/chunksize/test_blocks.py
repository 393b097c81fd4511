"""The blocks of a case of ``fbench chunksize``: its rows, when it ends, what it resumes from, what it refuses."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import pytest
import torch

from fbench.errors import ForeignError, TooLargeError
from fbench.harness import registry
from fbench.harness.registry import Kernel
from fbench.measure.timing import PassTimes
from fbench.suites.chunksize import blocks
from fbench.suites.chunksize.blocks import ChunkCase, run
from fbench.suites.chunksize.options import Point

SUITE = registry.SUITES.get("chunksize")
POINT = {"kernel": "fused", "dtype": "float32", "classes": 3, "dim": 12, "phase": "sweep", "candidates": 23}


def case(*, devices=("cpu",), budget_s=100.0, precision=0.05, pool=23, chunk_size=5, ends_at=math.inf, **more):
    point = Point(**{**POINT, "chunk_size": chunk_size, **more})
    if point.phase == "single":
        point = point._replace(candidates=chunk_size)
    return ChunkCase(point, devices, budget_s, precision, pool, 0, ends_at)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No warming up by time, and a control that takes no time; torch's threads stay as they were."""
    monkeypatch.setattr(blocks, "_FIRST_WARM_UP_S", 0.0)
    monkeypatch.setattr(blocks, "_WARM_UP_S", 0.0)
    monkeypatch.setattr(blocks, "_BESIDE", {"cpu": ((1, 4, 8), (1, 8, 8))})
    blocks._beside.cache_clear()
    before = torch.get_num_threads()
    yield
    blocks._beside.cache_clear()
    assert torch.get_num_threads() == before


class Scripted:
    """A meter that reads its seconds off a script: one for each pass."""

    device = "cpu"

    def __init__(self, seconds):
        self.seconds = seconds

    def time(self, run, indices):
        results = [run(i) for i in indices]
        warming_up = all(result is None for result in results)
        return PassTimes([0.01 if warming_up else next(self.seconds) for _ in results], results)


@pytest.fixture
def script(monkeypatch):
    """One pass a block, each of so many seconds by the script, beside a control of as many as are given."""

    def scripted(seconds, control_s=0.0):
        monkeypatch.setattr(blocks, "_MOST_PASSES", 1)
        monkeypatch.setattr(blocks, "_control_row", lambda case: {"control_s": control_s, "gemm_s": 0.0})
        readings = iter(seconds)
        monkeypatch.setattr(blocks, "_meter", lambda device: Scripted(readings))

    return scripted


def timed(unit):
    return [row for row in unit.rows if row["phase"] != "memory"]


def committed(units):
    """Tables as they come back from disk: with every column, and a block."""
    names = [column.name for column in SUITE.columns]
    rows = [{**dict.fromkeys(names), **row, "block": unit.index, "status": "ok"} for unit in units for row in unit.rows]
    conditions = [{**row, "block": unit.index} for unit in units for row in unit.tables["conditions"]]
    return {"results": rows, "conditions": conditions, "points": []}


# Rows


@pytest.mark.parametrize("kernel", ["published", "published:no-inner", "fused", "factored", "incremental"])
@pytest.mark.parametrize("phase", ["sweep", "single"])
@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu")])
def test_rows_of_a_block(kernel, phase, devices):
    first, second = itertools.islice(run(case(kernel=kernel, phase=phase, devices=devices), {}), 2)
    assert (first.index, second.index) == (0, 1)
    for unit in (first, second):
        assert {key for row in unit.rows for key in row} <= {column.name for column in SUITE.columns}
        (condition,) = unit.tables["conditions"]
        assert set(condition) <= {column.name for column in SUITE.tables["conditions"]}
        assert condition["control_s"] > 0
        assert {(row["gpus"], row["device"]) for row in unit.rows} == {
            (count, "+".join(devices[:count])) for count in {1, len(devices)}
        }
        assert all(row["time_s"] > 0 and 0 <= row["max_rel_error"] < 1e-5 for row in timed(unit))
        assert {row["phase"] for row in timed(unit)} == {phase}
        assert all(row["rows"] == 2 and row["kernel"] == kernel for row in unit.rows)
    memory = [row for row in first.rows if row["phase"] == "memory"]
    assert len(memory) == (0 if phase == "single" else len({1, len(devices)}))
    assert all("time_s" not in row and row["peak_bytes"] >= 0 for row in memory)
    assert timed(second) == list(second.rows)


def test_chunks_and_operations_are_those_of_the_pass():
    (unit,) = itertools.islice(run(case(devices=("cpu", "cpu")), {}), 1)
    kernel = registry.KERNELS.get("fused")
    assert {(row["gpus"], row["candidates"], row["chunks"]) for row in unit.rows} == {(2, 23, 3), (1, 23, 5)}
    assert {row["flops"] for row in unit.rows} == {kernel.flops(23, 2, 12)}
    (unit,) = itertools.islice(run(case(devices=("cpu", "cpu"), phase="single"), {}), 1)
    assert {(row["candidates"], row["chunk_size"], row["chunks"]) for row in unit.rows} == {(5, 5, 1)}
    assert {row["gpus"]: row["flops"] for row in unit.rows} == {n: kernel.flops(5 * n, 2, 12) for n in (1, 2)}


@pytest.mark.parametrize(("m", "counts"), [(11, {1, 2}), (12, {1, 2}), (13, {1}), (23, {1})])
@pytest.mark.parametrize("kernel", ["fused", "incremental"])
def test_a_single_chunk_is_timed_where_the_shards_hold_it(kernel, m, counts):
    """The larger shard of 23 on two devices has 12, which the smaller one is filled up to."""
    (unit,) = itertools.islice(run(case(kernel=kernel, devices=("cpu", "cpu"), phase="single", chunk_size=m), {}), 1)
    assert {row["gpus"] for row in unit.rows} == counts


def test_single_chunks_move_through_the_pool(registries):
    parts = []
    register(registries, "moves", lambda state, part, with_inner: parts.append((part.start, part.stop)) or like(part))
    list(itertools.islice(run(case(kernel="moves", phase="single", chunk_size=9), {}), 1))
    assert set(parts) == {(0, 9), (9, 18)}


# When it ends


def test_equal_times_converge_after_six_blocks(script):
    script(itertools.repeat(0.5))
    units = list(run(case(), {}))
    assert [unit.index for unit in units] == list(range(6))
    assert [len(timed(unit)) for unit in units] == [1] * 6
    assert units[-1].left_s == 0
    assert all(unit.left_s > 0 for unit in units[:-1])


def test_several_devices_end_when_each_placement_has_converged(script, monkeypatch):
    both = case(devices=("cpu", "cpu"), budget_s=50.0)
    script(itertools.repeat(1.0))
    assert len(list(run(both, {}))) == 6
    script(())
    meters = iter([itertools.repeat(1.0), itertools.repeat(1.0), itertools.cycle([1.0, 2.0])])
    monkeypatch.setattr(blocks, "_meter", lambda device: Scripted(next(meters)))
    units = list(run(both, {}))
    assert len(units) > 6  # the third meter is the first device's alone
    assert {row["time_s"] for unit in units for row in timed(unit) if row["gpus"] == 2} == {1.0}


def test_times_that_scatter_go_on_until_the_budget_is_spent(script):
    script(itertools.cycle([1.0, 2.0]))
    units = list(run(case(budget_s=20.0, precision=0.1), {}))
    spent = [sum(row["time_s"] for unit in units[:count] for row in timed(unit)) for count in (-1, len(units))]
    assert spent[0] < 20 <= spent[1]
    assert units[-1].left_s == 0


def test_a_wide_interval_is_enough_where_that_is_asked_for(script):
    script(itertools.cycle([1.0, 1.2]))
    assert len(list(run(case(precision=0.25), {}))) == 6


def test_controls_use_up_the_time_too(script):
    """Or passes of a microsecond would have a hundred thousand blocks."""
    script(itertools.cycle([1e-6, 2e-6]), control_s=1.0)
    short = case(budget_s=9.5, precision=1e-6)
    units = list(run(short, {}))
    assert len(units) == 10
    assert list(run(short, committed(units))) == []
    assert [unit.index for unit in run(short, committed(units[:7]))] == [7, 8, 9]


def test_at_least_one_block(script):
    script(itertools.repeat(1.0))
    assert len(list(run(case(budget_s=1e-9), {}))) == 1


@pytest.mark.parametrize(("seconds", "again"), [(0.5, False), (0.001, True)])
def test_short_passes_are_warmed_up_before_every_block(script, monkeypatch, seconds, again):
    """By what the last block's took: the very first pass, which may compile, says nothing of them."""
    script(itertools.repeat(seconds))
    placed = blocks._Placed(case(), ("cpu",))
    placed.block(first=True)
    warmed = []
    monkeypatch.setattr(blocks, "warm_up_passes", lambda *arguments: warmed.append(arguments) or 1)
    placed.block(first=False)
    assert bool(warmed) is again


# What it resumes from


def test_it_goes_on_after_what_is_committed(script):
    script(itertools.repeat(0.5))
    units = list(run(case(), {}))
    for done in range(1, 6):
        later = list(run(case(), committed(units[:done])))
        assert [unit.index for unit in later] == list(range(done, 6))
        assert not [row for unit in later for row in unit.rows if row["phase"] == "memory"]


def test_what_has_converged_has_no_more_blocks(script):
    script(itertools.repeat(0.5))
    assert list(run(case(), committed(list(run(case(), {}))))) == []


def test_what_has_spent_its_time_has_no_more_blocks(script):
    script(itertools.cycle([1.0, 2.0]))
    short = case(budget_s=3.5, precision=1e-6)
    units = list(run(short, {}))
    assert list(run(short, committed(units))) == []
    assert next(run(case(budget_s=99.0, precision=1e-6), committed(units))).index == len(units)


# What it refuses


def like(part):
    return torch.ones(part.stop - part.start)


def register(registries, name, run):
    kernel = Kernel(name, "of a test", lambda *inputs: inputs, run, lambda *_: 1, lambda *_: 1)
    registries["kernels"].add(kernel)


@pytest.mark.parametrize(
    ("name", "give", "message"),
    [
        ("short", lambda part: like(part)[1:], r"gave shape \[4\] for a chunk of 5 candidates; it must give \[5\]"),
        ("number", lambda part: torch.tensor(1.0), r"gave shape \[\] for a chunk of 5 candidates"),
        ("one", lambda part: torch.ones(1), r"gave shape \[1\] for a chunk of 5 candidates"),
        ("square", lambda part: torch.ones(5, 1), r"gave shape \[5, 1\]"),
        ("list", lambda part: [1.0] * 5, r"gave a list; it must give a torch\.Tensor"),
        ("none", lambda part: None, r"gave a NoneType; it must give a torch\.Tensor"),
        ("nan", lambda part: like(part) * math.nan, r"gave NaN or infinity for (23 of 23|5 of 5) candidates"),
        ("infinite", lambda part: like(part) / 0, r"gave NaN or infinity for"),
    ],
)
@pytest.mark.parametrize("phase", ["sweep", "single"])
@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu")])
def test_a_kernel_that_gives_something_else_is_named(registries, name, give, message, phase, devices):
    register(registries, name, lambda state, part, with_inner: give(part))
    if devices != ("cpu",):
        message = message.replace("23 of 23", "1[12] of 1[12]")
    with pytest.raises(ForeignError, match=rf"test_blocks\.py:\d+: kernel '{name}' {message}"):
        list(run(case(kernel=name, phase=phase, devices=devices), {}))


def test_a_kernel_that_is_wrong_is_measured_and_shows(registries):
    register(registries, "wrong", lambda state, part, with_inner: like(part) * 1e6)
    (unit,) = itertools.islice(run(case(kernel="wrong"), {}), 1)
    assert all(row["max_rel_error"] > 1 for row in timed(unit))


def test_what_cannot_fit_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(blocks, "free_bytes", lambda device: 1000)
    monkeypatch.setattr(blocks.problem, "prepared", lambda *_: pytest.fail("it was made"))
    message = r"fused:no-inner at chunk_size 5 holds .* KiB, 1000 B are free: fewer --candidates, a smaller --dim or a"
    with pytest.raises(TooLargeError, match=message):
        list(run(case(kernel="fused:no-inner"), {}))


@pytest.mark.parametrize(("kernel", "free"), [("factored", 0), ("fused", None)])
def test_what_needs_little_or_where_nobody_tells_runs(monkeypatch, kernel, free):
    monkeypatch.setattr(blocks, "free_bytes", lambda device: free)
    assert next(run(case(kernel=kernel), {})).index == 0


# The time of the whole run


def test_no_block_begins_once_the_time_of_the_run_is_over(script, monkeypatch):
    """Five seconds are left and a block takes two, however much the case may still spend."""
    script(itertools.cycle([1.0, 2.0]))
    now = itertools.count(100.0, 2.0)
    monkeypatch.setattr(blocks.time, "monotonic", lambda: next(now))
    assert len(list(run(case(budget_s=1e6, precision=1e-6, ends_at=105.0), {}))) == 3


def test_blocks_use_up_all_the_time_that_they_take(script, monkeypatch):
    """Of a second a block only the passes were counted once: a tenth."""
    script(itertools.cycle([0.1, 0.11]))
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr(blocks.time, "perf_counter", lambda: next(clock))
    assert len(list(run(case(budget_s=10.0, precision=1e-6), {}))) < 30


def test_a_null_case_does_the_work_of_another_size_under_its_own_name(script):
    script([1.0] * 10)
    (unit, *_) = run(replace(case(chunk_size=4, budget_s=0.5), work_size=12), {})
    assert {row["chunk_size"] for row in unit.rows} == {4}
    assert {row["chunks"] for row in unit.rows} == {2}


def test_every_block_says_when_it_began(script):
    script([1.0] * 10)
    before = time.time()
    (unit, *_) = run(case(budget_s=0.5), {})
    (row,) = unit.tables["times"]
    assert before <= row["started_at_s"] <= time.time()
    assert row["took_s"] > 0
