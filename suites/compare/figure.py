"""The figures of ``fbench compare``: learning curves with the gain over random, and curves along seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fbench.harness.contract import Figure, Panel, Series
from fbench.measure.arrays import Floats
from fbench.measure.statistics import mean_interval
from fbench.results.words import count_seeds

from .curves import Curves
from .family import FEWEST
from .options import Options
from .tables import BASELINE

_MOST_DOTTED = 6
"""Of more arms the dots would hide the lines."""


def learning_curves(curves: Curves, options: Options) -> Figure:
    """The metric along labels, and beside it the gain over the baseline, where it is in the run."""
    dots = len(curves.values) <= _MOST_DOTTED
    series = [curve_series(name, curves.labels, values, dots) for name, values in curves.values.items()]
    ticks = curves.labels.tolist()
    metric, most = _called(curves), curves.measured.most
    panels = [Panel(series, "labels", metric, metric, x_ticks=ticks, y_most=most)]
    if BASELINE in curves.values and len(curves.values) > 1:
        base = curves.values[BASELINE]
        zero = Series(BASELINE, ticks, [0.0] * len(ticks))
        rest = [
            curve_series(n, curves.labels, values - base, dots) for n, values in curves.values.items() if n != BASELINE
        ]
        label = f"difference to {BASELINE}, paired by seed"
        title = f"below {BASELINE} is better" if curves.lower else f"gain over {BASELINE}"
        panels.append(Panel([zero, *rest], "labels", label, title, x_ticks=ticks))
    title = f"Active learning on {options.dataset}, network {options.model}, {count_seeds(curves.seeds)}"
    interval = ", 95 % t interval over seeds" if curves.seeds >= FEWEST else ""
    return Figure("learning_curves", title, panels, f"mean{interval}{', and every seed as a dot' if dots else ''}")


def cost_curves(curves: Curves) -> list[Figure]:
    """The metric along the seconds that a strategy has taken; none where they are not all known."""
    spent = {name: values.mean(axis=0) for name, values in curves.elapsed.items()}
    if len(spent) < 2 or not all(np.isfinite(values).all() for values in spent.values()):
        return []
    series = [
        Series(name, seconds.tolist(), curves.values[name].mean(axis=0).tolist()) for name, seconds in spent.items()
    ]
    most = curves.measured.most
    panel = Panel(series, "seconds of training and selecting", _called(curves), x_log=True, y_most=most)
    note = f"means over {count_seeds(curves.seeds)}; seconds of one seed on this machine, log axis"
    return [Figure("cost_curves", "What a strategy costs in time", [panel], note)]


def _called(curves: Curves) -> str:
    """The metric as an axis names it."""
    return f"test {curves.metric}, lower is better" if curves.lower else f"test {curves.metric}"


def curve_series(name: str, labels: Floats, values: Floats, dots: bool) -> Series:
    """Mean and interval over the seeds of values [seeds, rounds], with dots every seed; few seeds have no interval."""
    means = [mean_interval(column) for column in values.T]
    points = [(float(x), float(y)) for row in values if dots for x, y in zip(labels, row, strict=True)]
    line = Series(name, labels.tolist(), [mean.mean for mean in means], points=points)
    if len(values) < FEWEST:
        return line
    return replace(line, low=[mean.low for mean in means], high=[mean.high for mean in means])
