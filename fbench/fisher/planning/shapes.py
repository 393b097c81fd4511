"""The shape of an embedding: all that a plan of its memory needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fbench.fisher.embeddings import Embedding


SPARED_BELOW = 20
"""Classes from which on an embedding is not reduced, as in ``embeddings``."""


@dataclass(frozen=True)
class Shape:
    """The shape of an embedding: V [n, r, d] dense, or S [n, r, k] ⊗ h [n, d/k] where ``classes`` is k.

    Attributes:
        n: candidates, the labelled included.
        rows: r.
        dim: d.
        classes: k of a factored embedding; 0 for a dense one.
        sums_to_zero: of a factored one, whether each row of S does, as a last layer's.

    Example:
        >>> Shape(n=100, rows=9, dim=640, classes=10).numbers, Shape(n=100, rows=9, dim=640).numbers
        (15400, 576000)
    """

    n: int
    rows: int
    dim: int
    classes: int = 0
    sums_to_zero: bool = field(default=True, repr=False)

    @property
    def width(self) -> int:
        """h, the features of a factored embedding."""
        return self.dim // self.classes

    @property
    def reduced(self) -> Shape:
        """The shape of the embedding that ``Embedding.reduced`` gives.

        Example:
            >>> Shape(n=100, rows=9, dim=640, classes=10).reduced, Shape(n=100, rows=9, dim=640).reduced
            (Shape(n=100, rows=9, dim=576, classes=9), Shape(n=100, rows=9, dim=640, classes=0))
        """
        if not 2 <= self.classes < SPARED_BELOW or not self.sums_to_zero:
            return self
        return replace(self, dim=self.dim - self.width, classes=self.classes - 1, sums_to_zero=self.classes < 3)

    @property
    def numbers(self) -> int:
        """How many numbers the embedding holds."""
        return self.n * self.numbers_each

    @property
    def numbers_each(self) -> int:
        """How many numbers hold one candidate."""
        return self.rows * self.classes + self.width if self.classes else self.numbers_dense

    @property
    def numbers_dense(self) -> int:
        """How many numbers one candidate's V_x holds when it is built."""
        return self.rows * self.dim


def shape_of(embedding: Embedding) -> Shape:
    """The shape of an embedding.

    Example:
        >>> import torch, fbench
        >>> shape_of(fbench.last_layer_embedding(torch.zeros(6, 3), torch.ones(6, 4)))
        Shape(n=6, rows=2, dim=12, classes=3)
    """
    sizes = embedding.n, embedding.rows, embedding.dim, getattr(embedding, "k", 0)
    return Shape(*sizes, sums_to_zero=sizes[3] < 2 or getattr(embedding, "sums_to_zero", True))
