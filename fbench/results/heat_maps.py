"""Heat maps: a colour for every number, from a map that everyone tells apart and that still rises in grey.

What is no number is hatched, never the colour of a small one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fbench.harness.contract import Heat
from fbench.measure.arrays import Floats
from fbench.results.axes import nice

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MAP = "viridis"
_ZERO = "#c8c8c8"  # a grey: the map has none
_HATCH: Any = {"hatch": "////", "edgecolor": "#999999", "facecolor": "#ffffff", "linewidth": 0}


def draw_heat(heat: Heat, axes: Axes) -> None:
    """Draw the cells, each as far as half way to its neighbours, and the bar that explains their colours."""
    values = np.array(heat.values, dtype=np.float64)
    across, up = _edges(heat.x), _edges(heat.y)
    axes.grid(visible=False)
    axes.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    if np.isnan(values).any():
        axes.patch.set(**_HATCH)
    if np.isnan(values).all():
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", backgroundcolor="white")
        return
    _cells(heat, values, across, up, axes)


def _cells(heat: Heat, values: Floats, across: Floats, up: Floats, axes: Axes) -> None:
    from matplotlib import colormaps, colors

    log = heat.log and bool((values > 0).any())
    low, high = float(values[values > 0].min() if log else min(0, np.nanmin(values))), float(np.nanmax(values))
    norm = colors.LogNorm(low, high) if log else colors.Normalize(low, high if high > low else low + 1)
    below = log and bool((values <= 0).any())
    filled = np.ma.masked_invalid(np.where(values <= 0, low / 10, values) if log else values)
    colours = colormaps[_MAP].with_extremes(under=_ZERO)
    # edges in the cells' own colour: without them, viewers of an SVG let the background through between the cells
    mesh = axes.pcolormesh(across, up, filled, cmap=colours, norm=norm, edgecolors="face", linewidth=0.3)
    label = f"{heat.label} (grey: 0)" if below else heat.label
    bar = axes.figure.colorbar(mesh, ax=axes, label=label, extend="min" if below else "neither", pad=0.02)
    bar.outline.set_visible(False)
    inner = [tick for tick in nice(low, high) if low <= tick <= high] if log and high > low else []
    if inner:
        ticks = _to_its_ends(inner, low, high)
        bar.set_ticks(ticks, labels=[f"{tick:,.3g}" for tick in ticks])
        bar.minorticks_off()


def _to_its_ends(ticks: Sequence[float], low: float, high: float) -> list[float]:
    """The ticks of a logarithmic bar and its two ends, without those that would stand on an end."""
    near = 0.06 * math.log(high / low)
    inner = [tick for tick in ticks if math.log(tick / low) > near and math.log(high / tick) > near]
    return [low, *inner, high]


def _edges(centres: Sequence[float]) -> Floats:
    """Half way between neighbours [n + 1], the outermost as far from their centre as their other edge."""
    at = np.array(centres, dtype=np.float64)
    if at.size == 1:
        return np.array([at[0] - 0.5, at[0] + 0.5])
    inner = (at[1:] + at[:-1]) / 2
    return np.concatenate([[2 * at[0] - inner[0]], inner, [2 * at[-1] - inner[-1]]])
