"""The greedy loop over shards of candidates: score, take the best by the tie rule, tell every shard.

The d×d state is small and lives in every shard; a pick costs the gathering of the scores and the sending of V_s.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.engines import Engine

TIE = {torch.float64: 1e-10, torch.float32: 1e-5}
"""Scores this close to the largest, relatively, equal it: rounding depends on chunk and shard, picks must not."""


def shard_bounds(n: int, count: int) -> list[tuple[int, int]]:
    """``count`` slices that partition [0, n), as equal as can be; empty ones are left out."""
    edges = [i * n // count for i in range(count + 1)]
    return [(a, b) for a, b in itertools.pairwise(edges) if a < b]


class Greedy:
    """Forward picks (``sign`` +1) or backward removals (−1) of candidates V, those in ``taken`` excluded."""

    def __init__(
        self,
        engine: Callable[..., Engine],
        V: Embedding,
        F: Tensor,
        M: Tensor,
        alpha: float,
        *,
        sign: int = 1,
        devices: Sequence[str | torch.device] | None = None,
        taken: Tensor | None = None,
    ) -> None:
        self.V = V
        self._open = torch.ones(V.n, dtype=torch.bool, device=V.device)
        if taken is not None:
            self._open[taken] = False
        devices = devices or [V.device]
        self._shards = [
            engine(V[a:b].to(device), F.to(device), M.to(device), alpha, sign)
            for device, (a, b) in zip(devices, shard_bounds(V.n, len(devices)), strict=False)
        ]

    @property
    def M(self) -> Tensor:
        """M [d, d] in float64 as it stands, on V's device."""
        return self._shards[0].M.to(self.V.device)

    @property
    def drift(self) -> float:
        """The largest drift of any shard."""
        return max(shard.drift() for shard in self._shards)

    def run(self, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Take ``steps`` candidates: their indices, scores and relative gaps to the runner-up, each [steps].

        Raises:
            InputError: rounding has left no admissible step.
        """
        taken = [self._step() for _ in range(steps)]
        if not taken:
            empty = torch.empty(0, dtype=self.V.dtype)
            return torch.empty(0, dtype=torch.int64, device=self.V.device), empty, empty
        indices, scores, gaps = (torch.stack(column) for column in zip(*taken, strict=True))
        if not bool(torch.isfinite(scores).all()):
            raise InputError("rounding has left M without an admissible step; use float64 or a larger regularisation")
        return indices, scores, gaps

    def _step(self) -> tuple[Tensor, Tensor, Tensor]:
        scores = torch.cat([shard.scores().to(self.V.device) for shard in self._shards])
        scores = torch.where(self._open, scores, -torch.inf)
        index, gap = choose(scores)
        self._open[index] = False
        V_s = self.V[index[None]].dense()[0]
        for shard in self._shards:
            shard.update(V_s.to(shard.M.device))
        return index, scores[index], gap


def choose(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the best of ``scores`` [n] and its relative gap to the next; among ties the lowest index wins."""
    top = scores.topk(min(2, len(scores))).values
    best = top[0]
    size = best.abs().clamp_min(torch.finfo(scores.dtype).tiny)
    gap = (best - top[1]) / size if len(top) > 1 else torch.full_like(best, torch.inf)
    index = (scores >= best - TIE[scores.dtype] * size).to(torch.uint8).argmax()
    return index, gap
