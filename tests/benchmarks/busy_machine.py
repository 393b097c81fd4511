"""Processes beside a measurement that compute and sleep by turns, each for a time that is drawn from a seed.

``busy(2)`` stands for the neighbours on a shared machine: bursts of 20 ms to two seconds, half of the time in all.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

_SHORTEST_S, _LONGEST_S = 0.02, 2.0


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many of them, until the end of the block."""
    processes = [subprocess.Popen([sys.executable, __file__, str(seed)]) for seed in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def compute_and_sleep(seed: int) -> None:
    """Until the process that started this one has gone."""
    rng, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        until = time.monotonic() + _drawn_s(rng)
        while time.monotonic() < until:
            sum(i * i for i in range(1_000))
        time.sleep(_drawn_s(rng))


def _drawn_s(rng: random.Random) -> float:
    """Short ones are as many as long ones on a logarithmic scale."""
    return float(_SHORTEST_S * (_LONGEST_S / _SHORTEST_S) ** rng.random())


if __name__ == "__main__":
    compute_and_sleep(int(sys.argv[1]))
