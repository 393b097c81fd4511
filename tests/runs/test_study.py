"""A study grows in place, is replicated, and says what differs: through the command line, on the toy suite."""

from __future__ import annotations

import csv
import functools
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from fbench import cli
from fbench.harness import disk, registry
from fbench.harness import identity as identities
from fbench.harness.contract import Figure, Panel, Series, Summary
from fbench.harness.identity import read_identity
from fbench.results import figures
from fbench.runs import study


@pytest.fixture(autouse=True)
def quick(monkeypatch, toy, showwarning):
    """The machine is not looked at for every one of a test's runs, and torch's threads stay as they were."""
    monkeypatch.setattr(study, "environment", functools.cache(study.environment))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fbench(capfd, tmp_path):
    """Run ``fbench toy`` on the folder ``run``, or on another; gives its exit code and what it said on stderr."""

    def run(*words, out="run", suite="toy"):
        capfd.readouterr()
        where = ["--out", str(tmp_path / out)] if out else []
        code = cli.run([suite, "--jobs", "1", *where, *map(str, words)])
        return code, capfd.readouterr().err

    return run


def rows(path, name="results"):
    with (path / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != "state.json"}


def test_whoever_asks_for_less_than_a_run_has_is_told_what_it_has(fbench):
    assert fbench("--sizes", "3,1", "--steps", 3)[0] == 0
    code, said = fbench("--sizes", 3, "--steps", 2)
    assert code == 0
    assert "--steps 2: the run has 3 already, and all of it counts" in said
    assert "--sizes 3: the run has 1,3 already, and all of it counts" in said.replace("3,1", "1,3")
    assert "already, and all" not in fbench("--sizes", "3,1", "--steps", 3)[1]


@pytest.mark.parametrize("suite", ["toy", "toyblocks", "toyopen"])
@pytest.mark.parametrize(
    ("first", "more"),
    [
        ("--sizes 3,1", "--sizes 3,1,2"),
        ("--sizes 3,1", "--sizes 2"),
        ("--steps 2", "--steps 4"),
        ("", "--sizes 5 --steps 4"),
    ],
)
def test_grown_and_fresh_are_equal(fbench, tmp_path, suite, first, more):
    assert fbench(*first.split(), suite=suite)[0] == 0
    before = rows(tmp_path / "run")
    code, said = fbench(*more.split(), suite=suite)
    assert code == 0
    assert f"Growing the run of {suite} in" in said
    after = rows(tmp_path / "run")
    assert [row for row in after if row in before] == before
    sizes = ",".join(dict.fromkeys(row["size"] for row in after))
    steps = 1 + max(int(row["step"]) for row in after)
    assert fbench("--sizes", sizes, "--steps", steps, out="fresh", suite=suite)[0] == 0
    for name in ("results", "extra"):
        assert rows(tmp_path / "run", name) == rows(tmp_path / "fresh", name)
    (step,) = read_identity(tmp_path / "run")["history"]
    assert set(step["grew"]) == {word[2:] for word in more.split() if word.startswith("--")}


def test_only_what_is_missing_is_measured(fbench, tmp_path, monkeypatch):
    fbench("--sizes", "3,1")
    suite, begun = registry.SUITES.get("toy"), []

    def measure(case, options, context):
        begun.append((case.id, context.done))
        return suite.measure(case, options, context)

    watched = replace(suite, measure=functools.wraps(suite.measure)(measure))
    monkeypatch.setitem(registry.SUITES._values, "toy", watched)
    fbench("--sizes", "2", "--accept-version")
    assert begun == [("size=2", 0)]


def test_the_settings_of_the_run_are_kept_where_none_are_typed(fbench, tmp_path):
    fbench("--sizes", "2", "--rate", "0.5", "--threads", "2")
    before = files(tmp_path / "run")
    code, said = fbench()
    assert code == 0
    assert "Rendering again the finished run" in said
    assert "(cpu, 1 × 2 threads)" in said
    assert files(tmp_path / "run") == before


def test_fewer_take_nothing_away(fbench, tmp_path):
    fbench("--sizes", "3,1", "--steps", "3")
    before = files(tmp_path / "run")
    assert fbench("--sizes", "1", "--steps", "2")[0] == 0
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["--rate", "0.5"],
            "--rate was 0.1 in that run, is 0.5: rows don't mix; leave it out to go on with that run",
        ),
        (["--threads", "2"], "holds another run: --threads was 1, is 2; choose another --out, or give --overwrite"),
        (["--device", "cpu,cpu"], "holds another run: --device was cpu, is cpu,cpu"),
    ],
)
def test_what_does_not_grow_is_refused_by_name(fbench, tmp_path, words, text):
    fbench("--threads", "1")
    before = files(tmp_path / "run")
    code, said = fbench(*words)
    assert (code, text in said) == (2, True)
    assert files(tmp_path / "run") == before


def test_another_suites_run(fbench):
    fbench()
    code, said = fbench(suite="toyblocks")
    assert code == 2
    assert "holds a run of `fbench toy`; choose another --out" in said


def test_killed_while_it_grows(fbench, tmp_path, monkeypatch):
    """Wherever it ends, the same command goes on, and no row is lost."""
    fbench("--sizes", "3,1", "--steps", "2", out="whole")
    fbench("--sizes", "2", "--steps", "3", out="whole")
    write = disk.write_checked
    for at in range(1, 14):
        fbench("--sizes", "3,1", "--steps", "2", out=str(at))
        left = [at]

        def killed(path, value, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            write(path, value)

        with monkeypatch.context() as patch:
            patch.setattr(disk, "write_checked", killed)
            assert fbench("--sizes", "2", "--steps", "3", out=str(at))[0] in (0, 130)
        assert fbench("--sizes", "2", "--steps", "3", out=str(at))[0] == 0
        assert rows(tmp_path / str(at)) == rows(tmp_path / "whole")


def test_a_comment_or_another_path_ends_no_study(tmp_path, toy, capfd, monkeypatch):
    """The loaded file is the same in what it does."""
    for name in ("toy", "toyblocks", "toyopen", "toyworker"):
        registry.SUITES._values.pop(name)
    words = ["toy", "--jobs", "1", "--sizes", "1", "--out", str(tmp_path / "run")]
    assert cli.run([*words, "--load", str(toy)]) == 0
    toy.write_text("# a comment\n" + toy.read_text())
    monkeypatch.chdir(tmp_path)
    for name in ("toy", "toyblocks", "toyopen", "toyworker"):
        registry.SUITES._values.pop(name)
    identities.package_digest.cache_clear()
    assert cli.run([*words, "--load", "toy.py", "--sizes", "2"]) == 0
    assert "Growing the run" in capfd.readouterr().err
    assert read_identity(tmp_path / "run")["history"][0]["accepted"] == []


def test_an_unfinished_run_that_all_but_fits_is_told_of(fbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.report, "Progress", Stopping)
    assert fbench("--threads", "1", out=None)[0] == 130
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    code, said = fbench("--threads", "2", out=None)
    assert code == 0
    assert "is unfinished, but --threads was 1, is 2: this is a new run (--out reports/toy/" in said


class Stopping:
    """A progress that interrupts after the first unit."""

    def __init__(self, suite):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def planned(self, done, total):
        pass

    def measured(self, case, unit, left_s):
        raise KeyboardInterrupt


@pytest.fixture
def seeded(monkeypatch):
    """The toy suite with sizes that a replication renews, as seeds are."""
    suite = registry.SUITES.get("toy")
    renewed = [
        replace(p, option=replace(p.option, renew=lambda before, asked: asked or tuple(10 + s for s in before)))
        if p.name == "sizes"
        else p
        for p in suite.parameters
    ]
    suite.__dict__["parameters"] = tuple(renewed)
    yield
    suite.__dict__.pop("parameters")


def test_a_study_is_replicated_on_new_seeds(fbench, tmp_path, seeded):
    fbench("--steps", "2", "--rate", "0.5")
    assert fbench("--replicate", tmp_path / "run", out="again")[0] == 0
    identity = read_identity(tmp_path / "again")
    assert identity["options"]["sizes"] == [13, 11, 12]
    assert (identity["options"]["steps"], identity["options"]["rate"]) == (2, 0.5)
    assert identity["replicates"]["fingerprint"] == read_identity(tmp_path / "run")["fingerprint"]
    assert fbench("--replicate", tmp_path / "run", "--sizes", "7", out="other")[0] == 0
    assert read_identity(tmp_path / "other")["options"]["sizes"] == [7]


def test_what_cannot_be_replicated(fbench, tmp_path):
    code, said = fbench("--replicate", tmp_path / "nowhere")
    assert (code, "nowhere: holds no run of fbench; give the folder of one" in said) == (2, True)
    fbench()
    code, said = fbench("--replicate", tmp_path / "run", out="again")
    assert (code, "`fbench toy` has no seeds to renew; run it again in another --out" in said) == (2, True)
    code, said = fbench("--replicate", tmp_path / "run", out="again", suite="toyblocks")
    assert (code, "is a run of `fbench toy`, not of `fbench toyblocks`" in said) == (2, True)


def test_a_hidden_option_is_not_typed(fbench):
    code, said = fbench("--later", "x", suite="compare")
    assert code == 2
    assert "--later" in said


@pytest.mark.parametrize("broken", ["backend", "style", "title"])
def test_a_figure_that_cannot_be_drawn_costs_only_itself(fbench, tmp_path, monkeypatch, broken):
    suite = registry.SUITES.get("toy")
    panel = Panel([Series("a", [1.0, 2.0], [1.0, 2.0])], "x", "y")
    summary = Summary(findings=["A finding."], figures=[Figure("curve", "A title", [panel])])
    monkeypatch.setitem(suite.__dict__, "summarise", lambda rows, options: summary)
    draw = figures.draw

    def failing(figure, folder, files):
        raise ValueError(f"a {broken} that matplotlib cannot take\nand more")

    monkeypatch.setattr(figures, "draw", failing)
    code, said = fbench()
    assert code == 0
    assert f"warning: figure curve could not be drawn: ValueError: a {broken} that matplotlib cannot take\n" in said
    assert "A finding." in (tmp_path / "run" / "summary.md").read_text()
    monkeypatch.setattr(figures, "draw", draw)
    assert fbench()[0] == 0
    assert (tmp_path / "run" / "figures" / "curve.png").stat().st_size > 1000


def test_a_users_summary_stays_and_is_told_of(fbench, tmp_path):
    fbench()
    (tmp_path / "run" / "summary.md").write_text("my words")
    code, said = fbench()
    assert code == 0
    assert "summary.md is not as fbench wrote it and stays; the new one is summary-2.md" in said.replace("\n", " ")
    assert (tmp_path / "run" / "summary.md").read_text() == "my words"


DRAWN = """
from dataclasses import replace
from fbench.contract import Figure, Panel, Series, Summary
from fbench.registry import SUITES

def summarise(rows, options):
    panel = Panel([Series("a", [1.0, 2.0], [1.0, 2.0])], "x", "y")
    return Summary(findings=["A finding."], figures=[Figure("curve", "costs $5 and $x", [panel])])

SUITES.add(replace(SUITES.get("toy"), name="drawn", summarise=summarise))
"""


@pytest.mark.parametrize("how", ["whole", "backend", "style file"])
def test_a_broken_matplotlib_costs_a_figure(tmp_path, toy_file, how):
    (tmp_path / "drawn.py").write_text(DRAWN)
    environment = {**os.environ, "MPLBACKEND": "nonsense"} if how == "backend" else dict(os.environ)
    if how == "style file":
        (tmp_path / "matplotlibrc").write_bytes(b"font.size: \xff\xfe\x00")
    command = [sys.executable, "-m", "fbench", "drawn", "--load", str(toy_file), "--load", "drawn.py", "--out", "run"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "A finding." in ended.stdout
    assert "A finding." in (tmp_path / "run" / "summary.md").read_text()
    assert ("figure curve could not be drawn" in ended.stderr) == (how != "whole")
    assert (tmp_path / "run" / "figures" / "curve.png").exists() == (how == "whole")
