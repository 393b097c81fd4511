"""By how much memory grows at most while a block runs: torch's allocator on a GPU, resident memory on a CPU.

A memory pass is a pass of its own, never one that is timed. What cannot be had is None, never 0.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # mallopt(3)
_RETURNED = 1 << 18
"""Bytes of a block that are worth a call to the system: with 64 KiB a masked embedding took twice as long."""
_EDGE = 1 << 13
"""Bytes of the heap's end that stay: malloc's own words, and a top that is left."""
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Growth:
    """How much a block took: ``peak_bytes`` beyond what was held on entering it, None inside it and where unknown."""

    peak_bytes: int | None = None


@contextmanager
def peak_growth(device: str = "cpu") -> Iterator[Growth]:
    """Watch a block's peak: exact, from the kernel's or the allocator's own high-water mark, with nothing polled."""
    growth = Growth()
    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield growth
        torch.cuda.synchronize(device)
        growth.peak_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    give_back()
    start = reset_high_water()
    yield growth
    if start is not None:
        growth.peak_bytes = max(0, high_water() - start)


def give_back() -> None:
    """Hand freed memory back to the system: the next allocation would be served from it and not be seen."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc's alone
        libc.malloc_trim(0)
        if hasattr(libc, "mallinfo2"):
            _drop_pages_of_top(libc)


class _MallInfo(ctypes.Structure):
    """What mallinfo2(3) gives; ``keepcost`` is the free block at the heap's end."""

    _fields_ = (("others", ctypes.c_size_t * 9), ("keepcost", ctypes.c_size_t))


def _drop_pages_of_top(libc: ctypes.CDLL) -> None:
    """Drop the pages of the heap's free end, which malloc_trim leaves where another part of the program called sbrk."""
    libc.mallinfo2.restype, libc.malloc.restype = _MallInfo, ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    size = libc.mallinfo2().keepcost - _EDGE
    block = libc.malloc(size) if size > _RETURNED else None
    if block is None:
        return
    start = -(-block // mmap.PAGESIZE) * mmap.PAGESIZE
    whole = (block + size - start) // mmap.PAGESIZE * mmap.PAGESIZE
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(whole), mmap.MADV_DONTNEED)
    libc.free(ctypes.c_void_p(block))


def return_freed_blocks() -> bool:
    """Have the C library return every freed block of 256 KiB or more at once, from now on; False where it cannot.

    glibc keeps freed blocks of up to 32 MiB and fits later ones into them badly, so that resident memory stands above
    what is held; returned, it follows what is held, and every block costs a call to the system and new pages.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None  # glibc's alone
    return mallopt is not None and all(mallopt(knob, _RETURNED) == 1 for knob in (_MMAP_THRESHOLD, _TRIM_THRESHOLD))


def reset_high_water() -> int | None:
    """Resident bytes now, the kernel's high-water mark set back to them; None where Linux does not let us."""
    try:
        _CLEAR.write_text("5")  # proc(5): resets VmHWM
        return _field("VmRSS")
    except (OSError, KeyError):
        return None


def high_water() -> int:
    """The most bytes that were resident since ``reset_high_water``, which must have given a number."""
    return _field("VmHWM")


def _field(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024  # the kernel writes kB and means KiB
    raise KeyError(name)
