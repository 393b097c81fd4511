"""The script that measures what the gate's fixture costs: few pairs, and its own numbers decide nothing."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import kept_rows
import plugin_cost


def test_both_fixtures_are_timed_in_turn(tmp_path, capsys, monkeypatch):
    pytest.importorskip("pytest_benchmark")
    monkeypatch.setattr(plugin_cost, "ROUNDS", 10)
    monkeypatch.setattr(kept_rows, "environment", lambda devices, threads: {})
    plugin_cost.main(tmp_path, 8)
    with (tmp_path / "plugin_cost.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * 2 * len(plugin_cost.ITERATIONS)
    assert {row["rounds"] for row in rows} == {"10"}
    assert {row["place"] for row in rows if row["fixture"] == "gate"} == {"0", "1"}
    assert all(0 <= float(row["timed_s"]) < float(row["wall_s"]) for row in rows if row["iterations"] == "1")
    assert capsys.readouterr().out.strip() == (tmp_path / "summary.md").read_text().strip()
    assert "| reported for an empty call, 100 calls a round | " in (tmp_path / "summary.md").read_text()
