"""``fbench diff --history``: what it prints, what it writes, and what it leaves out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from timed_documents import MACHINE, timed

from fbench.runs import report


@pytest.fixture
def undrawn(monkeypatch):
    """Figures take a second each, and one test draws them."""
    monkeypatch.setattr(report, "drawn", lambda figure: {"figures/history.svg": figure.note.encode()})


def kept(folder, commits, step=8, **more):
    """A folder with a file a commit; ``a`` is slower from one of them on."""
    for number in range(commits):
        seconds = {"a": 0.013 if number >= step else 0.01, "b": 0.02}
        about = {"commit": f"{number:02}{'c' * 38}", "datetime": f"2026-01-{number + 1:02}T00:00:00"}
        timed(folder / f"{commits - number:02}.json", seconds, seed=10 * number, **{**about, **more})
    return folder


def test_a_history_has_a_figure_with_its_steps(call, tmp_path):
    kept(tmp_path / "runs", 16)
    code, out, _ = call("--history", "runs")
    assert code == 0
    assert out.startswith("1 of 2 benchmarks stepped in 16 commits: bench.py::a by +30")
    assert " at 08ccccccc." in out
    assert out.endswith("history.csv, history.svg, history.png are in reports/history")
    with Path("reports/history/history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["place"] for row in rows if row["step"] == "true"] == ["8"]
    assert [row["commit"][:2] for row in rows[:16]] == [f"{number:02}" for number in range(16)]  # by date, not by name
    assert "bench.py::a" in Path("reports/history/history.svg").read_text()


@pytest.mark.usefixtures("undrawn")
def test_runs_of_one_commit_are_one_point(call, tmp_path):
    kept(tmp_path / "runs", 3, commit="d" * 40)
    kept(tmp_path / "runs" / "more", 6, step=9)
    out = call("--history", "runs", "--out", "out")[1]
    assert out.startswith("No step is shown in 2 benchmarks over ")


@pytest.mark.usefixtures("undrawn")
def test_few_commits_say_how_many_it_takes(call, tmp_path):
    kept(tmp_path / "runs", 3)
    out = call("--history", "runs", "--out", "out")[1]
    assert out.startswith("No step is shown in 2 benchmarks over 3 commits; 6 are the fewest for any.")


@pytest.mark.usefixtures("undrawn")
def test_runs_on_another_machine_are_left_out(call, tmp_path):
    kept(tmp_path / "runs", 3)
    other = {**MACHINE, "cpu": {"brand_raw": "a CPU", "count": 64}}
    timed(tmp_path / "runs" / "0.json", {"a": 0.01}, commit="e" * 40, datetime="2025-01-01", machine_info=other)
    out = call("--history", "runs", "--out", "out")[1]
    assert "Note: 1 run left out, not of the last one's kind: processors: 2 against 64." in out
    assert "over 4 commits" in call("--history", "runs", "--out", "out", "--force")[1]


@pytest.mark.usefixtures("undrawn")
def test_more_than_a_figure_holds(call, tmp_path):
    for number in range(2):
        timed(tmp_path / "runs" / f"{number}.json", {f"t{i}": 0.01 for i in range(14)}, commit=f"{number}" * 40)
    assert call("--history", "runs", "--out", "out")[0] == 0
    assert "2 more stand in the table" in Path("out/history.svg").read_text()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--history", "nowhere"), 2, "nowhere: no such folder; give one that holds a run a commit"),
        (("--history", "empty"), 4, "empty holds 0 commits: two or more make a history"),
        (("--history", "one"), 4, "one holds 1 commit: two or more make a history"),
        (("--history", "bad"), 2, "bad/a.json is no JSON"),
        (("--history", "one", "more"), 2, "--history takes its folder alone, and not more beside it"),
        (("--history", "two", "--out", "a-file"), 2, "a-file"),
        (("--history", "two", "--json"), 2, "--history has no other --format: its numbers are in history.csv"),
    ],
)
def test_bad_histories(call, tmp_path, words, code, message):
    (tmp_path / "empty").mkdir()
    kept(tmp_path / "one", 1)
    kept(tmp_path / "two", 2)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.json").write_text(json.dumps({})[:1])
    (tmp_path / "a-file").write_text("")
    ended = call(*words)
    assert ended[0] == code
    assert message in ended[2]
    assert ended[2].count("\n") == 1
