"""The figure of ``fbench fisher``: seconds a sample of every way, along the samples where they were swept."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.harness.contract import Figure, Panel, Series

from .options import Options
from .rows import MeasuredMethod


def figures(cases: Sequence[MeasuredMethod], options: Options) -> list[Figure]:
    """A panel a quantity; nothing where nothing was timed."""
    panels = [_panel(quantity, cases, options) for quantity in dict.fromkeys(case.quantity for case in cases)]
    title = f"Fisher information of {options.model}, {options.classes} classes"
    note = "geometric mean over blocks, and every block as a dot; slow ways timed on a few samples of their batch"
    return [Figure("seconds_a_sample", title, panels, note)] if panels else []


def _panel(quantity: str, cases: Sequence[MeasuredMethod], options: Options) -> Panel:
    title = "FISH diagonal" if quantity == "diagonal" else f"embedding on {options.weights:,} weights"
    by_method = {m: [c for c in cases if (c.quantity, c.method) == (quantity, m)] for m in _in_colour_order(cases)}
    shown = {method: points for method, points in by_method.items() if points}
    if len({case.samples for case in cases}) > 1:
        series = [_along_samples(method, points) for method, points in shown.items()]
        ticks = sorted({x for line in series for x in line.x})
        return Panel(series, "samples", "seconds a sample", title, ticks, x_log=True, y_log=True)
    ordered = sorted(shown.items(), key=lambda item: item[1][0].typical)
    series = [_place(float(place), points[0]) for place, (_, points) in enumerate(ordered)]
    names = [_name(method) for method, _ in ordered]
    return Panel(series, "", "seconds a sample", title, x_names=names, y_log=True, dodge=0.0)


def _in_colour_order(cases: Sequence[MeasuredMethod]) -> list[str]:
    """The methods, those that every panel has first: a method then has one colour in all of them."""
    methods = list(dict.fromkeys(case.method for case in cases))
    panels = {method: {case.quantity for case in cases if case.method == method} for method in methods}
    return sorted(methods, key=lambda method: -len(panels[method]))


def _place(x: float, case: MeasuredMethod) -> Series:
    points = [(x, value) for value in case.seconds.values()]
    return Series("", [x], [case.typical], points=points, style="points", colour=1)


def _along_samples(method: str, cases: Sequence[MeasuredMethod]) -> Series:
    points = [(float(case.samples), value) for case in cases for value in case.seconds.values()]
    return Series(_name(method), [c.samples for c in cases], [c.typical for c in cases], points=points)


def _name(method: str) -> str:
    names = {"loop": "published loop", "backward": "k−1 backward\npasses", "backpack": "BackPACK"}
    return names.get(method, method)
