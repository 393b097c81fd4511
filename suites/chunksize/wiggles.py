"""How a kernel's times wiggle with chunk size: deviations from a trend, and the period that waves would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev
from typing import NamedTuple

from fbench.measure import spectrum
from fbench.measure.medians import median_variance

from .decomposition import Decomposition, decompose, smooth_curve
from .sweeps import Sweep

_TILE = 128 * 128
LEAST_PERIODS = 8
"""With fewer of them in the range, stairs of 1 % noise were not told from red noise: p = 0.04 at six, 0.5 at three."""
_FEW, _MANY = 48, 64
"""Sizes that a sweep for a period is given: clear of the least, and no more than it takes."""


def decomposed(sweep: Sweep, sizes: Sequence[int] | None = None, *, noise: bool = False) -> Decomposition | None:
    """What explains the wiggle over ``sizes`` (all of them by default); None where too little is known.

    ``noise`` asks for what noise alone would leave, which takes a bootstrap of every size.
    """
    points = {size: sweep.points[size] for size in (sweep.sizes if sizes is None else sizes)}
    times = {size: point.median.median for size, point in points.items()}
    variances = {size: median_variance(list(p.seconds.values())) for size, p in points.items()} if noise else {}
    return decompose(sweep.shard, times, sweep.tau(), variances)


class Wiggle(NamedTuple):
    """Deviations at evenly spaced sizes: of t(c) from what the number of chunks explains, relative; of τ(m) in s."""

    sizes: list[int]
    values: list[float]

    @property
    def step(self) -> int:
        """Candidates from one size to the next."""
        return self.sizes[1] - self.sizes[0]


def pass_wiggle(sweep: Sweep) -> Wiggle | None:
    """What the number of chunks leaves of t(c), relative; None where evenly spaced sizes are too few for a period."""
    sizes = sweep.even_sizes()
    parts = decomposed(sweep, sizes) if len(sizes) >= spectrum.LEAST_FOR_PERIOD else None
    return None if parts is None or parts.sizes != sizes else Wiggle(sizes, parts.beyond)


def single_wiggle(sweep: Sweep) -> Wiggle | None:
    """The wiggle of τ(m), in seconds; None where evenly spaced m are too few for a period.

    It is not relative: stairs are all as high, so that in seconds their amplitude stays, and they are found where of
    τ(m)/τ̃(m) − 1, which falls with m, only the first few would show.
    """
    sizes, tau = sweep.even_singles(), sweep.tau()
    curve = smooth_curve(tau)
    if len(sizes) < spectrum.LEAST_FOR_PERIOD or curve is None:
        return None
    return Wiggle(sizes, [tau[m] - curve(m) for m in sizes])


def expected_period(sweep: Sweep, multiprocessors: int | None) -> float | None:
    """Candidates in a wave of 128×128 tiles, one a multiprocessor; None where there is no GPU to say so."""
    point = sweep.any_point
    if not str(point.key.device).startswith("cuda") or not multiprocessors or not point.rows:
        return None
    return float(multiprocessors * _TILE / (point.rows * point.key.dim))


def suggested(sweep: Sweep, expected: float | None) -> tuple[int, int, int] | None:
    """First, last and step of a sweep that would show a period; None where the range measured is too narrow for one.

    In that range, by a power of two: about 64 sizes, four or more to a period expected, and eight of those if it can.
    """
    low, high = sweep.sizes[0], min(sweep.sizes[-1], sweep.shard)
    step = 2 ** max(0, math.floor(math.log2(max(1, (high - low) / (_FEW - 1)))))
    while expected is not None and step > 1 and 4 * step > expected:
        step //= 2
    most = max(_MANY - 1, math.ceil(LEAST_PERIODS * (expected or 0) / step))
    last = min(high, low + most * step)
    last -= (last - low) % step
    return (low, last, step) if (last - low) // step + 1 >= spectrum.LEAST_FOR_PERIOD else None


def thirds(wiggle: Wiggle) -> tuple[float, float]:
    """Standard deviations in the first and in the last third of the sizes: waves fade as more of them fit a chunk."""
    n = len(wiggle.values) // 3
    first, last = wiggle.values[:n], wiggle.values[-n:]
    return stdev(first), stdev(last)
