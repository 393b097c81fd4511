"""Tables of a drift run carry the numbers of its rows."""

from __future__ import annotations

import numpy as np
import pytest
from drift_rows import compare_tables, failed, make_options, make_tables

from fbench.harness import registry
from fbench.measure.statistics import mean_interval
from fbench.results.findings import plus_minus
from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.summary import compare_summary, summary


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr("fbench.suites.drift.figures.figures", lambda drift, options, falls: [])


def shown(edit=lambda row: row, **more):
    axes = {"layers": 14, "rounds": 2, "seeds": 3, "fractions": (0.05,), **more}
    tables = make_tables(**axes)
    tables["results"] = [edit(dict(row)) for row in tables["results"]]
    return {table.title.split(":")[0]: table for table in summary(tables, make_options(**axes)).tables}


def column(table, name):
    return [row[list(table.columns).index(name)] for row in table.rows]


def test_overlaps_of_every_variant():
    table = shown(fractions=(0.05, 0.2), rules=("global", "layer"))["Overlap"]
    assert table.title == "Overlap: random, N = 1,024, R = 1, classifier kept"
    assert list(table.columns) == [
        "rule", "kept", "previous", "first, last round", "redraw", "retrain", "chance", "below floors?",
    ]  # fmt: skip
    assert [row[:2] for row in table.rows] == [
        ["global", "5 %"],
        ["global", "20 %"],
        ["layer", "5 %"],
        ["layer", "20 %"],
    ]
    drift = read_drift(make_tables(layers=14, rounds=2, seeds=3, fractions=(0.05, 0.2), rules=("global", "layer")))
    for place, name in enumerate(("previous", "redraw", "retrain", "chance")):
        values = getattr(drift.masks(drift.variants[1]), name)[:, 1:].mean(axis=1)
        assert table.rows[1][(2, 4, 5, 6)[place]] == plus_minus(mean_interval(values))
    last = drift.masks(drift.variants[1]).first[:, -1]
    assert table.rows[1][3] == plus_minus(mean_interval(last))
    assert set(column(table, "below floors?")) == {"below both"}


def test_strategies_are_a_column_where_there_are_several():
    tables = shown(strategies=("bait", "random"))
    assert column(tables["Overlap"], "strategy") == ["bait", "random"]
    assert tables["Layers"].title.startswith("Layers: bait, ")
    assert column(tables["Time of a round"], "strategy") == ["bait", "random"]


def test_columns_without_a_number_are_left_out():
    table = shown(retrain=None)["Overlap"]
    assert "retrain" not in table.columns
    assert column(table, "below floors?") == ["below redraw"]


def test_verdicts_say_the_margin_and_the_seeds_that_they_rest_on():
    def lacking(row):
        return {**row, "jaccard_previous": None} if row["seed"] == 0 and row["layer"] == "conv0.weight" else row

    tables = shown(lacking, previous=0.59, noise=0.002, seeds=6)
    assert column(tables["Overlap"], "below floors?") == ["below both, by less than the margin"]
    assert column(tables["Layers"], "verdict")[0].endswith(" (5 of 6 seeds)")


def test_layers_of_the_main_variant():
    table = shown()["Layers"]
    assert table.title == "Layers: random, N = 1,024, R = 1, rule global, classifier kept, 5 % kept"
    tables = make_tables(layers=14, rounds=2, seeds=3, fractions=(0.05,))
    drift = read_drift(tables)
    assert column(table, "layer") == [layer.name for layer in drift.layers]
    cells = dict(zip(table.columns, table.rows[3], strict=True))
    mean = np.mean([row["fisher_mean"] for row in tables["fisher"] if row["layer"] == "conv1.weight"])
    previous = drift.masks(drift.variants[0], "conv1.weight").previous[:, 1:].mean()
    assert (cells["kind"], cells["depth"], cells["parameters"]) == ("convolution", "0.23", "576")
    assert cells["mean F_j"] == f"{mean:.2e}".replace("-", "−")
    assert cells["previous"] == f"{previous:.3f}"
    assert cells["share"] == f"{100 * drift.masks(drift.variants[0], 'conv1.weight').share.mean():.3g} %"
    last = dict(zip(table.columns, table.rows[-2], strict=True))
    assert (last["layer"], last["share"], last["previous"], last["chance"], last["verdict"]) == (
        "fc.weight",
        "100 %",
        "",
        "",
        "",
    )


def test_many_layers_leave_convolutions_and_linear_ones():
    table = shown(layers=32)["Layers"]
    assert column(table, "layer") == [*(f"conv{i}.weight" for i in range(10)), "fc.weight"]
    assert table.note.endswith("Convolution and linear layers alone, 11 of 32.")


def test_falls_by_fraction_and_classifier():
    table = shown(layers=32, fractions=(0.05, 0.2), classifier=("kept", "free"))["Falls"]
    assert table.title == "Falls: random, N = 1,024, rule global"
    assert list(table.columns) == ["classifier", "kept", "place", "width", "before → after", "p", "each seed's place"]
    assert [row[:2] for row in table.rows] == [["kept", "5 %"], ["kept", "20 %"], ["free", "5 %"], ["free", "20 %"]]
    assert table.rows[0][2].startswith("0.3")
    assert " % → " in table.rows[0][4]
    assert table.rows[0][6].count(", ") == 2


def test_no_fall_is_not_shown_as_one():
    table = shown(layers=32, fall=None)["Falls"]
    assert list(table.columns) == ["kept", "place", "p", "each seed's place"]
    assert table.rows[0][1] == "no fall shown"
    assert "–" in table.rows[0][3]


def test_a_shallow_network_has_no_table_of_falls():
    assert list(shown()) == ["Overlap", "Layers", "Time of a round"]


def test_one_seed_has_means_alone():
    table = shown(seeds=1)["Overlap"]
    assert column(table, "below floors?") == ["one seed"]
    assert "±" not in column(table, "previous")[0]


def test_a_start_set_alone_has_redraws_but_no_verdict():
    tables = shown(rounds=0)
    assert "previous" not in tables["Overlap"].columns
    assert list(tables) == ["Overlap", "Layers"]


def test_nothing_finished_has_sentences_alone():
    empty = summary({"results": [failed("random", 0, "why")]}, make_options())
    assert (list(empty.tables), list(empty.figures)) == ([], [])
    assert empty.findings == (
        "No seed was measured in every round, so nothing can be said of drift: see the rows' reasons.",
        "random finished no seed and is left out: failed: why.",
    )


def test_a_comparison_has_neither_time_nor_a_second_training():
    tables = make_tables(layers=14, rounds=2, seeds=3, fractions=(0.05,), strategies=("random", "bait"))
    options = registry.SUITES.get("compare").restored({"strategies": ("random", "bait"), "seeds": 3, "rounds": 2})
    assert options.margin == 0.005
    compared = compare_summary(compare_tables(tables), options)
    titles = [table.title.split(":")[0] for table in compared.tables]
    assert titles == ["Overlap", "Layers"]
    assert "retrain" not in compared.tables[0].columns
    assert "within ±0.05." in compared.tables[0].note
    assert "so all that is said of masks is exploratory" in compared.findings[1]


def test_figures_are_those_of_the_run(monkeypatch):
    monkeypatch.setattr("fbench.suites.drift.figures.figures", lambda drift, options, falls: [drift.seeds, options])
    tables, options = make_tables(layers=14, rounds=1, seeds=2), make_options(rounds=1, seeds=2)
    assert list(summary(tables, options).figures) == [[0, 1], options]
