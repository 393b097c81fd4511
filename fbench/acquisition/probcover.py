"""ProbCover: the candidate whose ball covers most of what no ball covers yet, B times over.

Yehuda, Dekel, Hacohen and Weinshall, "Active Learning Through a Covering Lens" (2022), algorithm 1, on features of
length 1. The graph of who covers whom is never kept: its edges may be n²/k. Counts of uncovered neighbours are, and
what a pick covers is taken from them, a block of distances at a time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fbench.acquisition.distances import blocks, squared_distances, squared_distances_to
from fbench.acquisition.typiclust import clusters_of
from fbench.acquisition.views import Picks

PURITY = 0.95
"""α of section 3.3: the share of balls that hold points of one cluster only."""


def probcover(
    features: Tensor, labelled: Tensor, free: Tensor, count: int, classes: int, generator: torch.Generator
) -> Picks:
    """The ``count`` picks of ProbCover; a score is how many points the pick was the first to cover.

    Args:
        features: [n, h]; they are scaled to length 1.
        labelled: [L], positions whose balls are there from the start.
        free: [m], positions that may be chosen.
        count: B, m at most.
        classes: k, the clusters that the radius is found by.
        generator: of k-means, and of the order of equal candidates, on the CPU.

    Example:
        >>> angles = torch.tensor([0.0, 0.01, 0.02, 1.5, 1.51])
        >>> features, none = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([], dtype=torch.int64)
        >>> picks = probcover(features, none, torch.arange(5), 2, 2, torch.Generator().manual_seed(0))
        >>> picks.scores.tolist()
        [3.0, 2.0]
    """
    points = torch.nn.functional.normalize(features, dim=1)
    radius = pure_radius(points, clusters_of(points, classes, generator).to(points.device))
    order = free[torch.randperm(len(free), generator=generator).to(free.device)]
    return _greedy_cover(points, labelled.to(points.device), order, count, radius)


def pure_radius(points: Tensor, clusters: Tensor, purity: float = PURITY) -> float:
    """The least upper bound δ² of squared radii whose open balls are pure for a share ``purity`` of the points [n, d].

    A ball is pure where no point of another cluster is in it, so that δ is a quantile of the distances to the nearest
    point of another cluster, and needs no grid. Infinite where there is one cluster.

    Example:
        >>> pure_radius(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 1]), purity=1.0)
        4.0
    """
    other = points.new_full((len(points),), torch.inf)
    for part in blocks(len(points), len(points)):
        apart = squared_distances(points[part], points)
        apart[clusters[part, None] == clusters] = torch.inf
        other[part] = apart.amin(1)
    impure = math.floor((1 - purity) * len(points) + 1e-9)
    return float(other.sort().values[impure])


def _greedy_cover(points: Tensor, labelled: Tensor, order: Tensor, count: int, radius: float) -> Picks:
    """Picks among the positions ``order`` [m], of equal ones the first."""
    norms = points.square().sum(1)
    uncovered = torch.ones(len(points), dtype=torch.bool, device=points.device)
    for at in labelled.tolist():
        uncovered &= ~_covered(points, norms, at, radius)
    gains = torch.zeros(len(order), dtype=torch.int64, device=points.device)
    _add_neighbours(gains, points, order, uncovered.nonzero()[:, 0], radius, 1)
    positions: list[int] = []
    scores: list[float] = []
    for _ in range(count):
        best = int(gains.argmax())
        positions.append(int(order[best]))
        scores.append(float(gains[best]))
        newly = _covered(points, norms, positions[-1], radius) & uncovered
        uncovered &= ~newly
        _add_neighbours(gains, points, order, newly.nonzero()[:, 0], radius, -1)
        gains[best] = -1
    return Picks(torch.tensor(positions), torch.tensor(scores, dtype=torch.float64))


def _covered(points: Tensor, norms: Tensor, at: int, radius: float) -> Tensor:
    """Which points [n] lie in the ball of one of them, itself always."""
    inside = squared_distances_to(points, norms, at) < radius
    inside[at] = True
    return inside


def _add_neighbours(gains: Tensor, points: Tensor, order: Tensor, some: Tensor, radius: float, sign: int) -> None:
    """Add to the gain of every candidate, or take from it, how many of some points lie in its ball."""
    for part in blocks(len(order), len(some)):
        inside = squared_distances(points[order[part]], points[some]) < radius
        inside |= order[part, None] == some
        gains[part] += sign * inside.sum(1)
