"""Rows of a drift run become the arrays that a plain look-up gives."""

from __future__ import annotations

import numpy as np
import pytest
from drift_rows import compare_tables, failed, make_tables

from fbench.suites.drift.measured import Variant
from fbench.suites.drift.places import WHOLE
from fbench.suites.drift.rows import read_drift, read_failures


def looked_up(rows, variant, column, layer, seeds, rounds):
    """The slow twin: every cell is looked for in all rows."""
    cells = np.full((len(seeds), len(rounds)), np.nan)
    for row in rows:
        if row["status"] == "ok" and row["layer"] == layer and all(row[n] == v for n, v in variant._asdict().items()):
            value = row[column]
            cells[seeds.index(row["seed"]), rounds.index(row["round"])] = np.nan if value is None else value
    return cells


@pytest.mark.parametrize("column", ["jaccard_previous", "jaccard_redraw", "share"])
@pytest.mark.parametrize("layer", [WHOLE, "conv1.weight", "fc.weight"])
def test_values_are_those_of_the_rows(column, layer):
    tables = make_tables(seeds=2, rounds=2, layers=11, rules=("global", "layer"), classifier=("kept", "free"))
    drift, rows = read_drift(tables), tables["results"]
    assert (drift.seeds, drift.rounds, drift.labels, len(drift.variants)) == ([0, 1], [0, 1, 2], [100, 150, 200], 8)
    for variant in drift.variants:
        expected = looked_up(rows, variant, column, layer, [0, 1], [0, 1, 2])
        values = getattr(drift.masks(variant, layer), column.removeprefix("jaccard_"))
        np.testing.assert_array_equal(values, expected)


def test_layers_stand_in_forward_order_whatever_that_of_the_rows():
    rows = make_tables(seeds=1, rounds=1, layers=11)["results"]
    drift = read_drift({"results": rows[::-1]})
    assert [layer.name for layer in drift.layers[:3]] == ["conv0.weight", "bn0.weight", "bn0.bias"]
    assert (drift.layers[0].depth, drift.layers[-1].depth) == (0, 1)
    share = drift.masks_by_layer(drift.variants[0]).share
    assert share.shape == (1, 2, 11)
    np.testing.assert_array_equal(share[:, :, 3], drift.masks(drift.variants[0], "conv1.weight").share)


def test_a_seed_that_lacks_a_round_is_left_out():
    rows = make_tables(seeds=3, rounds=2, layers=11)["results"]
    short = [row for row in rows if (row["seed"], row["round"]) != (1, 2)]
    assert read_drift({"results": [*short, failed("random", 1, "why")]}).seeds == [0, 2]


def test_a_strategy_that_finished_nothing_does_not_take_the_others_with_it():
    rows = make_tables(seeds=2, rounds=2, layers=11, strategies=("random", "bait"))["results"]
    short = [row for row in rows if row["strategy"] == "random" or row["round"] == 0]
    drift = read_drift({"results": short})
    assert (drift.strategies, drift.seeds) == (["random"], [0, 1])
    assert {variant.strategy for variant in drift.variants} == {"random"}


def test_strategies_that_finished_different_seeds_have_those_in_common():
    rows = make_tables(seeds=3, rounds=1, layers=11, strategies=("random", "bait"))["results"]
    missing = {("random", 0), ("bait", 2)}
    few = [row for row in rows if (row["strategy"], row["seed"]) not in missing]
    assert read_drift({"results": few}).seeds == [1]
    none = [row for row in few if (row["strategy"], row["seed"]) != ("random", 1)]
    assert read_drift({"results": none}) is None


@pytest.mark.parametrize("rows", [[], [failed("random", 0, "why")]])
def test_nothing_finished_is_none(rows):
    assert read_drift({"results": rows}) is None


def test_rows_of_a_side_table_have_no_status():
    rows = compare_tables(make_tables(seeds=2, rounds=2, layers=11))["drift"]
    assert "status" not in rows[0]
    assert read_drift({"results": rows}).seeds == [0, 1]
    assert read_failures(rows) is None


def test_failures_are_the_rows_that_are_not_ok():
    rows = [*make_tables(seeds=1, rounds=0, layers=3)["results"], failed("random", 1, "why", "oom")]
    assert read_failures(rows) == [("random", 1, "oom", "why")]
    assert read_failures(rows[:-1]) == []


def test_the_order_of_arms_is_that_of_the_rows():
    tables = make_tables(seeds=2, rounds=1, layers=11, strategies=("random", "bait"))
    drift = read_drift(tables)
    assert drift.strategies == ["random", "bait"]
    for strategy in drift.strategies:
        rows = [row for row in tables["rounds"] if row["strategy"] == strategy]
        seconds = {(row["seed"], row["round"]): row["train_s"] for row in rows}
        expected = [[seconds[seed, number] for number in (0, 1)] for seed in (0, 1)]
        assert drift.seconds(strategy).train.tolist() == expected


def test_the_main_variant_has_the_most_images_and_redraws_and_the_first_of_the_rest():
    axes = {"samples": (64, 256), "redraws": (2, 1), "rules": ("layer", "global"), "fractions": (0.2, 0.05)}
    drift = read_drift(make_tables(seeds=1, rounds=1, layers=11, strategies=("bait", "random"), **axes))
    assert drift.strategies == ["bait", "random"]
    assert drift.main("random") == Variant("random", 256, 2, "layer", "kept", 0.2)


def test_fisher_values_know_no_mask():
    tables = make_tables(seeds=2, rounds=1, layers=11, samples=(64, 256), rules=("global", "layer"))
    drift = read_drift(tables)
    rows = {(row["seed"], row["round"]): row["fisher_mean"] for row in tables["fisher"]
            if (row["samples"], row["layer"]) == (256, "conv1.weight")}  # fmt: skip
    expected = [[rows[seed, number] for number in (0, 1)] for seed in (0, 1)]
    for variant in (variant for variant in drift.variants if variant.samples == 256):
        assert drift.fisher(variant, "conv1.weight").mean.tolist() == expected
        assert drift.fisher_by_layer(variant).mean[:, :, 3].tolist() == expected
        assert np.isnan(drift.fisher(variant).previous[:, 0]).all()
