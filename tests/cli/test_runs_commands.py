"""The commands that read runs, as a user meets them: what they print, the exit code, one line for a mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import finished

from fbench import cli
from fbench.cli import runs_commands
from fbench.harness import registry
from fbench.harness.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reports" / "reference"


@pytest.fixture
def call(capsys, registries, showwarning, monkeypatch, tmp_path):
    """Run one command in this process, far from the checkout; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        capsys.readouterr()
        code = cli.run([str(word) for word in arguments])
        ended = capsys.readouterr()
        assert "Traceback" not in ended.err
        return code, ended.out, ended.err

    return called


@pytest.fixture
def growing(registries, tmp_path):
    file = Path(shutil.copy(ROOT / "tests" / "growing.py", tmp_path / "growing.py"))
    registry.load_file(file)
    return file


@pytest.fixture
def made(growing, tmp_path, call):
    """Make a run of the growing suite."""
    return lambda name, *words: finished(tmp_path / name, "growing", "--jobs", "1", *words)


def half(path):
    """Take back the last unit of a run."""
    folder = RunFolder(path, registry.SUITES.get("growing").all_tables(), "step")
    folder.take_up()
    rows = folder.rows()
    folder.rewrite({"results": rows["results"][:-1], "items": rows["items"][:-1]}, finished=False)
    folder.close()


def test_show_says_what_the_run_said(call, made, tmp_path):
    code, printed, _ = call("growing", "--jobs", "1", "--out", tmp_path / "run")
    again, shown, err = call("show", tmp_path / "run")
    assert (code, again, err) == (0, 0, "")
    assert shown.split("Measured in")[0] == printed.split("Measured in")[0]
    assert "Measured in" in shown


def test_show_finds_a_run_by_its_id(call, growing):
    call("growing", "--jobs", "1")
    [path] = Path("reports/growing").glob("*/")
    code, out, _ = call("show", path.name)
    assert code == 0
    assert f"reports/growing/{path.name}" in out.replace("\n", "")


def test_show_with_details(call, made):
    _, out, _ = call("show", made("run", "--sizes", "5"), "--details")
    assert "\n  sizes: 5\n" in out
    assert "\n  devices: cpu\n" in out
    assert "\n  cores_usable: " in out


def test_show_as_json(call, made):
    code, out, err = call("show", made("run", "--sizes", "5"), "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert shown["findings"] == ["2 rows up to step 1."]
    assert (shown["suite"], shown["finished"], shown["done"], shown["units"]) == ("growing", True, 2, 2)
    assert shown["settings"]["sizes"] == [5]
    assert shown["tables"][0]["columns"] == ["size", "value & more"]


def test_show_of_an_unfinished_run(call, made):
    path = made("run")
    half(path)
    code, out, err = call("show", path)
    assert code == 0
    assert "run is unfinished: 3 of 4 steps in 2 cases are there; what follows is of these" in err.replace("\n", "")
    assert "3 rows up to step 1." in out


def test_show_renders_again(call, made):
    path = made("run")
    before = (path / "summary.md").read_bytes()
    (path / "summary.md").unlink()
    shutil.rmtree(path / "figures")
    assert call("show", path, "--render")[0] == 0
    assert (path / "summary.md").read_bytes() == before
    assert (path / "figures" / "values.png").exists()


def test_show_renders_over_nothing_of_the_users(call, made):
    path = made("run")
    (path / "summary.md").write_text("my own notes")
    code, _, err = call("show", path, "--render")
    assert code == 0
    assert "summary.md is not as fbench wrote it and stays" in err.replace("\n", "")
    assert (path / "summary.md").read_text() == "my own notes"
    assert (path / "summary-2.md").exists()


def test_show_renders_nothing_that_is_in_use(call, made):
    path = made("run")
    folder = RunFolder(path, registry.SUITES.get("growing").all_tables(), "step")
    folder.lock()
    code, _, err = call("show", path, "--render")
    assert (code, "is in use by another fbench process" in err) == (2, True)
    assert call("show", path)[0] == 0
    folder.close()


def test_show_of_what_is_none(call, made, tmp_path):
    code, out, err = call("show", "nothing")
    assert (code, out) == (2, "")
    assert err == "fbench: nothing: no such run; `fbench runs` lists what is there\n"
    (tmp_path / "other").mkdir()
    assert call("show", "other")[2] == "fbench: other holds no run of fbench: it has no options.json\n"
    path = made("run")
    (path / "results.csv").write_text("nonsense")
    code, _, err = call("show", path)
    assert (code, err.count("\n")) == (2, 1)
    assert "results.csv" in err


def test_show_of_a_suite_that_is_not_loaded(call, made, growing):
    path = made("run")
    for name in ("growing", "growopen"):
        del registry.SUITES._values[name]
    code, _, err = call("show", path)
    assert (code, "is a run of `fbench growing`, a suite that is not fbench's: give" in err) == (2, True)
    assert "--load" in err
    assert call("--load", growing, "show", path)[0] == 0


def test_runs_lists_what_is_there(call, made, tmp_path):
    finished_run, damaged = made("home/a", "--sizes", "5"), made("home/b")
    (damaged / "options.json").write_text("{")
    code, out, err = call("runs", tmp_path / "home")
    assert (code, err) == (0, "")
    assert str(finished_run) in out
    assert "growing · finished · 2 of 2 steps in 1 case · since " in out
    assert "\n  sizes=5\n" in out
    assert "damaged: " in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith(str(tmp_path)))
    listed = json.loads(call("runs", tmp_path / "home", "--json")[1])
    assert sorted(run["state"] for run in listed) == ["damaged", "finished"]


def test_runs_without_any(call, tmp_path):
    code, _, err = call("runs")
    assert (code, err) == (2, "fbench: reports: no such folder; runs are in reports/ unless --out said otherwise\n")
    (tmp_path / "reports").mkdir()
    assert call("runs") == (0, "No runs in reports\n", "")


def test_runs_of_the_reference(call):
    code, out, _ = call("runs", REFERENCE)
    assert code == 0
    assert "compare · finished · 44 of 44 rounds in 4 cases" in out


def test_merge_makes_one_run(call, made, tmp_path):
    paths = made("a", "--sizes", "1"), made("b", "--sizes", "2")
    code, out, _ = call("merge", *paths, "--out", "c")
    assert code == 0
    assert "4 rows up to step 1." in out
    assert "Rows, summary.md and figures are in c" in " ".join(out.split())
    assert call("show", "c")[0] == 0
    code, _, err = call("merge", *paths, "--out", "c")
    assert (code, err) == (2, "fbench: --out c exists; merge makes a new folder, so choose another\n")


def test_merge_says_how_to_go_on(call, made):
    made("a", "--sizes", "1", "--steps", "3")
    made("b", "--sizes", "2")
    code, out, _ = call("merge", "a", "b", "--out", "c")
    assert code == 0
    assert "c has 5 of 6 steps in 2 cases from 2 runs." in out
    assert "`fbench growing --out c` measures what is missing." in out
    assert call("growing", "--out", "c", "--jobs", "1")[0] == 0
    assert json.loads(call("show", "c", "--json")[1])["finished"]


def test_merge_refuses_what_does_not_agree(call, made, tmp_path):
    made("a")
    made("b", "--shift", "1")
    code, out, err = call("merge", "a", "b", "--out", "c")
    assert (code, out) == (2, "")
    expected = (
        "fbench: a and b don't agree: case 'size=1', step 0, results.csv, value: 0.0 and 1.0. Nothing was written\n"
    )
    assert err == expected
    assert not (tmp_path / "c").exists()
    assert call("merge", "a", "--out", "c")[2] == "fbench: merge needs two runs or more: 1 was named\n"


def test_a_setting_that_holds_names_is_spelled_out():
    assert runs_commands._spelled({"path": "x", "code": (1, 2)}) == "path=x code=1,2"
