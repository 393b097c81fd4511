"""Why the time of a pass wiggles with its chunk size: the number of chunks, the staircase of one chunk's time, noise.

A pass over n candidates in chunks of c takes t(c) = ⌊n/c⌋·τ(c) + τ(n mod c), where τ(m) is the time of one chunk of
m candidates, measured apart. With a smooth curve τ̃ through τ the time has three parts:

- the trend (n/c)·τ̃(c), what the pass would take if chunks could be cut into fractions;
- the steps ⌊n/c⌋·τ̃(c) + τ̃(n mod c) less the trend: chunks come whole and the last one is partly empty;
- the prediction from τ itself less the steps: tiles and waves, the staircase of τ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from fbench.errors import InputError

__all__ = ["Decomposition", "chunks", "decompose", "needed", "predicted_seconds", "smooth_curve"]

Curve = Callable[[float], float]
"""Seconds of one chunk by its candidates."""

LEAST_SIZES = 8  # with fewer a spread over sizes would say nothing
LEAST_WIGGLE = 1e-12  # relative times that vary by less do not vary
CURVED = ((6, 3), (10, 4), (20, 5))  # (least points, terms): with fewer points the bends would be noise


@dataclass(frozen=True)
class Decomposition:
    """Times of passes (seconds) beside what explains them, one entry a size, and how far they stray from each.

    ``residual`` is t/trend − 1 and ``beyond`` t/steps − 1, what the number of chunks leaves. ``spread``, ``stepped``
    and ``unexplained`` are standard deviations over the sizes of t over the trend, over the steps and over the
    prediction: relative, and without the mean, for a pass that costs a constant factor more than its chunks does not
    stray for that. ``noise`` is what the noise of the measured t alone would leave, and nan where that is unknown;
    noise in the measured τ is not counted in it. They are no shares of anything: an explanation that does not hold
    adds to the spread.
    """

    sizes: list[int]
    trend: list[float]
    steps: list[float]
    predicted: list[float]
    residual: list[float]
    beyond: list[float]
    spread: float
    stepped: float
    unexplained: float
    noise: float


def chunks(n: int, size: int) -> int:
    """Chunks that n candidates make, ⌈n/size⌉; the last may be smaller.

    Raises:
        InputError: for a size under 1 or fewer than 0 candidates.
    """
    _check(n, size)
    return -(-n // size)


def needed(n: int, sizes: Iterable[int]) -> set[int]:
    """The m whose τ(m) predicts the time of a pass at each size: min(size, n), and n mod size where it is not 0.

    Raises:
        InputError: for a size under 1 or fewer than 0 candidates.
    """
    return {m for size in sizes for m, count in _cut(n, size) if count}


def predicted_seconds(n: int, size: int, tau: Mapping[int, float]) -> float | None:
    """Seconds of a pass over n candidates, ⌊n/size⌋·τ(size) + τ(n mod size); None where a τ it needs is missing.

    Raises:
        InputError: for a size under 1 or fewer than 0 candidates.
    """
    parts = [(count, tau.get(m)) for m, count in _cut(n, size) if count]
    if not all(_known(seconds) for _, seconds in parts):
        return None
    return math.fsum(count * seconds for count, seconds in parts if seconds is not None)


def decompose(
    n: int, times: Mapping[int, float], tau: Mapping[int, float], noise: Mapping[int, float]
) -> Decomposition | None:
    """How far passes' times stray from their trend, and from what the number of chunks and τ itself explain.

    Args:
        n: candidates of a pass.
        times: seconds of a pass by chunk size; sizes above n, which all make one chunk of n, are left out.
        tau: seconds of one chunk alone by its candidates, measured apart from ``times``.
        noise: relative variance of the measured time by chunk size.

    Returns:
        None where fewer than 8 sizes have a time and every τ they need, or where their times do not wiggle.

    Raises:
        InputError: for a size under 1 or fewer than 0 candidates.
    """
    predicted = _predictable(n, times, tau)
    curve = smooth_curve(tau)
    if len(predicted) < LEAST_SIZES or curve is None:
        return None
    sizes, stairs = list(predicted), list(predicted.values())
    trend = [n / size * curve(size) for size in sizes]
    steps = [math.fsum(count * curve(m) for m, count in _cut(n, size) if count) for size in sizes]
    residual, beyond, rest = (_over([times[size] for size in sizes], part) for part in (trend, steps, stairs))
    spread = stdev(residual)
    if spread <= LEAST_WIGGLE:
        return None
    spreads = (spread, stdev(beyond), stdev(rest), _noise([noise.get(size) for size in sizes]))
    return Decomposition(sizes, trend, steps, stairs, residual, beyond, *spreads)


def smooth_curve(tau: Mapping[int, float]) -> Curve | None:
    """A smooth positive curve τ̃(m) through the times of single chunks: it bends over decades of m, not over tiles.

    Least squares of relative errors on 1, m, m·log m, log m and m·log² m: an affine law is met exactly, caches
    and small matrices bend it. Every stretch of m counts by its length, not by its points: singles are often
    measured at step 1 where m is small, and there the first step of a staircase would bend the whole curve. Terms
    are left out where points are few (two terms below 6, three below 10, four below 20) or where the curve would
    not be positive; a law of two terms has no negative coefficient. A cache whose effect sets in within two
    octaves is met to 1 %; a staircase is followed where the m measured hold only a step or two of it.

    Args:
        tau: seconds by candidates of the chunk; what is missing, nan or not positive is passed over.

    Returns:
        τ̃, to be trusted between the least and the largest m measured; None under three of them.
    """
    points = sorted((m, seconds) for m, seconds in tau.items() if _known(seconds) and m > 0)
    if len(points) < 3:
        return None
    largest = points[-1][0]
    coefficients = _fit([m / largest for m, _ in points], [seconds for _, seconds in points])
    return lambda at: _dot(coefficients, _terms(at / largest, len(coefficients)))


def _fit(x: Sequence[float], seconds: Sequence[float]) -> list[float]:
    """Coefficients [terms] of the law with the most terms that the points allow and that is positive."""
    import numpy as np  # here, for those who only count chunks are to start without it
    from scipy import optimize

    weights, target = np.sqrt(_lengths(x)) / seconds, np.sqrt(_lengths(x))
    between = np.geomspace(x[0], x[-1], 512).tolist()  # the curve is wanted at sizes that none of the points has, too
    most = max((terms for least, terms in CURVED if len(x) >= least), default=2)
    for terms in range(most, 2, -1):
        law = np.linalg.lstsq(weights[:, None] * [_terms(at, terms) for at in x], target, rcond=None)[0]
        if (np.array([_terms(at, terms) for at in between]) @ law > 0).all():
            return [float(coefficient) for coefficient in law]
    line = optimize.nnls(weights[:, None] * [_terms(at, 2) for at in x], target)[0]
    return [float(coefficient) for coefficient in line]


def _predictable(n: int, times: Mapping[int, float], tau: Mapping[int, float]) -> dict[int, float]:
    """Predicted seconds by size, in order: the sizes up to n that have a time and every τ they need."""
    timed = (size for size, time in sorted(times.items()) if size <= n and _known(time))
    predicted = {size: predicted_seconds(n, size, tau) for size in timed}
    return {size: seconds for size, seconds in predicted.items() if seconds is not None}


def _dot(coefficients: Sequence[float], terms: Sequence[float]) -> float:
    return math.fsum(coefficient * term for coefficient, term in zip(coefficients, terms, strict=True))


def _terms(x: float, count: int) -> list[float]:
    """The first ``count`` of 1, x, x·log x, log x, x·log² x at x = m/(largest m)."""
    log = math.log(x)
    return [1.0, x, x * log, log, x * log**2][:count]


def _lengths(x: Sequence[float]) -> list[float]:
    """Half of the way from each point's left neighbour to its right one; the ends have one neighbour."""
    return [(right - left) / 2 for left, right in zip([x[0], *x], [*x[1:], x[-1]], strict=False)]


def _cut(n: int, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """A pool in chunks: (candidates, chunks of so many) of the full ones and of the last; chunks may be 0."""
    _check(n, size)
    return (size, n // size), (n % size, int(n % size > 0))


def _noise(noise: Sequence[float | None]) -> float:
    """The standard deviation that noise gives a time, from relative variances; nan where none is known."""
    known = [noisy for noisy in noise if noisy is not None and math.isfinite(noisy)]
    return math.sqrt(fmean(known)) if known else math.nan


def _over(times: Sequence[float], part: Sequence[float]) -> list[float]:
    """How far each time is over what explains it, relative to that."""
    return [time / explained - 1 for time, explained in zip(times, part, strict=True)]


def _known(seconds: float | None) -> bool:
    return seconds is not None and math.isfinite(seconds) and seconds > 0


def _check(n: int, size: int) -> None:
    if size < 1 or n < 0:
        raise InputError(
            f"{n} candidates in chunks of {size} make no pass: give a size of 1 or more and a pool of 0 or more"
        )
