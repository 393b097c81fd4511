"""The sign-flip test of paired differences: how often a sum as large arises where each sign is a coin's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fbench.measure.arrays import ROUNDING, Floats

__all__ = ["EXACT_FLIPS", "FLIP_DRAWS", "sign_flips"]

EXACT_FLIPS = 20  # up to here all 2ⁿ sign flips are counted (half a million sums, by symmetry)
FLIP_DRAWS = 20_000  # beyond, this many are drawn, always the same: at p = 0.05 a standard error of 0.0015


def sign_flips(differences: Floats) -> tuple[float, float, int]:
    """Two-sided p of the sum among sign flips, the least it could be, and the draws taken (0: all flips).

    ``scipy.stats.permutation_test`` gives the same exact p, in 0.16 s for 16 differences where this takes 0.1 ms. It
    takes sums as equal within 2e-14 of the observed one, which the rounding of quantised accuracies may exceed; and
    its random draws are others, so that p of more than 20 seeds would change.

    Args:
        differences: [n], first arm minus second, seed by seed.

    Example:
        >>> sign_flips(np.array([0.02, 0.03, 0.01]))
        (0.25, 0.25, 0)
    """
    n = differences.size
    if n <= EXACT_FLIPS:
        return float(np.mean(_as_far(_flipped_sums(differences), differences))), 2.0 ** (1 - n), 0
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(FLIP_DRAWS, n))
    # the data's own pattern counts as one more draw, so that p is never 0
    total = FLIP_DRAWS + 1
    return float(1 + _as_far(signs @ differences, differences).sum()) / total, 1 / total, FLIP_DRAWS


def _flipped_sums(differences: Floats) -> Floats:
    """The sums [2ⁿ⁻¹] with the first sign kept: their negatives are the other half."""
    sums = differences[:1]
    for difference in differences[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums


def _as_far(sums: Floats, differences: Floats) -> NDArray[np.bool_]:
    # ties are common (quantised accuracies) and summation order must not break them
    slack = ROUNDING * np.abs(differences).sum()
    return np.asarray(np.abs(sums) >= abs(differences.sum()) - slack)
