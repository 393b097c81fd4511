"""Where a series of runs changed its level: Pettitt's change point, by permutation, and again on either side of it.

A series is split where the ranks before and after lie furthest apart, by the standardised rank sum. Its p value is the
share of random orders of as many runs in which any split is as far: whatever the noise is distributed like, equal code
shows a step in at most 1 % of histories, all benchmarks together, where one run tells nothing of the next. Runs that
remember the one before (a machine that stays busy for days) show more: reports/reference/claims/regression.csv.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fbench.measure.arrays import Floats
from fbench.measure.ranks import ranks
from fbench.regression.paired_rule import PAIRED_LEVEL

FEWEST_BESIDE = 3
"""Runs before and after a step."""
_RESOLUTION, _MOST_DRAWS, _AT_ONCE = 20, 200_000, 5_000


class Step(NamedTuple):
    """The run from which on times are others, the change as a logarithm (new over before), and the split's p."""

    at: int
    change: float
    p: float


def find_steps(logs: Sequence[float], margin: float, family: int = 1) -> list[Step]:
    """The steps of a series of log times, one a run, in their order.

    A step has p < 0.01 over ``family``, the number of series that are looked at, and a change above the margin: the
    median difference between the runs on either side of it, up to the steps beside.

    Example:
        >>> [(step.at, round(step.change, 1)) for step in find_steps([0.0, 0.01, 0.02, 0.03, 0.04, 0.05] * 2, 0.03)]
        []
        >>> series = [0.001 * (i % 5) + (0.2 if i >= 8 else 0.0) for i in range(16)]
        >>> [(step.at, round(step.change, 1)) for step in find_steps(series, 0.03)]
        [(8, 0.2)]
    """
    return _steps(np.asarray(logs, dtype=np.float64), 0, math.log1p(margin), family)


def _steps(logs: Floats, offset: int, edge: float, family: int) -> list[Step]:
    if len(logs) < 2 * FEWEST_BESIDE:
        return []
    apart = _apart(ranks(logs)[None])[0]
    split = int(apart.argmax())
    at = split + FEWEST_BESIDE
    p = _p_value(len(logs), float(apart[split]), family)
    change = float(np.median(logs[at:][None] - logs[:at][:, None]))
    if p >= PAIRED_LEVEL / family or abs(change) <= edge:
        return []
    before, after = _steps(logs[:at], offset, edge, family), _steps(logs[at:], offset + at, edge, family)
    return [*before, Step(offset + at, change, p), *after]


def _apart(ranking: Floats) -> Floats:
    """How far apart both sides of every split are [draws, splits], of rankings [draws, n]: |standardised rank sum|."""
    n = ranking.shape[1]
    first = np.arange(FEWEST_BESIDE, n - FEWEST_BESIDE + 1)
    sums = np.cumsum(ranking, axis=1)[:, first - 1]
    sd = np.sqrt(first * (n - first) * (n + 1) / 12)
    return np.asarray(np.abs(sums - first * (n + 1) / 2) / sd)


def _p_value(n: int, apart: float, family: int) -> float:
    null = _null(n, min(round(_RESOLUTION * family / PAIRED_LEVEL), _MOST_DRAWS))
    return float((1 + len(null) - np.searchsorted(null, apart - 1e-9)) / (1 + len(null)))


@lru_cache(maxsize=256)
def _null(n: int, draws: int) -> Floats:
    """The furthest split of random orders of n runs, sorted; the same for all series of a length."""
    rng = np.random.default_rng(n)
    base = np.arange(1.0, n + 1)
    parts = []
    for start in range(0, draws, _AT_ONCE):
        orders = rng.permuted(np.broadcast_to(base, (min(_AT_ONCE, draws - start), n)), axis=1)
        parts.append(_apart(orders).max(axis=1))
    return np.sort(np.concatenate(parts))
