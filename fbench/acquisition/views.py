"""What a baseline looks at, and what it gives: a pool's tensors in, positions and their scores out.

Layout: logits [n, k], features [n, h], labelled [L] int64 positions; n candidates in all, the labelled included.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.likelihood import check_finite


@dataclass(frozen=True, eq=False)
class Picks:
    """Positions [B] in the pool, in the order chosen, and what each was chosen for [B]; NaN where that is chance."""

    positions: Tensor
    scores: Tensor


@dataclass(frozen=True, eq=False)
class PoolView:
    """The part of a pool that a baseline needs; what it does not need may be missing.

    Attributes:
        n: candidates, the labelled included.
        labelled: [L] int64, positions that have their label.
        generator: of all that is drawn, on the CPU.
        logits: [n, k] of the network.
        features: [n, h], what enters its last layer.

    Raises:
        InputError: logits or features that are not finite.

    Example:
        >>> view = PoolView(4, torch.tensor([2]), torch.Generator(), logits=torch.zeros(4, 5))
        >>> view.free.tolist(), view.probabilities[0, 0].item()
        ([0, 1, 3], 0.20000000298023224)
    """

    n: int
    labelled: Tensor
    generator: torch.Generator
    logits: Tensor | None = None
    features: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("logits", "features"):
            values = getattr(self, name)
            if values is not None:
                check_finite(name, values)

    @property
    def device(self) -> torch.device:
        """Where the tensors lie; the CPU where there are none."""
        first = self.logits if self.features is None else self.features
        return torch.device("cpu") if first is None else first.device

    @cached_property
    def free(self) -> Tensor:
        """Positions that may be chosen, ascending."""
        unlabelled = torch.ones(self.n, dtype=torch.bool, device=self.device)
        unlabelled[self.labelled.to(self.device)] = False
        return unlabelled.nonzero()[:, 0]

    @cached_property
    def probabilities(self) -> Tensor:
        """[n, k], in the dtype of the logits."""
        return torch.softmax(_needed("logits", self.logits), dim=1)

    @property
    def points(self) -> Tensor:
        """The features [n, h]."""
        return _needed("features", self.features)


def _needed(name: str, values: Tensor | None) -> Tensor:
    if values is None:
        raise InputError(f"there are no {name}, which this strategy chooses by; give them")
    return values


def top_scored(scores: Tensor, free: Tensor, count: int) -> Picks:
    """The ``count`` free positions with the highest scores [n]; equal scores: the lower position first.

    Example:
        >>> top_scored(torch.tensor([0.1, 0.9, 0.5, 0.9]), torch.tensor([0, 2, 3]), 2).positions.tolist()
        [3, 2]
    """
    order = scores[free].sort(descending=True, stable=True).indices[:count]
    return Picks(free[order], scores[free[order]])


def drawn_seed(generator: torch.Generator) -> int:
    """A whole number from 0 to 2³¹ − 1, for what takes a seed and no generator.

    Example:
        >>> 0 <= drawn_seed(torch.Generator().manual_seed(0)) < 2**31
        True
    """
    return int(torch.randint(1 << 31, (1,), generator=generator))
