"""``pytest --fbench-against`` as a user meets it, on a small project that is not fbench: real builds, real processes.

The times of blocks are told by a plugin of the tests': no machine decides what is slower.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib import metadata

import pytest
from gated_project import git, make_project

from fbench.gate.bench_server import absent_plugins, announced_plugins

CLOCK = """
from fbench.gate import gating, playing, processes

playing.PAIRS_A_START = 1
playing.FIRST_STARTS = playing.ALL_STARTS = 15
begun = iter([gating.renew])
gating.renew = lambda *given: next(begun, lambda *given: None)(*given)
real = processes.GateSide.run


def run(self, name, rounds, iterations):
    if name.endswith("::test_changing"):
        return real(self, name, rounds, iterations)
    block = real(self, name, 1, 1)
    wobble = 1 + 0.001 * (int(block.seconds[0] * 1e9) % 7)
    return block._replace(seconds=(0.02 * wobble,) * rounds)


processes.GateSide.run = run
"""
"""Real builds and processes, which live for all of the gate; what does not sleep has times that are told."""
REPORT = """
from fbench.errors import UsageError
from fbench.gate import gating
from fbench.gate.verdict import GateReport, GateRow


def run_gate(options, folder, out, tell):
    tell(f"asked for {sorted(options.names)}, memory: {options.memory}")
    row = lambda word: GateRow("a", word, 20, 5, 1.25, 1.2, 1.3, 0.01, 0.04, 0.1, 0.125, 0.001)
    return TOLD


gating.run_gate = run_gate
"""
"""No builds: what a gate says is told."""
SAID = "GateReport('v1', 'v2', 0.03, [row('{}')])"
ORDINARY = """
def test_imported():
    import sys
    assert not {"torch", "numpy", "rich"} & set(sys.modules)


def test_ordinary(held):
    assert held.ratio
"""
ANNOUNCED = {(entry.group, entry.name) for installed in metadata.distributions() for entry in installed.entry_points}
NAMED = [] if ("pytest11", "fbench") in ANNOUNCED else ["-p", "fbench.gate.plugin"]
"""Where fbench was installed before it had the plugin; pytest asks every distribution, stale ones of a name, too."""


@pytest.fixture
def project(tmp_path):
    root = make_project(tmp_path / "project")
    (root / "tests").mkdir()
    (root / "tests" / "test_ordinary.py").write_text(ORDINARY)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "ordinary tests")
    (tmp_path / "temporary").mkdir()
    return root


@pytest.fixture
def begin(project, tmp_path):
    """Starts pytest in the project, as a user does, with a plugin that tells what else would be measured."""
    place = tmp_path / "told"
    place.mkdir()

    def begun(*words, told=CLOCK):
        (place / "told_by_tests.py").write_text(told)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH", "")]))
        told_by = ["-p", "told_by_tests"] if "--fbench-against" in words else []
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *NAMED, *told_by, "-n", "0", *words],
            cwd=project,
            env=kept | {"PYTHONPATH": path, "TMPDIR": str(tmp_path / "temporary")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return begun


@pytest.fixture
def call(begin, tmp_path):
    def called(*words, **how):
        process = begin(*words, **how)
        out, _ = process.communicate(timeout=120)
        left = [path.name for path in (tmp_path / "temporary").iterdir() if path.name.startswith("fbench-gate")]
        assert left == []
        assert "Traceback" not in out
        return process.returncode, out

    return called


def test_a_slowed_benchmark_fails_the_run(call, project):
    """Beside tests that pass; ``-k`` says what is gated."""
    words = ["benchmarks", "tests/test_ordinary.py::test_ordinary", "-k", "not timed and not answer"]
    code, out = call(*words, "--fbench-against", "before", "--fbench-seed", "0")
    text = " ".join(out.split())
    assert code == 1, out
    assert "3 passed" in text
    assert "Building before and working tree (" in text
    assert "Measuring 2 benchmarks in turn, 600 s at most." in text
    assert "in 1 of 2 benchmarks (benchmarks/test_counted.py::test_changing): a regression is confirmed." in text
    assert re.search(r"^benchmarks/test_counted.py::test_changing +slower +\+2\d\.\d %", out, re.M)
    assert (project / "reports" / "gate" / "pairs.json").is_file()


def test_in_two_workers_and_without_their_benchmark_the_controller_gates(call):
    """pytest-xdist shares the tests out; ``-p no:benchmark`` has our stand-in call once."""
    words = ["benchmarks", "-n", "2", "-p", "no:benchmark", "-o", "addopts=", "-k", "not timed", "--strict-markers"]
    told = REPORT.replace("TOLD", SAID.format("faster"))
    code, out = call(*words, "--fbench-against", "after", "--fbench-memory", told=told)
    assert code == 0, out
    assert "3 passed" in out
    names = [f"benchmarks/test_counted.py::test_{name}" for name in ("answer", "changing", "steady")]
    assert re.findall(r"^asked for (.*)", out, re.M) == [f"{names}, memory: True"]
    assert "of 1 benchmark, 1 faster; no regression is confirmed." in " ".join(out.split())


@pytest.mark.parametrize(
    ("told", "words", "status", "line"),
    [
        (SAID.format("slower"), [], 1, "a regression is confirmed."),
        (SAID.format("inconclusive"), [], 0, "1 inconclusive; no regression is confirmed."),
        (SAID.format("inconclusive"), ["--fbench-strict"], 30, "1 inconclusive; no regression is confirmed."),
        (SAID.format("faster").replace("])", "], ['b fails, on the new side'])"), [], 4, "b fails, on the new side."),
        ("", [], 4, "v1 does not build: so"),
    ],
)
def test_what_the_gate_says_is_the_status(call, told, words, status, line):
    raises = REPORT.replace("return TOLD", "raise UsageError('v1 does not build: so')")
    told = REPORT.replace("TOLD", told) if told else raises
    code, out = call("benchmarks", "-k", "changing", "--fbench-against", "after", *words, told=told)
    assert code == status, out
    assert "1 passed" in out
    assert "= fbench gate against after =" in out
    assert line in out


def test_nothing_to_gate(call):
    words = ["tests/test_ordinary.py::test_ordinary", "--fbench-against", "after"]
    code, out = call(*words)
    assert (code, "no test of this run uses the fixture benchmark: there is nothing to gate" in out) == (4, True), out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--fbench-against", "v9"], "ERROR: --against v9: no such revision is here; a shallow clone needs git fetch"),
        (["--fbench-against", "main", "--fbench-threshold", "0"], "ERROR: --fbench-threshold"),
        (["--fbench-against", "main", "--fbench-budget", "soon"], "ERROR: --fbench-budget soon: must be a number"),
    ],
)
def test_a_mistake_is_said_before_any_test_runs(call, words, line):
    code, out = call("tests", *words)
    assert code == 4
    assert out.startswith(line)
    assert out.strip().count("\n") == 0


def test_what_fails_in_the_run_itself_stays(call):
    """Exit 1 by the test; a run that is broken off, or that only collects, is not gated."""
    code, out = call("benchmarks", "-x", "-k", "timed", "--fbench-against", "after")
    assert (code, "the run was broken off, and nothing is gated" in out) == (1, True), out
    code, out = call("benchmarks", "--collect-only", "-q", "--fbench-against", "v9")
    assert (code, "test_changing" in out, "fbench" in out) == (0, True, False)


def test_unused_it_costs_nothing(call):
    """No torch, nor anything else that is slow, because of a plugin that nobody asked for anything."""
    code, out = call("tests", "-p", "no:benchmark", "-o", "addopts=")
    assert code == 0, out
    assert "2 passed" in out


def test_a_signal_ends_the_gate_as_ctrl_c_does(begin):
    """So that a gate removes what it built, which test_gate shows of a real one."""
    waiting = REPORT.replace("return TOLD", "__import__('time').sleep(60)")
    process = begin("benchmarks", "--benchmark-skip", "-k", "changing", "--fbench-against", "before", told=waiting)
    try:
        for line in process.stdout:
            if line.startswith("asked for"):
                break
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 2, out
    assert "interrupted: what was built is removed" in out
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("module", "is_there"),
    [
        ("fbench.gate.plugin", True),
        ("fbench.gate.gone", False),
        ("gone.plugin", False),
        ("json", True),
        ("os.x.y", False),
    ],
)
def test_a_plugin_that_is_announced_and_not_there_is_kept_out(module, is_there):
    entries = [metadata.EntryPoint("a", module, "pytest11"), metadata.EntryPoint("a", "gone", "pytest11")]
    assert absent_plugins(entries) == ([] if is_there else ["-p", "no:a"])


def test_a_plugin_of_a_second_installation_is_announced_too(tmp_path, monkeypatch):
    """As where the base's wheel lies before an editable installation of the project, which has the plugin."""
    for number, announced in enumerate(["", "[pytest11]\ncounting = counted.plugin\n"]):
        place = tmp_path / str(number) / "counting-1.0.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
        (place / "entry_points.txt").write_text(announced)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "0"), str(tmp_path / "1"), *sys.path])
    announced = announced_plugins()
    assert ("counting", "counted.plugin") in {(entry.name, entry.module) for entry in announced}
    assert "no:counting" in absent_plugins(announced)
