"""Figure descriptions to SVG and PNG, by matplotlib: mean, interval and every raw point."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.contract import Figure, Panel, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a6761d")
"""Okabe and Ito's palette, told apart by everyone; grey first, for the baseline."""

_LINES: dict[str, Any] = {
    "line": {"linewidth": 1.8, "marker": "o", "markersize": 3.5},
    "thin": {"linewidth": 1.4},
    "dashed": {"linewidth": 1.2, "linestyle": (0, (4, 2))},
    "points": {"linewidth": 0, "marker": "o", "markersize": 3.5},
}

_DENSE = 100
"""Values of a line above which markers would hide it."""

_NOTE_CHARACTERS = 15  # of the note's size to an inch

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
        same = len({tuple(series.label for series in panel.series if series.label) for panel in figure.panels}) == 1
        width = 6.4 * len(figure.panels) if len(figure.panels) > 1 else 7.2
        canvas, grid = pyplot.subplots(1, len(figure.panels), figsize=(width, 4.5), squeeze=False)
        for number, (panel, axes) in enumerate(zip(figure.panels, grid[0], strict=True)):
            only = len(figure.panels) - 1 if panel.aside else 0  # beside the last one, not between two
            _panel(panel, axes, legend=number == only or not same)
        canvas.suptitle(figure.title, fontsize=12)
        if figure.note:
            canvas.supxlabel(_wrapped(figure.note, width), fontsize=8, color="#555555")
        paths = [folder / f"{figure.name}.svg", folder / f"{figure.name}.png"]
        canvas.savefig(paths[0], metadata={"Date": None})
        canvas.savefig(paths[1], dpi=160)
        pyplot.close(canvas)
    return paths


def _wrapped(note: str, inches: float) -> str:
    """The note in lines that the figure holds."""
    return "\n".join(textwrap.fill(line, int(_NOTE_CHARACTERS * inches)) for line in note.splitlines())


def _panel(panel: Panel, axes: Axes, *, legend: bool) -> None:
    shift = _dodge(panel)
    for number, (series, colour) in enumerate(zip(panel.series, _colours(panel), strict=True)):
        _series(series, axes, colour, shift * (number - (len(panel.series) - 1) / 2))
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
    if panel.y_ticks:
        axes.set_yticks(panel.y_ticks, [f"{tick:,g}" for tick in panel.y_ticks])
        axes.tick_params(axis="y", which="minor", left=False, labelleft=False)
    _marks(panel, axes)
    if legend and sum(bool(series.label) for series in panel.series) > 1:
        place: Any = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if panel.aside else {"loc": "best"}
        axes.legend(**place)


def _colours(panel: Panel) -> list[str]:
    """Each series' own colour, or that of the one it is like."""
    own = itertools.cycle(_COLOURS)
    first = {series.label: next(own) for series in panel.series if not series.like}
    return [first[series.like or series.label] for series in panel.series]


def _marks(panel: Panel, axes: Axes) -> None:
    """Vertical lines with their texts at the top: left of the line for the first, right of it for those after."""
    for number, (x, text) in enumerate(sorted(panel.marks)):
        side, offset = ("right", -3) if number == 0 and len(panel.marks) > 1 else ("left", 3)
        axes.axvline(x, color="#777777", linestyle=":", linewidth=1.2, zorder=1)
        axes.annotate(
            text,
            (x, 1),
            (offset, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=side,
            va="top",
            fontsize=8,
            color="#555555",
        )


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
        if series.style == "points":
            axes.vlines(series.x, series.low, series.high, color=colour, alpha=0.6, linewidth=1.4, zorder=2)
        else:
            axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.12, linewidth=0, zorder=2)
    style = "thin" if series.style == "line" and len(series.x) > _DENSE else series.style
    axes.plot(series.x, series.y, color=colour, label=series.label, zorder=3, **_LINES[style])
