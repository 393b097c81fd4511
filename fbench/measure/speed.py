"""What a machine does a second, found in a tenth of one: enough to say how long a plan takes, roughly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fbench.measure.timing import elapsed

_SIDE, _PRODUCTS = 512, 20
_LONG_S = 0.2
"""A call that takes this long tells by itself what the next one takes."""


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Have torch work with so many threads within, and as before after.

    Example:
        >>> import torch
        >>> with threads_of(1):
        ...     torch.get_num_threads()
        1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.lru_cache(maxsize=8)
def product_rate(device: str, threads: int) -> float:
    """Operations a second of square float32 products on a device, with so many threads of a CPU.

    Example:
        >>> product_rate("cpu", 1) > 1e6
        True
    """
    import torch

    a = torch.ones(_SIDE, _SIDE, device=device)
    with threads_of(threads), torch.no_grad():
        a @ a
        with elapsed(device) as spent:
            for _ in range(_PRODUCTS):
                a @ a
    return 2 * _SIDE**3 * _PRODUCTS / spent.seconds


def seconds_a_step(run: Callable[[int], object], device: str = "cpu", steps: int = 10) -> float:
    """What one more step of ``run(steps)`` takes, without what every call takes; one call where that is long.

    Example:
        >>> import time
        >>> 0.05 < seconds_a_step(lambda steps: time.sleep(0.3)) < 1
        True
    """
    run(1)  # the first call loads and compiles
    once = _seconds(run, 1, device)
    if once > _LONG_S:
        return once
    many = _seconds(run, 1 + steps, device)
    return max(many - once, many / 10) / steps


def _seconds(run: Callable[[int], object], steps: int, device: str) -> float:
    with elapsed(device) as spent:
        run(steps)
    return spent.seconds
