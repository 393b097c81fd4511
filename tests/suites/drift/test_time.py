"""Seconds of a round by part, and the diagonals' share of them."""

from __future__ import annotations

import pytest
from drift_rows import make_tables

from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.time import finding, seconds, table


def made(**more):
    tables = make_tables(**{"layers": 11, "rounds": 2, "seeds": 3, "fractions": (0.05,), **more})
    return read_drift(tables["results"]), tables["rounds"]


def test_means_leave_round_0_out():
    drift, rows = made()
    found = seconds(drift, rows, "random")
    assert list(found) == ["train", "retrain", "select", "diagonals", "masks and overlaps"]
    expected = [sum(r["train_s"] for r in rows if r["seed"] == seed and r["round"] > 0) / 2 for seed in range(3)]
    assert found["train"] == pytest.approx(expected)


def test_the_table_and_the_sentence_agree():
    drift, rows = made(strategies=("random", "bait"))
    (shown,) = table(drift, rows)
    assert list(shown.columns) == ["strategy", *seconds(drift, rows, "bait"), "total", "diagonals' share"]
    assert [row[0] for row in shown.rows] == ["random", "bait"]
    (said,) = finding(drift, rows, "random")
    own = shown.rows[0]
    assert said.startswith(
        f"All Fisher diagonals of a round take 2.6 s of the {own[6]} that a round takes (train {own[1]}, retrain "
        f"{own[2]}, select 400 ms, diagonals 2.6 s, masks and overlaps 300 ms), which is {own[7]} (95 % interval "
    )
    assert said.endswith(", mean over rounds 1 to 2 and 3 seeds).")
    assert "Mean over rounds 1 to 2 and 3 seeds" in shown.note


def test_parts_without_a_time_are_left_out():
    drift, rows = made(retrain=None, seeds=1, rounds=1)
    (shown,) = table(drift, rows)
    assert "retrain" not in shown.columns
    assert finding(drift, rows, "random")[0].endswith("% (mean over round 1 and 1 seed).")


def test_nothing_timed_has_neither():
    drift, rows = made()
    assert (table(drift, []), finding(drift, [], "random")) == ([], [])
    start, rows = made(rounds=0)
    assert (table(start, rows), finding(start, rows, "random")) == ([], [])
