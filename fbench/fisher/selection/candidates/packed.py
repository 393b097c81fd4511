"""G and H of every candidate in blocks of 16, one candidate a lane, on a CPU (layouts: ``lane_kernels``).

A pick goes through the pool in chunks that fit a core's cache: one matrix product projects the chunk, compiled loops
take it from there to the scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding, FactoredEmbedding
from fbench.fisher.lanes.packing import pack_lanes, pack_lower_lanes, share
from fbench.fisher.lanes.registers import LANES
from fbench.fisher.selection.candidates import lane_kernels
from fbench.fisher.selection.candidates.plain import Candidates

_CHUNK = 1 << 18
"""Numbers of a chunk's projection: it is made and used up in the second cache."""


class Packed(Candidates):
    """G, H [blocks, r(r+1)/2, 16], and the scores and traces that the last pass over them gave."""

    def __init__(self, V: Embedding, alpha: float, sign: int) -> None:
        super().__init__(V, alpha, sign)
        self._blocks = -(-V.n // LANES)
        self._project = _Factored(V) if isinstance(V, FactoredEmbedding) else _Dense(V)
        self._scores, self._traces = (torch.empty(self._blocks * LANES, dtype=V.dtype) for _ in range(2))
        self.G, self.H = (self._scores.new_empty(self._blocks, V.rows * (V.rows + 1) // 2, LANES) for _ in range(2))

    def load(self, P: Tensor, Q: Tensor) -> None:
        self._quadratic(P, self.G)
        self._quadratic(Q, self.H)
        self._score()

    def fill(self, G: Tensor, H: Tensor) -> None:
        self.G.copy_(pack_lower_lanes(G))
        self.H.copy_(pack_lower_lanes(H))
        self._score()

    def _score(self) -> None:
        state = [t.view(-1).numpy() for t in (self.G, self.H, self._scores, self._traces)]
        share(self._blocks, lane_kernels.score, *state, self.sign, self.V.rows)

    def absorb(self, rows: Tensor) -> None:
        A = self.arrange(rows)
        for start in range(0, self._blocks, self._project.step):
            part = slice(start, min(start + self._project.step, self._blocks))
            lanes = slice(part.start * LANES, part.stop * LANES)
            self._absorb(A, part, self.G[part], self.H[part], self._scores[lanes], self._traces[lanes])

    def arrange(self, rows: Tensor) -> Tensor:
        return self._project.arrange(self.alpha**0.5 * rows)

    def after(self, arranged: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Scores and traces [c] as in ``Candidates.after``, by whole blocks of 16: ``part`` may begin or end in one."""
        blocks = slice(part.start // LANES, -(-part.stop // LANES))
        scores, traces = (self._scores.new_empty((blocks.stop - blocks.start) * LANES) for _ in range(2))
        self._absorb(arranged, blocks, self.G[blocks].clone(), self.H[blocks].clone(), scores, traces)
        inside = slice(part.start - blocks.start * LANES, part.stop - blocks.start * LANES)
        return scores[inside], traces[inside]

    def _absorb(self, A: Tensor, blocks: slice, *state: Tensor) -> None:
        """Take a pick in; ``state`` are G, H, scores and traces of the blocks, written in place."""
        UY = self._project(A, blocks)
        arrays = [t.view(-1).numpy() for t in (UY, *state)]
        share(len(UY), lane_kernels.absorb, *arrays, self.sign, self.V.rows)

    def _quadratic(self, A: Tensor, out: Tensor) -> None:
        """Write α·V_x A V_xᵀ to ``out``, chunk by chunk: whole it would take three times the room of what is kept."""
        step = _blocks_a_chunk(self.V.rows**2)
        for b in range(0, self._blocks, step):
            out[b : b + step] = pack_lower_lanes(self.alpha * self.V[b * LANES : (b + step) * LANES].quadratic(A))

    def scores(self) -> Tensor:
        return self._scores[: self.V.n]

    def traces(self) -> Tensor:
        return self._traces[: self.V.n]


class _Factored:
    """U and Y of a last-layer embedding: [k·2r, h] @ [h, c] for a chunk, then S_x from the left, in lanes."""

    def __init__(self, V: FactoredEmbedding) -> None:
        self._V, self._S = V, pack_lanes(V.S)
        self.step = _blocks_a_chunk(V.k * 2 * V.rows)
        tail = len(V.h) % LANES  # the last block's candidates, and zeros
        self._tail = torch.cat([V.h[len(V.h) - tail :], V.h.new_zeros(LANES - tail, V.h.shape[1])]) if tail else None

    def arrange(self, rows: Tensor) -> Tensor:
        """W̃ᵀ and Z̃ᵀ [2r, d] as [k·2r, h]."""
        return rows.view(2 * self._V.rows, self._V.k, -1).permute(1, 0, 2).reshape(self._V.k * 2 * self._V.rows, -1)

    def __call__(self, A: Tensor, blocks: slice) -> Tensor:
        r, k, S = self._V.rows, self._V.k, self._S[blocks]
        h = self._V.h[blocks.start * LANES : blocks.stop * LANES]
        if len(h) < len(S) * LANES and self._tail is not None:
            h = torch.cat([h[: (len(S) - 1) * LANES], self._tail])
        X = A @ h.T
        UY = X.new_empty(len(S), r * 2 * r, LANES)
        arrays = (S.view(-1).numpy(), X.view(-1).numpy(), UY.view(-1).numpy())
        share(len(S), lane_kernels.contract, *arrays, X.shape[1], r, k)
        return UY


class _Dense:
    """U and Y of a dense embedding: [c·r, d] @ [d, 2r] for a chunk."""

    def __init__(self, V: Embedding) -> None:
        self._V = V
        self.step = _blocks_a_chunk(V.rows * 2 * V.rows)

    def arrange(self, rows: Tensor) -> Tensor:
        """W̃ᵀ and Z̃ᵀ [2r, d] as columns."""
        return rows.T

    def __call__(self, A: Tensor, blocks: slice) -> Tensor:
        return pack_lanes(self._V[blocks.start * LANES : blocks.stop * LANES].project(A))


def _blocks_a_chunk(width: int) -> int:
    return max(1, _CHUNK // (width * LANES))
