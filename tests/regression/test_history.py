"""``fbench diff --history``: what it prints, what it writes, and what it leaves out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from timed_documents import MACHINE, document, timed

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
def test_runs_of_a_commit_that_another_lies_between_are_one_point(call, tmp_path):
    """Measured first and again at the end: its place is that of its first run. One had one benchmark alone."""
    kept(tmp_path / "runs", 3)
    about = {"commit": f"00{'c' * 38}", "datetime": "2026-02-01"}
    timed(tmp_path / "runs" / "again.json", {"a": 0.01}, seed=99, **about)
    out = call("--history", "runs", "--out", "out")[1]
    assert out.startswith("No step is shown in 2 benchmarks over 3 commits")
    with Path("out/history.csv").open(newline="") as file:
        rows = {(row["benchmark"][-1], row["commit"][:2]): row for row in csv.DictReader(file)}
    assert [rows["a", name]["place"] for name in ("00", "01", "02")] == ["0", "1", "2"]
    assert [rows["a", name]["runs"] for name in ("00", "01", "02")] == ["2", "1", "1"]
    assert rows["a", "00"]["when"] == "2026-01-01T00:00:00"
    assert rows["b", "00"]["runs"] == "1"


@pytest.mark.usefixtures("undrawn")
def test_what_is_damaged_is_left_out_and_named(call, tmp_path):
    kept(tmp_path / "runs", 3)
    (tmp_path / "runs" / "cut.json").write_text((tmp_path / "runs" / "01.json").read_text()[:-40])
    (tmp_path / "runs" / "none.json").write_text(json.dumps(document([])))
    (tmp_path / "runs" / "folder").mkdir()
    (tmp_path / "runs" / "folder" / "options.json").write_text("{")
    code, out, _ = call("--history", "runs", "--out", "out")
    assert code == 0
    assert "over 3 commits" in out
    for fault in ("cut.json is no JSON, line 1 column ", "none.json has no benchmarks: ", "folder"):
        assert f"Note: left out: runs/{fault}" in out
    assert call("runs", "runs")[0] == 2, "of two sides nothing is left out"


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
        (("--history", "cut"), 4, "cut holds 1 commit: two or more make a history; left out: cut/a.json is no JSON"),
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
    kept(tmp_path / "cut", 1)
    (tmp_path / "cut" / "a.json").write_text("{")
    (tmp_path / "a-file").write_text("")
    ended = call(*words)
    assert ended[0] == code
    assert message in ended[2]
    assert ended[2].count("\n") == 1
