"""NVML's reader: pynvml's real bindings against a library made here that fails as drivers do; and without any."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pynvml
import pytest
from fake_nvml import fails

from fbench.measure.memory.nvml import NvmlReader
from fbench.measure.memory.readers import ReaderFault

ROOT = Path(__file__).resolve().parents[3]
GIB = 1 << 30
HALF = GIB // 2

# A round of two phases on a GPU whose torch is made up and whose NVML is the sampler's process's own.
SCRIPT = """
import json, os, signal, sys, time
from dataclasses import asdict
from functools import partial
from memory_fakes import FakeCuda
from fbench.measure.memory.nvml import NvmlReader
from fbench.measure.memory.watch import MemoryWatch

uuid, deed = sys.argv[1:]
cuda = FakeCuda()
cuda.take(1 << 20)
make = {"cuda:0": partial(NvmlReader, uuid, os.getpid())}
with MemoryWatch(["cuda:0"], period_s=0.002, samplers=make, cuda=cuda) as watch:
    watch.begin()
    with watch.phase("first"):
        cuda.take(3 << 20)
    if deed == "kill":
        os.kill(watch.samplers["cuda:0"].pid, signal.SIGKILL)
    with watch.phase("second"):
        if deed != "nothing":
            time.sleep(1.0)
    found = watch.end()
    print(json.dumps(asdict(found)))
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """The folder of the library."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).with_name("nvml_stub.c")
    made = folder / "libnvidia-ml.so.1"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", made, source], check=True, capture_output=True)
    return folder


def run_round(folder, behaviour="", uuid="GPU-aaaa", deed="nothing"):
    """The round as a dictionary; ``folder`` holds the library, or nothing."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "NVML_STUB": behaviour}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-W", "error", "-c", SCRIPT, uuid, deed]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)


def used(memory, quantity="used"):
    """(scope, baseline, start, peak) of NVML's quantity, a phase after another."""
    rows = [row for row in memory["peaks"] if (row["source"], row["quantity"]) == ("nvml", quantity)]
    assert [row["phase"] for row in rows] == ["first", "second"]
    return [tuple(row[name] for name in ("scope", "baseline_bytes", "start_bytes", "peak_bytes")) for row in rows]


def torch_peaks(memory):
    return [row["peak_bytes"] for row in memory["peaks"] if row["quantity"] == "allocated"]


def facts(memory):
    (row,) = [row for row in memory["facts"] if row["source"] == "nvml"]
    return row


# A round with the bindings


def test_a_listed_process_has_its_own_bytes(stub):
    memory = run_round(stub, f"pid=0 bytes={HALF}")
    assert used(memory) == [("process", HALF, HALF, HALF)] * 2
    beyond = [(row[1], row[3]) for row in used(memory, "non_torch")]
    assert beyond == [(HALF - (1 << 20), HALF - (4 << 20))] * 2
    assert (facts(memory)["fault"], facts(memory)["scope"], facts(memory)["period_s"]) == ("", "process", 0.02)
    assert memory["held"][-2:] == [["cuda:0", "nvml", "used", HALF], ["cuda:0", "nvml", "non_torch", HALF - (4 << 20)]]


@pytest.mark.parametrize(
    "behaviour",
    [
        "pid=-1",
        "pid=0 bytes=-1",
        "pid=0 compute=3 graphics=3",
        "pid=0 compute=4 graphics=4",
        "pid=0 compute=13 graphics=13",
    ],
    ids=["hidden", "bytes hidden", "list not supported", "list not permitted", "older driver"],
)
def test_without_a_process_s_bytes_it_is_the_device_s_growth(behaviour, stub):
    memory = run_round(stub, behaviour + " step=1048576")
    first, second = used(memory)
    assert first[:2] == second[:2] == ("device_delta", 0)
    assert 0 < first[2] <= first[3] < second[3] < GIB
    assert first[3] % (1 << 20) == 0
    # torch took 3 MiB more than at the baseline, which NVML's growth is to be compared with
    assert used(memory, "non_torch")[1] == ("device_delta", 0, second[2] - (3 << 20), second[3] - (3 << 20))
    assert (facts(memory)["fault"], facts(memory)["period_s"]) == ("", 0.002)


def test_one_list_is_enough(stub):
    assert used(run_round(stub, "pid=0 graphics=4"))[0] == ("process", HALF, HALF, HALF)
    assert used(run_round(stub, "pid=0 compute=3"))[0] == ("process", HALF, HALF, HALF)


def test_a_slice_is_asked_for_its_own_list(stub):
    """The whole GPU's is not permitted; torch leaves the prefix off, so that a slice looks like a GPU."""
    for uuid in ("MIG-bbbb", "GPU-bbbb"):
        assert used(run_round(stub, f"pid=0 bytes={HALF} compute=4", uuid))[0] == ("process", HALF, HALF, HALF)


@pytest.mark.parametrize(
    ("behaviour", "uuid", "fault"),
    [
        ("init=9", "GPU-aaaa", "NVIDIA's driver is not loaded: nvidia-smi says more"),
        ("init=18", "GPU-aaaa", "NVML and the loaded driver are of different versions: restart the machine"),
        ("init=4", "GPU-aaaa", "NVML does not permit this user to read GPU-aaaa: ask the machine's administrator"),
        ("memory=3", "GPU-aaaa", "NVML does not count the memory of GPU-aaaa (not supported)"),
        ("memory=4", "GPU-aaaa", "NVML does not permit this user to read GPU-aaaa: ask the machine's administrator"),
        ("last=0", "GPU-aaaa", "the driver lost the GPU GPU-aaaa: nvidia-smi -q says more; it may need a restart"),
        ("", "GPU-cccc", "NVML knows no GPU GPU-cccc: nvidia-smi -L lists those that it knows"),
        ("memory=999", "GPU-aaaa", "NVML fails on GPU-aaaa: Unknown Error"),
        ("memory=77", "GPU-aaaa", "NVML fails on GPU-aaaa: an error of the stub"),
    ],
)
def test_a_fault_leaves_the_cells_empty_and_the_round_goes_on(behaviour, uuid, fault, stub):
    memory = run_round(stub, behaviour, uuid)
    assert used(memory) == used(memory, "non_torch") == [("", None, None, None)] * 2
    assert facts(memory) | {"fault": fault} == facts(memory)
    assert (facts(memory)["samples"], facts(memory)["missed"], facts(memory)["rate_hz"]) == (0, 0, None)
    assert torch_peaks(memory) == [4 << 20] * 2
    assert [row[1] for row in memory["held"]] == ["torch"] * 3
    assert memory["timeline"] == []


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is a driver")
def test_without_a_library(tmp_path):
    memory = run_round(tmp_path)
    assert used(memory) == [("", None, None, None)] * 2
    assert facts(memory)["fault"] == (
        "no NVML library here: install NVIDIA's driver; a container needs the capability 'utility'"
    )


def test_a_gpu_lost_on_the_way_leaves_what_was_before(stub):
    memory = run_round(stub, "last=200 step=1", deed="lost")
    first, second = used(memory)
    assert first[3] is not None
    assert second[3] is None
    assert facts(memory)["fault"].startswith("the driver lost the GPU GPU-aaaa")
    assert facts(memory)["samples"] > 0
    assert facts(memory)["missed"] > 0
    assert torch_peaks(memory) == [4 << 20] * 2


def test_a_killed_sampler_leaves_what_was_before(stub):
    memory = run_round(stub, "pid=-1 step=1", deed="kill")
    first, second = used(memory)
    assert first[3] is not None
    assert second[3] is None
    assert facts(memory)["fault"] == "the sampler's process ended by signal 9 (SIGKILL)"
    assert torch_peaks(memory) == [4 << 20] * 2


# The reader alone


def reader_of(monkeypatch, processes, graphics=()):
    """A reader of process 7 whose lists are these, looked at anew each time."""
    for name, entries in (("Compute", processes), ("Graphics", graphics)):
        listed = partial(lambda entries, _: [pynvml.c_nvmlProcessInfo_t(*entry) for entry in entries], entries)
        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{name}RunningProcesses", listed)
    return NvmlReader("GPU-aaaa", 7)


def test_one_that_computes_and_draws_is_counted_once(cards, monkeypatch):
    reader = reader_of(monkeypatch, [(1, 5), (7, 300)], [(7, 300), (8, 9)])
    assert (reader.read(), reader.scope) == ({"used": 300}, "process")


def test_a_process_that_leaves_the_list_is_a_fault(cards, monkeypatch):
    processes = [(7, 300)]
    reader = reader_of(monkeypatch, processes)
    reader.read()
    processes.clear()
    with pytest.raises(ReaderFault, match=r"^NVML no longer lists process 7 on GPU-aaaa$"):
        reader.read()


def test_the_scope_is_not_known_before_the_first_reading(cards, monkeypatch):
    reader = reader_of(monkeypatch, [(7, 300)])
    assert (reader.scope, reader.least_period_s) == ("", 0.0)
    reader.read()
    assert (reader.scope, reader.least_period_s) == ("process", 0.02)


def test_closing_closes_nvml_and_raises_nothing(cards, monkeypatch):
    reader = reader_of(monkeypatch, [])
    reader.close()
    assert cards == [True]
    monkeypatch.setattr(pynvml, "nvmlShutdown", fails())
    reader.close()


def test_without_pynvml_the_fault_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(ReaderFault, match=r"^no module pynvml: install nvidia-ml-py to read NVML$"):
        NvmlReader("GPU-aaaa", 7)


@pytest.mark.gpu
def test_this_gpu_s_memory_grows_by_a_block():
    import torch

    from fbench.measure.devices import visible_gpus

    torch.zeros(1, device="cuda")
    reader = NvmlReader(visible_gpus().uuid(0), os.getpid())
    before = reader.read()["used"]
    block = torch.empty(GIB, dtype=torch.uint8, device="cuda")
    assert reader.read()["used"] - before >= block.numel()
    reader.close()
