"""Figure descriptions to SVG and PNG, by matplotlib: mean, interval and every raw point."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fbench.errors import UsageError, shorten
from fbench.harness.contract import Figure, Panel
from fbench.results.axes import nice
from fbench.results.heat_maps import draw_heat
from fbench.results.plain import as_drawn, file_stem
from fbench.results.strokes import draw_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a6761d")
"""Okabe and Ito's palette, told apart by everyone; grey first, for the baseline."""

_NOTE_CHARACTERS = 15  # of the note's size to an inch
_NAME_CHARACTERS = 78  # of an axis's categories that stand side by side
_BANDS = 3  # intervals as bands; more of them mix to grey
_TICKS = 12
_BARS = 0.8  # of the distance between categories is taken by their bars
_APART = 0.05  # of the axis's width, between the texts of two bands

_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.hashsalt": "fbench",  # equal figures give equal files
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}
_NARROW = 5.0  # inches, of one column of a paper: panels stand below each other, and so does the legend
_SMALL: Any = {"font.size": 7, "legend.fontsize": 6}
_DOTS = 160  # to an inch of a PNG, and of what is rasterised in the others
_UNDATED: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


class FigureFiles(NamedTuple):
    """As which files figures are written, and how many inches wide; 0 is as wide as their panels need."""

    kinds: tuple[str, ...] = ("svg", "png")
    width: float = 0.0


FIGURE_FILES = FigureFiles()
"""What is written where nothing else is asked for."""
KINDS = ("svg", "png", "pdf")
_NARROWEST = 2.0


def figure_files(kinds: str, width: float = 0.0) -> FigureFiles:
    """Read what was typed: ``svg,png``, and inches.

    Example:
        >>> figure_files("pdf", 6.75)
        FigureFiles(kinds=('pdf',), width=6.75)

    Raises:
        UsageError: a kind of file that figures are not written as; a width that no page has.
    """
    names = tuple(dict.fromkeys(name.strip() for name in kinds.split(",") if name.strip()))
    strange = [name for name in names if name not in KINDS]
    if strange or not names:
        raise UsageError(f"--figure-format {shorten(kinds)!r}: give one or more of {', '.join(KINDS)}")
    if width and width < _NARROWEST:
        raise UsageError(f"--figure-width {width:g}: give at least {_NARROWEST:g} inches, or 0 for as wide as needed")
    return FigureFiles(names, width)


def draw(figure: Figure, folder: Path, files: FigureFiles = FIGURE_FILES) -> list[Path]:
    """Write ``NAME.svg`` and ``NAME.png``, or other kinds of files, into ``folder``; gives their paths."""
    import matplotlib

    matplotlib.use("Agg")
    figure = as_drawn(figure)
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    narrow = 0 < files.width < _NARROW
    with pyplot.rc_context(_STYLE | (_SMALL if narrow else {})):
        same = len({tuple(series.label for series in panel.series if series.label) for panel in figure.panels}) == 1
        rows, columns = (len(figure.panels), 1) if narrow else _grid(figure)
        width = files.width or (6.4 * columns if columns > 1 else 7.2)
        height = 0.8 * width * rows if narrow else 4.5 if rows == 1 else 3.6 * rows
        canvas, grid = pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False)
        spare = grid.flat[len(figure.panels) :]
        for axes in spare:
            axes.set_axis_off()
        for number, (panel, axes) in enumerate(zip(figure.panels, grid.flat, strict=False)):
            legend = not same or number == min(columns, len(figure.panels)) - 1  # beside the last one of the first row
            home = spare[-1] if figure.pairs and spare.size else None
            _panel(panel, axes, legend=legend, home=home, below=narrow)
        canvas.suptitle(_wrapped(figure.title, 0.6 * width) if narrow else figure.title, fontsize=8 if narrow else 12)
        if figure.note:
            canvas.supxlabel(_wrapped(figure.note, width), fontsize=6 if narrow else 8, color="#555555")
        paths = [folder / f"{file_stem(figure.name)}.{kind}" for kind in files.kinds]
        for path, kind in zip(paths, files.kinds, strict=True):
            canvas.savefig(path, dpi=_DOTS, metadata=_UNDATED.get(kind))
        pyplot.close(canvas)
    return paths


def _grid(figure: Figure) -> tuple[int, int]:
    """Rows and columns of its panels: a row of categories stays as wide as a slide."""
    count = len(figure.panels)
    in_pairs = count > 2 and (figure.pairs or all(panel.x_names for panel in figure.panels))
    return (-(-count // 2), 2) if in_pairs else (1, count)


def _wrapped(note: str, inches: float) -> str:
    """The note in lines that the figure holds."""
    return "\n".join(textwrap.fill(line, int(_NOTE_CHARACTERS * inches)) for line in note.splitlines())


def _panel(panel: Panel, axes: Axes, *, legend: bool, home: Axes | None, below: bool) -> None:
    if panel.heat is not None:
        draw_heat(panel.heat, axes)
    thin = sum(series.style == "line" and series.low is not None for series in panel.series) > _BANDS
    for series, colour, shift in zip(panel.series, _colours(panel), _shifts(panel), strict=True):
        draw_series(series, axes, colour, shift, _bar_width(panel), thin=thin)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    if panel.x_log:
        axes.set_xscale("log", base=2)
    if panel.y_log:
        _logarithmic(panel.y_linear, axes)
    x_ticks, y_ticks = panel.x_ticks or _seconds(panel, "x"), panel.y_ticks or _seconds(panel, "y")
    if x_ticks:
        ticks = _apart(x_ticks)
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])  # a logarithmic axis labels only its base's powers
        axes.tick_params(axis="x", which="minor", bottom=False)
    if y_ticks:
        axes.set_yticks(y_ticks, [f"{tick:,g}" for tick in y_ticks])
        axes.tick_params(axis="y", which="minor", left=False, labelleft=False)
    if panel.x_names:
        _names(panel.x_names, axes)
    if panel.y_names:
        axes.set_yticks(range(len(panel.y_names)), panel.y_names, fontsize=8)
    if panel.y_limits:
        axes.set_ylim(panel.y_limits)
    if panel.y_most is not None:
        axes.set_ylim(top=min(panel.y_most, axes.get_ylim()[1]))
    _marks(panel, axes)
    _bands(panel, axes)
    if legend and sum(bool(series.label) for series in panel.series) > 1:
        if home is not None:
            home.legend(*axes.get_legend_handles_labels(), loc="upper left")
        elif below:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
        else:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the data: no line runs through it


def _seconds(panel: Panel, axis: Literal["x", "y"]) -> Sequence[float]:
    """Ticks of a logarithmic axis of seconds, 0.05, 0.1, 0.2, …: powers of its base are nobody's seconds."""
    log, label = (panel.x_log, panel.x_label) if axis == "x" else (panel.y_log and not panel.y_linear, panel.y_label)
    if not log or "second" not in label:
        return []
    shown = [at for series in panel.series for at in (series.x if axis == "x" else series.y)]
    shown += [point[axis == "y"] for series in panel.series for point in series.points]
    positive = [at for at in shown if at > 0 and math.isfinite(at)]
    return nice(min(positive), max(positive)) if positive else []


def _apart(ticks: Sequence[float]) -> list[float]:
    """At most a dozen of the ticks, both ends among them, evenly so far as their number allows."""
    count = min(len(ticks), _TICKS)
    return [ticks[round(place * (len(ticks) - 1) / max(1, count - 1))] for place in range(count)]


def _logarithmic(linear: float, axes: Axes) -> None:
    if linear:
        axes.set_yscale("symlog", linthresh=linear, linscale=0.5)
    else:
        axes.set_yscale("log")


def _colours(panel: Panel) -> list[str]:
    """Each series' own colour, or that of the one it is like."""
    palette = itertools.cycle(_COLOURS)
    first = {
        series.label: next(palette) if series.colour is None else _COLOURS[series.colour % len(_COLOURS)]
        for series in panel.series
        if not series.like
    }
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


def _names(names: Sequence[str], axes: Axes) -> None:
    """Categories for ticks, slanted where they would run into each other."""
    longest = max(len(line) for name in names for line in name.splitlines() or [""])
    slant: Any = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    fits = longest * len(names) <= _NAME_CHARACTERS
    axes.set_xticks(range(len(names)), names, fontsize=8, **({} if fits else slant))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")


def _bands(panel: Panel, axes: Axes) -> None:
    """Spans in two shades by turns, their texts above the axes and apart, each led to the middle of its own."""
    bands = sorted(panel.bands)
    reached = [at for low, high, _ in bands for at in (low, high)] + [at for series in panel.series for at in series.x]
    if not bands or min(reached) == max(reached):
        return
    left, right = min(reached), max(reached)
    axes.set_xlim(left, right)
    axes.grid(visible=False, axis="x")
    for (low, high, _), shade in zip(bands, itertools.cycle((0.04, 0.11)), strict=False):
        axes.axvspan(low, high, color="#000000", alpha=shade, linewidth=0, zorder=0)
    named = [((low + high) / 2, text) for low, high, text in bands if text]
    places = _spread([(middle - left) / (right - left) for middle, _ in named])
    for (middle, text), place in zip(named, places, strict=True):
        axes.annotate(
            text,
            (middle, 1),
            (place, 1.07),
            xycoords=("data", "axes fraction"),
            textcoords="axes fraction",
            rotation=45,
            rotation_mode="anchor",
            fontsize=8,
            color="#333333",
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0},
        )
    if named and panel.title:
        axes.set_title(panel.title, pad=64)


def _spread(wanted: Sequence[float]) -> list[float]:
    """Places from 0 to 1 in the order given, ``_APART`` at least, as near to those wanted as that allows.

    Less their rank times the distance, places need only not fall: an isotonic regression, by pooling neighbours.
    """
    apart = min(_APART, 1 / max(1, len(wanted) - 1))
    pools: list[tuple[float, int]] = []
    for rank, at in enumerate(wanted):
        mean, size = at - rank * apart, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    most = 1 - apart * (len(wanted) - 1)
    level = [min(max(mean, 0.0), most) for mean, size in pools for _ in range(size)]
    return [mean + rank * apart for rank, mean in enumerate(level)]


def _shifts(panel: Panel) -> list[float]:
    """How far to the side each series stands: bars beside each other, raw points out of each other's way."""
    shift, middle = _dodge(panel), (len(panel.series) - 1) / 2
    bars = itertools.count()
    centre, width = (sum(series.style == "bars" for series in panel.series) - 1) / 2, _bar_width(panel)
    return [
        width * (next(bars) - centre) if series.style == "bars" else shift * (number - middle)
        for number, series in enumerate(panel.series)
    ]


def _bar_width(panel: Panel) -> float:
    return _BARS / max(1, sum(series.style == "bars" for series in panel.series))


def _dodge(panel: Panel) -> float:
    """How far apart the raw points of neighbouring series stand, so that one does not hide another."""
    x = sorted({at for series in panel.series for at in series.x})
    gaps = [b - a for a, b in itertools.pairwise(x)]
    return 0.0 if panel.x_log or not gaps else panel.dodge * min(gaps)
