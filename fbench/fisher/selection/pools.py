"""Where a selection's candidates lie: all in this process (``WholePool``), or a share here (``sharded_pool``).

A selection asks a pool for few things: the sum of all V_xᵀV_x, the rows of what is bought, and which candidate of all
has the best score. Whoever answers these may hold the candidates wherever it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding

TIE = {torch.float64: 1e-10, torch.float32: 1e-5}
"""Scores this close to the largest, relatively, equal it: rounding depends on chunk and shard, picks must not."""


class Choice(NamedTuple):
    """The candidate that was chosen: its place in the pool, its score, and its lead over the next, as a share of it."""

    place: Tensor
    score: Tensor
    gap: Tensor


class CandidatePool(Protocol):
    """All candidates, labelled and unlabelled, of a selection.

    Attributes:
        n: of them, wherever they lie.
        rows, dim, dtype, device: of V, as it is held here.
        here: the embedding of those that this process holds.
        begin: the place in the pool of the first of them.
    """

    n: int
    rows: int
    dim: int
    dtype: torch.dtype
    device: torch.device
    here: Embedding
    begin: int

    def __getitem__(self, index: Tensor) -> Embedding:
        """The embedding of the candidates at these places, wherever they lie."""

    def bring(self, index: Tensor) -> None:
        """Have the rows of these candidates here, before any process alone asks for them."""

    def gram(self) -> Tensor:
        """Σ_x V_xᵀV_x over all: [d, d]."""

    def gram_diagonal(self) -> Tensor:
        """The diagonal of ``gram``, in float64: [d]."""

    def choose(self, scores: Tensor) -> Choice:
        """The best of all, told by the scores of those that lie here."""

    def any_stale(self, stale: bool) -> bool:
        """Whether the state of any candidates is stale, told by that of those that lie here."""

    def agree(self, kept: Tensor, numbers: Sequence[float]) -> tuple[Tensor, list[float]]:
        """The same outcome for all processes: what the first kept, and the largest of each number."""


class WholePool:
    """All candidates in this process.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> pool = WholePool(dense_embedding(torch.ones(3, 1, 2)))
        >>> pool.n, pool[torch.tensor([1])].n, int(pool.choose(torch.tensor([1.0, 3.0, 2.0])).place)
        (3, 1, 1)
    """

    begin = 0

    def __init__(self, V: Embedding) -> None:
        self.here, self.n, self.rows, self.dim, self.dtype, self.device = V, V.n, V.rows, V.dim, V.dtype, V.device

    def __getitem__(self, index: Tensor) -> Embedding:
        return self.here[index]

    def bring(self, index: Tensor) -> None:
        """As of ``CandidatePool``: they are here."""

    def gram(self) -> Tensor:
        """As of ``CandidatePool``."""
        return self.here.gram()

    def gram_diagonal(self) -> Tensor:
        """As of ``CandidatePool``."""
        return self.here.gram_diagonal()

    def choose(self, scores: Tensor) -> Choice:
        """As of ``CandidatePool``."""
        return choose(scores)

    def any_stale(self, stale: bool) -> bool:
        """As of ``CandidatePool``."""
        return stale

    def agree(self, kept: Tensor, numbers: Sequence[float]) -> tuple[Tensor, list[float]]:
        """As of ``CandidatePool``."""
        return kept, list(numbers)


def choose(scores: Tensor) -> Choice:
    """The best of ``scores`` [n] and its relative gap to the next; among ties the lowest index wins.

    Example:
        >>> place, score, gap = choose(torch.tensor([1.0, 4.0, 4.000001, 2.0]))
        >>> int(place), float(score), bool(gap < 1e-6)
        (1, 4.0, True)
    """
    top = scores.topk(min(2, len(scores))).values
    threshold, gap = tie_threshold(top)
    place = (scores >= threshold).to(torch.uint8).argmax()
    return Choice(place, scores[place[None]][0], gap)  # by one dimension: by none it is read back from the device


def tie_threshold(top: Tensor) -> tuple[Tensor, Tensor]:
    """From the two best scores, or the only one: the least that equals the best, and the relative gap between them.

    Example:
        >>> threshold, gap = tie_threshold(torch.tensor([4.0, 3.0]))
        >>> bool(3.9999 < threshold < 4.0), float(gap)
        (True, 0.25)
    """
    best = top[0]
    size = best.abs().clamp_min(torch.finfo(top.dtype).tiny)
    gap = (best - top[1]) / size if len(top) > 1 else torch.full_like(best, torch.inf)
    return best - TIE[top.dtype] * size, gap
