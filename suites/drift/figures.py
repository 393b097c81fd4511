"""Figures of ``fbench drift``: where a mask's weights lie, how masks overlap over rounds, where their share falls.

All are of the main variant; what is shown of one strategy is of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fbench.harness.contract import Figure, Heat, Panel, Row, Series
from fbench.learning.arm_options import ArmOptions
from fbench.measure.falls import LEAST_LAYERS, Fall
from fbench.units import format_percent

from .falls import LEVEL, Found, profile
from .rows import Drift, Floats, Variant, fisher_values
from .series import (
    DEPTH,
    DEPTHS,
    by_depth,
    dodge,
    linear,
    logarithmic,
    mean,
    mean_of_rounds,
    on_line,
    over_seeds,
    power,
    wide,
)

Tables = Mapping[str, Sequence[Row]]

_STRATEGIES = 3
"""Panels beside that of the layers that a slide still holds."""
_TICKS = 7
"""Numbers of labels, some in thousands, that an axis of half a slide holds."""
_KEPT = "weights kept of the layer, in %"
_OVERLAPS = (
    ("jaccard_redraw", "same network, images redrawn", 3),
    ("jaccard_retrain", "retrained on the same labels", 4),
    ("jaccard_previous", "with the round before", 1),
    ("jaccard_first", "with round 0", 2),
    ("jaccard_chance", "chance", 0),
)
"""Columns, what they are called, and their place in the palette: floors on top, as they lie."""
_CRITERIA = (("fisher_mean", "mean $F_j$"), ("weighted_mean", "mean $w_j^2 F_j$"))


@dataclass(frozen=True)
class _View:
    """One variant and the layers, by number, that its figures show: those that a share and an overlap speak of."""

    drift: Drift
    variant: Variant
    layers: Sequence[int]

    @property
    def depths(self) -> list[float]:
        return [self.drift.layers[index].depth for index in self.layers]

    def by_layer(self, column: str, variant: Variant | None = None) -> Floats:
        """[seeds, rounds, layers shown]."""
        return self.drift.by_layer(variant or self.variant, column)[:, :, self.layers]


def figures(drift: Drift, tables: Tables, options: ArmOptions, falls: Sequence[Found]) -> list[Figure]:
    """Those that the rows have enough layers and overlaps for; ``falls`` as the findings have them."""
    mains = [drift.main(strategy) for strategy in drift.strategies]
    view = _View(drift, mains[0], profile(drift, mains[0]).layers)
    several = len(view.layers) > 1
    found = [_shares(view, options)] if several else []
    found += _overlaps(view, mains, options)
    return [*found, _falls(view, tables, options, falls)] if several else found


def _shares(view: _View, options: ArmOptions) -> Figure:
    """All rounds as colours; the first, a middle and the last as lines."""
    drift, percent = view.drift, 100 * view.by_layer("share")
    cells = mean(percent)
    heat = Heat(view.depths, drift.rounds, cells.tolist(), _KEPT, log=wide(cells))
    rounds = drift.rounds[:: -(-len(drift.rounds) // 12)]
    depths = [depth for depth in DEPTHS if depth <= view.depths[-1]]  # a tick further on would leave an empty strip
    left = Panel([], DEPTH, "round", "every round", depths, y_ticks=rounds, heat=heat)
    chosen = sorted({0, len(drift.rounds) // 2, len(drift.rounds) - 1})
    lines = [
        over_seeds(f"round {drift.rounds[i]}\n{drift.labels[i]:,} labels", view.depths, percent[:, i]) for i in chosen
    ]
    axis = (logarithmic if heat.log else linear)(percent[:, chosen])
    right = by_depth(lines, _KEPT, _listed(drift.rounds[i] for i in chosen), **axis)
    gaps = "hatched: not measured; " if np.isnan(cells).any() else ""
    note = f"left: mean over seeds; {gaps}right: {_seeds(drift)}\n{_mask(view.variant)}; {_layers(view)}"
    title = _title("Where the mask's weights lie", options, view)
    return Figure("share_by_depth", title, [left, right], note)


def _listed(rounds: Iterable[int]) -> str:
    *others, last = map(str, rounds)
    return f"rounds {', '.join(others)} and {last}" if others else f"round {last}"


def _overlaps(view: _View, mains: Sequence[Variant], options: ArmOptions) -> Iterable[Figure]:
    """Against labels, a panel a strategy; then by layer, for the first."""
    drift, shown = view.drift, mains[:_STRATEGIES]
    known = [each for each in _OVERLAPS if any(np.isfinite(drift.values(main, each[0])).any() for main in shown)]
    if not known:
        return
    y, limits = "Jaccard overlap of two masks", (-0.02, 1.02)
    ticks = drift.labels[:: -(-len(drift.labels) // _TICKS)]
    ends: Any = {"aside": True, "y_limits": limits, "dodge": dodge(drift.labels)}
    panels = []
    for main in shown:
        lines = [_overlap(label, drift.labels, drift.values(main, name), colour) for name, label, colour in known]
        panels.append(Panel(lines, "labels", y, main.strategy if len(mains) > 1 else "by round", ticks, **ends))
    layers = {name: mean_of_rounds(view.by_layer(name)[:, 1:]) for name, *_ in known} if view.layers else {}
    if any(np.isfinite(values).any(axis=0).sum() > 1 for values in layers.values()):
        lines = [_overlap(label, view.depths, layers[name], colour) for name, label, colour in known]
        of = f"{mains[0].strategy}, " if len(mains) > 1 else ""
        panels.append(by_depth(lines, y, f"{of}by layer: {_rounds(drift.rounds[1:])}", y_limits=limits))
    note = f"{_seeds(drift)}; chance: random masks with as many weights in every layer\n{_mask(view.variant)}"
    if len(mains) > len(shown):
        note += f"; in the tables alone: {', '.join(each.strategy for each in mains[_STRATEGIES:])}"
    yield Figure("overlap_by_round", _title("Overlap of masks", options), panels, note, pairs=True)


def _overlap(label: str, x: Sequence[float], values: Floats, colour: int) -> Series:
    single = np.isfinite(values).any(axis=0).sum() < 2  # of which neither a dash nor a band would be seen
    style = "points" if single else "dashed" if label == "chance" else "line"
    return over_seeds(label, x, values, style=style, colour=colour)


def _falls(view: _View, tables: Tables, options: ArmOptions, falls: Sequence[Found]) -> Figure:
    """Shares for every fraction with the places of their falls, beside what the masks choose by."""
    drift, main = view.drift, view.variant
    same = [each for each in drift.variants if each._replace(fraction=main.fraction) == main]
    same.sort(key=lambda variant: variant.fraction)
    percent = [100 * mean_of_rounds(view.by_layer("share", each)) for each in same]
    lines = [
        over_seeds(f"{format_percent(each.fraction)} kept", view.depths, own, colour=number)
        for number, (each, own) in enumerate(zip(same, percent, strict=True))
    ]
    shares = np.stack(percent)
    axis = (logarithmic if wide(shares) else linear)(shares)
    shown = {found.variant: found.shown for found in falls}
    pairs = zip(lines, (shown.get(each) for each in same), strict=True)
    places = [_place(line, fall, log="y_log" in axis) for line, fall in pairs if fall]
    panels = [by_depth([*lines, *places], _KEPT, "share kept", **axis), *_criteria(view, tables, len(lines))]
    marks = f"diamond: middle of a fall fitted to the means, with its 95 % interval (p < {LEVEL:g})"
    note = f"{_rounds(drift.rounds)}; {_seeds(drift)}; {marks if places else _no_fall(view)}"
    note += f"\n{_mask(main, fraction=False)}; {_layers(view)}"
    title = _title("Share kept by depth, for every fraction", options, view)
    return Figure("fall_by_fraction", title, panels, note)


def _no_fall(view: _View) -> str:
    if view.variant.rule != "global":
        return "every layer keeps the same share by rule"
    few = len(view.layers) < LEAST_LAYERS
    return f"a fall is looked for in {LEAST_LAYERS} layers or more" if few else f"no fall shown at p < {LEVEL:g}"


def _place(line: Series, fall: Fall, *, log: bool) -> Series:
    """A diamond on the line at its fall."""
    low, high = fall.place_interval
    y = on_line(line, fall.place, log=log)
    return Series("", [fall.place], [y], [low], [high], style="places", like=line.label)


def _criteria(view: _View, tables: Tables, colour: int) -> Iterable[Panel]:
    """Means of F_j and of w_j²F_j by layer on one axis: each over its largest, which is in its label."""
    own = [row for row in tables.get("fisher", ()) if row["strategy"] == view.variant.strategy]
    lines, shown = [], []
    for number, (column, name) in enumerate(_CRITERIA):
        values = mean_of_rounds(_fisher(view, own, column))
        largest = float(np.nan_to_num(mean(values)).max())
        if largest > 0:
            shown.append(values / largest)
            label = f"{name}\n(largest: {power(largest)})"
            lines.append(over_seeds(label, view.depths, shown[-1], colour=colour + number))
    if lines:
        yield by_depth(
            lines, "mean of the layer over the largest", "what a mask goes by", **logarithmic(np.stack(shown))
        )


def _fisher(view: _View, rows: Sequence[Row], column: str) -> Floats:
    """[seeds, rounds, layers shown]."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["layer"], []).append(row)
    names = [view.drift.layers[index].name for index in view.layers]
    of = (view.variant.strategy, view.variant.samples, column)
    return np.stack([fisher_values(by_name.get(name, ()), view.drift, *of, name) for name in names], axis=2)


def _title(what: str, options: ArmOptions, view: _View | None = None) -> str:
    """With the strategy, where the figure is of one among several."""
    of = f", strategy {view.variant.strategy}" if view is not None and len(view.drift.strategies) > 1 else ""
    return f"{what}: {options.dataset}, network {options.model}{of}"


def _seeds(drift: Drift) -> str:
    many = f"mean of {len(drift.seeds)} seeds, 95 % t interval, dots: each seed"
    return many if len(drift.seeds) > 1 else "one seed, which has no interval"


def _rounds(rounds: Sequence[int]) -> str:
    return f"mean of rounds {rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else f"round {rounds[0]}"


def _mask(variant: Variant, *, fraction: bool = True) -> str:
    share = f"{format_percent(variant.fraction)} of the weights, " if fraction else ""
    pairs = f", {variant.redraws} pairs of draws" if variant.redraws > 1 else ""
    ranked = "in every layer" if variant.rule == "layer" else "over the network"
    return f"mask: {share}the largest {ranked}, N = {variant.samples:,} images{pairs}, classifier {variant.classifier}"


def _layers(view: _View) -> str:
    return f"{len(view.layers)} convolution and linear layers"
