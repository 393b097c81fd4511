"""Axes of figures: ticks at the sizes asked for, times in the unit that reads best, ticks as plain numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

_MOST_TICKS = 12
_FEWEST = 4
_UNITS = (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6))


def ticks_of(sizes: Iterable[int]) -> list[float]:
    """The sizes themselves where they stand apart on a logarithmic axis, else the powers of two among them.

    Example:
        >>> ticks_of([64, 128, 256])
        [64.0, 128.0, 256.0]
    """
    x = sorted(set(sizes))
    if len(x) <= _MOST_TICKS and all(b >= 1.3 * a for a, b in itertools.pairwise(x)):
        return [float(size) for size in x]
    return [2.0**k for k in range(math.ceil(math.log2(x[0])), math.floor(math.log2(x[-1])) + 1)]


class Axis:
    """A logarithmic axis of times: the unit that reads best, how many make a second, and ticks as plain numbers."""

    def __init__(self, seconds: Iterable[float]) -> None:
        """Fit all of ``seconds``."""
        times = sorted(seconds)
        middle = math.sqrt(times[0] * times[-1])
        self.unit, self.scale = next((unit for unit in _UNITS if middle * unit[1] >= 1), _UNITS[-1])
        self.ticks = nice(self.scale * times[0], self.scale * times[-1])


def nice(low: float, high: float) -> list[float]:
    """Ticks from ``low`` to ``high``: even steps over little, 1, 2, 5 over decades, powers of ten over many.

    Example:
        >>> nice(0.8, 9), nice(10, 12)
        ([1.0, 2.0, 3.0, 5.0, 7.0], [10.0, 10.5, 11.0, 11.5, 12.0])
    """
    if high < 3 * low:
        rough = max((high - low) / 4, high / 1000)
        step = next(s for s in _grid(rough / 10, 10 * rough, (1, 2, 5)) if s >= rough)
        return [round(step * i, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    digits = (1, 2, 3, 5, 7) if high < 20 * low else (1, 2, 5) if high < 1000 * low else (1,)
    inside, wide = _grid(low, high, digits), _grid(low / 10, 10 * high, digits)
    if len(inside) >= _FEWEST:
        return inside
    return [*[tick for tick in wide if tick < low][-1:], *inside, *[tick for tick in wide if tick > high][:1]]


def _grid(low: float, high: float, digits: Sequence[int]) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{digit}e{power}") for power in powers for digit in digits]
    return [value for value in values if low <= value <= high]
