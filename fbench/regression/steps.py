"""Where a series of runs changed its level: Pettitt's change point, by permutation, and again on either side of it.

A series is split where the ranks before and after lie furthest apart, by the standardised rank sum. Its p value is the
share of random orders of as many runs in which any split is as far: whatever the noise is distributed like, equal code
shows a step in at most 1 % of histories, all benchmarks together, where one run tells nothing of the next. Where
runs remember the one before (a machine that stays busy for days), what is remembered is taken off before ranks are
(y − r·y₋₁); how often such histories show a step all the same is counted in reports/reference/claims/regression.csv.
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
_MOST_MEMORY = 0.95
_RESOLUTION, _MOST_DRAWS, _AT_ONCE = 20, 200_000, 5_000


class Step(NamedTuple):
    """The run from which on times are others, the change as a logarithm (new over before), and the split's p."""

    at: int
    change: float
    p: float


def find_steps(logs: Sequence[float], margin: float, family: int = 1, memory: float = 0.0) -> list[Step]:
    """The steps of a series of log times, one a run, in their order.

    A step has p < 0.01 over ``family``, the number of series that are looked at, and a change above the margin: the
    median difference between the runs on either side of it, up to the steps beside. ``memory`` is the correlation of a
    run with the next, as ``memory_of`` gives it.

    Example:
        >>> [(step.at, round(step.change, 1)) for step in find_steps([0.0, 0.01, 0.02, 0.03, 0.04, 0.05] * 2, 0.03)]
        []
        >>> series = [0.001 * (i % 5) + (0.2 if i >= 8 else 0.0) for i in range(16)]
        >>> [(step.at, round(step.change, 1)) for step in find_steps(series, 0.03)]
        [(8, 0.2)]
    """
    series = np.asarray(logs, dtype=np.float64)
    first = int(memory > 0)  # what is taken off the first run is not known
    fresh = series[1:] - memory * series[:-1] if first else series
    return _steps(series[first:], fresh, first, math.log1p(margin), family)


def memory_of(series: Sequence[Sequence[float]]) -> float:
    """Lag-one correlation of runs, over all series of a history, each about the means beside its furthest split.

    A mean of n/2 runs takes (2 + 8r)/n of a correlation r away, which is given back.

    Example:
        >>> memory_of([[0.0, 1.0] * 10, [1.0, 0.0] * 10])
        0.0
    """
    lagged = spread = taken = 0.0
    for logs in (np.asarray(values) for values in series if len(values) >= 2 * FEWEST_BESIDE):
        at = _furthest(logs)[0]
        for part in (logs[:at] - logs[:at].mean(), logs[at:] - logs[at:].mean()):
            lagged += float(part[1:] @ part[:-1])
            spread += float(part @ part)
            taken += 1 / len(logs)
    if not spread:
        return 0.0
    share = taken / sum(len(values) >= 2 * FEWEST_BESIDE for values in series)
    return min(max((lagged / spread + share) / max(1 - 4 * share, 0.1), 0.0), _MOST_MEMORY)


def _furthest(logs: Floats) -> tuple[int, float]:
    """Where both sides lie furthest apart, and how far."""
    apart = _apart(ranks(logs)[None])[0]
    split = int(apart.argmax())
    return split + FEWEST_BESIDE, float(apart[split])


def _steps(logs: Floats, fresh: Floats, offset: int, edge: float, family: int) -> list[Step]:
    """Of a part of a series, with what is ``fresh`` in each run; the change is of the times themselves."""
    if len(logs) < 2 * FEWEST_BESIDE:
        return []
    at, apart = _furthest(fresh)
    p = _p_value(len(fresh), apart, family)
    change = float(np.median(logs[at:][None] - logs[:at][:, None]))
    if p >= PAIRED_LEVEL / family or abs(change) <= edge:
        return []
    before = _steps(logs[:at], fresh[:at], offset, edge, family)
    after = _steps(logs[at:], fresh[at:], offset + at, edge, family)
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
