import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from fake_nvml import fails

from fbench.measure import devices, doctor
from fbench.measure.devices import Gpus

ROOT = Path(__file__).resolve().parents[2]


def check(name):
    return {line.name: line for line in doctor.checks()}[name]


def test_every_subject_is_checked_and_every_fault_has_a_remedy(no_driver):
    lines = doctor.checks()
    assert [line.name for line in lines] == [
        *("python", "torch", "cuda", "nvml", "threads", "load", "memory", "disk", "data", "numba"),
        *("matplotlib", "ray"),
    ]
    assert all(line.detail for line in lines)
    assert all(bool(line.remedy) == (line.status != "ok") for line in lines)


def test_python_too_old(monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_PYTHON", (4, 0))
    assert check("python").status == "missing"
    assert check("python").remedy == "install Python 4.0 or later"


def test_torch_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert check("torch").status == "missing"
    assert check("torch").remedy == "pip install 'torch>=2.11'"
    assert check("cuda") == doctor.Check("cuda", "warn", "unknown without torch", "install torch first")
    assert check("threads").status == "ok"


@pytest.mark.parametrize(("version", "status"), [("2.9.1", "missing"), ("2.11.0+cpu", "ok"), ("3.0.0a1", "ok")])
def test_torch_version_is_compared_as_numbers(version, status, monkeypatch):
    monkeypatch.setattr(torch, "__version__", version)
    assert check("torch").status == status
    assert version in check("torch").detail


def test_gpus_are_named_with_their_memory(cards):
    assert check("cuda").detail == "cuda:0 NVIDIA L4 (22 GiB), cuda:1 NVIDIA H200 (139 GiB)"
    assert check("nvml") == doctor.Check("nvml", "ok", "driver 570.86, GPUs: 2")


def test_no_gpu(monkeypatch, no_driver):
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(0, fails()))
    assert check("cuda").status == "warn"
    assert "every suite runs on the CPU" in check("cuda").detail
    assert check("cuda").remedy == devices.no_cuda_reason()
    assert "NVML Shared Library Not Found" in check("nvml").detail


def test_a_gpu_that_cannot_be_asked_is_a_line_and_not_the_end(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(1, fails()))
    [broken] = [line for line in doctor.checks() if "could not be looked at" in line.detail]
    assert broken.name == "cuda"
    assert broken.remedy == "mend that, or do without this line"
    assert "Not Supported" in broken.detail


def test_too_many_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert "torch takes 8 threads" in check("threads").detail
    assert check("threads").remedy == "give --threads 1"


@pytest.mark.parametrize(("load", "status"), [(0.1, "ok"), (50.0, "warn")])
def test_load(load, status, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    assert check("load").status == status


@pytest.mark.parametrize(("free", "status"), [(2**30, "warn"), (2**34, "ok")])
def test_memory(free, status, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free, total=2**35))
    assert check("memory").status == status
    assert "available of 32 GiB" in check("memory").detail


@pytest.mark.parametrize(("free", "status"), [(2**20, "warn"), (2**34, "ok")])
def test_disk(free, status, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert check("disk").status == status


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert check("disk").detail == "the current folder cannot be written"


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("FBENCH_DATA_DIR", raising=False)
    assert check("data").detail.startswith("FBENCH_DATA_DIR is not set")
    monkeypatch.setenv("FBENCH_DATA_DIR", str(tmp_path))
    assert check("data").status == "warn"
    assert check("data").remedy == "set FBENCH_DATA_DIR to the folder that holds cifar-10-batches-py"
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert check("data").status == "ok"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("matplotlib", "pip install matplotlib"), ("numba", "pip install numba"), ("ray", "pip install 'fbench[ray]'")],
)
def test_no_package(name, remedy, monkeypatch):
    def gone(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", gone)
    assert check(name).status == "warn"
    assert check(name).remedy == remedy


def test_what_is_asked_for_is_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "torch>=" + ".".join(map(str, doctor.LEAST_TORCH)) in project["dependencies"]
    assert project["requires-python"] == ">=" + ".".join(map(str, doctor.LEAST_PYTHON))


def test_importing_it_imports_no_torch():
    code = "import sys, fbench.measure.doctor; assert not {'torch', 'pynvml', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
