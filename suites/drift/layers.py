"""Layer by layer: the table of a mask's layers, and whether each of them drifts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fbench.harness.contract import Table
from fbench.measure.arrays import Floats
from fbench.results.findings import number
from fbench.units import format_count

from .baselines import Compared, compared_of, corrected, verdict_of
from .falls import POINTWISE, PROFILED
from .measured import Drift, Variant
from .names import in_common, percent, seeds_text
from .tables import table

_MOST = 25
"""How many layers a table is still read with."""


def layer_table(drift: Drift, margin: float) -> Table | None:
    """A row for every layer of the first strategy's main variant; None where no layer is shown."""
    main = drift.main(drift.strategies[0])
    every = len(drift.layers) <= _MOST
    shown = [i for i, layer in enumerate(drift.layers) if every or layer.layer_type in (*PROFILED, POINTWISE)]
    if not shown:
        return None
    compared = layers_compared(drift, main)
    less = "" if every else f" Convolution and linear layers alone, {len(shown)} of {len(drift.layers)}."
    note = (
        f"{seeds_text(drift).capitalize()}; share of weights kept, share of the layer's Fisher information captured "
        f"and mean F_j over all rounds. Drift: corrected by Holm over {len(compared)} layers; empty: in no mask, or "
        f"always kept.{less}"
    )
    title = f"Layers: {in_common([main])}"
    optional = (
        "mean w_j²F_j", "mean F_j", "kind", "parameters", "captured", "depth", "chance", "redrawn"
    )  # fmt: skip
    return table(title, _layer_columns(drift, main, shown, compared, margin), note, optional)


def layers_compared(drift: Drift, variant: Variant) -> dict[str, Compared]:
    """The layers that have overlaps beside their baselines, by name."""
    compared = {layer.name: compared_of(drift, variant, layer.name) for layer in drift.layers}
    return {name: one for name, one in compared.items() if one.seeds}


def layer_verdicts(compared: Mapping[str, Compared], margin: float) -> dict[str, str]:
    """The verdict on every layer, corrected by Holm over all of them."""
    p = corrected([one.p for one in compared.values()])
    return {name: verdict_of(one, at, margin) for (name, one), at in zip(compared.items(), p, strict=True)}


def _layer_columns(
    drift: Drift, main: Variant, shown: Sequence[int], compared: Mapping[str, Compared], margin: float
) -> dict[str, Sequence[str]]:
    """The columns of the table of layers: of those ``shown``, by number."""
    layers = [drift.layers[i] for i in shown]
    verdicts = layer_verdicts(compared, margin)
    masks = [drift.masks(main, layer.name) for layer in layers]
    fisher = [drift.fisher(main, layer.name) for layer in layers]
    overlaps = {
        head: [_short(compared.get(layer.name), name) for layer in layers]
        for head, name in (("neighbours", "previous"), ("retrained", "retrain"), ("redrawn", "redraw"))
    }
    return {
        "layer": [layer.name for layer in layers],
        "kind": [layer.layer_type for layer in layers],
        "depth": [number(layer.depth, 2) for layer in layers],
        "parameters": [format_count(layer.parameters) for layer in layers],
        "share": [_percent(rounds.share) for rounds in masks],
        "captured": [_percent(rounds.captured) for rounds in masks],
        "mean F_j": [_scientific(rounds.mean) for rounds in fisher],
        "mean w_j²F_j": [_scientific(rounds.weighted_mean) for rounds in fisher],
        **overlaps,
        "chance": [_short(compared.get(layer.name), "chance") for layer in layers],
        "drift?": [verdicts.get(layer.name, "") for layer in layers],
    }


def _short(compared: Compared | None, name: str) -> str:
    mean = compared.mean(name) if compared else math.nan
    return "" if math.isnan(mean) else number(mean, 3)


def _percent(values: Floats) -> str:
    return percent(float(values.mean())) if np.isfinite(values).all() else ""


def _scientific(values: Floats) -> str:
    return f"{values.mean():.2e}".replace("e-", "e−") if np.isfinite(values).all() else ""
