"""Readers of the bytes that are held: as the kernel counts them, and as torch's allocator does. The driver: ``nvml``.

A reader is made in the process that reads, so that what makes it can be sent there (``functools.partial`` of one of
these classes). It gives bytes by quantity, or raises ``ReaderFault``: what cannot be had is never 0.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

__all__ = ["Reader", "ReaderFault", "RssReader", "TorchReader", "first_line"]


class ReaderFault(Exception):
    """Why a value cannot be had, in one line; kept beside the empty cell, and never an error of the run."""


class Reader(Protocol):
    """One source of numbers about one device.

    ``scope`` is "process" (this process's bytes), "device_delta" (the whole device's, less those at the first
    reading), or "" before the first reading where that has to tell. ``least_period_s``: do not read more often.
    """

    source: str
    scope: str
    least_period_s: float

    def read(self) -> dict[str, int]:
        """Bytes held now, by quantity; the same quantities each time.

        Raises:
            ReaderFault: they cannot be had.
        """

    def close(self) -> None:
        """Let go of what was opened."""


class RssReader:
    """``used``: the resident memory of a process, as the kernel counts it; shared pages count in full.

    Linux is asked through a file that stays open: psutil opens and takes it apart anew for each reading, in about ten
    times the time. Elsewhere psutil asks.
    """

    source, scope, least_period_s = "rss", "process", 0.0

    def __init__(self, pid: int) -> None:
        self._gone = ReaderFault(f"process {pid} has ended")
        self._file: int | None = None
        try:
            self._file = os.open(_STATM.format(pid), os.O_RDONLY)
        except OSError:  # another system, or no such process
            self._bytes = _by_psutil(pid)
        else:
            self._bytes = partial(_by_statm, self._file, os.sysconf("SC_PAGE_SIZE"))
        self.read()

    def read(self) -> dict[str, int]:
        try:
            used = self._bytes()
        except ProcessLookupError:
            raise self._gone from None
        except OSError as error:
            raise ReaderFault(f"resident memory cannot be read: {first_line(error)}") from error
        if not used:  # it has ended, and its parent has not yet asked how
            raise self._gone
        return {"used": used}

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


_STATM = "/proc/{}/statm"


def _by_statm(file: int, page_bytes: int) -> int:
    return int(os.pread(file, 128, 0).split(b" ", 2)[1]) * page_bytes  # proc(5): size, resident, shared, …


def _by_psutil(pid: int) -> Callable[[], int]:
    import psutil

    def ask() -> int:
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.NoSuchProcess:
            raise ProcessLookupError from None
        except psutil.Error as error:
            raise OSError(str(error)) from error

    return ask


class TorchReader:
    """What torch's allocator has on one GPU, for this process; its high-water marks are exact.

    ``allocated`` is in live tensors, ``reserved`` taken from the driver, ``requested`` asked for by tensors before
    sizes are rounded up. ``cuda`` stands in for ``torch.cuda``.
    """

    source, scope, least_period_s = "torch", "process", 0.0
    quantities = ("allocated", "reserved", "requested")

    def __init__(self, device: str, cuda: Any = None) -> None:
        if cuda is None:
            import torch

            cuda = torch.cuda
        self._device, self._cuda = device, cuda

    def read(self) -> dict[str, int]:
        return self._of("current")

    def peaks(self) -> dict[str, int]:
        """The most since ``reset``, by quantity; they need not have been reached at one moment.

        Raises:
            ReaderFault: as ``read``.
        """
        return self._of("peak")

    def reset(self) -> None:
        """Set the high-water marks back to what is held now.

        Raises:
            ReaderFault: as ``read``.
        """
        self._asked(lambda: self._cuda.reset_peak_memory_stats(self._device))

    def close(self) -> None:
        pass

    def _of(self, which: str) -> dict[str, int]:
        stats = self._asked(lambda: self._cuda.memory_stats(self._device))
        # Without CUDA torch gives an empty dictionary, which must not be read as 0; so do other allocators.
        keys = {name: f"{name}_bytes.all.{which}" for name in self.quantities}
        absent = next((key for key in keys.values() if key not in stats), None)
        if absent is not None:
            raise ReaderFault(f"torch's allocator on {self._device} does not count {absent}")
        return {name: int(stats[key]) for name, key in keys.items()}

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:  # torch raises RuntimeError, AssertionError and its own
            raise ReaderFault(f"torch's allocator on {self._device} gives no numbers: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error says, in one line; its name if it says nothing.

    Example:
        >>> first_line(ValueError("no such file")), first_line(KeyError())
        ('no such file', 'KeyError')
    """
    return (str(error).splitlines() or [""])[0] or type(error).__name__
