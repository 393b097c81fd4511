import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import psutil
import pynvml
import pytest
import torch
from fake_nvml import CARDS, fails

import fbench
from fbench.measure import devices, environment
from fbench.measure.devices import Gpus

ROOT = Path(__file__).resolve().parents[2]


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def test_it_is_json_and_true(no_driver):
    facts = environment.environment(("cpu", "cpu"), 2)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["devices"] == ["cpu", "cpu"]
    assert facts["threads"] == 2
    assert facts["python"] == platform.python_version()
    assert facts["torch"] == torch.__version__
    assert facts["torch_cuda"] == torch.version.cuda
    assert facts["memory_bytes"] == psutil.virtual_memory().total
    assert facts["cores_usable"] <= facts["cores_logical"]
    assert facts["versions"]["fbench"] == fbench.__version__
    assert facts["versions"]["numpy"] == importlib.metadata.version("numpy")
    assert len(facts["load_average"]) == 3


def test_without_a_driver_no_gpus_and_a_note(no_driver):
    facts = environment.environment(("cpu",), None)
    assert (facts["gpus"], facts["gpu_driver"], facts["threads"]) == ([], None, None)
    assert facts["gpu_note"] == "no NVML (NVML Shared Library Not Found)"


def test_the_host_is_not_named(monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: pytest.fail("the host's name was read"))
    facts = environment.environment(("cpu",), 1)
    assert not any("host" in key or "node" in key for key in facts)
    assert os.uname().nodename not in leaves(facts)


def test_gpus_are_matched_by_uuid_not_by_number(cards):
    gpus, driver, note = environment.gpu_inventory(("cuda:0",))
    assert gpus == [
        {"name": "NVIDIA H200", "uuid": "GPU-aaaa", "memory_bytes": 139 * 2**30, "device": None},
        {"name": "NVIDIA L4", "uuid": "GPU-bbbb", "memory_bytes": 22 * 2**30, "device": "cuda:0"},
    ]
    assert (driver, note, cards) == ("570.86", None, [True])


def test_what_nvml_does_not_support_is_null(cards, monkeypatch):
    for name in (
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetMemoryInfo",
        "nvmlSystemGetDriverVersion",
    ):
        monkeypatch.setattr(pynvml, name, fails())
    gpus, driver, note = environment.gpu_inventory()
    assert gpus == [{"name": None, "uuid": None, "memory_bytes": None, "device": None}] * 2
    assert (driver, note) == (None, None)


def test_a_device_that_nvml_does_not_list_is_as_torch_sees_it(cards, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    gpus, _, _ = environment.gpu_inventory(("cuda:0",))
    assert gpus[1] == {
        "name": "NVIDIA L4",
        "uuid": "GPU-bbbb",
        "memory_bytes": 22 * 2**30,
        "device": "cuda:0",
    }
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(1, fails()))
    gpus, _, _ = environment.gpu_inventory(("cuda:0",))
    assert gpus[1] == {"name": None, "uuid": None, "memory_bytes": None, "device": "cuda:0"}


def test_a_lost_gpu_is_noted_and_the_others_kept(cards, monkeypatch):
    lost = fails(pynvml.NVML_ERROR_GPU_IS_LOST)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: lost() if index else CARDS[0])
    gpus, _, note = environment.gpu_inventory()
    assert [gpu["name"] for gpu in gpus] == ["NVIDIA H200"]
    assert note == "no NVML (GPU is lost)"
    assert cards == [True]


def test_a_driver_without_gpus_is_noted(cards, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 0)
    assert environment.gpu_inventory() == ([], "570.86", "NVML shows no GPU")


def test_missing_values_are_null(monkeypatch, no_driver):
    def gone(*_, **__):
        raise OSError("gone")

    monkeypatch.setattr(psutil, "virtual_memory", gone)
    monkeypatch.setattr(psutil, "cpu_count", gone)
    monkeypatch.setattr(os, "getloadavg", gone)
    monkeypatch.setattr(os, "sched_getaffinity", gone, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(subprocess, "run", gone)
    monkeypatch.setattr(importlib.metadata, "version", gone)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    facts = environment.environment(("cpu",), 1)
    missing = {name for name, value in facts.items() if value is None}
    assert missing == {
        *("cores_logical", "cores_physical", "cores_usable", "memory_bytes", "load_average"),
        *("gpu_driver", "torch", "torch_cuda", "commit", "dirty"),
    }
    assert {name for name, value in facts["versions"].items() if value} == {"fbench"}
    assert "pynvml" in facts["gpu_note"]


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux only")
def test_cpu_model_is_that_of_the_kernel():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    assert environment.cpu_model() in (names or {platform.processor() or None})


def test_cpu_model_elsewhere(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "BogoMIPS : 50\n")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert environment.cpu_model() is None
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="Apple M3\n"))
    assert environment.cpu_model() == "Apple M3"


def test_versions_cover_the_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    assert set(environment.PACKAGES) == {"fbench", *declared}


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "fbench").mkdir()
    (tmp_path / "fbench" / "a.py").write_text("1\n")
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    run = subprocess.run(["git", *who, *arguments], cwd=folder, env=clean, check=True, capture_output=True, text=True)
    return run.stdout.strip()


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@needs_git
def test_commit_and_dirt_of_a_checkout(checkout):
    assert environment.source_commit(checkout) == (None, None)
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "first")
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "notes.txt").write_text("not a source\n")
    assert environment.source_commit(checkout) == (commit, False)
    (checkout / "fbench" / "a.py").write_text("2\n")
    assert environment.source_commit(checkout) == (commit, True)
    git(checkout, "checkout", "--quiet", "fbench")
    (checkout / "fbench" / "new.py").write_text("3\n")
    assert environment.source_commit(checkout) == (commit, True)


@needs_git
def test_somebody_elses_repository_gives_no_commit(checkout, monkeypatch):
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "first")
    installed = checkout / "site-packages"
    installed.mkdir()
    assert environment.source_commit(installed) == (None, None)
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))  # as in a hook of theirs
    assert environment.source_commit(installed) == (None, None)


def test_importing_it_imports_no_torch():
    code = "import sys, fbench.measure.environment; assert not {'torch', 'pynvml', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
