"""BADGE: k-means++ on the gradients that the likeliest labels would give the last layer, kept factored.

Ash, Zhang, Krishnamurthy, Langford and Agarwal, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
Bounds" (2020), algorithm 1. A candidate's gradient is an outer product, g_x = (p − e_ŷ) hᵀ with ŷ the likeliest class,
so that ⟨g_i, g_j⟩ = ⟨r_i, r_j⟩ ⟨h_i, h_j⟩: a distance costs k + h products and the n·k·h numbers are never built. As in
the authors' code the first pick is the longest gradient; every other is drawn with probabilities proportional to the
squared distance to the nearest pick.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.acquisition.views import Picks

_ROUNDING = 8.0
"""Squared distances below so many units of rounding of the norms are 0: copies of a pick are as far as itself."""


def badge(p: Tensor, features: Tensor, free: Tensor, count: int, generator: torch.Generator) -> Picks:
    """The ``count`` distinct picks of BADGE; a score is the squared distance to the nearest pick before.

    Where every gradient that is left lies on a pick, the rest is drawn uniformly.

    Args:
        p: [n, k] probabilities.
        features: [n, h], what enters the last layer.
        free: [m], positions that may be chosen.
        count: B, m at most.
        generator: of the draws, on the CPU.

    Example:
        >>> p, features = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]]), torch.eye(3)
        >>> picks = badge(p, features, torch.arange(3), 2, torch.Generator().manual_seed(0))
        >>> picks.positions.tolist(), picks.scores.tolist()
        ([0, 2], [0.5, 1.0])
    """
    residuals = _residuals(p).to(features.dtype)
    norms = (torch.linalg.vector_norm(residuals, dim=1) * torch.linalg.vector_norm(features, dim=1)).square()
    left = torch.zeros(len(norms), dtype=torch.bool, device=norms.device)
    left[free] = True
    nearest = torch.where(left, torch.inf, 0.0).to(norms.dtype)  # not the norms: the origin is no pick
    at = int(free[norms[free].argmax()])
    positions, scores = [at], [float(norms[at])]
    while len(positions) < count:
        inner = (residuals @ residuals[at]).mul_(features @ features[at])
        ends = norms + norms[at]
        apart = torch.sub(ends, inner, alpha=2)
        apart[apart < _ROUNDING * torch.finfo(apart.dtype).eps * ends] = 0
        nearest = torch.minimum(nearest, apart)
        left[at], nearest[at] = False, 0
        at = _drawn(nearest, left, generator)
        positions.append(at)
        scores.append(float(nearest[at]))
    return Picks(torch.tensor(positions), torch.tensor(scores, dtype=torch.float64))


def _residuals(p: Tensor) -> Tensor:
    """Rows p − e_ŷ [n, k], the entry at ŷ as the others' sum: all digits stay where a network is nearly sure."""
    at = p.argmax(dim=1, keepdim=True)
    others = p.scatter(1, at, 0)
    return others.scatter(1, at, -others.sum(1, keepdim=True))


def _drawn(weights: Tensor, left: Tensor, generator: torch.Generator) -> int:
    """A position with probability proportional to its weight; where all are 0, uniformly one of those left."""
    summed = weights.cumsum(0, dtype=torch.float64)
    if not bool(summed[-1] > 0):
        summed = left.cumsum(0, dtype=torch.float64)
    mark = torch.rand(1, generator=generator, dtype=torch.float64).to(summed.device) * summed[-1]
    return int(torch.searchsorted(summed, mark, right=True))
