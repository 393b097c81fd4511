"""Time spent, on whatever device: the host's clock, after the device has finished."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Elapsed:
    """Seconds between entering and leaving ``elapsed``; NaN inside."""

    seconds: float = float("nan")


@contextmanager
def elapsed(device: str = "cpu") -> Iterator[Elapsed]:
    """Time a block: a CUDA device is synchronised before each reading, or its queue would be timed for nothing."""
    found = Elapsed()
    _finish(device)
    start = time.perf_counter_ns()
    yield found
    _finish(device)
    found.seconds = (time.perf_counter_ns() - start) / 1e9


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
