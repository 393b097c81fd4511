"""Whether what masks choose by, mean F_j and w_j²F_j of a layer, falls smoothly where the share falls steeply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fbench.harness.contract import Row
from fbench.measure.falls import LEAST_LAYERS, Fall, fit_fall
from fbench.measure.statistics import mean_interval
from fbench.results.findings import number, p_value

from .falls import LEVEL, STEEP, profile, steepness
from .rows import Drift, Floats, fisher_values

COLUMNS = {"fisher_mean": "Mean F_j", "weighted_mean": "Mean w_j²F_j"}
"""Of the Fisher diagonal of a weight, and of its product with the squared weight."""


class Smooth(NamedTuple):
    """One column: log10 of a seed's values [seeds, layers], mean over rounds, and the fall fitted to their mean."""

    depth: Floats
    logs: Floats
    fall: Fall | None

    @property
    def thirds(self) -> Floats:
        """[seeds] log10 of the first third of the layers over the last, each a geometric mean."""
        count = max(1, self.logs.shape[1] // 3)
        return np.asarray(self.logs[:, :count].mean(axis=1) - self.logs[:, -count:].mean(axis=1))


def smooth(drift: Drift, rows: Sequence[Row], column: str) -> Smooth | None:
    """Of the layers of the main variant's profile; None where a value is missing or has no logarithm."""
    main = drift.main(drift.strategies[0])
    own = profile(drift, main)
    names = [drift.layers[i].name for i in own.layers]
    if len(names) < LEAST_LAYERS:
        return None
    values = [fisher_values(rows, drift, main.strategy, main.samples, column, name) for name in names]
    found = np.stack(values, axis=2)  # [seeds, rounds, layers]
    if not (found > 0).all():
        return None
    logs = np.log10(found).mean(axis=1)
    return Smooth(own.depth, logs, fit_fall(own.depth, logs.mean(axis=0)))


def sentences(drift: Drift, rows: Sequence[Row]) -> list[str]:
    """One for each column that could be fitted."""
    found = [(name, smooth(drift, rows, column)) for column, name in COLUMNS.items()]
    return [_sentence(name, each) for name, each in found if each is not None]


def _sentence(name: str, found: Smooth) -> str:
    over = mean_interval(found.thirds)
    what = f"{name} of a layer in the first third of the layers is {_times(over.mean)} times that in the last third"
    ends = f"95 % interval {_times(over.low)} to {_times(over.high)}, {over.n} seeds" if over.n > 1 else "one seed"
    return f"{what} (geometric means; {ends}); {_fall_said(found.fall)}."


def _times(log: float) -> str:
    return f"{10**log:.3g}"


def _fall_said(fall: Fall | None) -> str:
    """The same fit as for the share, on a logarithmic scale."""
    if fall is None or not fall.p < LEVEL:
        return f"on a logarithmic scale no fall is shown ({'it rises' if fall is None else p_value(fall.p)})"
    low, high = fall.width_interval
    word = {
        "steep": f"its fall is steep, within {STEEP:g} of the depth",
        "gradual": f"its fall is smooth, over more than {STEEP:g} of the depth",
    }.get(steepness(fall), f"whether its fall is steep, within {STEEP:g} of the depth, or smooth is unresolved")
    return (
        f"on a logarithmic scale {word} (width {number(fall.width, 2)}, 95 % interval {number(low, 2)} to "
        f"{number(high, 2)}, {p_value(fall.p)})"
    )
