"""Readers of this process's and another's memory, and of torch's allocator."""

import os
import pickle
import subprocess
import sys
from contextlib import closing
from functools import partial

import numpy as np
import psutil
import pytest
from memory_fakes import MIB, FakeCuda, ScriptedReader

from fbench.measure.memory import readers
from fbench.measure.memory.readers import ReaderFault, RssReader, TorchReader

# Resident memory


@pytest.fixture(params=["of the kernel", "of psutil"])
def asked(request, monkeypatch):
    """Both ways to ask."""
    if request.param == "of psutil":
        monkeypatch.setattr(readers, "_STATM", "/nowhere/{}/statm")


def test_resident_memory_grows_by_a_block(asked):
    with closing(RssReader(os.getpid())) as reader:
        before = reader.read()["used"]
        block = np.ones(64 * MIB, dtype=np.uint8)
        assert 60 * MIB < reader.read()["used"] - before < 80 * MIB
        del block
    assert (reader.source, reader.scope) == ("rss", "process")


@pytest.mark.parametrize("reaped", [True, False], ids=["reaped", "a zombie"])
def test_a_process_that_ended_is_a_fault(reaped, asked):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        reader = RssReader(process.pid)
        assert reader.read()["used"] > 0
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))
        with closing(reader), pytest.raises(ReaderFault, match=rf"^process {process.pid} has ended$"):
            reader.read()


def test_a_process_that_never_was_is_a_fault(asked):
    with pytest.raises(ReaderFault, match=r"^process 99999999 has ended$"):
        RssReader(99_999_999)


def test_what_psutil_may_not_read_is_a_fault(asked, monkeypatch):
    def denied(_):
        raise psutil.AccessDenied(1, msg="not yours\nat all")

    monkeypatch.setattr(readers, "_STATM", "/nowhere/{}/statm")
    monkeypatch.setattr(psutil.Process, "memory_info", denied)
    with pytest.raises(ReaderFault, match=r"^resident memory cannot be read: .*not yours$"):
        RssReader(os.getpid())


def test_closing_twice_does_no_harm(asked):
    reader = RssReader(os.getpid())
    reader.close()
    reader.close()


# torch's allocator


def test_torch_s_numbers_and_its_high_water_marks():
    cuda = FakeCuda()
    reader = TorchReader("cuda:0", cuda)
    cuda.take(3 * MIB + 100)
    cuda.take(-2 * MIB)
    assert reader.read() == {"allocated": MIB + 512, "reserved": 4 * MIB, "requested": MIB + 100}
    assert reader.peaks() == {"allocated": 3 * MIB + 512, "reserved": 4 * MIB, "requested": 3 * MIB + 100}
    reader.reset()
    assert reader.peaks() == reader.read()
    assert set(cuda.calls) == {"stats cuda:0", "reset cuda:0"}
    reader.close()


@pytest.mark.parametrize("ask", ["read", "peaks", "reset"])
def test_what_torch_does_not_tell_is_a_fault(ask, monkeypatch):
    def fails(_):
        raise RuntimeError("CUDA error: unspecified\nlaunch failure")

    cuda = FakeCuda()
    monkeypatch.setattr(cuda, "memory_stats", fails)
    monkeypatch.setattr(cuda, "reset_peak_memory_stats", fails)
    message = r"^torch's allocator on cuda:0 gives no numbers: CUDA error: unspecified$"
    with pytest.raises(ReaderFault, match=message):
        getattr(TorchReader("cuda:0", cuda), ask)()


def test_a_number_that_is_missing_is_a_fault_and_not_0(monkeypatch):
    cuda = FakeCuda()
    monkeypatch.setattr(cuda, "memory_stats", lambda _: {})
    message = r"^torch's allocator on cuda:0 does not count allocated_bytes\.all\.current$"
    with pytest.raises(ReaderFault, match=message):
        TorchReader("cuda:0", cuda).read()


def test_real_torch_without_cuda_is_a_fault():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ReaderFault, match=r"^torch's allocator on cuda:0 "):
        TorchReader("cuda:0").read()


@pytest.mark.gpu
def test_real_torch_counts_a_block():
    import torch

    torch.cuda.init()
    reader = TorchReader("cuda:0")
    reader.reset()
    before = reader.read()
    block = torch.empty(50 * MIB, dtype=torch.uint8, device="cuda:0")
    assert reader.read()["requested"] - before["requested"] == block.numel()
    del block
    assert reader.peaks()["allocated"] - before["allocated"] == 50 * MIB


def test_a_script_s_last_step_repeats_also_after_a_journey():
    reader = pickle.loads(pickle.dumps(partial(ScriptedReader, [{"used": 1}, "gone"], "rss", "device_delta")))()
    assert (reader.source, reader.scope) == ("rss", "device_delta")
    assert reader.read() == {"used": 1}
    for _ in range(2):
        with pytest.raises(ReaderFault, match=r"^gone$"):
            reader.read()
    reader.close()


def test_an_error_without_words_gives_its_name():
    assert readers.first_line(KeyError()) == "KeyError"
    assert readers.first_line(ValueError("one\ntwo")) == "one"
