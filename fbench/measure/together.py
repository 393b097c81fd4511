"""Passes that run on several devices at once: a thread a device, started in step, each timed by its device's meter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fbench.errors import InputError
from fbench.measure.timing import Pass, PassTimes, TimeMeter

__all__ = ["Together", "time_together"]


@dataclass(frozen=True)
class Together:
    """Passes on several devices: ``seconds`` [pass], of the slowest; the others [device][pass]."""

    seconds: list[float]
    by_device: list[list[float]]
    results: list[list[Any]]


def time_together(meters: Sequence[TimeMeter], runs: Sequence[Pass], indices: Sequence[int]) -> Together:
    """Time passes that run on several devices at once, one run a device.

    One device is timed in this thread. Several have a thread each, and a barrier before each pass, outside the
    timed part. CPU shards share out torch's threads. CUDA meters wait for their devices only after the last pass, so
    that there the barrier lines up the launches, not the kernels, and a device that fell behind begins later.
    The threads are new: the first call in a process may find libraries that make handles for each thread at
    their first use, so make one whose times are not used.

    Raises:
        InputError: for no meters, or another number of runs.
        BaseException: whatever the first pass that failed raised; the other devices stop before their next pass.

    Example:
        >>> from fbench.measure.timing import CpuMeter
        >>> clock = iter(range(0, 10**9, 1_000_000)).__next__
        >>> together = time_together([CpuMeter(clock)], [lambda i: i * i], range(3))
        >>> together.seconds, together.results
        ([0.001, 0.001, 0.001], [[0, 1, 4]])
    """
    if not meters or len(meters) != len(runs):
        raise InputError(f"{len(meters)} meters for {len(runs)} runs: give one meter and one run for each device")
    timed = [meters[0].time(runs[0], indices)] if len(meters) == 1 else _in_threads(meters, runs, indices)
    by_device = [device.seconds for device in timed]
    slowest = [max(seconds) for seconds in zip(*by_device, strict=True)]
    return Together(slowest, by_device, [device.results for device in timed])


def _in_threads(meters: Sequence[TimeMeter], runs: Sequence[Pass], indices: Sequence[int]) -> list[PassTimes]:
    barrier = threading.Barrier(len(meters))
    timed: dict[int, PassTimes] = {}
    failures: list[BaseException] = []

    def shard(position: int) -> None:
        try:
            take_share()
            timed[position] = meters[position].time(runs[position], _in_step(indices, barrier))
        except BaseException as error:
            if not failures:  # later ones are of the barrier that this one breaks
                failures.append(error)
            barrier.abort()

    with _shared_threads(meters) as take_share, ThreadPoolExecutor(len(meters)) as pool:
        try:
            wait([pool.submit(shard, position) for position in range(len(meters))])
        finally:
            barrier.abort()  # Ctrl-C reaches this thread alone, and would wait for all the passes
    if failures:
        raise failures.pop()  # kept in no list: its traceback holds the tensors of the pass
    return [timed[position] for position in range(len(meters))]


def _in_step(indices: Sequence[int], barrier: threading.Barrier) -> Iterator[int]:
    for i in indices:
        barrier.wait()
        yield i


@contextmanager
def _shared_threads(meters: Sequence[TimeMeter]) -> Iterator[Callable[[], None]]:
    """Gives what each CPU shard's thread calls first, so that together they use the threads that torch has now.

    A new thread starts with the whole number, which would be used once a shard. Setting it holds for the thread
    that sets it and for threads begun later, so the process's own number is set again in the end.
    """
    if any(meter.device != "cpu" for meter in meters):
        yield lambda: None
        return
    import torch

    whole = torch.get_num_threads()
    share = max(1, whole // len(meters))

    def take_share() -> None:
        torch.set_num_threads(share)
        torch.ones(1 << 17)  # large enough to run parallel, which starts this thread's team before the clock runs

    try:
        yield take_share
    finally:
        torch.set_num_threads(whole)
