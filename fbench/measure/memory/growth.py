"""By how much memory grows at most while a block runs: torch's allocator on a GPU, resident memory on a CPU.

A memory pass is a pass of its own, never one that is timed. What cannot be had is None, never 0.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # mallopt(3)
_RETURNED = 1 << 18
"""Bytes of a block that are worth a call to the system: with 64 KiB a masked embedding took twice as long."""
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
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)


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
