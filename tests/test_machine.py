"""Free memory: the system's, less where a container's limit is nearer."""

from __future__ import annotations

import psutil
import pytest
import torch

from fbench import machine

GIB = 2**30


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    """Puts this process under made-up control groups."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "sys")
    monkeypatch.setattr(machine, "_MEMBERSHIP", tmp_path / "own")

    def put(group, **groups):
        (tmp_path / "own").write_text(group)
        for path, (limit, used, spare) in groups.items():
            folder = tmp_path / "sys" / path.replace("__", "/").rstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            first = "memory" if path.startswith("memory") else ""
            names = machine._NAMES[first]
            (folder / names[0]).write_text(f"{limit}\n")
            (folder / names[1]).write_text(f"{used}\n")
            (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {spare}\n")

    return put


@pytest.fixture
def available(monkeypatch):
    memory = psutil.virtual_memory()._replace(available=8 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def test_without_a_limit_it_is_what_the_system_has(available, cgroup):
    cgroup("0::/mine\n", mine=("max", GIB, 0))
    assert machine.free_bytes("cpu") == 8 * GIB


def test_not_on_linux(available, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_MEMBERSHIP", tmp_path / "none")
    assert machine.free_bytes() == 8 * GIB


@pytest.mark.parametrize(
    ("group", "groups", "free"),
    [
        ("0::/mine\n", {"mine": (4 * GIB, GIB, 0)}, 3 * GIB),
        ("0::/mine\n", {"mine": (4 * GIB, 3 * GIB, 2 * GIB)}, 3 * GIB),
        ("0::/mine\n", {"mine": (4 * GIB, 5 * GIB, 0)}, 0),
        ("0::/above/mine\n", {"above": (2 * GIB, GIB, 0), "above__mine": (4 * GIB, GIB, 0)}, GIB),
        ("0::/\n", {"__": (2 * GIB, GIB, 0)}, GIB),
        ("0::/\n4:memory:/x/y\n3:cpu:/\n", {"memory": (5 * GIB, GIB, GIB)}, 5 * GIB),
        ("0::/mine\n", {"mine": (64 * GIB, GIB, 0)}, 8 * GIB),
        ("0::/mine\n", {"mine": ("what", GIB, 0)}, 8 * GIB),
    ],
    ids=["limit", "pages to give back", "beyond it", "one above", "at the top", "version 1", "generous", "unreadable"],
)
def test_the_nearest_limit_counts(available, cgroup, group, groups, free):
    cgroup(group, **groups)
    assert machine.free_bytes("cpu") == free


def test_a_gpu_has_what_cuda_and_torch_hold_unused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: GIB)
    assert machine.free_bytes("cuda:0") == machine.free_bytes(torch.device("cuda", 0)) == 7 * GIB


def test_nobody_tells_of_other_devices():
    assert machine.free_bytes("meta") is None


def test_here_it_is_a_size():
    free = machine.free_bytes(torch.device("cpu"))
    assert free is not None
    assert 0 <= free <= psutil.virtual_memory().total
