"""What ``fbench chunksize`` times: passes of a kernel over one device's shard, or single chunks, and their errors."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from fbench.errors import InputError

from . import problem as chunk_state
from .options import parse_kernel
from .problem import Problem


class ShardPasses:
    """A kernel on one shard of a problem, in chunks of ``size`` candidates; a ``single`` pass is one chunk.

    Args:
        problem: whose shards partition the pool.
        number: of the shard.
        kernel: its name, ``:no-inner`` included.
        size: candidates of a chunk; the last of a pass may be smaller, a single one may not.
        single: time one chunk a pass. Pass i takes the i-th, as a pass over the pool would: one chunk again and again
            would stay in the cache.
    """

    def __init__(self, problem: Problem, number: int, kernel: str, size: int, single: bool) -> None:
        self._problem, self._number, self._name, self._single = problem, number, kernel, single
        self._kernel, self._with_inner = parse_kernel(kernel)
        self._given = chunk_state.prepared(problem, self._kernel.name, number)
        own = problem.shards[number]
        self._n = own.stop - own.start
        starts = range(0, self._n - size + 1 if single else self._n, size)
        self._parts = [slice(start, min(start + size, self._n)) for start in starts]

    def run(self, i: int) -> Tensor:
        """The i-th pass: scores of the shard's candidates, or of the i-th chunk's.

        Raises:
            InputError: the kernel gives something else than one score a candidate.
        """
        if self._single:
            return self._chunk(self._parts[i % len(self._parts)])
        out = torch.empty(self._n, dtype=self._problem.kind, device=self._problem.devices[self._number])
        for part in self._parts:
            out[part] = self._chunk(part)
        return out

    def _chunk(self, part: slice) -> Tensor:
        scores: Tensor = self._kernel.run(self._given, part, self._with_inner)
        if not isinstance(scores, Tensor):
            raise InputError(f"kernel {self._name!r} gave a {type(scores).__name__}; it must give a torch.Tensor")
        count = part.stop - part.start
        if tuple(scores.shape) != (count,):  # assigned to a slice, one number would do for all
            raise InputError(
                f"kernel {self._name!r} gave shape {list(scores.shape)} for a chunk of {count} candidates; "
                f"it must give [{count}]"
            )
        return scores

    def error(self, i: int, scores: Tensor) -> float:
        """The largest difference of the i-th pass's scores from the float64 ones, over the largest of these.

        Raises:
            InputError: NaN or infinity among the scores.
        """
        expected = self._reference[self._parts[i % len(self._parts)]] if self._single else self._reference
        bad = int((~torch.isfinite(scores)).sum())
        if bad:
            raise InputError(f"kernel {self._name!r} gave NaN or infinity for {bad:,} of {len(scores):,} candidates")
        return float((scores.double() - expected).abs().max() / expected.abs().max())

    @cached_property
    def _reference(self) -> Tensor:
        return chunk_state.reference(self._problem, self._number, self._with_inner)
