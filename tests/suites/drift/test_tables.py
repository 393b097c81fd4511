"""Tables of a drift run carry the numbers of its rows."""

from __future__ import annotations

import pytest
from drift_rows import make_tables
from plain import faults

from fbench.harness.contract import Summary
from fbench.measure.shares import share_interval
from fbench.results.findings import number, p_value
from fbench.suites.drift import tables as drift_tables
from fbench.suites.drift.layers import layer_table
from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.verdicts import judge
from fbench.suites.drift.wording import mean_with_interval, percent_with_interval


def judged(edit=lambda row: row, **more):
    rows = make_tables(**{"layers": 14, "rounds": 2, "seeds": 4, "fractions": (0.05,), **more})
    rows["results"] = [edit(dict(row)) for row in rows["results"]]
    drift = read_drift(rows)
    return drift, judge(drift, 0.2), rows


def column(table, name):
    return [row[list(table.columns).index(name)] for row in table.rows]


def test_overlaps_of_every_variant():
    drift, verdicts, _ = judged(fractions=(0.05, 0.2), rules=("global", "layer"))
    table = drift_tables.overlap_table(drift, verdicts)
    assert table.title == "Overlap of masks: random, N = 1,024, R = 1, classifier kept"
    assert list(table.columns) == [
        "rule", "kept", "neighbours", "retrained", "redrawn", "chance", "part new labels take", "drift?",
    ]  # fmt: skip
    assert [row[:2] for row in table.rows] == [
        ["global", "5 %"], ["global", "20 %"], ["layer", "5 %"], ["layer", "20 %"],
    ]  # fmt: skip
    compared = verdicts.compared[drift.variants[1]]
    assert column(table, "neighbours")[1] == number(compared.mean("previous"))
    assert column(table, "retrained")[1] == number(compared.mean("retrain"))
    assert column(table, "drift?") == ["yes"] * 4
    assert "mean over rounds 1 to 2 and 4 seeds" in table.note


def test_what_is_taken_is_what_the_row_divides_to():
    drift, verdicts, _ = judged(noise=0.03)
    row = drift_tables.overlap_table(drift, verdicts).rows[0]
    neighbours, retrained, chance = (float(row[place]) for place in (1, 2, 4))
    assert float(row[5].split(" %")[0]) == pytest.approx(100 * (retrained - neighbours) / (retrained - chance), abs=0.6)


def test_without_room_nothing_is_taken():
    drift, verdicts, _ = judged(lambda row: {**row, "jaccard_chance": row["jaccard_retrain"]})
    assert column(drift_tables.overlap_table(drift, verdicts), "part new labels take") == ["no room"]


def test_notes_explain_names_and_missing_intervals():
    drift, verdicts, _ = judged(layers=32)
    overlaps, claim = drift_tables.overlap_table(drift, verdicts).note, drift_tables.claim_table(verdicts).note
    for note in (overlaps, claim):
        assert "N: images behind a mask" in note
        assert "classifier kept: always, and left out here" in note
        assert "4 seeds" in note
    assert "an interval inside the limit may still read not shown" in claim
    assert "for orientation" not in overlaps
    drift, verdicts, _ = judged(layers=32, seeds=1)
    few = drift_tables.overlap_table(drift, verdicts).note
    assert "Without interval: 1 seed leaves none of use. Intervals are for orientation" in few


def test_columns_without_a_number_are_left_out():
    drift, verdicts, _ = judged(retrain=None)
    table = drift_tables.overlap_table(drift, verdicts)
    assert list(table.columns) == ["kept", "neighbours", "redrawn", "chance", "drift?"]
    assert drift_tables.tests_table(drift, verdicts) is None


def test_intervals_stay_inside():
    drift, verdicts, _ = judged(redraw=0.99, noise=0.02)
    (compared,) = verdicts.compared.values()
    table = drift_tables.interval_table(drift, verdicts)
    assert column(table, "redrawn") == [mean_with_interval(share_interval(compared.values["redraw"]), 3)]
    last = drift.masks(drift.variants[0]).first[:, -1]
    assert column(table, "first and last round") == [mean_with_interval(share_interval(last), 3)]


def test_the_tests_behind():
    drift, verdicts, _ = judged(fractions=(0.05, 0.2))
    table = drift_tables.tests_table(drift, verdicts)
    for variant, cell in zip(drift.variants, column(table, "p of both, Holm"), strict=True):
        assert cell == p_value(verdicts.p[variant]).removeprefix("p = ").removeprefix("p ")
    gap = verdicts.compared[drift.variants[0]].below("retrain")
    assert column(table, "d_z")[0] == number(float(gap.mean() / gap.std(ddof=1)), 2)


def test_the_posters_claim_has_a_row_a_fraction():
    _, verdicts, _ = judged(layers=32, fractions=(0.05, 0.2))
    table = drift_tables.claim_table(verdicts)
    assert list(table.columns) == [
        "kept", "halved by depth", "at a third?", "width", "steep?", "left", "nearly zero?",
    ]  # fmt: skip
    fall = verdicts.falls[0]
    assert table.rows[0][:2] == ["5 %", mean_with_interval(fall.place, 3)]
    assert table.rows[0][5] == percent_with_interval(fall.remnant)
    assert column(table, "at a third?") == [parts.at_a_third for parts in verdicts.parts.values()]


def test_a_share_that_does_not_fall_says_so():
    _, verdicts, _ = judged(layers=32, fall=None)
    (row,) = drift_tables.claim_table(verdicts).rows
    assert row[1:5] == ["nowhere", "no", "not all seeds", "no"]
    assert drift_tables.claim_table(judged()[1]) is None


@pytest.mark.parametrize("more", [{}, {"seeds": 1}, {"retrain": None}, {"strategies": ("random", "bait+fish")}])
def test_every_table_fits(more):
    drift, verdicts, _ = judged(layers=32, fractions=(0.002, 0.05), classifier=("kept", "free"), **more)
    made = [
        drift_tables.overlap_table(drift, verdicts), drift_tables.interval_table(drift, verdicts),
        drift_tables.tests_table(drift, verdicts), layer_table(drift, 0.2),
        drift_tables.claim_table(verdicts),
    ]  # fmt: skip
    for table in filter(None, made):
        assert not [fault for fault in faults(Summary([table])) if fault.startswith("table")]
