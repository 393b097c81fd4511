"""The phases of a round: what each device held before, and at most, by every source that can tell.

Peaks come from high-water marks where there are any, the kernel's for this process's resident memory and torch's for
its allocator, and are then exact. NVML has none and is sampled: it misses what is shorter than its period, as torch
misses what is not its own, so both are kept. The time line is sampled, from processes of their own. Nothing that is
timed belongs in here: garbage is collected and freed memory handed back before each phase, and a reading of
every sampler is waited for at both its ends, so that the shortest has a sample.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from fbench.measure.memory.meters import Bytes, GpuMeter, HostMeter, MemoryMeter
from fbench.measure.memory.readers import Reader
from fbench.measure.memory.round import Account, Peak, PhaseReadings, ReaderFacts, RoundMemory
from fbench.measure.memory.sampler import PERIOD_S, Sampler

__all__ = ["MemoryWatch", "Peak", "ReaderFacts", "RoundMemory"]


class MemoryWatch:
    """Watches the devices of a run, round after round; a context manager.

        with MemoryWatch(["cpu"]) as watch:
            watch.begin()
            with watch.phase("train"):
                ...
            memory = watch.end()

    Phases follow one another and do not nest. Within one, nobody else may reset the high-water marks, as
    ``memory.peak_growth`` does. A phase whose block raises is left out. No reader's fault is raised: it stands in
    ``RoundMemory.facts``, and what it leaves unknown is None.

    Args:
        devices: names as ``parse_devices`` gives them; shards on one device are one device.
        period_s: seconds between two samples; a reader may need longer.
        samplers: by device, what makes a reader in place of the device's sampled one.
        cuda: stands in for ``torch.cuda``.
    """

    def __init__(
        self,
        devices: Sequence[str],
        *,
        period_s: float = PERIOD_S,
        samplers: Mapping[str, Callable[[], Reader]] | None = None,
        cuda: Any = None,
    ) -> None:
        self._meters = [_meter(device, cuda) for device in dict.fromkeys(devices)]
        makes = dict(samplers or {})
        self.samplers = {
            meter.device: Sampler(makes.get(meter.device) or meter.sampled_reader(), period_s) for meter in self._meters
        }
        self._baselines: dict[str, Bytes] = {}
        self._phases: list[PhaseReadings] = []
        self._begun_s = float("nan")

    def __enter__(self) -> MemoryWatch:
        self._clean()  # after which a GPU has been used: NVML lists only those who have
        for meter in self._meters:
            sampler = self.samplers[meter.device]
            sampler.start()
            first = {(meter.sampled_source, name): values[0] for name, values in sampler.stop().values.items()}
            self._baselines[meter.device] = {**first, **meter.now()}
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sampler in self.samplers.values():
            sampler.close()

    def begin(self) -> None:
        """A round starts; what is left of one that was broken off is dropped."""
        self._phases = []
        self._clean()
        for meter in self._meters:
            meter.fault = ""
            self.samplers[meter.device].stop()
            self.samplers[meter.device].start()
        self._begun_s = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """One phase of the round; CUDA devices have finished at both its ends."""
        self._clean()
        self._wait()
        phase = PhaseReadings(name, time.perf_counter())
        for meter in self._meters:
            phase.start[meter.device] = meter.reset()
        yield
        for meter in self._meters:
            meter.finish()
        self._wait()
        phase.end_s = time.perf_counter()
        for meter in self._meters:
            phase.peak[meter.device] = meter.peaks()
        self._phases.append(phase)

    def end(self) -> RoundMemory:
        """The round is over: what it took."""
        self._clean()
        self._wait()
        end_s = time.perf_counter()
        now = {meter.device: meter.now() for meter in self._meters}  # before the samples are fetched, which take memory
        accounts = [
            Account(
                meter,
                self.samplers[meter.device].stop(),
                self._baselines[meter.device],
                now[meter.device],
                self._begun_s,
                end_s,
            )
            for meter in self._meters
        ]
        return RoundMemory(
            [peak for phase in self._phases for account in accounts for peak in account.peaks(phase)],
            [held for account in accounts for held in account.held()],
            [point for account in accounts for point in account.timeline()],
            [facts for account in accounts for facts in account.facts()],
        )

    def _clean(self) -> None:
        gc.collect()
        for meter in self._meters:
            meter.clean()

    def _wait(self) -> None:
        """Until every sampler has read."""
        for sampler in self.samplers.values():
            sampler.await_reading()


def _meter(device: str, cuda: Any) -> MemoryMeter:
    return HostMeter() if device == "cpu" else GpuMeter(device, cuda)
