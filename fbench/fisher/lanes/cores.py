"""Work that is shared out to as many threads as torch has: a kernel's blocks, or chunks from product to score.

A library's threads meet after each of its products, and then wait by spinning on the cores that the next step wants.
Where a chunk is taken from its product to its end on one core, nobody waits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from threading import Barrier
from typing import Any, TypeVar

import torch

_Part = TypeVar("_Part")

_LEAST_BLOCKS = 16
"""Fewer blocks than this are not worth waking a thread for."""


def share(blocks: int, kernel: Callable[..., None], *arguments: Any) -> None:
    """Run a kernel on all blocks, on as many threads as torch has."""
    threads = min(torch.get_num_threads(), blocks // _LEAST_BLOCKS)
    if threads <= 1:
        kernel(*arguments, 0, blocks)
        return
    edges = [i * blocks // threads for i in range(threads + 1)]
    pool = _workers(torch.get_num_threads())
    for future in [pool.submit(kernel, *arguments, a, b) for a, b in itertools.pairwise(edges)]:
        future.result()


def each_on_one_core(parts: Sequence[_Part], work: Callable[[_Part], None]) -> None:
    """Call ``work`` for every part; torch's products in it are made on the thread that calls it.

    What is done may not depend on the order of the parts. A single part is done here, and torch shares out its
    products. The first error is raised when all have ended.

    Example:
        >>> done = set()
        >>> each_on_one_core([1, 2, 3], done.add)
        >>> done
        {1, 2, 3}
    """
    threads = torch.get_num_threads()
    if min(threads, len(parts)) <= 1:
        for part in parts:
            work(part)
        return
    futures = [_workers(threads).submit(work, part) for part in parts]
    wait(futures)
    for future in futures:
        future.result()


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    """Threads that have one core each.

    A thread that tells torch so tells all that begin later, so all begin now and this one then says its own number.
    """
    begun = Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # a thread takes the number of others at its first use, over its own
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        begun.wait()

    pool = ThreadPoolExecutor(count, "fbench-core", initializer=begin)
    for _ in range(count):
        pool.submit(int)
    begun.wait()
    torch.set_num_threads(count)
    return pool
