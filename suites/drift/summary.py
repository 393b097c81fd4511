"""What ``fbench drift`` says at the end: overlaps beside their floors, layers, falls, time; findings and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fbench.harness.contract import Summary, Table
from fbench.learning.arm_options import ArmOptions
from fbench.measure.statistics import mean_interval
from fbench.results.findings import number, p_value, plus_minus
from fbench.units import format_count, format_percent

from . import falls as drift_falls
from . import time
from .falls import BESIDE, KINDS, Found
from .findings import Tables, findings, left_out
from .floors import MARGIN, Floors, of_layer, of_layers
from .names import COLUMNS, cells, common, percent, rounds_said, said, seeds_said, varying
from .options import Options
from .rows import Drift, Floats, Variant, fisher_values, read_drift

_MOST = 25
"""Layers that a table is still read with."""


def summary(tables: Tables, options: Options) -> Summary:
    """Tables, findings and figures of a run, finished or not."""
    return _summary(tables, options, options.margin, confirmatory=True)


def compare_summary(tables: Tables, options: ArmOptions) -> Summary:
    """The same of ``fbench compare --drift``: no time, no second training, and a margin that is of something else."""
    shown = {name: rows for name, rows in tables.items() if name in ("fisher", "masks")}
    return _summary({**shown, "results": tables["drift"]}, options, MARGIN, confirmatory=False)


def _summary(tables: Tables, options: ArmOptions, margin: float, *, confirmatory: bool) -> Summary:
    """``confirmatory``: the options fixed the comparison of overlaps before the run."""
    from .figures import figures

    drift = read_drift(tables["results"])
    if drift is None:
        none = "No seed was measured in every round, so nothing can be said of drift: see the rows' reasons."
        return Summary(findings=(none, *left_out(None, tables["results"], options)))
    falls = drift_falls.find(drift)
    shown = [
        *_overlaps(drift, margin),
        *_layers(drift, tables, margin),
        *_falls(falls),
        *time.table(drift, tables.get("rounds", ())),
    ]
    sentences = findings(drift, tables, options, falls, margin, confirmatory=confirmatory)
    return Summary(shown, sentences, figures(drift, tables, options, falls))


def _overlaps(drift: Drift, margin: float) -> list[Table]:
    """A row a variant."""
    which = varying(drift.variants)
    found = {variant: of_layer(drift, variant, margin) for variant in drift.variants}
    columns = {
        **{COLUMNS[name]: [cells(each)[name] for each in drift.variants] for name in which},
        "previous": [_mean(each.values["previous"]) for each in found.values()],
        "first, last round": [_last(drift, each) for each in drift.variants],
        "redraw": [_mean(each.values["redraw"]) for each in found.values()],
        "retrain": [_mean(each.values.get("retrain")) for each in found.values()],
        "chance": [_mean(_by_seed(drift.values(each, "jaccard_chance"))) for each in drift.variants],
        "below floors?": [_verdict(each, drift) for each in found.values()],
    }
    note = (
        "J, the weights that two masks share over those that either keeps: mean over "
        f"{rounds_said(drift)} and {seeds_said(drift)}; ±: 95 % t interval over seeds. previous: with the one before; "
        "redraw: same network, other images; retrain: same labels, trained again; chance: random weights, as many in "
        "every layer. Each row by itself, uncorrected; below both: both 95 % intervals of floor less previous above 0; "
        f"at the floor: 90 % interval of the last floor less previous within ±{margin:g}."
    )
    return [_table(f"Overlap: {common(drift.variants)}", columns, note)]


def _layers(drift: Drift, tables: Tables, margin: float) -> list[Table]:
    """A row a layer of the first strategy's main variant."""
    main = drift.main(drift.strategies[0])
    every = len(drift.layers) <= _MOST
    shown = [i for i, layer in enumerate(drift.layers) if every or layer.kind in (*KINDS, BESIDE)]
    if not shown:
        return []
    found = of_layers(drift, main, margin)
    layers, own = [drift.layers[i] for i in shown], [found[i] for i in shown]
    names = [layer.name for layer in layers]
    rows = tables.get("fisher", ())
    fishers = {
        head: [_scientific(fisher_values(rows, drift, main.strategy, main.samples, column, name)) for name in names]
        for head, column in (("mean F_j", "fisher_mean"), ("mean w_j²F_j", "weighted_mean"))
    }
    columns = {
        "layer": names,
        "kind": [layer.kind for layer in layers],
        "depth": [number(layer.depth, 2) for layer in layers],
        "parameters": [format_count(layer.parameters) for layer in layers],
        "share": [_percent(drift.values(main, "share", name)) for name in names],
        "captured": [_percent(drift.values(main, "captured", name)) for name in names],
        **fishers,
        **{each: [_short(floors.values.get(each)) for floors in own] for each in ("previous", "redraw", "retrain")},
        "chance": [_short(_by_seed(drift.values(main, "jaccard_chance", name))) for name in names],
        "verdict": [_verdict(floors, drift) for floors in own],
    }
    less = "" if every else f" Convolution and linear layers alone, {len(shown)} of {len(drift.layers)}."
    tested = sum(each.word != "undefined" for each in found)
    note = (
        f"Means over {seeds_said(drift)}; overlaps J over {rounds_said(drift)}; share of weights kept, share of the "
        "layer's Fisher mass captured, mean F_j and w_j²F_j over all rounds. Verdicts after Holm's correction for "
        f"{tested} layers; empty: in no overlap.{less}"
    )
    return [_table(f"Layers: {common([main])}", columns, note)]


def _falls(found: Sequence[Found]) -> list[Table]:
    """A row a variant whose fall could be looked for."""
    looked = [each for each in found if each.fall]
    if not looked:
        return []
    which = [name for name in varying([each.variant for each in looked]) if name not in ("fraction", "redraws")]
    columns: dict[str, list[str]] = {COLUMNS[name]: [cells(each.variant)[name] for each in looked] for name in which}
    columns |= {name: [] for name in ("kept", "place", "width", "before → after", "p", "each seed's place")}
    for each in looked:
        own = each.shown
        columns["kept"].append(format_percent(each.variant.fraction))
        columns["place"].append(_interval(own.place, own.place_interval) if own else "no fall shown")
        columns["width"].append(_interval(own.width, own.width_interval) if own else "")
        columns["before → after"].append(f"{percent(own.before)} → {percent(max(own.after, 0.0))}" if own else "")
        columns["p"].append(p_value(each.p).removeprefix("p = ").removeprefix("p "))
        columns["each seed's place"].append(", ".join("–" if np.isnan(p) else number(p, 2) for p in each.places))
    note = (
        "A ramp between two levels, fitted to the share of weights kept by depth (0: first layer, 1: last) of "
        f"{looked[0].layers} convolution and linear layers, mean over rounds and seeds: the depth of its middle, the "
        "depth it takes, each with its 95 % interval, and the levels; p: against no fall, whatever the layers' "
        "correlation, uncorrected; –: none shown in that seed."
    )
    title = said(looked[0].variant, [name for name in Variant._fields if name not in (*which, "fraction", "redraws")])
    return [_table(f"Falls: {title}", columns, note)]


def _table(title: str, columns: Mapping[str, Sequence[str]], note: str) -> Table:
    """Columns without a cell are left out."""
    kept = {name: own for name, own in columns.items() if any(own)}
    return Table(title, list(kept), [list(row) for row in zip(*kept.values(), strict=True)], note)


def _by_seed(values: Floats) -> Floats:
    """Each seed's mean over the rounds from 1 on in which there is a value; seeds without are left out."""
    later = values[:, 1:]
    own = later[np.isfinite(later).any(axis=1)]
    return np.nanmean(own, axis=1) if own.size else np.empty(0)


def _last(drift: Drift, variant: Variant) -> str:
    values = drift.values(variant, "jaccard_first")[:, -1]
    return _mean(values[np.isfinite(values)])


def _mean(values: Floats | None) -> str:
    return "" if values is None or not len(values) else plus_minus(mean_interval(values))


def _short(values: Floats | None) -> str:
    return "" if values is None or not len(values) else number(float(values.mean()), 3)


def _percent(values: Floats) -> str:
    return percent(float(values.mean())) if np.isfinite(values).all() else ""


def _scientific(values: Floats) -> str:
    return f"{values.mean():.2e}".replace("e-", "e−") if np.isfinite(values).all() else ""


def _verdict(found: Floors, drift: Drift) -> str:
    """The word, and how many seeds it rests on where some have no overlap."""
    if found.word == "undefined":
        return ""
    few = f" ({found.seeds} of {len(drift.seeds)} seeds)" if found.seeds < len(drift.seeds) else ""
    return f"{found.word}{', by less than the margin' if found.small else ''}{few}"


def _interval(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{number(value, 2)} ({number(low, 2)} to {number(high, 2)})"
