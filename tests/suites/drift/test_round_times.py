"""Seconds of a round by part, and the diagonals' share of them."""

from __future__ import annotations

import pytest
from drift_rows import make_tables

from fbench.suites.drift.round_times import mean_seconds, time_table
from fbench.suites.drift.rows import read_drift


def made(**more):
    tables = make_tables(**{"layers": 11, "rounds": 2, "seeds": 3, "fractions": (0.05,), **more})
    return read_drift(tables), tables["rounds"]


def test_means_leave_round_0_out():
    drift, rows = made()
    seconds = mean_seconds(drift, "random")
    assert list(seconds) == ["train", "retrain", "select", "diagonals", "masks"]
    expected = [sum(r["train_s"] for r in rows if r["seed"] == seed and r["round"] > 0) / 2 for seed in range(3)]
    assert seconds["train"] == pytest.approx(expected)


def test_the_table_has_a_row_for_every_strategy():
    drift, _ = made(strategies=("random", "bait"))
    (shown,) = time_table(drift)
    assert list(shown.columns) == ["strategy", *mean_seconds(drift, "bait"), "total", "diagonals' share"]
    assert [row[0] for row in shown.rows] == ["random", "bait"]
    seconds = mean_seconds(drift, "random")
    share = (seconds["diagonals"] / sum(seconds.values())).mean()
    assert shown.rows[0][-1] == f"{100 * share:.3g} %"
    assert "Mean over rounds 1 to 2 and 3 seeds" in shown.note


def test_parts_without_a_time_are_left_out():
    drift, _ = made(retrain=None, seeds=1, rounds=1)
    (shown,) = time_table(drift)
    assert "retrain" not in shown.columns
    assert "Mean over round 1 and 1 seed" in shown.note


def test_nothing_timed_has_neither():
    untimed = read_drift({"results": make_tables(layers=11, rounds=2, seeds=3)["results"]})
    start, _ = made(rounds=0)
    for drift in (untimed, start):
        assert time_table(drift) == []
