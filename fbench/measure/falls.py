"""Where a profile over depth falls, how steeply, and whether it falls at all.

The model, a ramp between two plateaus in AR(1) noise, is in ``ramps``. Neighbouring layers resemble each other, and
such noise is easily taken for a fall. So for a fall to be claimed, the best ramp must beat the flat profile at *every*
φ, by more than simulated flat profiles of that φ allow: p is the largest over φ. That keeps the level whatever φ is,
without an estimate of it.

Measured, at the 5 % level and with noise of standard deviation 1, on 8, 12, 20, 40 and 62 layers:

- False alarms (4,000 flat profiles each, 1,500 from 40 layers on): 0.2 to 4.7 % for normal noise of φ from 0 to 0.8,
  0.9 to 6.4 % for independent lognormal noise, upwards or downwards. What is not held: noise that drops suddenly and
  recovers slowly (φ = 0.7, its innovations lognormal downwards) alarms in 6, 11, 19, 34 and 42 %.
- Power (1,500): a step of 2, 3 or 5 in the middle of 20 layers is found in 59, 82 and 99 % with φ = 0 and in 29, 61 and
  99 % with φ = 0.5; of 8 layers, in 9, 26 and 69 %, and in 21, 44 and 85 %.
- Coverage (200 fits for each of 8, 12, 20, 40 layers, φ 0 and 0.5, drop 3, 5 and 10, width 0 and 0.3: 9,600): place
  97.5 %, width 96.8 %, drop 96.0 %; at worst 90.5, 87.0 and 88.5 %. A weak fall that happens to reach p ≤ 0.05 is
  covered less: its place in 80 to 86 % where only a fifth to a half do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fbench.errors import InputError
from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.ramps import CORRELATIONS, Fitted, Ramps, autoregressive, ramps, whitened
from fbench.measure.statistics import Interval

__all__ = ["LEAST_LAYERS", "LEAST_SIMULATIONS", "Fall", "fit_fall"]

LEAST_LAYERS = 8
"""Layers under which nothing is fitted."""

LEAST_SIMULATIONS = 100
"""Simulations under which a 95 % point would rest on fewer than five of them."""

_LEVEL = 0.95
_DOUBT = 1.92  # log-likelihood within which φ may still be larger than its best: half of χ²'s 95 % point
_SPENT = 4  # degrees of freedom that a ramp takes: both levels, place and width
_BLOCK = 900_000  # multiplications at a time: in the processor's cache, and too few for BLAS to wake its threads, whose
# waiting for each other made a fit a hundred times slower where other processes kept them from a core


@dataclass(frozen=True)
class Fall:
    """The likeliest fall of a profile; whether there is one at all is ``p``.

    Attributes:
        layers: how many the profile has.
        place: the depth of the fall's middle.
        place_interval: the 95 % interval of the place; the other intervals are 95 % too.
        width: the depth over which it falls; 0 where that is between two neighbours.
        width_interval: the widths that would do as well; up to the neighbours' distance at the least.
        before: the level of the plateau before the fall.
        after: the level after it.
        drop: before − after, never negative.
        drop_interval: from 0 where no drop at all would do as well.
        p: the probability of so good a ramp in a flat profile, whatever its autocorrelation.
        autocorrelation: φ of what the ramp leaves, to 0.1; in few layers it comes out too small.
        explained: the ramp's share of the variance.
    """

    layers: int
    place: float
    place_interval: Interval
    width: float
    width_interval: Interval
    before: float
    after: float
    drop: float
    drop_interval: Interval
    p: float
    autocorrelation: float
    explained: float


def fit_fall(depth: ArrayLike, share: ArrayLike, *, simulations: int = 1000) -> Fall | None:
    """Fit a fall to a profile; the same answer every time, for simulations start from a fixed seed.

    Args:
        depth: [L], where the layers are, increasing; not evenly spaced in general.
        share: [L], what falls.
        simulations: flat profiles for every φ behind p, and profiles with the fall found behind its intervals.

    Returns:
        None below ``LEAST_LAYERS``, and where the share is constant or no ramp within it falls.

    Raises:
        InputError: for unequal lengths, values that are not finite, depths that do not increase, or simulations below
            ``LEAST_SIMULATIONS``.

    Example:
        >>> fall = fit_fall(range(10), [0.9, 0.92, 0.9, 0.91, 0.9, 0.5, 0.52, 0.5, 0.51, 0.5], simulations=100)
        >>> fall.place, round(fall.drop, 3), fall.p < 0.05
        (4.5, 0.4, True)
    """
    x, y = _checked(depth, share, simulations)
    if y.size < LEAST_LAYERS or np.ptp(y) <= ROUNDING * np.abs(y).max():
        return None
    mean, scale = float(y.mean()), float(y.std())
    profile = (y - mean) / scale
    tried = ramps(tuple(x.tolist()))
    fitted = tried.fit(profile[None])
    if not (fitted.along > 0).any():
        return None
    best = _best(tried, fitted, profile)
    limits = _limits(tried, fitted, best, simulations)
    residuals = profile - best.level + best.drop * tried.shapes[best.ramp]
    return Fall(
        layers=y.size,
        place=float(tried.places().value[best.ramp]),
        place_interval=limits.place,
        width=float(tried.widths().value[best.ramp]),
        width_interval=limits.width,
        before=mean + scale * best.level,
        after=mean + scale * (best.level - best.drop),
        drop=scale * best.drop,
        drop_interval=Interval(scale * limits.drop.low, scale * limits.drop.high),
        p=_p_value(tried, fitted, simulations),
        autocorrelation=CORRELATIONS[best.phi],
        explained=max(0.0, 1 - float(residuals @ residuals) / y.size),
    )


class _Best(NamedTuple):
    """The likeliest ramp, by its index and φ's, with its level and drop in standard deviations of the profile."""

    phi: int
    ramp: int
    level: float
    drop: float


class _Limits(NamedTuple):
    place: Interval
    width: Interval
    drop: Interval


def _best(tried: Ramps, fitted: Fitted, profile: Floats) -> _Best:
    likelihood = fitted.each_likelihood()[:, 0]
    phi, ramp = (int(index) for index in np.unravel_index(int(likelihood.argmax()), likelihood.shape))
    drop = _drop(fitted, phi, ramp)
    # generalised least squares of the level, the fall undone
    white = whitened(np.stack([profile + drop * tried.shapes[ramp], np.ones_like(profile)]), CORRELATIONS[phi])
    return _Best(phi, ramp, float(white[0] @ white[1] / (white[1] @ white[1])), drop)


def _drop(fitted: Fitted, phi: int, ramp: int) -> float:
    return max(0.0, float(fitted.along[phi, 0, ramp] / fitted.lengths[phi, ramp]))


def _p_value(tried: Ramps, fitted: Fitted, simulations: int) -> float:
    """The largest over φ of the share of flat profiles that a ramp beats by as much; the profile counts as one."""
    gains = fitted.best_likelihood() - fitted.flat_likelihood()[:, 0]
    as_good = _null_gains(tuple(tried.knots[::2].tolist()), simulations) >= gains[:, None]
    return float((1 + as_good.sum(axis=1)).max() / (1 + simulations))


@lru_cache(maxsize=16)
def _null_gains(depth: tuple[float, ...], simulations: int) -> Floats:
    """By how much the best ramp beats the truth in flat profiles: [p, simulations], in log-likelihood."""
    tried = ramps(depth)

    def gains(flat: Fitted) -> Floats:
        return flat.best_likelihood() - flat.flat_likelihood()

    noises = [autoregressive(_innovations(simulations, len(depth)), correlation) for correlation in CORRELATIONS]
    return np.stack([_in_blocks(gains, tried, noise)[phi] for phi, noise in enumerate(noises)])


def _limits(tried: Ramps, fitted: Fitted, best: _Best, simulations: int) -> _Limits:
    """What a likelihood ratio does not reject; its critical values are those of simulated profiles with this fall."""
    critical = _critical_values(tried, fitted, best, simulations)
    likelihood = fitted.each_likelihood()[:, 0]
    likely = likelihood.max(axis=0) - likelihood.max()
    place, width = (
        Interval(float(extent.low[likely >= -limit].min()), float(extent.high[likely >= -limit].max()))
        for extent, limit in zip((tried.places(), tried.widths()), critical[:2], strict=True)
    )
    return _Limits(place, width, _drop_limits(fitted, float(likelihood.max() - critical[2])))


def _critical_values(tried: Ramps, fitted: Fitted, best: _Best, simulations: int) -> Floats:
    """The 95 % points of the ratios against the true place, width and drop.

    φ comes out too small of few layers and intervals that took it as it is would be too narrow; so it is the largest
    that the profile does not speak against.
    """
    by_phi = fitted.each_likelihood()[:, 0].max(axis=1)
    phi = int(np.flatnonzero(by_phi >= by_phi.max() - _DOUBT)[-1])
    drop = _drop(fitted, phi, best.ramp)
    middles, spans = tried.starts + tried.ends, tried.ends - tried.starts
    same_place, same_width = middles == middles[best.ramp], spans == spans[best.ramp]

    def ratios(simulated: Fitted) -> Floats:
        true = (
            simulated.best_likelihood(same_place),
            simulated.best_likelihood(same_width),
            simulated.drop_likelihood(drop),
        )
        return np.maximum(simulated.best_likelihood() - np.stack(true), 0)

    noise = autoregressive(_innovations(simulations, fitted.layers), CORRELATIONS[phi])
    profiles = _noise_sd(fitted, phi, best.ramp) * noise - drop * tried.shapes[best.ramp]
    profiles -= profiles.mean(axis=1, keepdims=True)
    return np.asarray(np.quantile(_in_blocks(ratios, tried, profiles), _LEVEL, axis=1))


def _noise_sd(fitted: Fitted, phi: int, ramp: int) -> float:
    rss = max(float(fitted.flat[phi, 0] - fitted.along[phi, 0, ramp] ** 2), float(fitted.floor[0]))
    return math.sqrt(rss / (fitted.layers - _SPENT) / (1 - CORRELATIONS[phi] ** 2))


def _drop_limits(fitted: Fitted, least: float) -> Interval:
    """The drops, of any ramp and φ, whose log-likelihood is ``least`` or more; RSS is a parabola in the drop."""
    determinants = np.log1p(-np.square(CORRELATIONS)) / 2
    most = np.exp((determinants - least) * 2 / fitted.layers)[:, None]
    rss = np.maximum(fitted.flat - fitted.along[:, 0] ** 2, fitted.floor)
    likely = rss <= most * (1 + ROUNDING)
    half = np.sqrt(np.maximum(most - rss, 0)) / fitted.lengths
    drops = fitted.along[:, 0] / fitted.lengths
    return Interval(max(0.0, float((drops - half)[likely].min())), float((drops + half)[likely].max()))


def _in_blocks(measure: Callable[[Fitted], Floats], tried: Ramps, profiles: Floats) -> Floats:
    """What is measured of fitted profiles, [m, s], a few profiles at a time."""
    block = max(1, _BLOCK // tried.shapes.size)
    starts = range(0, len(profiles), block)
    return np.concatenate([measure(tried.fit(profiles[start : start + block])) for start in starts], axis=1)


@lru_cache(maxsize=16)
def _innovations(simulations: int, layers: int) -> Floats:
    return np.random.default_rng(0).standard_normal((simulations, layers))


def _checked(depth: ArrayLike, share: ArrayLike, simulations: int) -> tuple[Floats, Floats]:
    x, y = np.asarray(depth, dtype=np.float64), np.asarray(share, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"depths of shape {x.shape} and shares of shape {y.shape}: give two lists, one value a layer")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        layer = int(np.argmin(np.isfinite(x) & np.isfinite(y)))
        raise InputError(f"layer {layer} has depth {x[layer]:g} and share {y[layer]:g}: leave out what is not finite")
    if (np.diff(x) <= 0).any():
        layer = int(np.argmax(np.diff(x) <= 0)) + 1
        raise InputError(f"depth {x[layer]:g} follows {x[layer - 1]:g}: give layers from the input on, each once")
    if simulations < LEAST_SIMULATIONS:
        raise InputError(f"simulations = {simulations}: a 95 % point needs {LEAST_SIMULATIONS} or more")
    return x, y
