"""What is there is listed, whatever state it is in; no folder stops the others."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from threading import Timer

import pytest

from fbench.cli.runs_commands import run_lines
from fbench.errors import FolderError
from fbench.harness.folder import RunFolder
from fbench.harness.registry import SUITES
from fbench.runs.listing import Listed, in_use, list_runs, started_at

REFERENCE = Path(__file__).resolve().parents[2] / "reports" / "reference"


def test_the_reference_runs_are_listed():
    listed = list_runs(REFERENCE)
    assert {Path(run.path) for run in listed} == {path.parent for path in REFERENCE.glob("*/options.json")}
    assert {run.state for run in listed} == {"finished"}
    [digits] = [run for run in listed if run.path.endswith("compare-digits")]
    cpu = json.loads((REFERENCE / "compare-digits" / "environment.json").read_text("utf-8"))["cpu"]
    assert (digits.done, digits.units, digits.unit, digits.machine) == (44, 44, "round", cpu)
    lines = [line for run in listed for line in list(run_lines(run, 80))[1:]]
    assert max(map(len, lines)) <= 80


@pytest.fixture
def mixed(grow, tmp_path):
    """A finished run, an unfinished one, one that was damaged, one without its suite, and what is no run."""
    home = tmp_path / "reports"
    (home / "growing").mkdir(parents=True)
    for name in ("growing/20260101-000000-aaaaaa", "growing/20260103-000000-bbbbbb", "growing/20260102-000000-cccccc"):
        grow(home / name)
    half, damaged = home / "growing/20260103-000000-bbbbbb", home / "growing/20260102-000000-cccccc"
    folder = RunFolder(half, SUITES.get("growing").all_tables(), "step")
    folder.take_up()
    rows = folder.rows()
    folder.rewrite({**rows, "results": rows["results"][:3]}, finished=False)
    folder.close()
    (damaged / "results.csv").write_text("nonsense")
    grow(home / "loose", "--sizes", "7", suite="growopen")
    (home / "growing" / "notes").mkdir()
    (home / "growing" / "notes" / "results.csv").write_text("mine")
    (home / "odd").mkdir()
    (home / "odd" / "state.json").write_text("{")
    return home


def test_every_state(mixed):
    listed = {Path(run.path).name: run for run in list_runs(mixed)}
    states = {name: run.state for name, run in listed.items()}
    assert states == {
        "20260101-000000-aaaaaa": "finished",
        "20260103-000000-bbbbbb": "unfinished",
        "20260102-000000-cccccc": "damaged",
        "loose": "finished",
        "odd": "damaged",
    }
    assert "results.csv" in listed["20260102-000000-cccccc"].why
    assert listed["20260102-000000-cccccc"].suite == "growing"
    assert "state.json is damaged" in listed["odd"].why
    half = listed["20260103-000000-bbbbbb"]
    assert (half.done, half.units, half.unit) == (3, 4, "step")
    assert listed["loose"].settings == {"sizes": (7,)}
    assert listed["loose"].spent_s > 0


def test_a_run_that_is_locked_is_in_use(mixed):
    path = mixed / "growing/20260103-000000-bbbbbb"
    folder = RunFolder(path, SUITES.get("growing").all_tables(), "step")
    assert not in_use(path)
    folder.lock()
    assert in_use(path)
    assert "in use" in {run.state for run in list_runs(mixed)}
    folder.close()
    assert not in_use(path)
    folder.lock()
    folder.close()


def test_asking_does_not_turn_a_run_away(grow):
    """Who looks holds the lock for a moment; who begins then tries again."""
    path = grow("run").path
    handle = os.open(path / ".lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    folder = RunFolder(path, SUITES.get("growing").all_tables(), "step")
    timer = Timer(0.05, os.close, [handle])
    timer.start()
    folder.lock()
    folder.close()
    timer.join()


def test_the_newest_comes_first(mixed):
    started = [run.started for run in list_runs(mixed)]
    assert started == sorted(started, reverse=True)


def test_when_a_run_began(tmp_path):
    assert started_at(tmp_path / "20261129-202026-abc", {}) == "2026-11-29T20:20:26+00:00"
    assert started_at(tmp_path / "x", {"started": "2026-01-01T00:00:00+00:00"}) == "2026-01-01T00:00:00+00:00"
    assert started_at(tmp_path / "x", {}) == ""
    assert started_at(tmp_path / "99999999-999999-abc", {}) == ""


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FolderError, match="nowhere: no such folder; runs are in reports/ unless"):
        list_runs(tmp_path / "nowhere")
    assert list_runs(tmp_path) == []


def test_a_long_reason_is_broken_into_lines():
    lines = list(run_lines(Listed("reports/x", "damaged", why="word " * 60), 80))
    assert lines[0] == "reports/x"
    assert all(len(line) <= 80 for line in lines)
    assert len(lines) > 3
