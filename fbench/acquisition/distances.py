"""Squared Euclidean distances by products: points [n, d] that are centred first, so that little cancels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

PART = 1 << 22
"""Numbers of a block of distances."""


def centred(points: Tensor) -> Tensor:
    """The points with their mean taken away: no distance changes, and ‖a‖² + ‖b‖² − 2ab keeps more of its digits.

    Example:
        >>> centred(torch.tensor([[1.0], [3.0]])).tolist()
        [[-1.0], [1.0]]
    """
    return points - points.mean(0)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖a_i − b_j‖² [m, n] of points a [m, d] and b [n, d]; what rounding leaves below 0 is 0.

    Example:
        >>> squared_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
        [[25.0, 1.0]]
    """
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    return torch.addmm(norms, a, b.mT, alpha=-2).clamp_(min=0)


def squared_distances_to(points: Tensor, norms: Tensor, at: int) -> Tensor:
    """‖x − x_at‖² [n] of points [n, d] to one of them, from their squared norms [n]: one product, and no n·d numbers.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> squared_distances_to(points, points.square().sum(1), 0).tolist()
        [0.0, 25.0]
    """
    return (norms + norms[at]).sub_(points @ points[at], alpha=2).clamp_(min=0)


def blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of ``count`` rows whose blocks of ``width`` columns hold ``PART`` numbers at most, one row at least.

    Example:
        >>> list(blocks(3, PART // 2))
        [slice(0, 2, None), slice(2, 4, None)]
    """
    step = max(1, PART // max(1, width))
    for start in range(0, count, step):
        yield slice(start, start + step)
