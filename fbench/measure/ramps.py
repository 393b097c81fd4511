"""Every fall that a profile over depth could have, and how likely each of them makes the profile.

A profile is y_l = before − drop·z_l + e_l over the layers l = 0 … L−1. z is 0 up to one knot, 1 from another on, and
linear in depth between the two; knots are the layers' depths and those halfway between. From one layer to the next it
is a step. The noise is a stationary Gaussian AR(1) along the order of the layers, and its likelihood exact: W_φ e is
white, where W_φ scales the first value by √(1−φ²) and takes φ times its predecessor from every other one, and
|det W_φ| = √(1−φ²). With the level, the drop and the variance at their best, log L = ½ log(1−φ²) − (L/2) log RSS up to
a constant.

Letters of the axes: s profiles, l layers, c ramps, p values of φ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fbench.measure.arrays import Floats

__all__ = ["CORRELATIONS", "LEAST_PLATEAU", "Extent", "Fitted", "Ramps", "autoregressive", "ramps", "whitened"]

Indices = NDArray[np.intp]

CORRELATIONS = tuple(number / 10 for number in range(9))
"""The values of φ that are tried; beyond 0.8 a few layers cannot tell noise from a fall."""

LEAST_PLATEAU = 2
"""Layers before a fall and after it: one alone is an outlier."""

_FINER = 3  # each width tried is a third wider than the last, or half a layer
_FLOOR = 1e-12  # of a profile's squares: residuals below it are rounding, and their logarithm would be −∞


class Extent(NamedTuple):
    """A property [c] of ramps, and the range that each stands for, since what lies between knots is not tried."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Ramps:
    """Ramps over the depths of L layers, narrow ones first; ``ramps`` builds them.

    Attributes:
        knots: [2L − 1], depths, layers at even places.
        starts: [c], the knot where each fall begins.
        ends: [c], the knot where it ends.
        shapes: [c, l], z.
        constants: [p, l], the whitened constant, of length 1.
        falls: [p, l, c], the whitened −z without its part along the constant, of length 1.
        lengths: [p, c], the lengths that they had.
    """

    knots: Floats
    starts: Indices
    ends: Indices
    shapes: Floats
    constants: Floats
    falls: Floats
    lengths: Floats

    def fit(self, profiles: Floats) -> Fitted:
        """Every ramp fitted to profiles [s, l] by least squares; their means should be 0, lest digits be lost."""
        white = np.stack([whitened(profiles, correlation) for correlation in CORRELATIONS])
        level = np.einsum("psl,pl->ps", white, self.constants)
        flat = np.einsum("psl,psl->ps", white, white) - level**2
        floor = _FLOOR * np.einsum("sl,sl->s", profiles, profiles)
        along_falls = white @ self.falls
        return Fitted(profiles.shape[1], np.maximum(flat, floor), along_falls, self.lengths, floor)

    def places(self) -> Extent:
        """The depth of every ramp's middle; a step is anywhere between its layers."""
        low, high, inner_low, inner_high = self._ends()
        step = self._is_step()
        lowest = np.where(step, low, (low + inner_high) / 2)
        return Extent((low + high) / 2, lowest, np.where(step, high, (inner_low + high) / 2))

    def widths(self) -> Extent:
        """The depth over which every ramp falls: 0 for a step, which may be as wide as its layers are apart."""
        low, high, inner_low, inner_high = self._ends()
        step = self._is_step()
        narrowest = np.where(step, 0, np.maximum(inner_high - inner_low, 0))
        widest = np.where(step, high - low, self.knots[self.ends + 1] - self.knots[self.starts - 1])
        return Extent(np.where(step, 0, high - low), narrowest, widest)

    def _ends(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The depths [c] of both ends, and of the knots next to them, inwards."""
        inner = self.knots[self.starts + 1], self.knots[self.ends - 1]
        return self.knots[self.starts], self.knots[self.ends], *inner

    def _is_step(self) -> NDArray[np.bool_]:
        return np.asarray((self.ends - self.starts == 2) & (self.starts % 2 == 0))


@dataclass(frozen=True)
class Fitted:
    """What every ramp explains of profiles of so many ``layers``.

    Attributes:
        flat: [p, s], RSS without a fall.
        along: [p, s, c], the profile along each ramp's unit fall, negative for a rise; RSS is flat − along².
        lengths: [p, c], what ``along`` is divided by to give the drop.
        floor: [s], the least RSS.
    """

    layers: int
    flat: Floats
    along: Floats
    lengths: Floats
    floor: Floats

    def flat_likelihood(self) -> Floats:
        """Log L [p, s] without a fall."""
        return self._likelihood(self.flat)

    def each_likelihood(self) -> Floats:
        """Log L [p, s, c] of every ramp; where it would rise, that of no fall."""
        return self._likelihood(self.flat[:, :, None] - np.maximum(self.along, 0) ** 2)

    def best_likelihood(self, chosen: NDArray[np.bool_] | slice = slice(None)) -> Floats:
        """Log L [s] of the best of the chosen ramps at its best φ: the maximum of ``each_likelihood``, but cheap."""
        taken = np.maximum(self.along[:, :, chosen].max(axis=2), 0) ** 2
        return np.asarray(self._likelihood(self.flat - taken).max(axis=0))

    def drop_likelihood(self, drop: float) -> Floats:
        """Log L [s] of the best ramp of just this drop; RSS is flat − along² + (drop·length − along)²."""
        wanted = drop * self.lengths[:, None]
        added = (wanted * (wanted - 2 * self.along)).min(axis=2)
        return np.asarray(self._likelihood(self.flat + added).max(axis=0))

    def _likelihood(self, rss: Floats) -> Floats:
        """Log L from RSS [p, s, …]."""
        more = (1,) * (rss.ndim - 2)
        floored = np.maximum(rss, self.floor.reshape(-1, *more))
        determinants = np.log1p(-np.square(CORRELATIONS)) / 2
        return np.asarray(determinants.reshape(-1, 1, *more) - self.layers / 2 * np.log(floored))


@lru_cache(maxsize=16)
def ramps(depth: tuple[float, ...]) -> Ramps:
    """Every ramp between two knots that leaves a plateau on either side; of the wide ones, not every width.

    Example:
        >>> tried = ramps(tuple(range(6)))
        >>> tried.shapes[0].tolist()
        [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """
    layers = len(depth)
    knots = np.interp(np.arange(2 * layers - 1) / 2, np.arange(layers), depth)
    pairs = [(start, start + width) for width in _widths(layers) for start in _starts(layers, width)]
    starts, ends = np.array(pairs, dtype=np.intp).T
    low, high = knots[starts][:, None], knots[ends][:, None]
    shapes = np.clip((knots[::2] - low) / (high - low), 0, 1)
    constants = np.stack([whitened(np.ones((1, layers)), correlation)[0] for correlation in CORRELATIONS])
    constants /= np.linalg.norm(constants, axis=1, keepdims=True)
    falls = np.stack([whitened(-shapes, correlation) for correlation in CORRELATIONS])
    falls -= np.einsum("pcl,pl->pc", falls, constants)[:, :, None] * constants[:, None]
    lengths = np.linalg.norm(falls, axis=2)
    falls = np.ascontiguousarray((falls / lengths[:, :, None]).swapaxes(1, 2))  # transposed ones wake BLAS's threads
    return Ramps(knots, starts, ends, shapes, constants, falls, lengths)


def whitened(profiles: Floats, correlation: float) -> Floats:
    """Every profile [s, l] multiplied by W_φ, which makes stationary AR(1) noise of that φ white.

    Example:
        >>> whitened(np.ones((1, 3)), 0.6).round(12).tolist()
        [[0.8, 0.4, 0.4]]
    """
    white = profiles.copy()
    white[:, 1:] -= correlation * profiles[:, :-1]
    white[:, 0] *= np.sqrt(1 - correlation**2)
    return white


def autoregressive(innovations: Floats, correlation: float) -> Floats:
    """Stationary AR(1) noise [s, l] from independent values [s, l], of their variance: W_φ's inverse × √(1−φ²).

    Example:
        >>> autoregressive(np.array([[1.0, 0.0, 0.0]]), 0.5).tolist()
        [[1.0, 0.5, 0.25]]
    """
    noise = innovations.copy()
    for layer in range(1, noise.shape[1]):
        noise[:, layer] = correlation * noise[:, layer - 1] + np.sqrt(1 - correlation**2) * innovations[:, layer]
    return noise


def _widths(layers: int) -> Iterator[int]:
    """In knots, from two layers apart."""
    width = 2
    while width <= 2 * (layers - 2 * LEAST_PLATEAU + 1):
        yield width
        width += max(width // _FINER, 1)


def _starts(layers: int, width: int) -> list[int]:
    """The knots where a fall of this width may begin; half a layer to either side of a layer is no step."""
    first, last = 2 * (LEAST_PLATEAU - 1), 2 * (layers - LEAST_PLATEAU) - width
    return list(range(first, last + 1, 2 if width == 2 else 1))
