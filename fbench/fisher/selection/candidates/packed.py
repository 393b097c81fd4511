"""G and H of every candidate in blocks of 16, one candidate a lane, on a CPU (layouts: ``lane_kernels``).

A pick goes through the pool in chunks that fit a core's cache: the chunk is projected, by the form that suits how V is
stored, and compiled loops take it from there to the scores.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from fbench.fisher.embeddings import DenseEmbedding, Embedding, FactoredEmbedding
from fbench.fisher.lanes.cores import each_on_one_core, share
from fbench.fisher.lanes.packing import pack_lanes, pack_lower_lanes
from fbench.fisher.lanes.registers import LANES
from fbench.fisher.selection.candidates import lane_kernels, row_kernels
from fbench.fisher.selection.candidates.plain import Candidates, Form, form_for, quadratic
from fbench.fisher.selection.few_rows import FewRows

_CHUNK = 1 << 18
"""Numbers of a chunk's projection: it is made and used up in a core's second cache."""
_LEAST_CHUNK, _CHUNKS = 1 << 15, 32
"""A pool that has fewer than 32 such chunks is cut into about so many, down to chunks not worth waking a thread for."""

_LEAST_ROWS, _FEW_ROWS, _LONG_ROWS = 3, 12, 128
"""Up to so many rows of at least so many numbers ``row_kernels`` take less time than a library's product with 2r
columns: for 9 rows of 328 about half in float32, 0.8 in float64, for 9 of 3,000 0.9; for 9 of 40 it is 1.3, for 25 of
1,000 1.6 (one core, AVX2)."""


class Packed(Candidates):
    """G, H [blocks, r(r+1)/2, 16], and the scores and traces that the last pass over them gave."""

    def __init__(self, V: Embedding, alpha: float, sign: int) -> None:
        super().__init__(V, alpha, sign)
        self._blocks = -(-V.n // LANES)
        self._project = _form(V)
        self._scores, self._traces = (torch.empty(self._blocks * LANES, dtype=V.dtype) for _ in range(2))
        self.G, self.H = (self._scores.new_empty(self._blocks, V.rows * (V.rows + 1) // 2, LANES) for _ in range(2))

    def load(self, P: Tensor | FewRows, Q: Tensor) -> None:
        """Chunk by chunk: whole it would take three times the room of what is kept."""
        step = _blocks_a_chunk(self.V, self.V.rows**2, _CHUNK)
        forms = form_for(self.V, P), form_for(self.V, Q)
        for b in range(0, self._blocks, step):
            self._load_part(self.V[b * LANES : (b + step) * LANES], slice(b, b + step), *forms)
        self._score()

    def _load_part(self, V: Embedding, blocks: slice, P: Form, Q: Form) -> None:
        for A, kept in ((P, self.G), (Q, self.H)):
            kept[blocks] = pack_lower_lanes(self.alpha * quadratic(V, A))

    def fill(self, G: Tensor, H: Tensor) -> None:
        self.G.copy_(pack_lower_lanes(G))
        self.H.copy_(pack_lower_lanes(H))
        self._score()

    def _score(self) -> None:
        state = map(_flat, (self.G, self.H, self._scores, self._traces))
        share(self._blocks, lane_kernels.score, *state, self.sign, self.V.rows)

    def absorb(self, rows: Tensor) -> None:
        A, step = self.arrange(rows), self._project.step

        def take(start: int) -> None:
            part = slice(start, min(start + step, self._blocks))
            lanes = slice(part.start * LANES, part.stop * LANES)
            self._absorb(A, part, self.G[part], self.H[part], self._scores[lanes], self._traces[lanes])

        each_on_one_core(range(0, self._blocks, step), take)

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
        share(len(UY), lane_kernels.absorb, *map(_flat, (UY, *state)), self.sign, self.V.rows)

    def scores(self) -> Tensor:
        return self._scores[: self.V.n]

    def traces(self) -> Tensor:
        return self._traces[: self.V.n]


class _Any:
    """U and Y of any embedding's candidates, by its own products; ``step`` blocks make a chunk."""

    def __init__(self, V: Embedding) -> None:
        self._V = V
        self.step = _blocks_a_pass(V, V.rows * 2 * V.rows)

    def arrange(self, rows: Tensor) -> Tensor:
        """W̃ᵀ and Z̃ᵀ [2r, d] as calls take them."""
        return rows.T

    def __call__(self, A: Tensor, blocks: slice) -> Tensor:
        """U and Y of the candidates in lanes [c, r·2r, 16], by what ``arrange`` gave."""
        return pack_lanes(self._V[_candidates(blocks)].project(A))


class _Factored(_Any):
    """U and Y of a last-layer embedding: [k·2r, h] @ [h, c] for a chunk, then S_x from the left, in lanes."""

    def __init__(self, V: FactoredEmbedding) -> None:
        super().__init__(V)
        self._h, self._k, self._S = V.h, V.k, pack_lanes(V.S)
        self.step = _blocks_a_pass(V, V.k * 2 * V.rows)
        tail = len(V.h) % LANES  # the last block's candidates, and zeros
        self._tail = torch.cat([V.h[len(V.h) - tail :], V.S.new_zeros(LANES - tail, V.h.shape[1])]) if tail else None

    def arrange(self, rows: Tensor) -> Tensor:
        """W̃ᵀ and Z̃ᵀ [2r, d] as [k·2r, h]."""
        return rows.view(len(rows), self._k, -1).permute(1, 0, 2).reshape(self._k * len(rows), -1)

    def __call__(self, A: Tensor, blocks: slice) -> Tensor:
        r, k, S = self._V.rows, self._k, self._S[blocks]
        h = self._h[_candidates(blocks)]
        if len(h) < len(S) * LANES and self._tail is not None:
            h = torch.cat([h[: (len(S) - 1) * LANES], self._tail])
        X = A @ h.T
        UY = X.new_empty(len(S), r * 2 * r, LANES)
        share(len(S), lane_kernels.contract, _flat(S), _flat(X), _flat(UY), X.shape[1], r, k)
        return UY


class _Dense(_Any):
    """U and Y of few long rows that are stored whole: they are read where they lie (``row_kernels``)."""

    def __init__(self, V: DenseEmbedding) -> None:
        super().__init__(V)
        self._values, self._wider = V.values.contiguous(), -V.dim % LANES

    def arrange(self, rows: Tensor) -> Tensor:
        """W̃ᵀ and Z̃ᵀ [2r, d], zeros after every row up to the next multiple of 16."""
        return torch.nn.functional.pad(rows, (0, self._wider)).contiguous()

    def __call__(self, A: Tensor, blocks: slice) -> Tensor:
        r, d, V = self._V.rows, self._V.dim, self._values[_candidates(blocks)]
        UY = V.new_empty(blocks.stop - blocks.start, r * 2 * r, LANES)
        share(len(UY), row_kernels.project, _flat(V), _flat(A), _flat(UY), len(V), r, d)
        return UY


def _form(V: Embedding) -> _Any:
    if isinstance(V, FactoredEmbedding):
        return _Factored(V)
    few = _LEAST_ROWS <= V.rows <= _FEW_ROWS and V.dim >= _LONG_ROWS
    return _Dense(V) if few and isinstance(V, DenseEmbedding) else _Any(V)


def _candidates(blocks: slice) -> slice:
    return slice(blocks.start * LANES, blocks.stop * LANES)


def _flat(values: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = values.view(-1).numpy()
    return array


def _blocks_a_pass(V: Embedding, width: int) -> int:
    """Blocks of a chunk that a pick takes through a core, for ``width`` numbers a candidate."""
    return _blocks_a_chunk(V, width, min(_CHUNK, max(_LEAST_CHUNK, V.n * width // _CHUNKS)))


def _blocks_a_chunk(V: Embedding, width: int, numbers: int) -> int:
    return max(1, min(numbers // width, V.read_together) // LANES)
