"""A run is read whole or not at all: from anywhere, while it is written, finished or not, and nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from merged import paper_changed

import fbench
from fbench.errors import FolderError, NothingMeasuredError, UnknownNameError, UsageError
from fbench.harness import registry
from fbench.harness.folder import RunFolder
from fbench.runs import opening, reading

REFERENCE = Path(__file__).resolve().parents[2] / "reports" / "reference"
RUNS = sorted(path.parent for path in REFERENCE.glob("*/options.json"))


def contents(path):
    return {p.relative_to(path): (p.read_bytes(), p.stat().st_mtime_ns) for p in path.rglob("*") if p.is_file()}


def test_there_are_runs_to_open():
    assert len(RUNS) > 10


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_a_reference_run_opens_and_says_what_it_said(path):
    run = fbench.open_run(path)
    assert run.finished
    assert run.report.markdown == (path / "summary.md").read_text()
    assert run.findings
    assert len(run.results) == len(run.reading.rows["results"]) > 0
    assert run.units == (len(run.machines),) * 2
    assert set(run.machines["machine"]) == {0}


def test_columns_have_their_types(grow):
    run = grow("run")
    types = {"case": "string", "size": "Int64", "value": "float64", "even": "boolean", "note": "string"}
    assert {name: str(run.results[name].dtype) for name in types} == types
    assert run.results["note"].isna().tolist() == [False, True, False, True]
    assert run.results["value"].tolist() == [0.0, 1.0, 0.0, 2.0]
    assert run.tables.keys() == {"results", "items"}
    assert len(run.tables["items"]) == 2


def test_an_empty_table_has_its_types_too(grow):
    columns = grow("run", "--sizes", "1").reading.columns["items"]
    assert str(opening.frame(columns, [])["item"].dtype) == "Int64"


def test_what_a_run_tells_of_itself(grow, tmp_path):
    run = grow("run", "--sizes", "3,1", "--rate", "0.5")
    assert (run.suite, run.finished, run.units, run.progress) == ("growing", True, (4, 4), "4 of 4 steps in 2 cases")
    assert run.settings["sizes"] == (3, 1)
    assert (run.settings["rate"], run.settings["devices"], run.settings["history"]) == (0.5, ["cpu"], [])
    assert run.environment["jobs"] == 1
    assert "+00:00" in run.environment["started"]
    assert run.findings == ("4 rows up to step 1.",)
    assert run.figures == {"values": "Values by step"}
    assert dict(opening.changed_settings(run)) == {"sizes": (3, 1), "rate": 0.5}
    assert repr(run) == f"Run({str(tmp_path / 'run')!r}: growing, finished, 4 of 4 steps in 2 cases)"
    assert run._repr_markdown_() == run.to_markdown()
    assert "4 rows up to step 1." in run.to_markdown()
    assert "figures/" not in run.to_markdown()


def test_a_figure_is_drawn_from_the_rows(grow):
    run = grow("run")
    shutil.rmtree(run.path / "figures")
    assert run.figure("values").startswith(b"\x89PNG")
    assert b"<svg" in run.figure("values", "svg")
    assert not (run.path / "figures").exists()
    with pytest.raises(UnknownNameError, match="unknown figure 'value'; did you mean 'values'"):
        run.figure("value")
    with pytest.raises(UsageError, match="--figure-format 'gif': give one or more of svg, png, pdf"):
        run.figure("values", "gif")


def test_the_main_table_in_latex(grow):
    run = grow("run")
    text = run.to_latex()
    assert r"\caption{Values\_\%. Measured in" in text
    assert r"value \& more \\" in text
    assert r"1.0 $\pm$ $\lambda$ \\" in text
    with pytest.raises(UsageError, match=r"table 1: .* has 1, counted from 0"):
        run.to_latex(1)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_opens(grow, read_only):
    assert fbench.open_run(read_only(grow("run").path)).finished


def test_opening_changes_nothing(grow):
    run = grow("run")
    before = contents(run.path)
    again = fbench.open_run(run.path)
    assert again.findings
    assert again.figure("values")
    assert len(again.machines) == 4
    assert contents(run.path) == before


def unfinish(path, units):
    """Take back all but the first units of a run, as a kill would have left it."""
    suite = registry.SUITES.get("growing")
    folder = RunFolder(path, suite.all_tables(), suite.unit)
    folder.take_up()
    rows = folder.rows()
    keys = [(row["case"], row["step"]) for row in rows["results"]][:units]
    folder.rewrite({n: [r for r in t if (r["case"], r["step"]) in keys] for n, t in rows.items()}, finished=False)
    folder.close()
    return fbench.open_run(path)


def test_an_unfinished_run_is_read(grow):
    run = unfinish(grow("run").path, 3)
    assert (run.finished, run.units, len(run.results)) == (False, (3, 4), 3)
    assert run.findings == ("3 rows up to step 1.",)


def test_too_little_to_answer_is_said(grow):
    run = unfinish(grow("run").path, 1)
    with pytest.raises(
        NothingMeasuredError, match=r"unfinished \(1 of 4 steps in 2 cases\), which is too little .*one step says"
    ):
        _ = run.findings
    assert "too little" in run._repr_markdown_()
    assert len(run.results) == 1


def test_a_torn_end_is_not_read(grow):
    run = unfinish(grow("run").path, 3)
    with (run.path / "results.csv").open("a") as file:
        file.write("size=2,2,1,9")
    assert fbench.open_run(run.path).results["value"].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("name", ["results.csv", "items.csv", "options.json", "state.json", "environment.json"])
def test_a_damaged_file_is_named(grow, name):
    path = grow("run").path / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(FolderError, match=name):
        fbench.open_run(path.parent)


@pytest.mark.parametrize("name", ["results.csv", "options.json", "state.json", "environment.json"])
def test_a_missing_file_is_named(grow, name):
    path = grow("run").path / name
    path.unlink()
    with pytest.raises(FolderError, match=name):
        fbench.open_run(path.parent)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(FolderError, match=r"holds no run of fbench: it has no options\.json"):
        fbench.open_run(tmp_path)
    with pytest.raises(FolderError, match="nowhere: no such run; `fbench runs` lists what is there"):
        fbench.open_run(tmp_path / "nowhere")


def test_a_suite_of_a_file_is_loaded_only_when_asked(grow, growing):
    run = grow("run")
    growing_values = dict(registry.SUITES._values)
    for name in ("growing", "growopen"):
        registry.SUITES._values.pop(name)
    paper_changed(run.path, "options.json", loaded=[{"path": "growing.py", "sha256": "", "code": ""}])
    with pytest.raises(UsageError, match="is a run of `fbench growing`, a suite that is not fbench's: give --load"):
        fbench.open_run(run.path)
    assert registry.SUITES._values.keys() != growing_values.keys()
    assert len(fbench.open_run(run.path, loads=[growing]).results) == 4


def test_a_run_id_is_looked_for_below_reports(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports" / "toy" / "2026-a").mkdir(parents=True)
    assert reading.find_run("2026-a") == Path("reports/toy/2026-a")
    assert reading.find_run("2026-b") == Path("2026-b")
    assert reading.find_run("reports/toy") == Path("reports/toy")


def test_a_run_is_read_while_it_is_written(growing, tmp_path):
    """Every look at a run that is under way shows whole units, and more of them as time goes on."""
    program = "import sys; from fbench.cli import run; sys.exit(run(sys.argv[1:]))"
    words = ["--load", growing, "growing", "--out", tmp_path / "run", "--sizes", "1,2,3", "--steps", "20"]
    command = [sys.executable, "-c", program, *map(str, words), "--pause", "0.01", "--jobs", "1"]
    seen = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.02)
            if not (tmp_path / "run" / "items.csv").exists() or b'clearing": true' in state_of(tmp_path / "run"):
                continue
            run = fbench.open_run(tmp_path / "run")
            assert len(run.results) == run.units[0]
            assert len(run.tables["items"]) == run.results["step"].sum()
            seen.append(run.units[0])
    assert process.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert fbench.open_run(tmp_path / "run").units == (60, 60)


def state_of(path):
    return (path / "state.json").read_bytes() if (path / "state.json").exists() else b'"clearing": true'


def test_a_rewrite_under_way_is_read_from_what_is_there(grow, monkeypatch):
    """A rename that comes between the state and the tables is met by reading again."""
    run = grow("run")
    real, looks = reading.committed, []

    def first_time_torn(path, state, tables):
        looks.append(state)
        if len(looks) == 1:
            moved = json.loads((path / "state.json").read_text())
            (path / "state.json").write_text(json.dumps(moved))  # the same, in other bytes
            raise FolderError("results.csv was changed after fbench wrote it")
        return real(path, state, tables)

    monkeypatch.setattr(reading, "committed", first_time_torn)
    assert fbench.open_run(run.path).finished
    assert len(looks) == 2
