"""Growth of memory: blocks of known size, and systems that do not tell."""

from __future__ import annotations

import subprocess
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
        np.ones(150 * MEGABYTE, dtype=np.uint8)
    assert 149 * MEGABYTE <= grown.peak_bytes <= 170 * MEGABYTE


FOREIGN_SBRK = """
import ctypes
from fbench.measure.memory.growth import peak_growth

libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
blocks = [bytearray(100_000) for _ in range(2000)]
libc.sbrk(ctypes.c_long(1 << 16))
del blocks
with peak_growth() as grown:
    bytearray(60 << 20)
print(grown.peak_bytes)
"""


@linux
def test_a_free_end_of_the_heap_that_malloc_cannot_trim_is_not_taken_for_nothing():
    """Blocks below glibc's limit for maps of their own; then the end of the heap is not where glibc left it."""
    done = subprocess.run([sys.executable, "-c", FOREIGN_SBRK], capture_output=True, text=True, check=True, timeout=60)
    assert 59 * MEGABYTE <= int(done.stdout) <= 70 * MEGABYTE


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
