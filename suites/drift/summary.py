"""What ``fbench drift`` says at the end: overlaps beside their floors, layers, falls, time; findings and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fbench.harness.contract import Summary, Table, Tables
from fbench.learning.arm_options import ArmOptions
from fbench.measure.arrays import Floats
from fbench.measure.statistics import mean_interval
from fbench.results.findings import number, p_value, plus_minus
from fbench.units import format_count, format_percent

from .falls import POINTWISE, PROFILED, VariantFall, find_falls
from .findings import findings, left_out
from .floors import DEFAULT_MARGIN, Floors, floors_by_layer, floors_of
from .measured import Drift, Variant
from .names import HEADS, in_common, in_words, percent, rounds_text, seeds_text, variant_cells, varying_fields
from .options import Options
from .round_times import time_table
from .rows import read_drift, read_failures

_MOST = 25
"""How many layers a table is still read with."""


def summary(tables: Tables, options: Options) -> Summary:
    """Give the tables, findings and figures of a run, finished or not."""
    return _summary(tables, options, options.margin, confirmatory=True)


def compare_summary(tables: Tables, options: ArmOptions) -> Summary:
    """Give those of ``fbench compare --drift``: no times, no second training; its own margin is of accuracy."""
    watched = {"results": tables["drift"], "fisher": tables.get("fisher", ())}
    return _summary(watched, options, DEFAULT_MARGIN, confirmatory=False)


def _summary(tables: Tables, options: ArmOptions, margin: float, *, confirmatory: bool) -> Summary:
    """Summarise a run; ``confirmatory`` says that the options fixed the comparison of overlaps before it."""
    from .figures import figures

    drift, failures = read_drift(tables), read_failures(tables["results"])
    if drift is None:
        none = "No seed was measured in every round, so nothing can be said of drift: see the rows' reasons."
        return Summary(findings=(none, *left_out(None, failures, options)))
    falls = find_falls(drift)
    shown = [*_overlaps(drift, margin), *_layers(drift, margin), *_falls(falls), *time_table(drift)]
    sentences = findings(drift, falls, margin, confirmatory=confirmatory)
    return Summary(shown, [*sentences, *left_out(drift, failures, options)], figures(drift, options, falls))


def _overlaps(drift: Drift, margin: float) -> list[Table]:
    """Make a table with a row for every variant."""
    named = [variant_cells(variant) for variant in drift.variants]
    judged = [floors_of(drift, variant, margin) for variant in drift.variants]
    masks = [drift.masks(variant) for variant in drift.variants]
    columns = {
        **{HEADS[name]: [cells[name] for cells in named] for name in varying_fields(drift.variants)},
        "previous": [_mean(floors.values["previous"]) for floors in judged],
        "first, last round": [_mean(rounds.first[np.isfinite(rounds.first[:, -1]), -1]) for rounds in masks],
        "redraw": [_mean(floors.values["redraw"]) for floors in judged],
        "retrain": [_mean(floors.values.get("retrain")) for floors in judged],
        "chance": [_mean(_by_seed(rounds.chance)) for rounds in masks],
        "below floors?": [_verdict(floors, drift) for floors in judged],
    }
    note = (
        "J, the weights that two masks share over those that either keeps: mean over "
        f"{rounds_text(drift)} and {seeds_text(drift)}; ±: 95 % t interval over seeds. previous: with the one before; "
        "redraw: same network, other images; retrain: same labels, trained again; chance: random weights, as many in "
        "every layer. Each row by itself, uncorrected; below both: both 95 % intervals of floor less previous above 0; "
        f"at the floor: 90 % interval of the last floor less previous within ±{margin:g}."
    )
    return [_table(f"Overlap: {in_common(drift.variants)}", columns, note)]


def _layers(drift: Drift, margin: float) -> list[Table]:
    """Make a table with a row for every layer of the first strategy's main variant."""
    main = drift.main(drift.strategies[0])
    every = len(drift.layers) <= _MOST
    shown = [i for i, layer in enumerate(drift.layers) if every or layer.layer_type in (*PROFILED, POINTWISE)]
    if not shown:
        return []
    judged = floors_by_layer(drift, main, margin)
    less = "" if every else f" Convolution and linear layers alone, {len(shown)} of {len(drift.layers)}."
    tested = sum(floors.word != "undefined" for floors in judged)
    note = (
        f"Means over {seeds_text(drift)}; overlaps J over {rounds_text(drift)}; share of weights kept, share of the "
        "layer's Fisher mass captured, mean F_j and w_j²F_j over all rounds. Verdicts after Holm's correction for "
        f"{tested} layers; empty: in no overlap.{less}"
    )
    return [_table(f"Layers: {in_common([main])}", _layer_columns(drift, main, shown, judged), note)]


def _layer_columns(
    drift: Drift, main: Variant, shown: Sequence[int], judged: Sequence[Floors]
) -> dict[str, Sequence[str]]:
    """The columns of the table of layers: those that are ``shown``, by number, of all that were ``judged``."""
    layers, floors = [drift.layers[i] for i in shown], [judged[i] for i in shown]
    masks = [drift.masks(main, layer.name) for layer in layers]
    fisher = [drift.fisher(main, layer.name) for layer in layers]
    return {
        "layer": [layer.name for layer in layers],
        "kind": [layer.layer_type for layer in layers],
        "depth": [number(layer.depth, 2) for layer in layers],
        "parameters": [format_count(layer.parameters) for layer in layers],
        "share": [_percent(rounds.share) for rounds in masks],
        "captured": [_percent(rounds.captured) for rounds in masks],
        "mean F_j": [_scientific(rounds.mean) for rounds in fisher],
        "mean w_j²F_j": [_scientific(rounds.weighted_mean) for rounds in fisher],
        **{name: [_short(layer.values.get(name)) for layer in floors] for name in ("previous", "redraw", "retrain")},
        "chance": [_short(_by_seed(rounds.chance)) for rounds in masks],
        "verdict": [_verdict(layer, drift) for layer in floors],
    }


def _falls(falls: Sequence[VariantFall]) -> list[Table]:
    """Make a table with a row for every variant whose fall could be looked for."""
    fitted = [judged for judged in falls if judged.fall]
    if not fitted:
        return []
    which = set(varying_fields([judged.variant for judged in fitted])) - {"fraction", "redraws"}
    columns = {
        **{HEADS[name]: [variant_cells(judged.variant)[name] for judged in fitted] for name in HEADS if name in which},
        "kept": [format_percent(judged.variant.fraction) for judged in fitted],
        "place": [
            _interval(fall.place, fall.place_interval) if (fall := judged.shown) else "no fall shown"
            for judged in fitted
        ],
        "width": [_interval(fall.width, fall.width_interval) if (fall := judged.shown) else "" for judged in fitted],
        "before → after": [
            f"{percent(fall.before)} → {percent(max(fall.after, 0.0))}" if (fall := judged.shown) else ""
            for judged in fitted
        ],
        "p": [p_value(judged.p).removeprefix("p = ").removeprefix("p ") for judged in fitted],
        "each seed's place": [
            ", ".join("–" if np.isnan(place) else number(place, 2) for place in judged.places) for judged in fitted
        ],
    }
    note = (
        "A ramp between two levels, fitted to the share of weights kept by depth (0: first layer, 1: last) of "
        f"{fitted[0].layers} convolution and linear layers, mean over rounds and seeds: the depth of its middle, the "
        "depth it takes, each with its 95 % interval, and the levels; p: against no fall, whatever the layers' "
        "correlation, uncorrected; –: none shown in that seed."
    )
    title = in_words(fitted[0].variant, set(Variant._fields) - which - {"fraction", "redraws"})
    return [_table(f"Falls: {title}", columns, note)]


def _table(title: str, columns: Mapping[str, Sequence[str]], note: str) -> Table:
    """Make a table of columns; those without a cell are left out."""
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    return Table(title, list(filled), [list(row) for row in zip(*filled.values(), strict=True)], note)


def _by_seed(values: Floats) -> Floats:
    """Take each seed's mean over the rounds from 1 on in which there is a value; seeds without are left out."""
    later = values[:, 1:]
    known = later[np.isfinite(later).any(axis=1)]
    return np.nanmean(known, axis=1) if known.size else np.empty(0)


def _mean(values: Floats | None) -> str:
    return "" if values is None or not len(values) else plus_minus(mean_interval(values))


def _short(values: Floats | None) -> str:
    return "" if values is None or not len(values) else number(float(values.mean()), 3)


def _percent(values: Floats) -> str:
    return percent(float(values.mean())) if np.isfinite(values).all() else ""


def _scientific(values: Floats) -> str:
    return f"{values.mean():.2e}".replace("e-", "e−") if np.isfinite(values).all() else ""


def _verdict(floors: Floors, drift: Drift) -> str:
    """Write the verdict, and how many seeds it rests on where some have no overlap."""
    if floors.word == "undefined":
        return ""
    few = f" ({floors.seeds} of {len(drift.seeds)} seeds)" if floors.seeds < len(drift.seeds) else ""
    return f"{floors.word}{', by less than the margin' if floors.small else ''}{few}"


def _interval(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{number(value, 2)} ({number(low, 2)} to {number(high, 2)})"
