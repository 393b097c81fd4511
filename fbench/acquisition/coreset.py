"""Core-set selection: the candidate that is farthest from all that is labelled or chosen, B times over.

Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (2018), algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.acquisition.distances import blocks, centred, squared_distances, squared_distances_to
from fbench.acquisition.views import Picks


def k_centre_greedy(features: Tensor, labelled: Tensor, free: Tensor, count: int) -> Picks:
    """The ``count`` picks of the greedy k-centre algorithm; a score is the distance to the nearest centre before.

    Equal distances: the lower position first. Without a label the first centre is the candidate nearest to the mean.

    Args:
        features: [n, h].
        labelled: [L], positions of the centres that are there.
        free: [m], positions that may be chosen.
        count: B, m at most.

    Example:
        >>> line = torch.tensor([[0.0], [1.0], [4.0], [10.0]])
        >>> k_centre_greedy(line, torch.tensor([0]), torch.tensor([1, 2, 3]), 2).positions.tolist()
        [3, 2]
    """
    points = centred(features)
    norms = points.square().sum(1)
    nearest = _nearest_centre(points, labelled.to(points.device))
    positions: list[int] = []
    scores: list[float] = []
    for _ in range(count):
        at = int(free[nearest[free].argmax()] if len(labelled) or positions else free[norms[free].argmin()])
        positions.append(at)
        scores.append(float(nearest[at].sqrt()))
        nearest = torch.minimum(nearest, squared_distances_to(points, norms, at))
        nearest[at] = -1  # a copy of it may be chosen later, it may not
    return Picks(torch.tensor(positions), torch.tensor(scores, dtype=torch.float64))


def _nearest_centre(points: Tensor, labelled: Tensor) -> Tensor:
    """Squared distance [n] to the nearest labelled point; infinite where there is none."""
    nearest = points.new_full((len(points),), torch.inf)
    if not len(labelled):
        return nearest
    for part in blocks(len(points), len(labelled)):
        nearest[part] = squared_distances(points[part], points[labelled]).amin(1)
    return nearest
