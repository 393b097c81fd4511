"""A GPU's memory as the driver counts it (NVML): this process's bytes, or else the growth of the device's.

It sees what torch does not: the CUDA context, libraries, other processes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fbench.measure.memory.readers import ReaderFault, first_line
from fbench.measure.nvml import handle_of, opened_nvml

__all__ = ["NvmlReader"]

LIST_PERIOD_S = 0.020
"""NVML's process list takes some 4.5 ms and a lock that the whole driver waits for: read no more often than this."""


class NvmlReader:
    """``used``: what a process holds on one GPU, or on a slice of one (MIG), as the driver counts it.

    The first reading settles the scope. Where NVML lists the process with its bytes, those are read ("process").
    Many containers hide the processes, show other numbers for them, or leave out the bytes; NVML may refuse the
    list. Then it is the growth of the device's used memory since the first reading ("device_delta"), which other
    users of the GPU change too. A process must have used the GPU before the first reading to be listed.
    """

    source = "nvml"

    def __init__(self, uuid: str, pid: int) -> None:
        self._uuid, self._pid = uuid, pid
        self.scope, self.least_period_s = "", 0.0
        self._first: int | None = None
        try:
            self._nvml = opened_nvml()
        except Exception as error:  # no pynvml, no library, no driver, no permission
            raise _fault(error, uuid) from error
        self._handle = self._told(lambda: handle_of(self._nvml, uuid))

    def read(self) -> dict[str, int]:
        if not self.scope:
            self._settle()
        if self.scope == "device_delta":
            used = self._device_bytes()
            self._first = used if self._first is None else self._first
            return {"used": used - self._first}
        process_bytes = self._told(self._process_bytes)
        if process_bytes is None:
            raise ReaderFault(f"NVML no longer lists process {self._pid} on {self._uuid}")
        return {"used": process_bytes}

    def close(self) -> None:
        with suppress(Exception):
            self._nvml.nvmlShutdown()

    def _settle(self) -> None:
        try:
            listed = self._process_bytes() is not None
        except Exception:  # the list may be refused where the device's memory is told
            listed = False
        self.scope, self.least_period_s = ("process", LIST_PERIOD_S) if listed else ("device_delta", 0.0)

    def _device_bytes(self) -> int:
        return int(self._told(lambda: self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used))

    def _process_bytes(self) -> int | None:
        """The process's bytes; a process that computes and draws is in both lists, with all its bytes in each."""
        lists = (self._nvml.nvmlDeviceGetComputeRunningProcesses, self._nvml.nvmlDeviceGetGraphicsRunningProcesses)
        used, refused = list[int](), list[Exception]()
        for ask in lists:
            try:
                entries = ask(self._handle)
            except Exception as error:  # one list may do: a slice has no graphics
                refused.append(error)
                continue
            used += [int(e.usedGpuMemory) for e in entries if e.pid == self._pid and e.usedGpuMemory is not None]
        if refused and not used:
            raise refused[0]
        return max(used, default=None)

    def _told(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:
            raise _fault(error, self._uuid) from error


_NVML_FAULTS = {
    "LibraryNotFound": "no NVML library here: install NVIDIA's driver; a container needs the capability 'utility'",
    "DriverNotLoaded": "NVIDIA's driver is not loaded: nvidia-smi says more",
    "LibRmVersionMismatch": "NVML and the loaded driver are of different versions: restart the machine",
    "NotSupported": "NVML does not count the memory of {uuid} (not supported)",
    "NoPermission": "NVML does not permit this user to read {uuid}: ask the machine's administrator",
    "NotFound": "NVML knows no GPU {uuid}: nvidia-smi -L lists those that it knows",
    "GpuIsLost": "the driver lost the GPU {uuid}: nvidia-smi -q says more; it may need a restart",
}


def _fault(error: Exception, uuid: str) -> ReaderFault:
    """NVML's errors in words, with what can be done; pynvml names their classes after the codes."""
    if isinstance(error, ReaderFault):
        return error
    if isinstance(error, ImportError):
        return ReaderFault("no module pynvml: install nvidia-ml-py to read NVML")
    text = _NVML_FAULTS.get(type(error).__name__.removeprefix("NVMLError_"))
    return ReaderFault(text.format(uuid=uuid) if text else f"NVML fails on {uuid}: {first_line(error)}")
