"""Ranks of methods over data sets: Friedman's test and Nemenyi's critical difference (Demšar 2006).

scipy has the chi-squared form, which is too cautious on few data sets, and no critical difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fbench.errors import InputError
from fbench.measure.arrays import Floats
from fbench.measure.ranks import ranks

__all__ = ["FEWEST_DATASETS", "RankTest", "rank_test"]

FEWEST_DATASETS = 8
"""With fewer, ranks have next to no power: six data sets must agree in nearly every place (Demšar 2006, section 3)."""


@dataclass(frozen=True)
class RankTest:
    """Mean ranks [k] of k methods over N data sets, rank 1 the largest value.

    ``statistic`` is Iman and Davenport's F with k − 1 and (k − 1)(N − 1) degrees of freedom, ``p`` its p.
    ``critical_difference`` is what two mean ranks must lie apart to differ at 5 %.
    """

    names: Sequence[str]
    mean_ranks: Floats
    datasets: int
    statistic: float
    p: float
    critical_difference: float


def rank_test(names: Sequence[str], values: ArrayLike) -> RankTest:
    """Rank k methods on each of N data sets, and test whether they differ.

    Args:
        names: of the methods.
        values: [N, k], larger is better; data sets down.

    Raises:
        InputError: another shape, fewer than two methods or data sets.

    Example:
        >>> test = rank_test(["a", "b", "c"], [[3, 2, 1], [3, 2, 1], [3, 1, 2], [3, 2, 1]])
        >>> test.mean_ranks.tolist(), round(test.statistic, 2), round(test.p, 4), round(test.critical_difference, 2)
        ([1.0, 2.25, 2.75], 13.0, 0.0066, 1.66)
    """
    from scipy import special, stats

    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or table.shape[1] != len(names) or min(table.shape) < 2:
        raise InputError(f"ranks of {len(names)} methods need [data sets, methods] from 2 on, not {table.shape}")
    N, k = table.shape
    of_each = np.stack([ranks(-row) for row in table])
    mean = of_each.mean(axis=0)
    between = N * float(((mean - (k + 1) / 2) ** 2).sum())
    total = float(((of_each - (k + 1) / 2) ** 2).sum())  # less than N k(k² − 1)/12 where there are ties
    chi = N * (k - 1) * between / total if total else 0.0
    rest = N * (k - 1) - chi
    F = math.inf if rest <= 0 else (N - 1) * chi / rest
    p = 0.0 if math.isinf(F) else float(special.fdtrc(k - 1, (k - 1) * (N - 1), F))
    q = float(stats.studentized_range.ppf(0.95, k, math.inf)) / math.sqrt(2)
    return RankTest(tuple(names), mean, N, F, p, q * math.sqrt(k * (k + 1) / (6 * N)))
