"""Time spent, on whatever device, once it has finished: one block, single passes, one call until it is known.

A sample is one pass. None is dropped, and between a pass's two clock readings (or CUDA events) there is the pass
alone.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fbench.errors import DeviceError, InputError
from fbench.measure.devices import parse_devices

__all__ = [
    "CallTimes",
    "CpuMeter",
    "CudaMeter",
    "Elapsed",
    "Pass",
    "PassTimes",
    "TimeMeter",
    "elapsed",
    "measure",
    "meter",
    "warm_up_passes",
]

Pass = Callable[[int], Any]
"""``run(i)`` does the i-th pass and gives its result; ``i`` lets inputs rotate."""

CHECK_S = 1e-3  # samples worth this many seconds, at least, between two looks at the interval
LEAST_S = 1e-7  # no Python call takes less; what a coarse clock reads as 0 still uses up the time allowed
L2_BYTES = 128 << 20  # taken for the L2 where the driver does not tell: larger than any so far


@dataclass
class Elapsed:
    """Seconds between entering and leaving ``elapsed``; NaN inside."""

    seconds: float = float("nan")


@contextmanager
def elapsed(device: str = "cpu") -> Iterator[Elapsed]:
    """Time a block: a CUDA device is synchronised before each reading, or its queue would be timed for nothing.

    Example:
        >>> with elapsed() as spent:
        ...     total = sum(range(1000))
        >>> spent.seconds > 0
        True
    """
    spent = Elapsed()
    _finish(device)
    start = time.perf_counter_ns()
    yield spent
    _finish(device)
    spent.seconds = (time.perf_counter_ns() - start) / 1e9


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class PassTimes:
    """What passes took, in seconds, and what they gave, in the order run."""

    seconds: list[float]
    results: list[Any]


class TimeMeter(ABC):
    """Times passes on the device that it is named for."""

    device: str

    @abstractmethod
    def time(self, run: Pass, indices: Iterable[int]) -> PassTimes:
        """Do ``run(i)`` for each index; every pass is timed, every result kept."""


class CpuMeter(TimeMeter):
    """The host's clock, read right before and right after each pass; ``clock`` gives nanoseconds."""

    device = "cpu"

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock

    def time(self, run: Pass, indices: Iterable[int]) -> PassTimes:
        clock, seconds, results = self._clock, list[float](), list[Any]()
        for i in indices:
            start = clock()
            result = run(i)
            stop = clock()
            seconds.append((stop - start) / 1e9)
            results.append(result)
        return PassTimes(seconds, results)


class CudaMeter(TimeMeter):
    """A pair of CUDA events around each pass, and one synchronisation after all the passes of a call.

    Before each pass's first event the L2 is cleared, or the pass would find there what the one before it left. The
    host runs ahead of the device meanwhile, so that launching is timed only where the device waits for it.
    ``cuda`` stands in for ``torch.cuda`` and ``flush`` for the clearing.
    """

    def __init__(self, device: str = "cuda:0", *, cuda: Any = None, flush: Callable[[], object] | None = None) -> None:
        if cuda is None:
            import torch

            cuda = torch.cuda
        self.device = device
        self._cuda = cuda
        self._flush = flush or _l2_flush(device)

    def time(self, run: Pass, indices: Iterable[int]) -> PassTimes:
        pairs, results = list[tuple[Any, Any]](), list[Any]()
        with self._cuda.device(self.device):  # events go to the current device, which each thread has its own of
            for i in indices:
                start, end = self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)
                self._flush()
                start.record()
                result = run(i)
                end.record()
                pairs.append((start, end))
                results.append(result)
            self._cuda.synchronize(self.device)
        return PassTimes([start.elapsed_time(end) / 1e3 for start, end in pairs], results)


def _l2_flush(device: str) -> Callable[[], object]:
    """Zero a buffer of twice the L2, allocated here and once; it is queued like any kernel."""
    import torch

    l2_bytes = int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0)) or L2_BYTES
    return torch.empty(2 * l2_bytes, dtype=torch.uint8, device=device).zero_


def meter(device: str) -> TimeMeter:
    """The meter of one device, named as ``--device`` names it.

    Raises:
        DeviceError: the name is not understood, stands for several devices, or for one that is not there.

    Example:
        >>> meter("cpu").device
        'cpu'
    """
    names = parse_devices(device)
    if len(names) > 1:
        raise DeviceError(f"device {device!r} is {len(names)} devices and a meter times one; make one meter for each")
    return CpuMeter() if names[0] == "cpu" else CudaMeter(names[0])


def warm_up_passes(meter: TimeMeter, run: Pass, seconds: float) -> int:
    """Do passes until they took ``seconds`` by the meter; at least one. Gives their number.

    They are numbered from 0, and their results let go.

    Raises:
        InputError: for a time that is negative or not finite.

    Example:
        >>> clock = iter(range(0, 10**9, 1_000_000)).__next__  # a pass takes a millisecond
        >>> warm_up_passes(CpuMeter(clock), lambda i: None, 0.004)
        4
    """
    if not 0 <= seconds < math.inf:
        raise InputError(f"warm-up of {seconds:g} s is out of range: give 0 (one pass) or more, such as 0.05")

    def discard(i: int) -> None:
        run(i)

    passes, spent = 0, 0.0
    while not passes or spent < seconds:
        batch = _batch(passes, spent, seconds)
        spent += _spent(meter.time(discard, range(passes, passes + batch)).seconds)
        passes += batch
    return passes


@dataclass(frozen=True)
class CallTimes:
    """Samples in seconds, in the order taken, their median and its 95 % interval (nan under six samples).

    ``converged``: the interval is as narrow as was asked for; else the time was spent first.
    """

    samples: list[float]
    median: float
    low: float
    high: float
    converged: bool


def measure(
    run: Callable[[], Any],
    *,
    device: str = "cpu",
    precision: float = 0.05,
    max_time: float = 1.0,
    warm_up_s: float = 0.05,
    meter: TimeMeter | None = None,
) -> CallTimes:
    """Time a call until the median is known to ``precision`` or ``max_time`` is spent.

    The interval is looked at each time that the samples have doubled. It is of these samples, taken back to back:
    of another run on this machine it says nothing. What ``run`` gives is let go within its pass.

    Args:
        run: what is timed; called without arguments.
        device: where its work is done, as ``--device`` names it.
        precision: full width of the median's 95 % interval, relative to the median.
        max_time: seconds that samples may take; at least one sample is taken.
        warm_up_s: seconds of passes before the first sample; at least one pass is made.
        meter: used in place of the device's own.

    Raises:
        InputError: for a precision or time that is not positive, or a warm-up that is negative.
        DeviceError: for a device that is not there.

    Example:
        >>> clock = iter(range(0, 10**9, 1_000_000)).__next__
        >>> times = measure(lambda: None, meter=CpuMeter(clock))
        >>> times.median, len(times.samples), times.converged
        (0.001, 8, True)
    """
    from fbench.measure.medians import median_interval  # brings scipy, which those who only want ``elapsed`` can spare

    _check("precision", precision, "the width of the median's interval relative to it", "0.05")
    _check("max_time", max_time, "the seconds that samples may take", "1")

    def once(_: int) -> None:
        run()

    timer = _meter_or(meter, device)
    warm_up_passes(timer, once, warm_up_s)
    samples, spent = list[float](), 0.0
    while True:
        batch = timer.time(once, range(_batch(len(samples), spent, max_time))).seconds
        samples += batch
        spent += _spent(batch)
        timing = median_interval(samples)
        converged = timing.width <= precision
        if converged or spent >= max_time:
            return CallTimes(samples, timing.median, timing.low, timing.high, converged)


def _meter_or(supplied: TimeMeter | None, device: str) -> TimeMeter:
    return meter(device) if supplied is None else supplied


def _batch(done: int, spent: float, limit: float) -> int:
    """Passes to do next: as many as are done, and not fewer than ``CHECK_S`` holds, within what is left of the limit.

    Looks then cost next to nothing a pass, however short it is; one pass comes first, since none is known to fit.
    """
    if not done:
        return 1
    mean = spent / done
    return max(1, min(max(done, round(CHECK_S / mean)), round((limit - spent) / mean)))


def _spent(seconds: Sequence[float]) -> float:
    return max(sum(seconds), len(seconds) * LEAST_S)


def _check(name: str, value: float, meaning: str, example: str) -> None:
    if not 0 < value < math.inf:
        raise InputError(f"{name} = {value:g} is out of range: it is {meaning}, give more than 0, such as {example}")
