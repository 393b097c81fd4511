"""``fbench gate`` as a user meets it, on a small project that is not fbench: real builds, real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from gated_project import SETUP, code, commit, git, make_project

from fbench import cli
from fbench.gate import gating, playing, processes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A fresh copy, where the command is typed; its temporary folder is watched."""
    shutil.copytree(made, tmp_path / "project")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def call(project, capsys, showwarning, tmp_path):
    def called(*words):
        result = cli.run(["gate", *map(str, words)])
        assert list((tmp_path / "temporary").iterdir()) == []
        ended = capsys.readouterr()
        assert "Traceback" not in ended.err
        return result, ended.out, ended.err

    return called


def with_told_times(monkeypatch, *, but_changing=False):
    """Blocks of the real processes are told to take 20 ms a call; those of ``changing`` as long as they do."""
    real = processes.GateSide.run

    def run(self, name, rounds, iterations):
        if but_changing and name.endswith("::test_changing"):
            return real(self, name, rounds, iterations)
        block = real(self, name, rounds, 1)
        wobble = 1 + 0.001 * (len(name) + int(block.seconds[0] * 1e9) % 7)
        return block._replace(seconds=(0.02 * wobble,) * rounds)

    monkeypatch.setattr(processes.GateSide, "run", run)


def in_few_starts(monkeypatch, count):
    """So many starts of one pair each; processes are begun, begun anew once, and live on."""
    for name, value in (("PAIRS_A_START", 1), ("FIRST_STARTS", count), ("ALL_STARTS", count)):
        monkeypatch.setattr(playing, name, value)
    twice = iter([gating.renew] * 2)
    monkeypatch.setattr(gating, "renew", lambda *given: next(twice, lambda *given: None)(*given))


def test_a_slowed_benchmark_is_found_and_diff_reads_its_pairs(call, project, monkeypatch, capsys):
    """It sleeps, and is timed; one of the others holds more, as scales tell, and returns another value."""
    with_told_times(monkeypatch, but_changing=True)
    in_few_starts(monkeypatch, 15)

    def weigh(self, name):
        return 2**26 if self.role == "new" and name.endswith("::test_answer") else 2**25

    monkeypatch.setattr(processes.GateSide, "weigh", weigh)
    words = ["--against", "before", "benchmarks", "--seed", 0, "--out", "out/pairs.json", "--json", "--memory"]
    result, out, err = call(*words)
    assert result == 1, err
    said = json.loads(out)
    verdicts = {row["name"].partition("::")[2]: row["verdict"] for row in said["rows"]}
    assert verdicts == {
        "test_changing": "slower",
        "test_steady": "same within the margin",
        "test_answer": "same within the margin",
    }
    assert [row["value"] for row in said["rows"] if row["value"]] == ["42 became 43"]
    peaks = {row["name"].partition("::")[2]: row for row in said["peaks"]}
    assert {name: row["verdict"] for name, row in peaks.items()} == verdicts | {
        "test_changing": "same within the margin",
        "test_answer": "larger",
    }
    assert "in 1 of 3 benchmarks (benchmarks/test_counted.py::test_answer): a growth is confirmed." in said["lead"][0]
    kept = json.loads((project / "out" / "pairs.json").read_text())
    assert len(kept["new"]["peak_bytes"]["benchmarks/test_counted.py::test_answer"]) == 5
    assert kept["base"]["peak_bytes"].keys() == kept["base"]["again_peak_bytes"].keys()
    assert (said["exit_code"], said["base"]) == (1, "before")
    assert "Building before and working tree (" in err
    assert cli.run(["diff", "out/pairs.json"]) == 1
    assert "test_changing): a regression is confirmed." in " ".join(capsys.readouterr().out.split())


def test_a_system_without_a_mark_to_reset_is_told_before_anything_is_built(call, monkeypatch):
    monkeypatch.setattr(gating, "reset_high_water", lambda: None)
    result, out, err = call("--against", "before", "--memory")
    assert (result, out) == (2, "")
    assert "--memory reads a high-water mark that this system does not let a process reset" in err


def test_equal_code_passes(call, project, monkeypatch):
    """A dirty tree says so; a benchmark that one side alone has is named; changed benchmarks, too."""
    with_told_times(monkeypatch)
    in_few_starts(monkeypatch, 12)
    (project / "benchmarks" / "conftest.py").write_text("")
    bench = project / "benchmarks" / "test_counted.py"
    bench.write_text(bench.read_text() + "\n\ndef test_fresh(benchmark):\n    benchmark(len, 'a')\n")
    result, out, _ = call("--against", "after", bench, "--format", "github", "--seed", 0)
    assert result == 0
    assert "and changes) against after: of 3 benchmarks, 3 same within the margin; no regression is confirmed." in out
    assert "are not committed: they are in what was measured (benchmarks/" in out
    assert "::test\\_fresh" in out or "::test_fresh" in out
    assert (
        "Note: benchmarks/test_counted.py, benchmarks/conftest.py differ between the two: each side runs its own" in out
    )


def test_what_fails_or_hangs_on_one_side_is_a_line_and_no_regression(call, project, monkeypatch):
    with_told_times(monkeypatch)
    in_few_starts(monkeypatch, 8)
    slow = "\n\nimport time\n\n\ndef answer():\n    time.sleep(60)\n\n\ndef changing():\n    raise KeyError('lost')\n"
    (project / "counted" / "__init__.py").write_text(code() + slow)
    result, out, _ = call("--against", "after", "--timeout", 2)
    text = " ".join(out.split())
    assert result == 4
    assert "::test_changing fails: KeyError: 'lost', on the new side." in text
    assert "::test_answer hangs (2 s), on the new side." in text


@pytest.mark.parametrize(
    ("words", "exit_code", "line"),
    [
        ([], 2, "needs a revision to compare with: --against main"),
        (["--against", "v9"], 4, "--against v9: no such revision is here"),
        (["--against", "--help-me"], 4, "no such revision is here"),
        (["--against", "main", "nowhere"], 4, "nowhere: there is no such file or folder of benchmarks"),
        (["--against", "main", "/"], 2, "/ lies outside of"),
        (["--against", "main", "--threshold", "0"], 2, "--threshold"),
        (
            ["--against", "main", "--threshold", "3"],
            2,
            "--threshold 3: is a share of the time, 0.03 for 3 %; take one below 1",
        ),
        (["--against", "main", "--budget", "soon"], 2, "--budget soon: must be a number"),
        (["--against", "main", "--timeout", "-1"], 2, "--timeout"),
        (["--against", "main", "--seed", "x"], 2, "--seed x: must be a whole number"),
        (["--against", "main", "--format", "x"], 2, "--format x: must be one of text, github, json"),
        (["--against", "main", "--out", "benchmarks"], 2, "--out benchmarks is a folder"),
    ],
)
def test_a_mistake_is_one_line(call, words, exit_code, line):
    result, out, err = call(*words)
    assert (result, out) == (exit_code, "")
    assert line in err
    assert err.count("\n") == 1


def test_a_side_that_does_not_build(call, project):
    commit(project, {"pyproject.toml": SETUP.replace("setuptools.build_meta", "nowhere")})
    git(project, "tag", "broken")
    commit(project, {"pyproject.toml": SETUP})
    result, _, err = call("--against", "broken")
    assert result == 2
    assert "broken does not build: " in err


def test_no_benchmark_on_both_sides(call, project):
    shutil.move(project / "benchmarks", project / "speed")
    result, _, err = call("--against", "after", "speed")
    assert result == 4
    assert "after has no speed: there is nothing to compare with" in err
    (project / "speed" / "test_counted.py").write_text("import counted_twice\n")
    result, _, err = call("--against", "after")
    assert result == 4
    assert "no benchmark is on both sides: after has 3 and working tree (" in err
    assert "No module named 'counted_twice'" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_built_is_removed_when_it_is_ended(project, tmp_path, number):
    (project / "benchmarks" / "test_slow.py").write_text(
        "import time\n\n\ndef test_a(benchmark):\n    benchmark(time.sleep, 9)\n"
    )
    git(project, "add", "-A")
    git(project, "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "slow")
    program = "from fbench.cli import main; main()"
    words = ["gate", "--against", "main", "benchmarks/test_slow.py"]
    variables = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True, env=variables, cwd=project
    )
    try:
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert lines[1].startswith("Measuring 1 benchmark in turn"), lines
        time.sleep(0.2)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == "fbench: interrupted: what was built is removed\n"
    assert list((tmp_path / "temporary").iterdir()) == []
