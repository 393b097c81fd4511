"""What the program says is never worth a run, a file or an exit code: whatever it speaks into."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import table

from fbench.harness.streams import Unbreakable

PROGRAM = f"{sys.executable} -m fbench"
TOY = "--load toy.py --threads 1 --jobs 1 --out run"
WAYS = {
    "a reader who left": "| (sleep 0.2; exit 3)",
    "a reader of one line": "| head -1 >/dev/null",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "stdin closed": "<&-",
    "stdout full": "> /dev/full",
    "all full": "> /dev/full 2> /dev/full",
}
if not Path("/dev/full").exists():
    WAYS = {way: words for way, words in WAYS.items() if "full" not in way}
SAID = {"stdout full": "fbench: stdout cannot be written: No space left on device; "}


def shell(line, cwd, **more):
    """A line of bash: the exit code of fbench, which is its first command, and stderr without what says how it goes."""
    command = ["bash", "-c", f"{PROGRAM} {line}; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **more}, timeout=120)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def complaints(err):
    """What stderr says besides how the run goes."""
    return [line for line in err.splitlines() if not line.startswith(("New run of", "fbench: size="))]


SOME = {"toy": ("a reader who left", "all closed", "stdout full"), "toyworker": ("all closed",)}
"""Ways of an ordinary run, whose every command starts from nothing; ``--full`` has all, and so has what only speaks."""


@pytest.mark.parametrize("suite", SOME)
def test_a_run_is_as_good_without_a_listener(toy_file, tmp_path, full, suite):
    """Its exit code included: here of a run with a case that failed."""
    (tmp_path / "trap").write_text("2:1:raise")
    for way in WAYS if full else WAYS.keys() & SOME[suite]:
        code, _, err = shell(f"{suite} {TOY} --trap trap {WAYS[way]}", tmp_path)
        assert code == 1, way
        lines = complaints(err)
        assert len(lines) == (way in SAID)
        assert all(line.startswith(SAID[way]) for line in lines)
        assert len(table(tmp_path / "run")) == 8
        assert "good rows" in (tmp_path / "run" / "summary.md").read_text()
        shutil.rmtree(tmp_path / "run")


WORDS = [("list", way) for way in WAYS] + [("compare --help", way) for way in ("stdout full", "a reader who left")]


@pytest.mark.parametrize(("words", "way"), WORDS)
def test_what_only_speaks_is_not_offended(tmp_path, words, way):
    """A full disk costs it its 0, since it makes nothing else."""
    code, _, err = shell(f"{words} {WAYS[way]}", tmp_path)
    assert code == (2 if "full" in way else 0)
    assert len(err.splitlines()) == (way in SAID)


@pytest.mark.parametrize("way", ["a reader who left", "stdout full"])
def test_a_pick_is_written_before_it_is_told(tmp_path, way):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "pool.npz", logits=rng.normal(size=(30, 3)), features=rng.normal(size=(30, 4)))
    code, _, err = shell(f"pick pool.npz --batch 4 {WAYS[way]}", tmp_path)
    assert code == 0
    assert len((tmp_path / "picks.csv").read_text().splitlines()) == 5
    assert len([line for line in err.splitlines() if line.startswith("fbench")]) == (way in SAID)


TALKS = """
from fbench.contract import Case, Column, Summary, Unit
from fbench.registry import suite
from dataclasses import dataclass

@dataclass(frozen=True)
class Options: ...

def summarise(tables, options):
    return Summary(findings=[f"{len(tables['results'])} rows"])

@suite("talks", "prints", columns=[Column("step", "int", "", "")], unit="step", summarise=summarise, executor=EXECUTOR)
def measure(case: Case, options: Options, context):
    import sys
    for stream in (sys.stdout, sys.stderr):
        print("word " * 100_000, file=stream, flush=True)
    return [Unit(0, [{}])]
"""


@pytest.mark.parametrize(("way", "executor"), [("all full", "inline"), ("all closed", "worker")])
def test_what_a_users_code_prints_is_worth_no_row(tmp_path, way, executor):
    (tmp_path / "talks.py").write_text(TALKS.replace("EXECUTOR", repr(executor)))
    code, _, _ = shell(f"talks --load talks.py --threads 1 --out run {WAYS[way]}", tmp_path)
    assert [row["reason"] for row in table(tmp_path / "run")] == [""]
    assert code == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_a_stream_lacks_are_spelled_out(tmp_path, encoding):
    command = [sys.executable, "-m", "fbench", "columns", "compare"]
    more = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=more)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "lambda as a number" in done.stdout.decode(encoding)


def test_a_posix_locale(toy_file, tmp_path):
    code, out, _ = shell(f"toy {TOY}", tmp_path, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert code == 0
    assert "9 good rows" in out


def test_half_letters_of_file_names(tmp_path):
    command = [sys.executable, "-m", "fbench", "pick", b"\xff.npz", "--batch", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 2
    assert done.stderr.startswith(b"fbench: ")


def test_a_stream_is_left_as_it_is_where_it_can_be_written(tmp_path):
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        stream = Unbreakable(file)
        stream.writelines(["λ", "\n"])
        stream.flush()
        assert stream.fault is None
        assert stream.encoding == "utf-8"
    assert (tmp_path / "file").read_text(encoding="utf-8") == "λ\n"


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("", 120), ("wide", 120), ("0", 120), ("9" * 400, 120)])
def test_where_no_terminal_tells_columns_does(tmp_path, columns, width):
    code, out, _ = shell("list strategies", tmp_path, COLUMNS=columns)
    assert code == 0
    assert width - 20 < max(map(len, out.splitlines())) <= width
