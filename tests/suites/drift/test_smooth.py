"""Mean Fisher values by depth: thirds compared, and the same fit on a logarithmic scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drift_rows import make_tables

from fbench.measure.statistics import Interval
from fbench.suites.drift import smooth as drift_smooth
from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.smooth import criterion_sentences, fit_criterion


def made(change=lambda row: row, **more):
    tables = make_tables(**{"seeds": 3, "rounds": 1, "layers": 44, "fractions": (0.05,), **more})
    rows = [change(dict(row)) for row in tables["fisher"]]
    return read_drift({**tables, "fisher": rows}), rows


def mean_fall(drift):
    return fit_criterion(drift, drift.fisher_by_layer(drift.variants[0]).mean)


def test_thirds_are_geometric_means_over_layers_and_rounds():
    drift, rows = made()
    criterion = mean_fall(drift)
    names = [f"conv{i}.weight" for i in range(14)]
    for seed, shown in zip(drift.seeds, criterion.thirds, strict=True):
        logs = [
            np.mean([np.log10(row["fisher_mean"]) for row in rows if (row["seed"], row["layer"]) == (seed, name)])
            for name in names
        ]
        assert shown == pytest.approx(np.mean(logs[:4]) - np.mean(logs[-4:]))


def test_a_smooth_fall_is_said_to_be_one():
    drift, _ = made()
    first, second = criterion_sentences(drift)
    assert first.startswith("Mean F_j of a layer in the first third of the layers is 2")
    assert "3 seeds); on a logarithmic scale its fall is smooth, over more than 0.25 of the depth (width 0." in first
    assert second.startswith("Mean w_j²F_j")


def test_a_steep_one_too():
    def step(row):
        row["fisher_mean"] = (1e-3 if (row["depth"] or 0) < 0.5 else 1e-5) * (1 + 0.01 * row["round"])
        return row

    drift, _ = made(step)
    assert "its fall is steep, within 0.25 of the depth" in criterion_sentences(drift)[0]


def test_an_unresolved_width_is_said(monkeypatch):
    drift, _ = made()
    wide = replace(mean_fall(drift).fall, width_interval=Interval(0.1, 0.6))
    monkeypatch.setattr(drift_smooth, "fit_fall", lambda *_: wide)
    assert (
        "whether its fall is steep, within 0.25 of the depth, or smooth is unresolved ("
        in criterion_sentences(drift)[0]
    )


def test_a_flat_or_rising_one_shows_none():
    def rise(row):
        row["fisher_mean"] = 1e-5 * 10 ** (row["depth"] or 0)
        return row

    drift, _ = made(rise, seeds=1)
    assert "(geometric means; one seed); on a logarithmic scale no fall is shown (" in criterion_sentences(drift)[0]


def test_zeros_few_layers_and_missing_rows_have_no_sentence():
    drift, _ = made(lambda row: {**row, "fisher_mean": 0.0})
    assert [sentence[:11] for sentence in criterion_sentences(drift)] == ["Mean w_j²F_"]
    assert criterion_sentences(made(layers=20)[0]) == []
    bare = read_drift({"results": make_tables(seeds=3, rounds=1, layers=44, fractions=(0.05,))["results"]})
    assert criterion_sentences(bare) == []
