"""The table of layers carries the numbers of its rows, and its verdicts are corrected over all layers."""

from __future__ import annotations

import numpy as np
from drift_rows import make_tables

from fbench.suites.drift.layers import layer_table, layer_verdicts, layers_compared
from fbench.suites.drift.rows import read_drift


def rows_of(**more):
    rows = make_tables(**{"layers": 14, "rounds": 2, "seeds": 4, "fractions": (0.05,), **more})
    return read_drift(rows), rows


def column(table, name):
    return [row[list(table.columns).index(name)] for row in table.rows]


def test_layers_of_the_main_variant():
    drift, rows = rows_of()
    table = layer_table(drift, 0.2)
    assert table.title == "Layers: random, N = 1,024, R = 1, rule global, classifier kept, 5 % kept"
    assert column(table, "layer") == [layer.name for layer in drift.layers]
    cells = dict(zip(table.columns, table.rows[3], strict=True))
    mean = np.mean([row["fisher_mean"] for row in rows["fisher"] if row["layer"] == "conv1.weight"])
    previous = drift.masks(drift.variants[0], "conv1.weight").previous[:, 1:].mean()
    assert (cells["kind"], cells["depth"], cells["parameters"]) == ("convolution", "0.23", "576")
    assert cells["mean F_j"] == f"{mean:.2e}".replace("-", "−")
    assert cells["neighbours"] == f"{previous:.3f}"
    assert cells["share"] == f"{100 * drift.masks(drift.variants[0], 'conv1.weight').share.mean():.3g} %"
    last = dict(zip(table.columns, table.rows[-2], strict=True))
    assert (last["layer"], last["share"], last["neighbours"], last["drift?"]) == ("fc.weight", "100 %", "", "")


def test_many_layers_leave_convolutions_and_linear_ones():
    drift, _ = rows_of(layers=32)
    table = layer_table(drift, 0.2)
    assert column(table, "layer") == [*(f"conv{i}.weight" for i in range(10)), "fc.weight"]
    assert table.note.endswith("Convolution and linear layers alone, 11 of 32.")


def test_layers_are_corrected_over_all():
    drift, _ = rows_of(seeds=4, noise=0.05, previous=0.5)
    compared = layers_compared(drift, drift.variants[0])
    words = layer_verdicts(compared, 0.2)
    alone = {name: layer_verdicts({name: one}, 0.2)[name] for name, one in compared.items()}
    assert sum(word == "yes" for word in words.values()) < sum(word == "yes" for word in alone.values())
