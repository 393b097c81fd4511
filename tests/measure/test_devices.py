import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
import torch

from fbench.errors import DeviceError, SweepError
from fbench.measure import devices
from fbench.measure.devices import Gpus, no_cuda_reason, parse_devices, visible_gpus

UUIDS = ["GPU-aaaa0000-0000", "GPU-aaaa1111-1111", "GPU-bbbb2222-2222", "MIG-cccc3333-3333"]


def pretend(count):
    """A machine with so many GPUs; their UUIDs as torch writes them, bare, but for a MIG one."""
    bare = [uuid.removeprefix("GPU-") for uuid in UUIDS]
    return lambda: Gpus(count, lambda i: SimpleNamespace(uuid=bare[i], name=f"GPU {i}", total_memory=2**30))


def never():
    raise AssertionError("the machine was asked, for a spelling that needs no GPU")


@pytest.fixture(autouse=True)
def no_mask(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("device", "names"),
    [
        ("auto", ("cuda:0",)),
        ("cuda", ("cuda:0",)),
        ("cuda:3", ("cuda:3",)),
        ("cuda:0,cuda:1", ("cuda:0", "cuda:1")),
        ("cuda:1, cuda:0", ("cuda:1", "cuda:0")),
        ("cuda,cuda:1", ("cuda:0", "cuda:1")),
        ("cuda:01", ("cuda:1",)),
    ],
)
def test_device_spellings(device, names):
    assert parse_devices(device, None, query=pretend(4)) == names


@pytest.mark.parametrize(
    ("device", "names"), [("cpu", ("cpu",)), ("cpu,cpu", ("cpu",) * 2), ("cpu, cpu,cpu", ("cpu",) * 3)]
)
def test_cpu_asks_for_no_gpu(device, names):
    assert parse_devices(device, None, query=never) == names


def test_auto_without_a_gpu_is_the_cpu():
    assert parse_devices("auto", None, query=pretend(0)) == ("cpu",)


@pytest.mark.parametrize(
    ("gpus", "names"),
    [
        ("0", ("cuda:0",)),
        ("0,1", ("cuda:0", "cuda:1")),
        ("2, 0", ("cuda:2", "cuda:0")),
        ("0..3", ("cuda:0", "cuda:1", "cuda:2", "cuda:3")),
        ("1..1", ("cuda:1",)),
        ("3,0..1", ("cuda:3", "cuda:0", "cuda:1")),
        ("all", ("cuda:0", "cuda:1", "cuda:2", "cuda:3")),
        ("GPU-bbbb2222-2222", ("cuda:2",)),
        ("gpu-BBBB", ("cuda:2",)),
        ("MIG-cccc3333-3333", ("cuda:3",)),
        ("GPU-aaaa1111-1111,0", ("cuda:1", "cuda:0")),
    ],
)
def test_gpus_spellings(gpus, names):
    assert parse_devices("auto", gpus, query=pretend(4)) == names


def test_both_options_name_the_same_devices():
    listed = parse_devices("cuda:0,cuda:1", None, query=pretend(2))
    assert listed == parse_devices("auto", "0..1", query=pretend(2)) == parse_devices("auto", "all", query=pretend(2))


@pytest.mark.parametrize("device", ["gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda 0", "cpu:0", "mps", "cuda:٣"])
def test_unknown_device(device):
    with pytest.raises(DeviceError, match=r"unknown device '.*'; write auto, cpu, cuda, cuda:1 or cuda:0,cuda:1"):
        parse_devices(device, None, query=pretend(4))


def test_auto_stands_alone():
    with pytest.raises(DeviceError, match="--device auto,cpu: auto chooses by itself; write it alone"):
        parse_devices("auto,cpu", None, query=pretend(4))


@pytest.mark.parametrize(
    "gpus", ["x", "-1", "0...2", "0-2", "0..", "..3", "all,0", "ALL", "GPU-", "GPU-xyz", "1" * 5000, "٣"]
)
def test_unknown_gpu(gpus):
    with pytest.raises(DeviceError, match=r"names no GPU; write 0,1 or 0\.\.3, all \(alone\), or a UUID, GPU-…"):
        parse_devices("auto", gpus, query=never)


@pytest.mark.parametrize(
    ("device", "gpus", "position"), [("", None, 0), ("cpu,", None, 4), ("auto", "", 0), ("auto", "0,,1", 2)]
)
def test_an_empty_item_has_a_caret(device, gpus, position):
    with pytest.raises(SweepError, match=r"a (device|GPU) is missing here; write one") as caught:
        parse_devices(device, gpus, query=never)
    assert caught.value.position == position


def test_both_options_at_once():
    with pytest.raises(DeviceError, match="--device cpu and --gpus 0 both name devices; give one of them"):
        parse_devices("cpu", "0", query=never)


def test_cpu_and_gpu_mixed():
    with pytest.raises(DeviceError, match="--device cpu,cuda:0 mixes CPU and GPU; a run is on the one or on the other"):
        parse_devices("cpu,cuda:0", None, query=never)


@pytest.mark.parametrize(
    ("device", "gpus", "named"),
    [
        ("cuda:1,cuda:1", None, "--device cuda:1,cuda:1 names cuda:1"),
        ("cuda,cuda:0", None, "--device cuda,cuda:0 names cuda:0"),
        ("auto", "0,0", "--gpus 0,0 names cuda:0"),
        ("auto", "0..2,1", r"--gpus 0\.\.2,1 names cuda:1"),
        ("auto", "GPU-bbbb,2", "--gpus GPU-bbbb,2 names cuda:2"),
    ],
)
def test_a_gpu_named_twice(device, gpus, named):
    with pytest.raises(DeviceError, match=named + " twice; name each GPU once"):
        parse_devices(device, gpus, query=pretend(4))


def test_a_range_that_runs_down():
    with pytest.raises(DeviceError, match=r"--gpus 3\.\.0 runs down; write 0\.\.3"):
        parse_devices("auto", "3..0", query=pretend(4))


@pytest.mark.parametrize(("device", "gpus"), [("cuda:2", None), ("auto", "2"), ("auto", "0..2"), ("auto", "0..999999")])
def test_a_gpu_that_is_not_there(device, gpus, monkeypatch):
    with pytest.raises(
        DeviceError,
        match=r"none of the 2 GPUs this .* \(CUDA_VISIBLE_DEVICES is not set\); name one of cuda:0 to cuda:1",
    ):
        parse_devices(device, gpus, query=pretend(2))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(
        DeviceError, match=r"none of the 1 GPU this .* \(CUDA_VISIBLE_DEVICES is '3'\); name one of cuda:0$"
    ):
        parse_devices(device, gpus, query=pretend(1))


@pytest.mark.parametrize(
    ("uuid", "fault"),
    [("GPU-dddd", "is none of the 4 GPUs this process sees"), ("GPU-aaaa", "begins the UUIDs of 2 GPUs")],
)
def test_a_uuid_must_find_one_gpu(uuid, fault):
    with pytest.raises(DeviceError, match=f"{uuid} {fault}.*; nvidia-smi -L lists the UUIDs in full"):
        parse_devices("auto", uuid, query=pretend(4))


@pytest.mark.parametrize(
    ("device", "gpus", "option"),
    [("cuda", None, "--device cuda"), ("auto", "all", "--gpus all"), ("auto", "0", "--gpus 0")],
)
def test_no_cuda_names_the_remedy(device, gpus, option):
    with pytest.raises(DeviceError, match=f"{option}: no CUDA device here: .*; or run with --device cpu"):
        parse_devices(device, gpus, query=pretend(0))


def test_reasons_for_no_cuda(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert no_cuda_reason().startswith("no GPU, or no driver that this torch can use; nvidia-smi")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert no_cuda_reason() == "CUDA_VISIBLE_DEVICES='' may hide the GPUs; unset it to see all"
    monkeypatch.setattr(torch.version, "cuda", None)
    assert no_cuda_reason().startswith("this torch is built without CUDA; install a CUDA build")


def test_visible_gpus_asks_torch(monkeypatch):
    properties = SimpleNamespace(uuid="aaaa", name="H", total_memory=5)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: properties)
    gpus = visible_gpus()
    assert (gpus.count, gpus.uuid(1), gpus.name(1), gpus.memory_bytes(1)) == (2, "GPU-aaaa", "H", 5)
    assert parse_devices("auto", "all") == ("cuda:0", "cuda:1")


def test_torchs_warning_of_an_old_driver_is_kept_quiet(monkeypatch):
    def is_available():
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    assert visible_gpus().count == 0


def test_the_query_can_be_replaced_for_every_caller(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", pretend(3))
    assert parse_devices("auto", "1..2") == ("cuda:1", "cuda:2")


def test_cpu_imports_no_torch():
    code = (
        "import sys; from fbench.measure.devices import parse_devices\n"
        "assert parse_devices('cpu', None) == ('cpu',) and parse_devices('cpu,cpu', None) == ('cpu', 'cpu')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_more_devices_than_anybody_has():
    with pytest.raises(DeviceError, match=r"--device cpu,cpu.*… \(263 letters\): must be at most 64 devices"):
        parse_devices(",".join(["cpu"] * 66))
    assert parse_devices(",".join(["cpu"] * 64)) == ("cpu",) * 64
