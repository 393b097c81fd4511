"""Ranks with ties, and the correlation of two rankings."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fbench.errors import InputError
from fbench.measure.arrays import Floats

__all__ = ["correlation", "ranks"]


def ranks(values: ArrayLike) -> Floats:
    """Ranks [n] of values [n] from 1, the smallest, to n; equal values share the mean of theirs.

    They are those of ``scipy.stats.rankdata``, which takes four times as long: of 700,000 float32 values, the weights
    of a thin ResNet-18, 67 ms and not 17. Half of them equal, it is 42 ms and not 30.

    Raises:
        InputError: for another shape, or nan, which has no rank.

    Example:
        >>> ranks([0.3, 0.1, 0.3]).tolist()
        [2.5, 1.0, 2.5]
    """
    sample = _sample(values)
    order = np.argsort(sample)  # equal values need no order of their own
    in_order = sample[order]
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]])) if sample.size else order
    counts = np.diff(starts, append=sample.size)
    ranking = np.empty(sample.size)
    ranking[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return ranking


def correlation(first: Floats, second: Floats) -> float:
    """Spearman's correlation of two rankings [n] that ``ranks`` gave: Pearson's, of the ranks.

    ``scipy.stats.spearmanr`` would rank both samples anew at every call; here a ranking that is compared with several
    others is made once.

    Returns:
        From −1 to 1; nan where either ranking is constant or has fewer than two values.

    Example:
        >>> round(correlation(ranks([1, 2, 3, 4]), ranks([1, 2, 4, 3])), 12)
        0.8
    """
    if first.size < 2:
        return math.nan
    one, other = (ranking - (ranking.size + 1) / 2 for ranking in (first, second))
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
