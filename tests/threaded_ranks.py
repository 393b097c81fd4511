"""Ranks that are threads of one process: what a group's processes would tell each other, in milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor


class _Table:
    """Where all ranks put something, and read what the others put."""

    def __init__(self, count: int) -> None:
        self.parts: list[Any] = [None] * count
        self.barrier = threading.Barrier(count, timeout=60)


class ThreadRank:
    """As ``Ranks``; ``rounds`` counts what was exchanged, by kind."""

    def __init__(self, index: int, table: _Table) -> None:
        self.index, self.count, self._table = index, len(table.parts), table
        self.rounds = {"summed": 0, "gathered": 0, "sent": 0}

    def _exchange(self, kind: str, part: Tensor) -> list[Tensor]:
        self.rounds[kind] += 1
        self._table.barrier.wait()
        self._table.parts[self.index] = (kind, part.clone())
        self._table.barrier.wait()
        kinds, parts = zip(*self._table.parts, strict=True)
        assert set(kinds) == {kind}
        return list(parts)

    def summed(self, part: Tensor) -> Tensor:
        return torch.stack(self._exchange("summed", part)).sum(0)

    def gathered(self, part: Tensor) -> Tensor:
        return torch.stack(self._exchange("gathered", part))

    def sent(self, values: Tensor, owner: int) -> Tensor:
        parts = self._exchange("sent", values)
        assert len({(part.shape, part.dtype) for part in parts}) == 1
        return parts[owner].clone()


def as_ranks(count: int, call: Callable[[Any], Any]) -> list[Any]:
    """What ``call`` gives for every rank; the first error of any, where one fails."""
    table = _Table(count)

    def run(index: int) -> Any:
        try:
            return call(ThreadRank(index, table))
        except threading.BrokenBarrierError:
            return None
        except BaseException:
            table.barrier.abort()
            raise

    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(run, index) for index in range(count)]
        return [future.result() for future in futures]
