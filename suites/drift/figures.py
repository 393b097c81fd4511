"""Figures of ``fbench drift``: where a mask's weights lie, how masks overlap over rounds, where their share falls.

All are of the main variant; what is shown of one strategy is of the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fbench.harness.contract import Figure, Heat, Panel, Series, mathematics
from fbench.learning.arm_options import ArmOptions
from fbench.measure.arrays import Floats
from fbench.measure.statistics import Mean
from fbench.units import format_percent

from .falls import VariantFall, share_profile
from .measured import Drift, MaskRounds, Variant
from .series import (
    DEPTH,
    DEPTHS,
    by_depth,
    dodge,
    known_mean,
    linear,
    logarithmic,
    mean_of_rounds,
    on_line,
    over_seeds,
    power,
    wide,
)

_STRATEGIES = 3
"""How many panels beside that of the layers a slide still holds."""
_TICKS = 7
"""How many numbers of labels, some in thousands, an axis of half a slide holds."""
_KEPT = "weights kept of the layer, in %"


class _Line(NamedTuple):
    """An overlap as figures show it: its values, what it is called, and its place in the palette."""

    values: Floats
    label: str
    colour: int

    @property
    def known(self) -> bool:
        """Whether any of its values is defined."""
        return bool(np.isfinite(self.values).any())


def _lines(masks: MaskRounds) -> list[_Line]:
    """The overlaps that figures show: baselines on top, as they lie."""
    return [
        _Line(masks.redraw, "same network, images redrawn", 3),
        _Line(masks.retrain, "retrained on the same labels", 4),
        _Line(masks.previous, "with the round before", 1),
        _Line(masks.first, "with round 0", 2),
        _Line(masks.chance, "chance", 0),
    ]


@dataclass(frozen=True)
class _Shown:
    """One variant and the layers, by number, that its figures show: those that a share and an overlap speak of."""

    drift: Drift
    variant: Variant
    layers: Sequence[int]

    @property
    def depths(self) -> list[float]:
        """The depth of every layer shown."""
        return [self.drift.layers[index].depth for index in self.layers]

    def masks(self, variant: Variant | None = None) -> MaskRounds:
        """What was measured of this variant, or of another, in the layers shown: arrays [seeds, rounds, layers]."""
        columns = self.drift.masks_by_layer(variant or self.variant)
        return MaskRounds(*(values[:, :, self.layers] for values in columns))


def figures(drift: Drift, options: ArmOptions, falls: Sequence[VariantFall]) -> list[Figure]:
    """Draw those figures that the rows have enough layers and overlaps for; ``falls`` as the findings have them."""
    mains = [drift.main(strategy) for strategy in drift.strategies]
    shown = _Shown(drift, mains[0], share_profile(drift, mains[0]).layers)
    overlaps = list(_overlaps(shown, mains, options))
    if len(shown.layers) < 2:
        return overlaps
    return [_shares(shown, options), *overlaps, _falls(shown, options, falls)]


def _shares(shown: _Shown, options: ArmOptions) -> Figure:
    """Draw all rounds as colours; the first, a middle and the last as lines."""
    drift, percent = shown.drift, 100 * shown.masks().share
    cells = known_mean(percent)
    heat = Heat(shown.depths, drift.rounds, cells.tolist(), _KEPT, log=wide(cells))
    rounds = drift.rounds[:: -(-len(drift.rounds) // 12)]
    depths = [depth for depth in DEPTHS if depth <= shown.depths[-1]]  # a tick further on would leave an empty strip
    left = Panel([], DEPTH, "round", "every round", depths, y_ticks=rounds, heat=heat)
    chosen = sorted({0, len(drift.rounds) // 2, len(drift.rounds) - 1})
    lines = [
        over_seeds(f"round {drift.rounds[i]}\n{drift.labels[i]:,} labels", shown.depths, percent[:, i], 100)
        for i in chosen
    ]
    axis = (logarithmic if heat.log else linear)(percent[:, chosen])
    right = by_depth(lines, _KEPT, _listed(drift.rounds[i] for i in chosen), **axis)
    gaps = "hatched: not measured; " if np.isnan(cells).any() else ""
    note = f"left: mean over seeds; {gaps}right: {_seeds(drift)}\n{_mask(shown.variant)}; {_layers(shown)}"
    title = _title("Where the mask's weights lie", options, shown)
    return Figure("share_by_depth", title, [left, right], note)


def _listed(rounds: Iterable[int]) -> str:
    *others, last = map(str, rounds)
    return f"rounds {', '.join(others)} and {last}" if others else f"round {last}"


def _overlaps(shown: _Shown, mains: Sequence[Variant], options: ArmOptions) -> Iterator[Figure]:
    """Draw overlaps against labels, a panel for every strategy; then by layer, for the first."""
    drift, drawn = shown.drift, mains[:_STRATEGIES]
    by_strategy = [_lines(drift.masks(main)) for main in drawn]
    known = {line.label for lines in by_strategy for line in lines if line.known}
    if not known:
        return
    y, limits = "Jaccard overlap of two masks", (-0.02, 1.02)
    ticks = drift.labels[:: -(-len(drift.labels) // _TICKS)]
    ends: Any = {"y_limits": limits, "dodge": dodge(drift.labels)}
    panels = []
    for main, lines in zip(drawn, by_strategy, strict=True):
        series = [_overlap(line, drift.labels) for line in lines if line.label in known]
        panels.append(Panel(series, "labels", y, main.strategy if len(mains) > 1 else "by round", ticks, **ends))
    layers = [line for line in _by_layer(shown) if line.label in known]
    if any(np.isfinite(line.values).any(axis=0).sum() > 1 for line in layers):
        series = [_overlap(line, shown.depths) for line in layers]
        of = f"{mains[0].strategy}, " if len(mains) > 1 else ""
        panels.append(by_depth(series, y, f"{of}by layer: {_rounds(drift.rounds[1:])}", y_limits=limits))
    note = f"{_seeds(drift)}; chance: random masks with as many weights in every layer\n{_mask(shown.variant)}"
    if len(mains) > len(drawn):
        note += f"; in the tables alone: {', '.join(main.strategy for main in mains[_STRATEGIES:])}"
    yield Figure("overlap_by_round", _title("Overlap of masks", options), panels, note, pairs=True)


def _by_layer(shown: _Shown) -> list[_Line]:
    """The overlaps of every layer shown, means over the rounds from 1 on: [seeds, layers]."""
    if not shown.layers:
        return []
    return [line._replace(values=mean_of_rounds(line.values[:, 1:])) for line in _lines(shown.masks())]


def _overlap(line: _Line, x: Sequence[float]) -> Series:
    single = np.isfinite(line.values).any(axis=0).sum() < 2  # of which neither a dash nor a band would be seen
    style = "points" if single else "dashed" if line.label == "chance" else "line"
    return over_seeds(line.label, x, line.values, 1, style=style, colour=line.colour)


def _falls(shown: _Shown, options: ArmOptions, falls: Sequence[VariantFall]) -> Figure:
    """Draw shares for every fraction with the places of their falls, beside what the masks choose by."""
    drift, main = shown.drift, shown.variant
    alike = [variant for variant in drift.variants if variant.all_but_fraction == main.all_but_fraction]
    alike.sort(key=lambda variant: variant.fraction)
    percents = [100 * mean_of_rounds(shown.masks(variant).share) for variant in alike]
    lines = [
        over_seeds(f"{format_percent(variant.fraction)} kept", shown.depths, percent, 100, colour=number)
        for number, (variant, percent) in enumerate(zip(alike, percents, strict=True))
    ]
    axis = linear(np.stack(percents))
    at = {fall.variant: fall.place for fall in falls}
    halves = zip(lines, (at.get(variant) for variant in alike), strict=True)
    places = [_place(line, place) for line, place in halves if place]
    panels = [by_depth([*lines, *places], _KEPT, "share kept", **axis), *_criteria(shown, len(lines))]
    reason = next((fall.reason for fall in falls if fall.reason), "no share falls to its half in every seed")
    marks = "diamond: where half of the highest share is left, 95 % interval over seeds"
    note = f"{_rounds(drift.rounds)}; {_seeds(drift)}; {marks if places else reason}"
    note += f"\n{_mask(main, fraction=False)}; {_layers(shown)}"
    title = _title("Share kept by depth, for every fraction", options, shown)
    return Figure("fall_by_fraction", title, panels, note)


def _place(line: Series, place: Mean) -> Series:
    """Put a diamond on the line where half of its highest share is left; one seed has no interval."""
    known = not math.isnan(place.low)
    ends = [place.low if known else place.mean], [place.high if known else place.mean]
    return Series("", [place.mean], [on_line(line, place.mean)], *ends, style="places", like=line.label)


def _criteria(shown: _Shown, colour: int) -> Iterator[Panel]:
    """Draw means of F_j and of w_j²F_j by layer on one axis: each over its largest, which is in its label."""
    fisher = shown.drift.fisher_by_layer(shown.variant)
    criteria = {"F_j": fisher.mean, "w_j^2 F_j": fisher.weighted_mean}
    lines, relative = [], []
    for number, (name, by_round) in enumerate(criteria.items()):
        values = mean_of_rounds(by_round.take(shown.layers, axis=2))
        largest = float(np.nan_to_num(known_mean(values)).max())
        if largest > 0:
            relative.append(values / largest)
            label = f"mean {mathematics(name)}\n(largest: {power(largest)})"
            lines.append(over_seeds(label, shown.depths, relative[-1], colour=colour + number))
    if lines:
        yield by_depth(
            lines, "mean of the layer over the largest", "what a mask goes by", **logarithmic(np.stack(relative))
        )


def _title(what: str, options: ArmOptions, shown: _Shown | None = None) -> str:
    """Write a title, with the strategy where the figure is of one among several."""
    of = f", strategy {shown.variant.strategy}" if shown is not None and len(shown.drift.strategies) > 1 else ""
    return f"{what}: {options.dataset}, network {options.model}{of}"


def _seeds(drift: Drift) -> str:
    many = f"mean of {len(drift.seeds)} seeds, 95 % interval, dots: each seed"
    return many if len(drift.seeds) > 1 else "one seed, which has no interval"


def _rounds(rounds: Sequence[int]) -> str:
    return f"mean of rounds {rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else f"round {rounds[0]}"


def _mask(variant: Variant, *, fraction: bool = True) -> str:
    share = f"{format_percent(variant.fraction)} of the weights, " if fraction else ""
    pairs = f", {variant.redraws} pairs of draws" if variant.redraws > 1 else ""
    ranked = "in every layer" if variant.rule == "layer" else "over the network"
    return f"mask: {share}the largest {ranked}, N = {variant.samples:,} images{pairs}, classifier {variant.classifier}"


def _layers(shown: _Shown) -> str:
    return f"{len(shown.layers)} convolution and linear layers"
