"""Lines and axes of drift figures: means over seeds with every seed, by labels or depth; shares over many decades."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fbench.harness.contract import Panel, Series, mathematics
from fbench.measure.arrays import Floats
from fbench.measure.shares import share_interval
from fbench.measure.statistics import Mean, mean_interval
from fbench.results.axes import nice

from .wording import useful

DEPTH = "depth of the layer (0: first, 1: last)"
DEPTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LOG_FROM = 30.0
"""Shares are on logarithmic colours and axes where the largest is more than so many times the least."""
_DODGE = 0.12
_TOP = 103.0
"""Where an axis of shares in % ends at the latest."""
_SPREAD = 0.012
"""The raw points of two series stand at most this share of the axis apart: more would look like another x."""


def over_seeds(label: str, x: Sequence[float], values: Floats, whole: float | None = None, **more: Any) -> Series:
    """Draw means of values [seeds, x] with their 95 % intervals, and every seed as a dot; a value of nan is a gap.

    Values are shares of a ``whole``, 1 or 100, inside which intervals end; without it any numbers. Few seeds have no
    interval over more than half of the whole.
    """
    columns = [column[~np.isnan(column)] for column in values.T]
    means = [_mean(column, whole) if column.size else None for column in columns]
    y, low, high = ([getattr(mean, end, math.nan) for mean in means] for end in ("mean", "low", "high"))
    dots = [(float(at), float(value)) for at, column in zip(x, columns, strict=True) for value in column]
    if all(map(math.isnan, low)):
        return Series(label, list(x), y, points=dots, **more)
    return Series(label, list(x), y, low, high, dots, **more)


def _mean(values: Floats, whole: float | None) -> Mean:
    """A mean with the interval that is drawn of it; ends are nan where there is none."""
    if whole is None:
        return mean_interval(values)
    share = share_interval(np.clip(values / whole, 0, 1))
    drawn = useful(share.low, share.high, share.n)
    ends = (whole * share.low, whole * share.high) if drawn else (math.nan, math.nan)
    return Mean(share.n, whole * share.mean, whole * share.sd, *ends)


def by_depth(lines: Sequence[Series], y_label: str, title: str, **more: Any) -> Panel:
    """Put lines into a panel over the whole depth, the legend beside them."""
    return Panel(lines, DEPTH, y_label, title, DEPTHS, dodge=dodge(lines[0].x), **more)


def dodge(x: Sequence[float]) -> float:
    """Say how far apart a panel's raw points stand, in the least distance of its x, which rise."""
    least = min((b - a for a, b in itertools.pairwise(x)), default=0.0)
    return min(_DODGE, _SPREAD * (x[-1] - x[0]) / least) if least > 0 else 0.0


def wide(values: Floats) -> bool:
    """Say whether a linear axis would hide how the smaller values differ."""
    positive = values[values > 0]
    return bool(positive.size) and bool(positive.max() > _LOG_FROM * positive.min())


def logarithmic(values: Floats) -> dict[str, Any]:
    """Make a logarithmic y axis that holds all values, with a place for 0 where there is one: it must be seen."""
    known = values[np.isfinite(values)]
    low, high = float(known[known > 0].min()), float(known.max())
    ends = {"y_log": True, "y_ticks": nice(low, high), "y_limits": (low / 1.4, 1.4 * high)}
    if not (known == 0).any():
        return ends
    least = 10.0 ** math.floor(math.log10(low))
    ticks = [0.0, least, *(tick for tick in nice(low, high) if tick > least)]
    return {**ends, "y_ticks": ticks, "y_linear": least, "y_limits": (-0.2 * least, 1.4 * high)}


def linear(values: Floats) -> dict[str, Any]:
    """Make a y axis from 0, so that rounding does not look like a difference; automatic where there is no number."""
    known = values[np.isfinite(values)]
    return {"y_limits": (-0.03 * known.max(), min(1.1 * known.max(), _TOP))} if (known > 0).any() else {}


def on_line(line: Series, x: float) -> float:
    """Read the y of a line where it passes x, on a linear axis."""
    known = [(at, y) for at, y in zip(line.x, line.y, strict=True) if not math.isnan(y)]
    at, y = np.array(known).T
    return float(np.interp(x, at, y))


def known_mean(values: Floats) -> Floats:
    """Take the mean over the first axis of what is known; nan where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of an empty mean
        return np.asarray(np.nanmean(values, axis=0))


def mean_of_rounds(values: Floats) -> Floats:
    """Take the mean [seeds, layers] over the rounds of values [seeds, rounds, layers]."""
    return known_mean(values.swapaxes(0, 1))


def power(value: float) -> str:
    """Write a number as figures spell it: 9.9 · 10⁻⁶."""
    digits, exponent = f"{value:.1e}".split("e")
    return mathematics(f"{digits} · 10^{{{int(exponent)}}}")
