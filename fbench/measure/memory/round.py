"""What a round's memory was, phase by phase: high-water marks and samples put together, as plain values.

Where a process has a high-water mark of its own for a quantity, that is taken, and otherwise the samples. Of a GPU,
``non_torch`` is what NVML counts beyond torch's reserved memory: the CUDA context, libraries, other users where the
scope is the device. Its peak is NVML's less torch's, which need not be of one moment: it is negative where the
samples missed a spike of torch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fbench.measure.memory.meters import Bytes, MemoryMeter, SourceQuantity
from fbench.measure.memory.samples import Samples

__all__ = ["Account", "Peak", "PhaseReadings", "ReaderFacts", "RoundMemory"]

LINE_POINTS = 400
"""Points of a time line, at most."""

_USED, _RESERVED, _NON_TORCH = ("nvml", "used"), ("torch", "reserved"), ("nvml", "non_torch")


@dataclass(frozen=True)
class Peak:
    """The memory that one source tells of one device in one phase; what cannot be had is None.

    ``start_s`` and ``end_s`` are seconds from the round's begin. ``baseline_bytes`` was held when the watch was opened,
    ``start_bytes`` when the phase began. With scope "device_delta" all three are growth since the watch was opened.
    """

    phase: str
    device: str
    source: str
    quantity: str
    scope: str
    start_s: float
    end_s: float
    baseline_bytes: int | None
    start_bytes: int | None
    peak_bytes: int | None


@dataclass(frozen=True)
class ReaderFacts:
    """How well a source could be read in a round; None where a field does not apply; ``fault`` is "" or one line."""

    device: str
    source: str
    scope: str
    period_s: float | None
    samples: int | None
    missed: int | None
    rate_hz: float | None
    fault: str


@dataclass(frozen=True)
class RoundMemory:
    """The memory of a round, phase by phase.

    ``held``: (device, source, quantity, bytes) at its end, after freed memory was handed back. ``timeline``: (device,
    source, quantity, seconds from the begin, bytes), of each bin of time the highest sample.
    """

    peaks: list[Peak]
    held: list[tuple[str, str, str, int]]
    timeline: list[tuple[str, str, str, float, int]]
    facts: list[ReaderFacts]


@dataclass
class PhaseReadings:
    """A phase's times, and by device the bytes that the process read of itself: at its start, and at most."""

    name: str
    start_s: float
    end_s: float = float("nan")
    start: dict[str, Bytes] = field(default_factory=dict)
    peak: dict[str, Bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """Everything known of one device in one round; ``begun_s`` and ``end_s`` are of the samples' clock."""

    meter: MemoryMeter
    samples: Samples
    baseline: Bytes
    now: Bytes
    begun_s: float
    end_s: float

    def peaks(self, phase: PhaseReadings) -> Iterator[Peak]:
        """The phase's rows: every quantity of the device, known or not."""
        device, start_s, end_s = self.meter.device, phase.start_s, phase.end_s
        start = self._whole(phase.start[device], self._at(start_s))
        peak = self._whole(phase.peak[device], {q: self.samples.peak(q, start_s, end_s) for q in self.samples.values})
        baseline = self._whole(self.baseline, {})
        times = (start_s - self.begun_s, end_s - self.begun_s)
        for key in self.meter.keys:
            known = (baseline.get(key), start.get(key), peak.get(key))
            yield Peak(phase.name, device, *key, self._scope(key[0]), *times, *known)

    def held(self) -> list[tuple[str, str, str, int]]:
        """The bytes held at the end of the round, for the quantities that are known."""
        held = self._whole(self.now, self._at(self.end_s))
        return [(self.meter.device, *key, held[key]) for key in self.meter.keys if key in held]

    def timeline(self) -> Iterator[tuple[str, str, str, float, int]]:
        """The samples, thinned to ``LINE_POINTS``."""
        for quantity, values in self.samples.values.items():
            for at in highest(self.samples.times, values, LINE_POINTS):
                t_s = self.samples.times[at] - self.begun_s
                yield self.meter.device, self.meter.sampled_source, quantity, t_s, values[at]

    def facts(self) -> Iterator[ReaderFacts]:
        """How well each source could be read."""
        meter, samples = self.meter, self.samples
        if meter.local_source != meter.sampled_source:
            yield ReaderFacts(meter.device, meter.local_source, "process", None, None, None, None, meter.fault)
        faults = [samples.fault, meter.fault if meter.local_source == meter.sampled_source else ""]
        numbers = (samples.period_s, len(samples.times), samples.missed, samples.rate_hz())
        fault = "; ".join(filter(None, faults))
        yield ReaderFacts(meter.device, meter.sampled_source, self._scope(meter.sampled_source), *numbers, fault)

    def _scope(self, source: str) -> str:
        return "process" if source == self.meter.local_source else self.samples.scope

    def _at(self, t_s: float) -> dict[str, int | None]:
        return {quantity: self.samples.at(quantity, t_s) for quantity in self.samples.values}

    def _whole(self, read_here: Bytes, sampled: Mapping[str, int | None]) -> dict[SourceQuantity, int]:
        """The process's own numbers, what was sampled where there are none, and what follows from both."""
        source = self.meter.sampled_source
        known = {(source, name): value for name, value in sampled.items() if value is not None} | dict(read_here)
        if _USED in known and _RESERVED in known:
            if self.samples.scope != "device_delta":
                known[_NON_TORCH] = known[_USED] - known[_RESERVED]
            elif _RESERVED in self.baseline:  # NVML counts from the baseline, so torch must too
                known[_NON_TORCH] = known[_USED] - (known[_RESERVED] - self.baseline[_RESERVED])
        return known


def highest(times: Sequence[float], values: Sequence[int], points: int) -> list[int]:
    """The positions of the highest value in each of ``points`` equal bins of time; all, if there are no more.

    Example:
        >>> highest([0, 1, 2, 3], [5, 9, 4, 6], points=2)
        [1, 3]
    """
    if len(times) <= points:
        return list(range(len(times)))
    width = (times[-1] - times[0]) / points
    best: dict[int, int] = {}
    for at, (t_s, value) in enumerate(zip(times, values, strict=True)):
        place = min(points - 1, int((t_s - times[0]) / width))
        if place not in best or value > values[best[place]]:
            best[place] = at
    return list(best.values())
