"""BADGE: k-means++ on the gradients that the likeliest labels would give the last layer, kept factored.

Ash, Zhang, Krishnamurthy, Langford and Agarwal, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
Bounds" (2020), algorithm 1. A candidate's gradient is an outer product, g_x = (p − e_ŷ) hᵀ with ŷ the likeliest class,
so that ⟨g_i, g_j⟩ = ⟨r_i, r_j⟩ ⟨h_i, h_j⟩: a distance costs k + h products and the n·k·h numbers are never built. As in
the authors' code the first pick is the longest gradient; every other is drawn with probabilities proportional to the
squared distance to the nearest pick.

Distances are brought up to date for many picks at once, which is a product of matrices and not of a matrix and a vector
a pick. In between a candidate is drawn by its old distance and accepted with the probability new/old: what is accepted
is drawn by the new ones, exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fbench.acquisition.distances import blocks
from fbench.acquisition.views import Picks

PICKS, REFUSALS = 128, 16
"""Picks, or refusals without a pick between, after which all distances are brought up to date."""
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
        >>> picks.positions.tolist(), [round(score, 3) for score in picks.scores.tolist()]
        ([0, 2], [0.5, 1.0])
    """
    residuals = _residuals(p).to(features.dtype)
    gradients = _Gradients(residuals, features, _squares(residuals) * _squares(features))
    left = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    left[free] = True
    first = int(free[gradients.norms[free].argmax()])
    left[first] = False
    picked, scores = [first], [float(gradients.norms[first])]
    nearest = torch.where(left, torch.inf, 0.0).to(features.dtype)  # not the norms: the origin is no pick
    known = 0  # picks that ``nearest`` knows of
    while len(picked) < count:
        nearest = torch.minimum(nearest, gradients.to_nearest(picked[known:])).mul_(left)
        known = len(picked)
        if not bool(nearest.any()):
            rest = left.nonzero()[:, 0].cpu()
            rest = rest[torch.randperm(len(rest), generator=generator)[: count - known]]
            return _picks(picked + rest.tolist(), scores + [0.0] * len(rest))
        for at, score in _drawn(gradients, nearest, left, min(PICKS, count - known), generator):
            picked.append(at)
            scores.append(score)
    return _picks(picked, scores)


class _Gradients(NamedTuple):
    """The factors of the gradients, residuals [n, k] and features [n, h], and the gradients' squared norms [n]."""

    residuals: Tensor
    features: Tensor
    norms: Tensor

    def apart(self, some: Tensor | slice, picked: list[int]) -> Tensor:
        """Squared distances [m, c] of some candidates to picks."""
        inner = (self.residuals[some] @ self.residuals[picked].mT).mul_(self.features[some] @ self.features[picked].mT)
        ends = self.norms[some, None] + self.norms[picked]
        rounding = _ROUNDING * torch.finfo(ends.dtype).eps * ends
        apart = ends.sub_(inner, alpha=2)
        return apart.masked_fill_(apart < rounding, 0)

    def to_nearest(self, picked: list[int]) -> Tensor:
        """Squared distances [n] to the nearest of some picks."""
        parts = blocks(len(self.norms), len(picked))
        return torch.cat([self.apart(part, picked).amin(1) for part in parts])


def _drawn(
    gradients: _Gradients, nearest: Tensor, left: Tensor, most: int, generator: torch.Generator
) -> list[tuple[int, float]]:
    """Up to ``most`` picks and their squared distances, from distances that know of none of them; one at least."""
    summed = nearest.cumsum(0, dtype=torch.float64)
    drawn: list[tuple[int, float]] = []
    refused = 0
    while len(drawn) < most and refused < REFUSALS:
        mark, chance = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        at = int(torch.searchsorted(summed, mark * summed[-1], right=True))
        old = now = float(nearest[at])
        if drawn:
            now = min(old, float(gradients.apart(torch.tensor([at]), [pick for pick, _ in drawn]).min()))
        if chance * old < now and bool(left[at]):
            left[at] = False
            drawn.append((at, now))
            refused = 0
        else:
            refused += 1
    return drawn


def _picks(positions: list[int], scores: list[float]) -> Picks:
    return Picks(torch.tensor(positions), torch.tensor(scores, dtype=torch.float64))


def _squares(rows: Tensor) -> Tensor:
    """‖row‖² [n], without the rows' squares in memory."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths.square_()


def _residuals(p: Tensor) -> Tensor:
    """Rows p − e_ŷ [n, k], the entry at ŷ as the others' sum: all digits stay where a network is nearly sure."""
    at = p.argmax(dim=1, keepdim=True)
    others = p.scatter(1, at, 0)
    return others.scatter(1, at, -others.sum(1, keepdim=True))
