"""What the machine was like around a timed block: clocks, load, time taken by others, heat, throttling.

Plain values, None for whatever cannot be had and never 0; nothing here raises. A reading asks the kernel and
the driver, which costs both of them time: never take one while something is timed. Take it right before or
after a block: clocks and what holds them down are those of the moment, and a GPU at rest soon slows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from fbench.measure import devices as cuda
from fbench.measure.environment import attempt
from fbench.measure.nvml import handle_of, opened_nvml

Value = float | int | str | None

# NVML's bits of what holds a clock down, named as in nvidia-smi. Two are no disturbance and are left out, or
# every row would show them: a GPU is idle (1) whenever it is read between blocks, and clocks that were set
# by hand (2), as they should be for timing, hold in every block alike and show in the clock itself.
_REASONS = {
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
_NO_DISTURBANCE = 0x003


class Conditions:
    """The machine's condition, read again and again; ``devices`` are names as ``parse_devices`` gives them.

    NVML is opened once, and stays open while the process lives; it is, like torch, only where a GPU is in use.
    """

    def __init__(self, devices: Sequence[str]) -> None:
        ordinals = [int(name.removeprefix("cuda:")) for name in devices if name.startswith("cuda:")]
        self._gpus = _gpus(ordinals)
        self._multiprocessors = attempt(lambda: _multiprocessors(ordinals[0])) if ordinals else None
        self._cpu_times: tuple[float, float] | None = None

    def read(self) -> dict[str, Value]:
        """The condition now, by the names of ``conditions.csv``; without a GPU in well under a millisecond.

        ``cpu_mhz`` is the mean over the CPUs; a virtual machine may show the nominal clock, which never moves.
        ``load_1m`` is the load average of one minute, ``steal_share`` the share of all CPU time since the
        previous reading that the hypervisor gave to others (None at the first). ``gpu_clock_mhz`` is the
        slowest SM clock of the GPUs in use, ``gpu_temperature_c`` that of the hottest; both are None where one
        of the GPUs does not say. ``gpu_throttle`` joins with "+" whatever holds the clock of any of them down
        at this moment, and is "" where nothing does. ``multiprocessors`` are those of the first GPU.
        """
        return {
            "cpu_mhz": attempt(_cpu_mhz),
            "load_1m": attempt(lambda: os.getloadavg()[0]),
            "steal_share": self._steal_share(),
            "gpu_clock_mhz": self._worst(min, _Gpu.clock_mhz),
            "gpu_throttle": self._throttle(),
            "gpu_temperature_c": self._worst(max, _Gpu.temperature_c),
            "multiprocessors": self._multiprocessors,
        }

    def _steal_share(self) -> float | None:
        before, self._cpu_times = self._cpu_times, attempt(_stolen_and_all)
        if before is None or self._cpu_times is None:
            return None
        stolen, passed = (now - then for now, then in zip(self._cpu_times, before, strict=True))
        # Ticks are of 10 ms, so that none may have passed; and the counters step back when a CPU goes offline.
        return stolen / passed if 0 <= stolen <= passed and passed > 0 else None

    def _worst(self, worst: Callable[[list[int]], int], ask: Callable[[_Gpu], int | None]) -> int | None:
        """The worst value of the GPUs in use, which is not known without that of each."""
        answers = [ask(gpu) for gpu in self._gpus]
        known = [value for value in answers if value]  # no clock that runs, and no sensor that works, is at 0
        return worst(known) if known and len(known) == len(answers) else None

    def _throttle(self) -> str | None:
        """What holds one GPU down is known even if another does not say; that nothing does is not."""
        reasons = [gpu.throttle() for gpu in self._gpus]
        names = dict.fromkeys(name for of_gpu in reasons for name in of_gpu or ())
        return "+".join(names) if names or (reasons and None not in reasons) else None


@dataclass(frozen=True)
class _Gpu:
    """One GPU in NVML; what it does not support, does not permit, or lost with the GPU, is None."""

    nvml: Any
    handle: Any

    def clock_mhz(self) -> int | None:
        return self._first(["nvmlDeviceGetClockInfo"], "NVML_CLOCK_SM")

    def temperature_c(self) -> int | None:
        return self._first(["nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"], "NVML_TEMPERATURE_GPU")

    def throttle(self) -> list[str] | None:
        calls = ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
        bits = self._first(calls)
        return None if bits is None else _names(bits)

    def _first(self, calls: Sequence[str], *constants: str) -> int | None:
        """What the first call that is answered gives: older drivers lack the one, newer drop the other."""
        for call in calls:
            with suppress(Exception):
                return int(getattr(self.nvml, call)(self.handle, *(getattr(self.nvml, name) for name in constants)))
        return None


def _gpus(ordinals: Sequence[int]) -> list[_Gpu]:
    """Each GPU as NVML has it; one that it does not have, or without NVML all, answers None to everything."""
    nvml = attempt(opened_nvml) if ordinals else None
    handles = [attempt(partial(_handle, nvml, ordinal)) for ordinal in ordinals]
    return [_Gpu(None if handle is None else nvml, handle) for handle in handles]


def _handle(nvml: ModuleType | None, ordinal: int) -> Any:
    return None if nvml is None else handle_of(nvml, cuda.visible_gpus().uuid(ordinal))


def _names(bits: int) -> list[str]:
    """The reasons among NVML's bits; one that this table lacks is given in hexadecimal."""
    active = (1 << place for place in range(bits.bit_length()) if bits >> place & 1)
    return [_REASONS.get(bit, hex(bit)) for bit in active if not bit & _NO_DISTURBANCE]


def _multiprocessors(ordinal: int) -> int:
    return int(cuda.visible_gpus().properties(ordinal).multi_processor_count)


def _cpu_mhz() -> float | None:
    import psutil

    clocks = [cpu.current for cpu in psutil.cpu_freq(percpu=True) if cpu.current > 0]  # one offline is at 0
    return sum(clocks) / len(clocks) if clocks else None


def _stolen_and_all() -> tuple[float, float]:
    """Seconds of all CPUs since boot, stolen and in all; the system must count steal."""
    import psutil

    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice already
    return times.steal, sum(times) - guests
