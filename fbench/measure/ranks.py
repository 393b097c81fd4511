"""Ranks with ties, and the correlation of two rankings."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fbench.errors import InputError

__all__ = ["correlation", "ranks", "spearman"]

Floats = NDArray[np.float64]


def ranks(values: ArrayLike) -> Floats:
    """Ranks [n] of values [n] from 1, the smallest, to n; equal values share the mean of theirs.

    Raises:
        InputError: for another shape, or nan, which has no rank.
    """
    sample = _sample(values)
    order = np.argsort(sample)  # equal values need no order of their own
    in_order = sample[order]
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]])) if sample.size else order
    counts = np.diff(starts, append=sample.size)
    found = np.empty(sample.size)
    found[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return found


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation of two samples [n]: Pearson's, of their ranks.

    Returns:
        From −1 to 1; nan where either sample is constant or has fewer than two values.

    Raises:
        InputError: for unequal lengths, another shape, or nan.
    """
    one, other = _sample(first), _sample(second)
    if one.size != other.size:
        raise InputError(f"{one.size:,} values against {other.size:,} cannot be correlated: give both for every item")
    return correlation(ranks(one), ranks(other))


def correlation(first: Floats, second: Floats) -> float:
    """Spearman's from two rankings [n] that ``ranks`` gave, for those who compare a ranking with several others."""
    if first.size < 2:
        return math.nan
    one, other = (each - (each.size + 1) / 2 for each in (first, second))
    spread = math.sqrt(float(one @ one)) * math.sqrt(float(other @ other))
    return min(max(float(one @ other) / spread, -1.0), 1.0) if spread else math.nan


def _sample(values: ArrayLike) -> NDArray[np.generic]:
    """The values as they are: float32 sorts faster than its copy in float64."""
    sample: NDArray[np.generic] = np.asarray(values)
    if sample.ndim != 1:
        raise InputError(f"ranks of an array of shape {sample.shape}: give a list of values, or flatten it")
    unordered = np.flatnonzero(sample != sample)
    if unordered.size:
        raise InputError(
            f"ranks of {sample.size:,} values, the one at position {unordered[0]} nan: leave out what was not measured"
        )
    return sample
