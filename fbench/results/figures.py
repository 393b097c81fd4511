"""Figure descriptions to SVG and PNG, by matplotlib: mean, interval and every raw point."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.contract import Figure, Panel, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a6761d")
"""Okabe and Ito's palette, told apart by everyone; grey first, for the baseline."""

_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.hashsalt": "fbench",  # equal figures give equal files
    "figure.constrained_layout.use": True,
}


def draw(figure: Figure, folder: Path) -> list[Path]:
    """Write ``NAME.svg`` and ``NAME.png`` into ``folder``; gives their paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context(_STYLE):
        same = len({tuple(series.label for series in panel.series) for panel in figure.panels}) == 1
        width = 6.4 * len(figure.panels) if len(figure.panels) > 1 else 7.2
        canvas, grid = pyplot.subplots(1, len(figure.panels), figsize=(width, 4.5), squeeze=False)
        for number, (panel, axes) in enumerate(zip(figure.panels, grid[0], strict=True)):
            _panel(panel, axes, legend=number == 0 or not same)
        canvas.suptitle(figure.title, fontsize=12)
        if figure.note:
            canvas.supxlabel(figure.note, fontsize=8, color="#555555")
        paths = [folder / f"{figure.name}.svg", folder / f"{figure.name}.png"]
        canvas.savefig(paths[0], metadata={"Date": None})
        canvas.savefig(paths[1], dpi=160)
        pyplot.close(canvas)
    return paths


def _panel(panel: Panel, axes: Axes, *, legend: bool) -> None:
    shift = _dodge(panel)
    for number, series in enumerate(panel.series):
        _series(series, axes, _COLOURS[number % len(_COLOURS)], shift * (number - (len(panel.series) - 1) / 2))
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    if panel.x_log:
        axes.set_xscale("log", base=2)
    if panel.y_log:
        axes.set_yscale("log")
    if panel.x_ticks:
        every = -(-len(panel.x_ticks) // 12)
        ticks = panel.x_ticks[::every]
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])  # a logarithmic axis labels only its base's powers
        axes.tick_params(axis="x", which="minor", bottom=False)
    if legend and len(panel.series) > 1:
        axes.legend(loc="best")


def _dodge(panel: Panel) -> float:
    """How far apart the raw points of neighbouring series stand, so that one does not hide another."""
    x = sorted({at for series in panel.series for at in series.x})
    gaps = [b - a for a, b in itertools.pairwise(x)]
    return 0.0 if panel.x_log or not gaps else 0.12 * min(gaps)


def _series(series: Series, axes: Axes, colour: str, shift: float) -> None:
    if series.points:
        x, y = zip(*series.points, strict=True)
        axes.scatter([at + shift for at in x], y, s=7, color=colour, alpha=0.4, linewidths=0, zorder=1)
    if series.low is not None and series.high is not None:
        axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.12, linewidth=0, zorder=2)
    axes.plot(series.x, series.y, color=colour, label=series.label, linewidth=1.8, marker="o", markersize=3.5, zorder=3)
