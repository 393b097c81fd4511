"""How many members two batches share by chance alone: the mean over draws, and what that mean seldom exceeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fbench.errors import InputError
from fbench.measure.arrays import Floats
from fbench.measure.statistics import check_share


class ChanceShared(NamedTuple):
    """What random batches share, a mean over draws: ``mean`` is expected, and more than ``high`` is rare."""

    mean: float
    high: float


def chance_shared(pools: Sequence[int], batch: int, level: float = 0.95) -> ChanceShared:
    """Two random batches of every pool: hypergeometric each, the pools independent, their sum by convolution.

    Args:
        pools: candidates of every draw, of which both batches are taken.
        batch: B, members of either batch.
        level: how often the mean over the draws is at most ``high``.

    Raises:
        InputError: no pools, or a batch that a pool does not hold.

    Example:
        >>> chance = chance_shared([100, 100], batch=10)
        >>> round(chance.mean, 6), chance.high
        (1.0, 2.0)
    """
    check_share("level", level)
    if not pools or not 0 < batch <= min(pools):
        raise InputError(f"batches of {batch:,} of {len(pools)} pools: give pools that hold one")
    total = np.ones(1)
    for pool in pools:
        total = np.convolve(total, _hypergeometric(pool, batch))
    high = int(np.searchsorted(np.cumsum(total), level))
    return ChanceShared(float(np.mean([batch**2 / pool for pool in pools])), min(high, len(total) - 1) / len(pools))


def _hypergeometric(pool: int, batch: int) -> Floats:
    """P(x shared), x = 0 … B, of two batches of B from one pool."""
    ways = [math.comb(batch, x) * math.comb(pool - batch, batch - x) for x in range(batch + 1)]
    return np.array([way / math.comb(pool, batch) for way in ways])
