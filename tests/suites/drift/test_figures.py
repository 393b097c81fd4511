"""Figures of a drift run carry its numbers, whatever part of them a run has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drift_rows import compare_tables, make_options, make_tables

from fbench.harness.contract import mathematics
from fbench.measure.falls import fall_of
from fbench.results import figures as drawing
from fbench.suites.drift import falls
from fbench.suites.drift.figures import figures
from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.series import dodge, linear, logarithmic, on_line, over_seeds, power, wide


def described(tables=None, **options):
    tables = tables or make_tables(**options)
    drift = read_drift(tables)
    return {figure.name: figure for figure in figures(drift, make_options(**options), falls.find_falls(drift))}


def shares(rows, layer_type="convolution", fraction=0.05):
    """Percent by round and layer, mean over seeds, one number after another."""
    by_place = {}
    for row in rows:
        if row["kind"] == layer_type and row["fraction"] == fraction:
            by_place.setdefault((row["round"], row["layer_index"]), []).append(100 * row["share"])
    return {where: sum(values) / len(values) for where, values in by_place.items()}


def test_colours_are_means_over_seeds_by_round_and_depth():
    tables = make_tables(seeds=3, rounds=2)
    heat = described(tables)["share_by_depth"].panels[0].heat
    expected = shares(tables["results"])
    assert [len(heat.y), len(heat.x)] == [3, len(expected) // 3]
    assert list(heat.x) == sorted({index / 31 for _, index in expected})  # norms and the classifier are left out
    for number, row in enumerate(heat.values):
        assert list(row) == pytest.approx([expected[number, round(31 * depth)] for depth in heat.x])
    assert heat.label.endswith("in %")


def test_lines_are_the_first_a_middle_and_the_last_round():
    tables = make_tables(seeds=3, rounds=6)
    figure = described(tables)["share_by_depth"]
    right = figure.panels[1]
    assert [line.label for line in right.series] == [
        "round 0\n100 labels", "round 3\n250 labels", "round 6\n400 labels",
    ]  # fmt: skip
    first = right.series[0]
    assert len(first.points) == 3 * len(first.x)
    assert all(low <= y <= high for low, y, high in zip(first.low, first.y, first.high, strict=True))
    assert right.title == "rounds 0, 3 and 6"
    assert "mean of 3 seeds, 95 % interval" in figure.note
    assert "N = 1,024 images" in figure.note


def test_a_wide_range_has_logarithmic_colours_and_lines_on_which_0_is_seen():
    narrow = described(seeds=2, rounds=1)["share_by_depth"]
    assert (narrow.panels[0].heat.log, narrow.panels[1].y_log) == (False, False)
    broad = described(seeds=2, rounds=1, layers=62, levels=(2.0, 0.01))["share_by_depth"]
    assert (broad.panels[0].heat.log, broad.panels[1].y_log) == (True, True)
    kept = broad.panels[1]
    if any(y == 0 for line in kept.series for _, y in line.points):
        assert kept.y_linear > 0


def test_zeros_on_a_logarithmic_axis_have_a_place():
    axis = logarithmic(np.array([0.0, 0.03, 4.0, math.nan]))
    assert (axis["y_log"], axis["y_linear"], axis["y_ticks"][:2]) == (True, 0.01, [0.0, 0.01])
    assert axis["y_limits"][0] < 0 < 4 < axis["y_limits"][1]
    positive = logarithmic(np.array([0.03, 4.0]))
    assert "y_linear" not in positive
    assert 0 < positive["y_limits"][0] < 0.03


def test_a_linear_axis_begins_at_0():
    low, high = linear(np.array([2.99, 3.0, math.nan]))["y_limits"]
    assert -0.1 < low < 0 < 3 < high
    assert linear(np.array([0.0, math.nan])) == {}


def test_a_layer_without_a_share_is_a_gap_and_said_to_be():
    tables = make_tables(seeds=2, rounds=2)
    for row in tables["results"]:
        if row["layer_index"] == 3 and row["round"] == 1:
            row["share"] = None
    figure = described(tables)["share_by_depth"]
    values = np.array(figure.panels[0].heat.values)
    assert np.isnan(values[1, 1])
    assert np.isnan(values).sum() == 1
    assert "hatched: not measured" in figure.note
    assert math.isnan(figure.panels[1].series[1].y[1])


def test_layers_kept_by_decree_are_left_out_and_free_ones_are_not():
    kept, free = (described(rounds=1, seeds=2, classifier=(word,))["share_by_depth"] for word in ("kept", "free"))
    assert len(free.panels[0].heat.x) == len(kept.panels[0].heat.x) + 1
    assert free.note.endswith("11 convolution and linear layers")


def test_overlaps_are_means_of_the_whole_network_against_labels():
    tables = make_tables(seeds=3, rounds=2)
    panel = described(tables)["overlap_by_round"].panels[0]
    by_label = {line.label: line for line in panel.series}
    assert list(by_label) == [
        "same network, images redrawn", "retrained on the same labels", "with the round before", "with round 0",
        "chance",
    ]  # fmt: skip
    previous = by_label["with the round before"]
    assert list(previous.x) == [100, 150, 200]
    assert math.isnan(previous.y[0])
    overlaps = [
        row["jaccard_previous"]
        for row in tables["results"]
        if row["layer"] == "all" and row["round"] == 2 and row["fraction"] == 0.05
    ]
    assert previous.y[2] == pytest.approx(np.mean(overlaps))
    assert sorted(y for x, y in previous.points if x == 200) == sorted(overlaps)
    assert by_label["chance"].style == "dashed"


def test_an_overlap_of_one_round_is_a_point_with_its_interval(tmp_path):
    figure = described(seeds=3, rounds=1)["overlap_by_round"]
    assert [line.style for line in figure.panels[0].series] == ["line", "line", "points", "points", "dashed"]
    text = drawing.draw(figure, tmp_path)[0].read_text()
    assert "LineCollection_1" in text
    assert "nan" not in text.lower()


def test_overlaps_by_depth_are_means_of_the_rounds_from_1_on():
    tables = make_tables(seeds=2, rounds=3, retrain=0.6)
    panel = described(tables)["overlap_by_round"].panels[1]
    (redraw,) = (line for line in panel.series if line.label.startswith("same network"))
    overlaps = [
        row["jaccard_redraw"]
        for row in tables["results"]
        if row["layer_index"] == 3 and row["round"] > 0 and row["fraction"] == 0.05
    ]
    assert redraw.y[1] == pytest.approx(np.mean(overlaps))
    assert len(overlaps) == 6
    assert panel.title == "by layer: mean of rounds 1 to 3"


def test_without_a_second_training_there_is_no_such_line_and_colours_stay():
    tables = make_tables(seeds=2, rounds=2)
    colours = {line.label: line.colour for line in described(tables)["overlap_by_round"].panels[0].series}
    rows = compare_tables(tables)
    fewer = described({"results": rows["drift"], "fisher": rows["fisher"]})["overlap_by_round"]
    for panel in fewer.panels:
        assert {line.label: line.colour for line in panel.series} == {
            label: colour for label, colour in colours.items() if not label.startswith("retrained")
        }


@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_strategy_has_its_overlaps_and_the_first_its_layers(count):
    names = ("random", "bait", "badge", "entropy", "fifth")[:count]
    drawn = described(seeds=2, rounds=1, strategies=names)
    overlaps = drawn["overlap_by_round"]
    assert [panel.title for panel in overlaps.panels] == [*names[:3], "random, by layer: round 1"]
    assert overlaps.pairs
    assert overlaps.note.endswith("; in the tables alone: entropy, fifth") == (count > 3)
    assert drawn["share_by_depth"].title.endswith("strategy random")
    assert "strategy" not in overlaps.title


def test_every_fraction_has_a_line_and_its_half():
    tables = make_tables(seeds=2, rounds=2, fractions=(0.2, 0.05), noise=0.0)
    figure = described(tables)["fall_by_fraction"]
    low, high, *places = figure.panels[0].series
    assert [low.label, high.label] == ["5 % kept", "20 % kept"]
    assert [(place.like, place.style, place.label) for place in places] == [
        ("5 % kept", "places", ""), ("20 % kept", "places", ""),
    ]  # fmt: skip
    assert places[0].x[0] == pytest.approx(fall_of(low.x, low.y).place)
    assert min(high.y) <= places[1].y[0] <= max(high.y)
    assert "diamond" in figure.note
    expected = shares(tables["results"])
    assert low.y[0] == pytest.approx(np.mean([expected[number, 0] for number in range(3)]))


def test_the_marked_place_is_the_planted_one():
    figure = described(seeds=4, rounds=1, layers=62, fall=(0.4, 0.1), fractions=(0.05,))["fall_by_fraction"]
    (place,) = (line for line in figure.panels[0].series if line.style == "places")
    assert place.x[0] == pytest.approx(0.4, abs=0.05)
    assert place.low[0] < place.x[0] < place.high[0]


def test_why_no_fall_is_marked_is_said():
    flat = described(seeds=2, rounds=1, fractions=(0.05,), fall=None)
    assert "no share falls to its half in every seed" in flat["fall_by_fraction"].note
    few = described(seeds=2, rounds=1, layers=11)["fall_by_fraction"]
    assert "too few layers" in few.note
    ruled = described(seeds=2, rounds=1, rules=("layer",), fractions=(0.3,))["fall_by_fraction"]
    assert "every layer keeps the same share by rule" in ruled.note
    assert [line.style for line in ruled.panels[0].series] == ["line"]


def test_criteria_are_over_their_largest_which_is_said():
    tables = make_tables(seeds=2, rounds=1)
    panel = described(tables)["fall_by_fraction"].panels[1]
    plain, weighted = panel.series
    by_layer = {}
    for row in tables["fisher"]:
        if row["kind"] == "convolution":
            by_layer.setdefault(row["layer_index"], []).append(row["fisher_mean"])
    means = [np.mean(values) for _, values in sorted(by_layer.items())]
    assert list(plain.y) == pytest.approx([value / max(means) for value in means])
    assert plain.label == f"mean {mathematics('F_j')}\n(largest: {power(max(means))})"
    assert (max(weighted.y), panel.y_log) == (pytest.approx(1), True)
    taken = {line.colour for line in described(tables)["fall_by_fraction"].panels[0].series if line.label}
    assert not {plain.colour, weighted.colour} & taken


def test_without_fisher_values_their_panel_is_left_out():
    tables = make_tables(seeds=2, rounds=1)
    for fisher in ([], [{**row, "fisher_mean": None, "weighted_mean": 0.0} for row in tables["fisher"]]):
        assert len(described({**tables, "fisher": fisher})["fall_by_fraction"].panels) == 1
    assert len(described({"results": tables["results"]})["fall_by_fraction"].panels) == 1


def test_with_one_layer_only_the_whole_networks_overlap_is_drawn():
    drawn = described(seeds=2, rounds=2, layers=3)
    assert list(drawn) == ["overlap_by_round"]
    assert len(drawn["overlap_by_round"].panels) == 1


def test_without_overlaps_there_is_no_figure_of_them():
    tables = make_tables(seeds=2, rounds=1)
    names = ("previous", "first", "redraw", "retrain", "chance")
    bare = [{**row, **{f"jaccard_{name}": None for name in names}} for row in tables["results"]]
    assert "overlap_by_round" not in described({**tables, "results": bare})


def test_one_seed_has_no_interval():
    for figure in described(seeds=1, rounds=2).values():
        assert "one seed, which has no interval" in figure.note
        for line in (line for panel in figure.panels for line in panel.series if line.style != "places"):
            assert line.low is None


@pytest.mark.parametrize(
    "options",
    [
        {"seeds": 1, "rounds": 0, "layers": 3, "classifier": ("free",)},
        {"seeds": 2, "rounds": 1, "layers": 35, "levels": (2.0, 0.0), "strategies": ("random", "bait")},
        {"seeds": 1, "rounds": 13, "layers": 186, "retrain": None, "fractions": (0.05,)},
    ],
)
def test_all_sizes_are_drawn(tmp_path, options):
    for figure in described(**options).values():
        for path in drawing.draw(figure, tmp_path):
            assert path.stat().st_size


def test_means_leave_out_what_is_missing():
    line = over_seeds("a", [0, 1, 2], np.array([[1.0, math.nan, 3.0], [3.0, math.nan, math.nan]]))
    assert (line.y[0], math.isnan(line.y[1]), line.y[2]) == (2.0, True, 3.0)
    assert [math.isnan(low) for low in line.low] == [False, True, True]
    assert line.points == [(0.0, 1.0), (0.0, 3.0), (2.0, 3.0)]


def test_a_place_lies_on_the_line_as_drawn():
    line = over_seeds("a", [0.0, 0.5, 1.0], np.array([[1.0, math.nan, 100.0]]))
    assert on_line(line, 0.5) == pytest.approx(50.5)


def test_intervals_of_shares_stay_inside_and_are_of_use():
    values = np.array([[99.0, 50.0], [99.9, 55.0], [97.0, 52.0], [99.8, 51.0]])
    line = over_seeds("a", [0, 1], values, 100)
    assert all(0 < low < y < high < 100 for low, y, high in zip(line.low, line.y, line.high, strict=True))
    few = over_seeds("a", [0, 1], np.array([[0.1, 0.5], [0.9, 0.51]]), 1)
    assert [math.isnan(low) for low in few.low] == [True, False]


def test_raw_points_stay_near_few_x():
    assert dodge([0.0, 1.0]) == pytest.approx(0.012)
    assert dodge([i / 60 for i in range(61)]) == 0.12
    assert dodge([0.3]) == 0.0


def test_wide_is_of_positive_numbers():
    assert wide(np.array([0.0, 1.0, 31.0]))
    assert not wide(np.array([0.0, 1.0, 29.0, math.nan]))
    assert not wide(np.array([0.0, math.nan]))


def test_powers_are_spelled():
    assert power(9.94e-6) == mathematics(r"9.9 · 10^{-6}")
    assert power(120) == mathematics(r"1.2 · 10^{2}")
