"""One series of a figure onto its axes: a line with its interval, bars, or places along x, and every raw point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fbench.harness.contract import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES: dict[str, Any] = {
    "line": {"linewidth": 1.8, "marker": "o", "markersize": 3.5},
    "thin": {"linewidth": 1.4},
    "dashed": {"linewidth": 1.2, "linestyle": (0, (4, 2))},
    "points": {"linewidth": 0, "marker": "o", "markersize": 3.5},
}

_DENSE = 100
"""Values of a line above which markers would hide it."""


_MANY_POINTS = 300
"""Raw points above which they are an image in a file of shapes: each would take a hundred bytes."""


def draw_series(series: Series, axes: Axes, colour: str, shift: float, width: float, *, thin: bool = False) -> None:
    """Draw it as its style says: raw points and bars ``shift`` to the side, bars of that ``width``.

    ``thin`` draws a line's interval as a bar at every x, where bands of many lines would mix to grey.
    """
    if series.style == "bars":
        _bars(series, axes, colour, shift, width)
    elif series.style == "places":
        _places(series, axes, colour)
    else:
        _line(series, axes, colour, shift, thin=thin)


def _line(series: Series, axes: Axes, colour: str, shift: float, *, thin: bool) -> None:
    if series.points:
        x, y = zip(*series.points, strict=True)
        many = len(x) > _MANY_POINTS
        at = [place + shift for place in x]
        axes.scatter(at, y, s=7, color=colour, alpha=0.4, linewidths=0, zorder=1, rasterized=many)
    if series.low is not None and series.high is not None:
        if series.style == "points" or thin:
            axes.vlines(
                [place + (shift if thin else 0) for place in series.x],
                series.low,
                series.high,
                color=colour,
                alpha=0.6,
                linewidth=1.4,
                zorder=2,
            )
        else:
            axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.12, linewidth=0, zorder=2)
    style = "thin" if series.style == "line" and len(series.x) > _DENSE else series.style
    axes.plot(series.x, series.y, color=colour, label=series.label, zorder=3, **_LINES[style])


def _bars(series: Series, axes: Axes, colour: str, shift: float, width: float) -> None:
    """A bar for every number, its interval and its raw points dark upon it."""
    dark: Any = {"color": "#222222", "alpha": 0.7, "zorder": 4}
    known = [(at + shift, y) for at, y in zip(series.x, series.y, strict=True) if not math.isnan(y)]
    axes.bar([at for at, _ in known], [y for _, y in known], 0.94 * width, color=colour, label=series.label, zorder=3)
    if series.low is not None and series.high is not None:
        axes.vlines([at + shift for at in series.x], series.low, series.high, linewidth=1.4, **dark)
    if series.points:
        x, y = zip(*series.points, strict=True)
        axes.scatter([at + shift for at in x], y, s=7, linewidths=0, **dark)


def _places(series: Series, axes: Axes, colour: str) -> None:
    """A diamond for every place along x, its interval lying through it; edged, since it stands on a line."""
    if series.low is not None and series.high is not None:
        axes.hlines(series.y, series.low, series.high, color=colour, linewidth=2.4, alpha=0.6, zorder=4)
    edge: Any = {"markersize": 9, "markeredgecolor": "#222222", "markeredgewidth": 1}
    axes.plot(series.x, series.y, "D", color=colour, label=series.label, zorder=5, **edge)
