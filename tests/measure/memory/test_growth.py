"""Growth of memory: blocks of known size, and systems that do not tell."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fbench.measure.memory import growth
from fbench.measure.memory.growth import peak_growth

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's high-water mark is Linux's")
MEGABYTE = 1 << 20  # the kernel counts pages in batches, so that a few hundred KiB may be missing


@linux
def test_a_block_of_known_size_is_seen_though_it_is_freed_inside():
    with peak_growth() as grown:
        block = np.ones(200 * MEGABYTE, dtype=np.uint8)
        del block
        assert grown.peak_bytes is None
    assert 199 * MEGABYTE <= grown.peak_bytes <= 220 * MEGABYTE


@linux
def test_an_earlier_larger_peak_does_not_show():
    np.ones(300 * MEGABYTE, dtype=np.uint8)
    with peak_growth() as grown:
        np.ones(50 * MEGABYTE, dtype=np.uint8)
    assert 49 * MEGABYTE <= grown.peak_bytes <= 70 * MEGABYTE


def test_where_the_system_does_not_tell_the_growth_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "_CLEAR", tmp_path / "none" / "clear_refs")
    with peak_growth() as grown:
        pass
    assert grown.peak_bytes is None


def test_a_status_without_the_mark_gives_none(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("Name:\tpython\n")
    (tmp_path / "clear").write_text("")
    monkeypatch.setattr(growth, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(growth, "_CLEAR", tmp_path / "clear")
    with peak_growth() as grown:
        pass
    assert grown.peak_bytes is None


@pytest.mark.gpu
def test_on_a_gpu_the_allocator_tells():
    import torch

    with peak_growth("cuda") as grown:
        torch.ones(50 * MEGABYTE, dtype=torch.uint8, device="cuda")
    assert grown.peak_bytes == 50 * MEGABYTE
