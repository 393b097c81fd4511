"""The greedy loop over shards of candidates: score, take the best by the tie rule, tell every shard.

The d×d state is small and lives in every shard; a pick costs one gathering of the scores and the sending of V_s.
Nothing is read back from a device but every so many picks, when a shard is asked whether it is stale.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.selection.engines import Engine
from fbench.fisher.selection.pools import CandidatePool, Choice
from fbench.fisher.work import StepListener, phase_of

_ASK_EVERY = {"cpu": 1}
"""Picks between questions that make the device wait; a GPU's queue should not run dry every pick."""


def shard_bounds(n: int, count: int) -> list[tuple[int, int]]:
    """``count`` ranges (begin, end) that partition [0, n), as equal as can be; empty ones are left out.

    Example:
        >>> shard_bounds(7, 3), shard_bounds(2, 3)
        ([(0, 2), (2, 4), (4, 7)], [(0, 1), (1, 2)])
    """
    return [(a, b) for a, b in itertools.pairwise(shard_edges(n, count)) if a < b]


def shard_edges(n: int, count: int) -> list[int]:
    """Where ``count`` shards of [0, n) begin and end: the largest has ⌈n/count⌉, the smallest ⌊n/count⌋.

    Example:
        >>> shard_edges(7, 3)
        [0, 2, 4, 7]
    """
    return [i * n // count for i in range(count + 1)]


class Bought(Protocol):
    """What the labels and the picks tell, as the engines read it."""

    def matrix(self, picks: Tensor) -> Tensor:
        """What ``Engine.drift`` compares the updates with, made afresh with ``picks`` in M."""


class Greedy:
    """Forward picks (``sign`` +1) or backward removals (−1) among a pool's candidates; those here over ``devices``.

    ``positions`` [n] are the candidates' places in the pool that ``information`` covers; ``taken`` are candidates that
    may not be picked. ``listener`` hears of the making of their state, at first and afresh.
    """

    def __init__(
        self,
        engine: Callable[..., Engine],
        pool: CandidatePool,
        information: Bought,
        positions: Tensor,
        *,
        sign: int = 1,
        devices: Sequence[str | torch.device] = (),
        taken: Sequence[int] | Tensor = (),
        listener: StepListener = lambda phase, done, total: None,
    ) -> None:
        self._pool, self._information, self._positions, self._sign = pool, information, positions, sign
        self._open = torch.ones(pool.n, dtype=torch.bool, device=pool.device)
        self._open[torch.as_tensor(taken, dtype=torch.int64, device=pool.device)] = False
        V = pool.here
        self._open_here = self._open[pool.begin : pool.begin + V.n]
        self._taken: list[Choice] = []
        self._every = _ASK_EVERY.get(V.device.type, 8)
        bounds = shard_bounds(V.n, max(1, len(devices)))
        self._places = [torch.device(place) for place in devices or [V.device]][: len(bounds)]
        self._shards = [
            engine(V[a:b].to(place), information, sign) for place, (a, b) in zip(self._places, bounds, strict=True)
        ]
        self._listener = listener
        self.load("setup" if sign > 0 else "setup of removals")

    @property
    def drift(self) -> float:
        """The largest drift of any shard."""
        if not any(shard.updates for shard in self._shards):
            return 0.0
        M = self._information.matrix(self.picks())
        return max(shard.drift(M) for shard in self._shards)

    @property
    def refreshes(self) -> int:
        """How often M was factorised afresh after the start."""
        return max((shard.refreshes for shard in self._shards), default=0)

    def picks(self) -> Tensor:
        """The pool positions that are in M now: those taken when adding, those left when removing."""
        taken = self._column(0)
        if self._sign > 0:
            return self._positions[taken]
        left = torch.ones(self._pool.n, dtype=torch.bool, device=self._pool.device)
        left[taken] = False
        return self._positions[left]

    def run(self, steps: int, progress: Callable[[int], None] = lambda done: None) -> None:
        """Take ``steps`` more candidates.

        Raises:
            InputError: rounding has left no admissible step.
        """
        for _ in range(steps):
            self._step()
            if len(self._taken) % self._every == 0 and self._pool.any_stale(self._is_stale()):
                self.load()
            progress(len(self._taken))
        if not bool(torch.isfinite(self._column(1)).all()):
            raise InputError("rounding has left M without an admissible step; use float64 or a larger regularisation")

    def _is_stale(self) -> bool:
        return any(bool(shard.stale()) for shard in self._shards)

    def taken(self) -> tuple[Tensor, Tensor, Tensor]:
        """Every candidate taken so far, in order: places in the pool, scores and relative gaps to the runner-up."""
        return self._column(0), self._column(1), self._column(2)

    def _column(self, number: int) -> Tensor:
        if not self._taken:
            dtype = torch.int64 if number == 0 else self._pool.dtype
            return torch.empty(0, dtype=dtype, device=self._pool.device)
        return torch.stack([step[number] for step in self._taken])

    def load(self, phase: str = "refresh") -> None:
        """Make every shard's state afresh, from M with the picks so far."""
        picks = self.picks()
        with phase_of(phase, sum(shard.load_operations for shard in self._shards), self._listener):
            for shard in self._shards:
                shard.load(picks)

    def _step(self) -> None:
        choice = self._pool.choose(torch.where(self._open_here, self._scores(), -torch.inf))
        best = choice.place[None]  # a tensor of one dimension: one of none is read back from the device
        self._open.index_fill_(0, best, False)
        self._taken.append(choice)
        s = self._pool[best]
        for place, shard in zip(self._places, self._shards, strict=True):
            shard.update(s.to(place))

    def _scores(self) -> Tensor:
        here = self._pool.here
        scores = [shard.scores().to(here.device) for shard in self._shards]
        return torch.cat([torch.empty(0, dtype=here.dtype, device=here.device), *scores])
