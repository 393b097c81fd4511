"""Backward passes that are kept for a second use: a mask is chosen by a diagonal, and then needs the same gradients.

The diagonal of N images takes k−1 passes over them, and so does the masked embedding of the pool they were drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from fbench.fisher.gradients.captured import Passes

ROOM = 1 << 27
"""Bytes of passes that are kept: 1,024 digits through the small network take 78 MB; larger networks make them anew."""


class KeptBatch(NamedTuple):
    """Positions [c] of a batch's samples among the inputs that somebody will ask for, and its passes."""

    at: Tensor
    passes: Passes


class KeptPasses:
    """Passes of as many batches as there is room for.

    Args:
        at: positions of each draw's samples among the inputs that somebody will ask for.
        room: bytes.

    Attributes:
        batches: what was kept.
        room: bytes that are left.

    Example:
        >>> import torch, fbench
        >>> from fbench.fisher.gradients.diagonal import fisher_diagonals
        >>> images, model = torch.randn(5, 4), torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Linear(6, 3))
        >>> drawn = torch.tensor([0, 3, 4])
        >>> keep = KeptPasses([drawn])
        >>> (diagonal,) = fisher_diagonals(model, [images[drawn]], keep=keep)
        >>> mask = fbench.top_mask(diagonal, 0.5)
        >>> V = fbench.masked_embedding(model, images, mask, kept=keep.batches)  # passes over two of the five images
        >>> torch.allclose(V.values, fbench.masked_embedding(model, images, mask).values, atol=1e-5)
        True
    """

    def __init__(self, at: Sequence[Tensor], room: int = ROOM) -> None:
        self._at, self.room = at, room
        self.batches: list[KeptBatch] = []

    def add(self, draw: int, part: slice, passes: Passes) -> None:
        """Keep the passes of a part of a draw."""
        self.batches.append(KeptBatch(self._at[draw][part], passes))
        self.room -= passes.nbytes
