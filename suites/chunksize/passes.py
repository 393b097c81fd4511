"""What ``fbench chunksize`` times: passes of a kernel over one device's shard, or single chunks, and their errors."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from fbench.fisher.selection.trace import scores_of
from fbench.harness import guard

from . import problem as chunk_state
from .options import parse_kernel
from .problem import ShardedProblem


class ShardPasses:
    """A kernel on one shard of a problem, in chunks of ``size`` candidates; a ``single`` pass is one chunk.

    Args:
        problem: the problem, whose shards partition the pool.
        shard: which of the shards.
        kernel: the kernel's name, ``:no-inner`` included.
        size: candidates of a chunk; the last of a pass may be smaller, a single one may not.
        single: whether a pass is one chunk. Pass i takes the i-th, as a pass over the pool would: one chunk again and
            again would stay in the cache.
    """

    def __init__(self, problem: ShardedProblem, shard: int, kernel: str, size: int, single: bool) -> None:
        self._problem, self._shard, self._name, self._single = problem, shard, kernel, single
        self._kernel, self._with_inner = parse_kernel(kernel)
        self._state = chunk_state.prepared(problem, self._kernel.name, shard)
        candidates = problem.shards[shard]
        self._n = candidates.stop - candidates.start
        starts = range(0, self._n - size + 1 if single else self._n, size)
        self._parts = [slice(start, min(start + size, self._n)) for start in starts]

    def run(self, i: int) -> Tensor:
        """Do the i-th pass: scores [n] of the shard's candidates, or [c] of the i-th chunk's.

        Raises:
            ForeignError: the kernel gives something else than one score a candidate.
        """
        if self._single:
            return self._chunk(self._parts[i % len(self._parts)])
        out = torch.empty(self._n, dtype=self._problem.torch_dtype, device=self._problem.devices[self._shard])
        for part in self._parts:
            out[part] = self._chunk(part)
        return out

    def _chunk(self, part: slice) -> Tensor:
        return scores_of(self._kernel, self._state, part, self._with_inner)

    def error(self, i: int, scores: Tensor) -> float:
        """Give the largest difference of the i-th pass's scores from the float64 ones, over the largest of these.

        Raises:
            ForeignError: NaN or infinity is among the scores.
        """
        expected = self._reference[self._parts[i % len(self._parts)]] if self._single else self._reference
        bad = int((~torch.isfinite(scores)).sum())
        if bad:
            text = f"kernel {self._name!r} gave NaN or infinity for {bad:,} of {len(scores):,} candidates"
            raise guard.refuse(self._kernel.run, text)
        return float((scores.double() - expected).abs().max() / expected.abs().max())

    @cached_property
    def _reference(self) -> Tensor:
        return chunk_state.reference_scores(self._problem, self._shard, self._with_inner)
