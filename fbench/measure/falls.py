"""Where a profile over depth falls: the depth at which it has lost half, over which depth it falls, what is left.

Layers are no repetitions of each other, so that one profile has no interval and no p: both come from several, a seed
each. A profile goes up and down from layer to layer; what is read is the closest one that never rises (isotonic
regression), straight between layers. The first layer alone may be the high part, and the last the low one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fbench.errors import InputError
from fbench.measure.arrays import Floats

__all__ = ["Fall", "fall_of", "never_rising"]


class Fall(NamedTuple):
    """How a profile falls from its highest level, which is that of its beginning.

    Attributes:
        place: the depth at which half of the highest level is left; nan where more than that is left to the end.
        width: the depth between 90 and 10 % of the highest level; nan where more than 10 % is left to the end.
        left: what is left at the end, over the highest level; nan for a profile of zeros.
    """

    place: float
    width: float
    left: float


def fall_of(depth: ArrayLike, share: ArrayLike) -> Fall:
    """Read the fall of one profile.

    Args:
        depth: [L], where the layers are, increasing.
        share: [L], what falls, 0 or more.

    Raises:
        InputError: for unequal lengths, fewer than two layers, values that are not finite or negative, or depths that
            do not increase.

    Example:
        >>> fall_of([0.0, 0.5, 1.0], [0.8, 0.4, 0.0]).place
        0.5
    """
    x, profile = _checked(depth, share)
    fitted = never_rising(profile)
    if not fitted[0] > 0:
        return Fall(math.nan, math.nan, math.nan)
    relative = fitted / fitted[0]
    ninety, half, ten = (_crossing(x, relative, level) for level in (0.9, 0.5, 0.1))
    return Fall(half, ten - ninety, float(relative[-1]))


def never_rising(profile: Floats) -> Floats:
    """The non-increasing values [L] closest to a profile [L] in squares: neighbours that rise are put at their mean.

    Example:
        >>> never_rising(np.array([0.9, 0.4, 0.6, 0.1])).tolist()
        [0.9, 0.5, 0.5, 0.1]
    """
    means: list[float] = []
    counts: list[int] = []
    for value in profile:
        mean, count = float(value), 1
        while means and means[-1] < mean:
            last, many = means.pop(), counts.pop()
            mean, count = (last * many + mean * count) / (many + count), many + count
        means.append(mean)
        counts.append(count)
    return np.repeat(means, counts)


def _crossing(depth: Floats, falling: Floats, level: float) -> float:
    """Where a profile that never rises, and begins above the level, reaches it; nan where it does not."""
    below = np.flatnonzero(falling <= level)
    if not below.size:
        return math.nan
    after = int(below[0])
    before = after - 1
    part = (falling[before] - level) / (falling[before] - falling[after])
    return float(depth[before] + part * (depth[after] - depth[before]))


def _checked(depth: ArrayLike, share: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(depth, dtype=np.float64), np.asarray(share, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise InputError(f"depths of shape {x.shape} and shares of shape {y.shape}: give two lists, one value a layer")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (y >= 0).all()):
        layer = int(np.argmin(np.isfinite(x) & np.isfinite(y) & (y >= 0)))
        raise InputError(f"layer {layer} has depth {x[layer]:g} and share {y[layer]:g}: leave out what is no share")
    if (np.diff(x) <= 0).any():
        layer = int(np.argmax(np.diff(x) <= 0)) + 1
        raise InputError(f"depth {x[layer]:g} follows {x[layer - 1]:g}: give layers from the input on, each once")
    return x, y
