"""Whether what masks choose by, mean F_j and w_j²F_j of a layer, falls smoothly where the share falls steeply."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fbench.measure.arrays import Floats
from fbench.measure.falls import LEAST_LAYERS, Fall, fit_fall
from fbench.measure.statistics import mean_interval
from fbench.results.findings import number, p_value

from .falls import STEEP, share_profile, steepness
from .floors import SIGNIFICANCE
from .measured import Drift


class CriterionFall(NamedTuple):
    """How one criterion, a mean over each layer's weights, goes with depth.

    Attributes:
        depth: [layers], from 0 to 1.
        logs: [seeds, layers], log10 of the criterion, mean over rounds.
        fall: fitted to the mean of ``logs`` over seeds; None where they only rise.
    """

    depth: Floats
    logs: Floats
    fall: Fall | None

    @property
    def thirds(self) -> Floats:
        """The log10 [seeds] of the first third of the layers over the last, each a geometric mean."""
        count = max(1, self.logs.shape[1] // 3)
        return np.asarray(self.logs[:, :count].mean(axis=1) - self.logs[:, -count:].mean(axis=1))


def criterion_sentences(drift: Drift) -> list[str]:
    """Give a sentence for mean F_j, and one for mean w_j²F_j, where they can be fitted."""
    fisher = drift.fisher_by_layer(drift.main(drift.strategies[0]))
    criteria = {"Mean F_j": fisher.mean, "Mean w_j²F_j": fisher.weighted_mean}
    fitted = {name: fit_criterion(drift, values) for name, values in criteria.items()}
    return [_sentence(name, criterion) for name, criterion in fitted.items() if criterion is not None]


def fit_criterion(drift: Drift, values: Floats) -> CriterionFall | None:
    """Fit a fall to a criterion [seeds, rounds, layers] in the layers of the main variant's profile.

    There is none where the layers are too few, or where a value is missing or has no logarithm.
    """
    profile = share_profile(drift, drift.main(drift.strategies[0]))
    profiled = values.take(profile.layers, axis=2)
    if len(profile.layers) < LEAST_LAYERS or not (profiled > 0).all():
        return None
    logs = np.log10(profiled).mean(axis=1)
    return CriterionFall(profile.depth, logs, fit_fall(profile.depth, logs.mean(axis=0)))


def _sentence(name: str, criterion: CriterionFall) -> str:
    over = mean_interval(criterion.thirds)
    what = f"{name} of a layer in the first third of the layers is {_times(over.mean)} times that in the last third"
    ends = f"95 % interval {_times(over.low)} to {_times(over.high)}, {over.n} seeds" if over.n > 1 else "one seed"
    return f"{what} (geometric means; {ends}); {_fall_text(criterion.fall)}."


def _times(log: float) -> str:
    return f"{10**log:.3g}"


def _fall_text(fall: Fall | None) -> str:
    """Say what the fit gave: it is that of the share, on a logarithmic scale."""
    if fall is None or not fall.p < SIGNIFICANCE:
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
