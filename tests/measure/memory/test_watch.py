"""A round's phases: blocks of known size on this machine, and GPUs, readers and faults that are made up."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from memory_fakes import MIB, FakeCuda, ScriptedReader

from fbench.measure import devices
from fbench.measure.devices import Gpus
from fbench.measure.memory import growth
from fbench.measure.memory.meters import GpuMeter
from fbench.measure.memory.nvml import NvmlReader
from fbench.measure.memory.round import highest
from fbench.measure.memory.watch import MemoryWatch

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's high-water mark is Linux's")
PERIOD_S = 0.002


def scripted(*steps, scope="process"):
    return partial(ScriptedReader, [{"used": step} if isinstance(step, int) else step for step in steps], "any", scope)


def watch_of(*devices, cuda=None, **samplers):
    """A watch with short waits; ``samplers``: steps by device, cuda:0 written cuda0."""
    makes = {name.replace("cuda", "cuda:"): make for name, make in samplers.items()}
    return MemoryWatch(devices, period_s=PERIOD_S, samplers=makes, cuda=cuda)


def rows(memory, quantity):
    return [(row.phase, row.start_bytes, row.peak_bytes) for row in memory.peaks if row.quantity == quantity]


def one_round(watch, *phases):
    """The round of phases given as (name, what is done)."""
    watch.begin()
    for name, deed in phases:
        with watch.phase(name):
            deed()
    return watch.end()


def nothing():
    pass


# This process


@linux
def test_phases_of_known_size_round_after_round():
    kept = []
    with watch_of("cpu", "cpu") as watch:
        for _ in range(2):
            watch.begin()
            with watch.phase("keep"):
                kept.append(np.ones(100 * MIB, dtype=np.uint8))
            with watch.phase("drop"):
                np.ones(150 * MIB, dtype=np.uint8)
            kept.clear()
            memory = watch.end()
            keep, drop = memory.peaks
            assert 99 * MIB <= keep.peak_bytes - keep.baseline_bytes <= 120 * MIB
            assert 249 * MIB <= drop.peak_bytes - drop.baseline_bytes <= 275 * MIB
            assert 99 * MIB <= drop.start_bytes - drop.baseline_bytes <= 120 * MIB
            assert 0 < keep.start_s < keep.end_s < drop.start_s < drop.end_s
            assert [(row.phase, row.device, row.source, row.quantity, row.scope) for row in memory.peaks] == [
                ("keep", "cpu", "rss", "used", "process"),
                ("drop", "cpu", "rss", "used", "process"),
            ]
            ((*named, held),) = memory.held
            assert named == ["cpu", "rss", "used"]
            assert abs(held - keep.baseline_bytes) < 20 * MIB
            (facts,) = memory.facts
            assert (facts.device, facts.source, facts.scope, facts.fault) == ("cpu", "rss", "process", "")
            assert (facts.period_s, facts.samples > 1, facts.missed >= 0, facts.rate_hz > 0) == (
                PERIOD_S,
                True,
                True,
                True,
            )
            assert max(point[-1] for point in memory.timeline) > keep.baseline_bytes + 90 * MIB
            assert {point[:3] for point in memory.timeline} == {("cpu", "rss", "used")}


def test_a_cpu_needs_no_torch_and_no_nvml():
    code = (
        "import sys\nfrom fbench.measure.memory.watch import MemoryWatch\n"
        "with MemoryWatch(['cpu']) as watch:\n"
        "    watch.begin()\n"
        "    with watch.phase('one'):\n        pass\n"
        "    assert watch.end().peaks[0].peak_bytes > 0\n"
        "assert not {'torch', 'numpy', 'pandas', 'pynvml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


NO_MARK = "the system has no high-water mark to reset: peaks are of samples, which miss shorter spikes"


def test_without_a_high_water_mark_the_samples_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "_CLEAR", tmp_path / "none" / "clear_refs")
    with watch_of("cpu", cpu=scripted(5, 9)) as watch:
        memory = one_round(watch, ("one", nothing))
    (row,) = memory.peaks
    assert (row.peak_bytes, row.start_bytes > 1 * MIB, row.scope) == (9, True, "process")
    assert memory.facts[0].fault == NO_MARK


def test_without_mark_and_samples_the_peak_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "_CLEAR", tmp_path / "none" / "clear_refs")
    with watch_of("cpu", cpu=scripted("no reader")) as watch:
        memory = one_round(watch, ("one", nothing))
    assert memory.peaks[0].peak_bytes is None
    assert memory.timeline == []
    (facts,) = memory.facts
    assert (facts.samples, facts.rate_hz, facts.fault) == (0, None, f"no reader; {NO_MARK}")


@linux
def test_a_sampler_s_fault_takes_only_the_time_line():
    with watch_of("cpu", cpu=scripted("no reader")) as watch:
        memory = one_round(watch, ("one", nothing))
    assert memory.peaks[0].peak_bytes >= memory.peaks[0].start_bytes > 0
    assert (memory.timeline, memory.facts[0].fault) == ([], "no reader")


# Rounds


def test_a_phase_that_raises_is_left_out_and_the_next_round_is_new():
    with watch_of("cpu") as watch:
        watch.begin()
        with watch.phase("one"):
            pass
        with pytest.raises(MemoryError), watch.phase("two"):
            raise MemoryError
        assert [row.phase for row in watch.end().peaks] == ["one"]
        watch.begin()
        with pytest.raises(ZeroDivisionError), watch.phase("three"):
            _ = 1 / 0
        assert [row.phase for row in one_round(watch, ("four", nothing)).peaks] == ["four"]


def test_leaving_ends_the_samplers_also_after_an_error():
    watch = watch_of("cpu")
    pids = []

    def fails_within():
        with watch:
            pids.append(watch.samplers["cpu"].pid)
            raise KeyError

    with pytest.raises(KeyError):
        fails_within()
    (pid,) = pids
    assert watch.samplers["cpu"].pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_time_line_keeps_the_highest_of_each_bin():
    times = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert highest(times, [3, 9, 1, 2, 5], 2) == [1, 4]
    assert highest(times, [9, 3, 1, 1, 1], 2) == [0, 2]
    assert highest(times, [1, 1, 1, 1, 1], 5) == [0, 1, 2, 3, 4]
    assert highest([], [], 5) == []
    assert highest([0.0, 0.1, 10.0], [1, 2, 3], 2) == [1, 2]


# GPUs that are made up


def test_torch_s_marks_are_exact_and_nvml_s_are_sampled():
    cuda = FakeCuda()
    cuda.take(MIB)
    with watch_of("cuda:0", cuda=cuda, cuda0=scripted(10 * MIB, 10 * MIB, 30 * MIB)) as watch:
        watch.begin()
        with watch.phase("one"):
            cuda.take(7 * MIB)
            cuda.take(-5 * MIB)
        memory = watch.end()
    assert [
        (row.source, row.quantity, row.baseline_bytes, row.start_bytes, row.peak_bytes) for row in memory.peaks
    ] == [
        ("torch", "allocated", MIB, MIB, 8 * MIB),
        ("torch", "reserved", MIB, MIB, 8 * MIB),
        ("torch", "requested", MIB, MIB, 8 * MIB),
        ("nvml", "used", 10 * MIB, 30 * MIB, 30 * MIB),
        ("nvml", "non_torch", 9 * MIB, 29 * MIB, 22 * MIB),
    ]
    assert memory.held == [
        *(("cuda:0", "torch", name, 3 * MIB) for name in ("allocated", "reserved", "requested")),
        ("cuda:0", "nvml", "used", 30 * MIB),
        ("cuda:0", "nvml", "non_torch", 27 * MIB),
    ]
    torch, nvml = memory.facts
    assert (torch.source, torch.scope, torch.fault) == ("torch", "process", "")
    assert (torch.period_s, torch.samples, torch.missed, torch.rate_hz) == (None,) * 4
    assert (nvml.source, nvml.scope, nvml.period_s, nvml.fault) == ("nvml", "process", PERIOD_S, "")
    assert {point[:3] for point in memory.timeline} == {("cuda:0", "nvml", "used")}


def test_growth_of_the_device_is_compared_with_growth_of_torch():
    cuda = FakeCuda()
    cuda.take(4 * MIB)
    with watch_of("cuda:0", cuda=cuda, cuda0=scripted(0, 20 * MIB, scope="device_delta")) as watch:
        memory = one_round(watch, ("one", lambda: cuda.take(3 * MIB)))
    (row,) = [row for row in memory.peaks if row.quantity == "non_torch"]
    assert (row.scope, row.baseline_bytes, row.start_bytes, row.peak_bytes) == ("device_delta", 0, 20 * MIB, 17 * MIB)


def test_the_device_has_finished_at_both_ends_and_the_marks_are_reset_between():
    cuda = FakeCuda()
    with watch_of("cuda:0", cuda=cuda, cuda0=scripted(1)) as watch:
        watch.begin()
        cuda.calls.clear()
        with watch.phase("one"):
            cuda.calls.append("the block")
        assert cuda.calls == [
            *("synchronize cuda:0", "empty_cache", "reset cuda:0", "stats cuda:0"),
            *("the block", "synchronize cuda:0", "stats cuda:0"),
        ]
        watch.end()


def test_each_distinct_device_has_its_rows():
    watch = watch_of("cuda:1", "cuda:0", "cuda:1", cuda=FakeCuda(), cuda0=scripted(5), cuda1=scripted("lost"))
    with watch:
        memory = one_round(watch, ("one", nothing), ("two", nothing))
    assert [(row.phase, row.device) for row in memory.peaks if row.quantity == "used"] == [
        *(("one", "cuda:1"), ("one", "cuda:0"), ("two", "cuda:1"), ("two", "cuda:0")),
    ]
    assert rows(memory, "used") == [("one", None, None), ("one", 5, 5), ("two", None, None), ("two", 5, 5)]
    assert [(source.device, source.source, source.scope, source.fault) for source in memory.facts] == [
        *(("cuda:1", "torch", "process", ""), ("cuda:1", "nvml", "", "lost")),
        *(("cuda:0", "torch", "process", ""), ("cuda:0", "nvml", "process", "")),
    ]


def test_what_torch_does_not_tell_is_none_and_comes_back():
    cuda = FakeCuda()
    with watch_of("cuda:0", cuda=cuda, cuda0=scripted(5)) as watch:
        cuda.error = RuntimeError("out of order")
        broken = one_round(watch, ("one", nothing))
        cuda.error = None
        whole = one_round(watch, ("one", nothing))
    assert rows(broken, "allocated") == rows(broken, "non_torch") == [("one", None, None)]
    assert rows(broken, "used") == [("one", 5, 5)]
    assert broken.facts[0].fault == "torch's allocator on cuda:0 gives no numbers: out of order"
    assert [row[2] for row in broken.held] == ["used"]
    assert (rows(whole, "allocated"), whole.facts[0].fault) == ([("one", 0, 0)], "")


def test_a_sampler_killed_in_the_midst_leaves_the_phases_before():
    cuda = FakeCuda()
    with watch_of("cuda:0", cuda=cuda, cuda0=scripted(5)) as watch:
        watch.begin()
        with watch.phase("one"):
            pass
        with watch.phase("two"):
            os.kill(watch.samplers["cuda:0"].pid, signal.SIGKILL)
            time.sleep(10 * PERIOD_S)
            cuda.take(MIB)
        memory = watch.end()
        again = one_round(watch, ("three", nothing))
    assert [(phase, peak) for phase, _, peak in rows(memory, "used")] == [("one", 5), ("two", None)]
    assert [peak for *_, peak in rows(memory, "allocated")] == [0, MIB]
    fault = "the sampler's process ended by signal 9 (SIGKILL)"
    assert (memory.facts[1].fault, memory.facts[1].samples > 0) == (fault, True)
    assert (rows(again, "used"), again.facts[1].fault) == ([("three", None, None)], fault)
    assert len([row for row in again.held if row[1] == "torch"]) == 3


def test_a_gpu_is_read_by_its_uuid(monkeypatch):
    card = SimpleNamespace(uuid="aaaa")
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(2, {1: card}.__getitem__))
    make = GpuMeter("cuda:1", FakeCuda()).sampled_reader()
    assert (make.func, make.args) == (NvmlReader, ("GPU-aaaa", os.getpid()))


@pytest.mark.gpu
def test_on_a_gpu_both_sources_see_a_block():
    import torch

    with MemoryWatch(["cuda:0"]) as watch:
        watch.begin()
        with watch.phase("one"):
            block = torch.empty(512 * MIB, dtype=torch.uint8, device="cuda:0")
        memory = watch.end()
    grown = {row.quantity: row.peak_bytes - row.baseline_bytes for row in memory.peaks if row.peak_bytes is not None}
    assert grown["requested"] == block.numel()
    assert "used" not in grown or grown["used"] >= block.numel()
    assert "used" in grown or memory.facts[1].fault
