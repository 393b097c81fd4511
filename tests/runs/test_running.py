"""``fbench.run`` is the command, from Python: the same rows, folders and errors; what is defined there goes along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import finished

import fbench
from fbench.errors import FolderError, NothingMeasuredError, UnknownNameError, UsageError
from fbench.harness import registry, runner
from fbench.runs.opening import changed_settings

TIMED = {"time_s"}


def rows_of(run):
    return run.results.drop(columns=list(TIMED)).to_dict("list")


def test_it_measures_what_the_command_measures(growing, tmp_path, showwarning):
    run = fbench.run("growing", sizes=[3, 1], rate=0.5, out=tmp_path / "a", jobs=1)
    typed = fbench.open_run(finished(tmp_path / "b", "growing", "--sizes", "3,1", "--rate", "0.5", "--jobs", "1"))
    assert rows_of(run) == rows_of(typed)
    assert run.reading.identity["fingerprint"] == typed.reading.identity["fingerprint"]
    assert run.reading.identity.keys() == typed.reading.identity.keys()
    assert (run.path / "summary.md").exists()
    assert (run.path / "figures" / "values.png").exists()


def test_its_folder_is_the_commands(growing):
    first = fbench.run("growing", jobs=1)
    assert first.path.parent == Path("reports/growing")
    assert fbench.run("growing", jobs=1).path != first.path


def test_it_grows_and_renders_again(growing, tmp_path):
    first = fbench.run("growing", sizes=1, out=tmp_path / "a", jobs=1)
    grown = fbench.run("growing", sizes="2", out=tmp_path / "a")
    assert grown.settings["sizes"] == (1, 2)
    assert grown.results["time_s"][:2].tolist() == first.results["time_s"].tolist()
    assert fbench.run("growing", out=str(tmp_path / "a")).results.equals(grown.results)


def test_the_commands_errors_are_raised(growing, tmp_path):
    with pytest.raises(UsageError, match="--steps 0: must be at least 1"):
        fbench.run("growing", steps=0)
    with pytest.raises(UsageError, match="--steps two: must be a whole number"):
        fbench.run("growing", steps="two")
    with pytest.raises(UnknownNameError, match="unknown suite 'growin'; did you mean 'growing'"):
        fbench.run("growin")
    with pytest.raises(UnknownNameError, match="unknown option of fbench growing 'size'; did you mean 'sizes'"):
        fbench.run("growing", size=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    with pytest.raises(FolderError, match="is not empty and not a run of fbench"):
        fbench.run("growing", out=tmp_path / "mine")
    with pytest.raises(UsageError, match=r"--load nothing\.py: no such file"):
        fbench.run("growing", load="nothing.py")


def test_another_run_is_not_overwritten_unless_asked(growing, tmp_path):
    fbench.run("growing", out=tmp_path / "a", jobs=1)
    with pytest.raises(FolderError, match=r"--rate was 1\.0 in that run"):
        fbench.run("growing", rate=2, out=tmp_path / "a", jobs=1)
    assert fbench.run("growing", rate=2, out=tmp_path / "a", jobs=1, overwrite=True).settings["rate"] == 2.0


def test_a_case_that_fails_is_a_warning_and_a_row(growing, tmp_path):
    with pytest.warns(UserWarning, match=r"size=1: failed: .*ValueError: it fails here"):
        run = fbench.run("growing", sizes=1, steps=3, fails=2, out=tmp_path / "a", jobs=1)
    assert run.results["status"].tolist() == ["ok", "ok", "failed"]
    with pytest.warns(UserWarning, match="it fails here"), pytest.raises(NothingMeasuredError, match="nothing was mea"):
        fbench.run("growing", sizes=1, fails=0, out=tmp_path / "b", jobs=1)


def test_an_interrupted_run_is_taken_up(growing, tmp_path, monkeypatch):
    real = runner.RunFolder.commit

    def third_time(self, unit):
        real(self, unit)
        if unit.rows[0]["size"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runner.RunFolder, "commit", third_time)
        with pytest.raises(KeyboardInterrupt):
            fbench.run("growing", jobs=1)
    [path] = Path("reports/growing").iterdir()
    half = fbench.open_run(path)
    assert (half.finished, half.units) == (False, (3, 4))
    whole = fbench.run("growing", jobs=1)
    assert (whole.path, whole.finished) == (path, True)
    assert whole.results["time_s"][:3].tolist() == half.results["time_s"].tolist()


def test_progress_is_told_in_lines(growing, tmp_path):
    lines = []
    fbench.run("growing", out=tmp_path / "a", jobs=1, progress=lines.append)
    assert lines[0] == "0 of 4 steps"
    assert lines[-1].startswith("4 of 4 steps")
    few = []
    fbench.run("growing", sizes="1,2,3,4", steps=100, out=tmp_path / "b", jobs=1, progress=few.append)
    assert len(few) < 30


def test_the_callers_threads_stay(growing, tmp_path):
    before = torch.get_num_threads()
    fbench.run("growing", sizes=1, out=tmp_path / "a", jobs=1, threads=1)
    assert torch.get_num_threads() == before


def test_a_file_is_loaded_once_and_again_when_it_changed(growing, tmp_path):
    file = tmp_path / "more.py"
    text = growing.read_text().replace('"growing"', '"more"').replace('"growopen": {},\n', "")
    file.write_text(text)
    first = fbench.run("more", load=file, sizes=1, out=tmp_path / "a", jobs=1)
    assert fbench.run("more", load=[file], sizes=1, out=tmp_path / "a", jobs=1).results.equals(first.results)
    file.write_text(text.replace("* step +", "* step + 100 +"))
    changed = fbench.run("more", load=file, sizes=1, out=tmp_path / "b", jobs=1)
    assert changed.results["value"][0] == first.results["value"][0] + 100
    assert changed.settings["loaded"][0]["path"] == str(file)


def test_defaults_are_left_out_of_what_changed(growing, tmp_path):
    run = fbench.run("growing", sizes=[1, 2], steps=2, out=tmp_path / "a", jobs=1)
    assert dict(changed_settings(run)) == {}


SUITE = """
import fbench
from dataclasses import dataclass
from typing import Annotated
from fbench.contract import Case, Column, Context, Option, Summary, Unit, parse_sweep, typed
from fbench.harness.parsing import sweep_union as union
from fbench.registry import suite

FACTOR = 2

def helper(x):
    return FACTOR * x

@dataclass(frozen=True, kw_only=True)
class Options:
    sizes: Annotated[tuple[int, ...], Option("sizes", parse=parse_sweep, axis="size", grows=union)] = typed("4,8")

def summarise(tables, options):
    return Summary(findings=[str(sorted(row["value"] for row in tables["results"]))])

COLUMNS = (Column("size", "int", "", ""), Column("step", "int", "", ""), Column("value", "float", "", ""),
           Column("pid", "int", "", "process"))

@suite("doubles", "Doubles", columns=COLUMNS, unit="step", summarise=summarise, units=lambda options: 1, MORE)
def measure(case: Case, options: Options, context: Context):
    import os
    yield Unit(0, [{"size": case.point.size, "value": helper(case.point.size), "pid": os.getpid()}])
"""
ASKED = """
import os
run = fbench.run("doubles", jobs=JOBS)
print(run.findings, os.getpid() in set(run.results["pid"]), [file["name"] for file in run.settings["loaded"]])
"""


def python(code, *words, cwd):
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, *words],
        input=code,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("how", ["stdin", "script", "repl"])
def test_workers_get_what_a_script_defines(tmp_path, how):
    """By value: the script is not run again in them, so that it needs no guard; it may come from stdin or a prompt."""
    code = "print('once')\n" + SUITE.replace("MORE", "executor='worker'") + ASKED.replace("JOBS", "0")
    (tmp_path / "script.py").write_text(code)
    if how == "repl":
        code = "exec(compile(open('script.py').read(), '<cell>', 'exec'), globals())\n"
    done = python(code, *{"stdin": ["-"], "script": ["script.py"], "repl": ["-i", "-q"]}[how], cwd=tmp_path)
    assert done.stdout.splitlines() == ["once", "('[8.0, 16.0]',) False [\"suite 'doubles'\"]"], done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_sent_stays_in_this_process(tmp_path):
    code = SUITE.replace("MORE", "").replace("FACTOR = 2", "import threading\nFACTOR = 2\nLOCK = threading.Lock()")
    code = code.replace("return FACTOR * x", "return FACTOR * x if LOCK else 0") + ASKED.replace("JOBS", "2")
    done = python(code, "-", cwd=tmp_path)
    assert done.stdout.startswith("('[8.0, 16.0]',) True"), done.stderr
    assert "suite 'doubles' cannot be sent to a worker process: " in done.stderr
    assert "This run stays in this process (jobs=1)" in done.stderr


def test_a_cell_that_is_run_again_replaces_what_it_defined(tmp_path):
    cell = SUITE.replace("MORE", "")
    asked = ASKED.replace("JOBS", "1")
    done = python(cell + asked + cell.replace("FACTOR = 2", "FACTOR = 3") + asked, "-", cwd=tmp_path)
    assert [line.split(" True")[0] for line in done.stdout.splitlines()] == ["('[8.0, 16.0]',)", "('[12.0, 24.0]',)"]


def test_other_code_of_a_cell_is_another_run(tmp_path):
    """A helper's constant counts as the suite's code; an equal session may go on, another one only when told to."""
    asked = 'print(fbench.run("doubles", out="a", jobs=1, MORE).findings)'
    cell, other = SUITE.replace("MORE", ""), SUITE.replace("MORE", "").replace("FACTOR = 2", "FACTOR = 3")
    assert python(cell + asked.replace("MORE", ""), "-", cwd=tmp_path).stdout == "('[8.0, 16.0]',)\n"
    more = asked.replace("MORE", "sizes=16")
    assert python(cell + more, "-", cwd=tmp_path).stdout == "('[8.0, 16.0, 32.0]',)\n"
    refused = python(other + more.replace("16", "32"), "-", cwd=tmp_path)
    assert "was measured by other code: the code of suite 'doubles' was " in refused.stderr


def test_import_brings_no_torch():
    code = "import fbench, sys; fbench.run, fbench.open_run, fbench.Run; print('torch' in sys.modules)"
    assert python("", "-c", code, cwd=Path.cwd()).stdout == "False\n"


def test_nothing_is_left_registered(registries):
    assert "doubles" not in registry.SUITES.names()
