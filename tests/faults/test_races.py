"""Real processes: killed at any time, and several at once on one folder or file. No result is lost, and none mixed.

An ordinary run of the tests has four kills and six races; 66 and 60 by

    python -m pytest tests/faults/test_races.py --full
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import typed
from faults.forks import Forks
from faults.lives import ALONE, FILE, cells, tables

ONE, OTHER = ("--rate", "0.1"), ("--rate", "0.2")
MANY = ("growing", "--sizes", "3,1,2", "--steps", "6", *ALONE)
"""A study of 18 units."""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    with Forks(tmp_path_factory.mktemp("cwd"), FILE) as started:
        yield started


@pytest.fixture(scope="module")
def ends(forks, tmp_path_factory):
    """What the two studies come to, undisturbed."""
    home = tmp_path_factory.mktemp("ends")
    for name, rate in (("one", ONE), ("other", OTHER)):
        ((code, _, err),) = forks.ran([*MANY, *rate, "--out", str(home / name)])
        assert code == 0, err
    return {name: tables(home / name) for name in ("one", "other")}


def refused(code: int, err: str) -> bool:
    """A loser says in one line why, and that it was not its turn."""
    lines = [line for line in err.splitlines() if line.startswith("fbench:") and "warning" not in line]
    return code == 2 and len(lines) == 1


def test_killed_at_any_time(forks, ends, tmp_path, full):
    """Twice over, then an ordinary command; what was committed when it was killed is not measured again."""
    chance, killed = random.Random(1), 0
    for turn in range(63 if full else 3):
        folder = tmp_path / f"run-{turn}"
        words = [*MANY, *ONE, "--pause", "0.03", "--out", str(folder)]
        for _ in range(2):
            ((code, _, err),) = forks.ran(words, kill_after_s=chance.uniform(0.02, 0.6))
            assert code in (0, -9), err
            killed += code == -9
            results = folder / "results.csv"  # not there where it was killed while the folder was made
            there = cells(results.read_bytes()) if results.exists() else []
        ((code, _, err),) = forks.ran([*MANY, *ONE, "--out", str(folder)])
        assert code == 0, err
        assert tables(folder) == ends["one"]
        assert set(there[:-1]) <= set(cells(tables(folder)["results"]))
        assert not list(folder.rglob("*.new"))
    assert killed > turn


def test_killed_with_its_workers(tmp_path):
    """The program as it is started by hand: killed, and taken up by the same words."""
    program = "import sys; from fbench.cli import run; sys.exit(run(sys.argv[1:]))"
    words = ["--load", str(FILE), "growing", "--pause", "0.3", "--threads", "1", "--jobs", "2", "--out", "run"]
    with subprocess.Popen([sys.executable, "-c", program, *words], cwd=tmp_path) as process:
        state = tmp_path / "run/results.csv"
        while process.poll() is None and not (state.exists() and len(state.read_text().splitlines()) > 1):
            time.sleep(0.05)
        process.kill()
    before = cells((tmp_path / "run/results.csv").read_bytes())
    again = typed(*words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(before) >= 1
    assert set(before[:-1]) <= set(cells((tmp_path / "run/results.csv").read_bytes()))
    assert len(cells((tmp_path / "run/results.csv").read_bytes())) == 4


def race_on_a_folder(forks, folder: Path, *rest) -> list[tuple[int, str, str]]:
    return forks.ran(*([*MANY, *words, "--out", str(folder)] for words in rest))


def test_one_study_on_one_folder(forks, ends, tmp_path, full):
    for turn in range(15 if full else 1):
        folder = tmp_path / f"run-{turn}"
        ended = race_on_a_folder(forks, folder, ONE, ONE, ONE)
        assert any(code == 0 for code, _, _ in ended), ended
        assert all(code == 0 or refused(code, err) for code, _, err in ended), ended
        assert tables(folder) == ends["one"]


def test_two_studies_on_one_folder(forks, ends, tmp_path, full):
    for turn in range(15 if full else 1):
        folder = tmp_path / f"run-{turn}"
        ended = race_on_a_folder(forks, folder, ONE, OTHER)
        codes = [code for code, _, _ in ended]
        assert sorted(codes) == [0, 2], ended
        assert all(code == 0 or refused(code, err) for code, _, err in ended), ended
        assert tables(folder) == ends["one" if codes[0] == 0 else "other"]


def test_one_overwrites(forks, ends, tmp_path, full):
    """Whoever comes second with ``--overwrite`` may replace a whole run, never half of one."""
    for turn in range(12 if full else 1):
        folder = tmp_path / f"run-{turn}"
        ended = race_on_a_folder(forks, folder, ONE, (*OTHER, "--overwrite"))
        assert any(code == 0 for code, _, _ in ended), ended
        assert all(code == 0 or refused(code, err) for code, _, err in ended), ended
        assert tables(folder) == ends["other" if ended[1][0] == 0 else "one"]


def test_no_folder_named(forks, ends, tmp_path, full):
    """The same command twice: each has a folder, or one says that it is in use."""
    for turn in range(9 if full else 2):
        shutil.rmtree(forks.cwd / "reports", ignore_errors=True)
        ended = forks.ran([*MANY, *ONE], [*MANY, *ONE])
        assert any(code == 0 for code, _, _ in ended), ended
        assert all(code == 0 or refused(code, err) for code, _, err in ended), f"{turn}: {ended}"
        folders = list((forks.cwd / "reports/growing").iterdir())
        assert 1 <= len(folders) <= 2
        for folder in folders:
            assert tables(folder) == ends["one"]


def test_two_picks_of_one_name(forks, tmp_path, full):
    """No picks are lost: whoever comes second is told so, and does not replace what the first wrote."""
    source = tmp_path / "pool.npz"
    chance = np.random.default_rng(0)
    np.savez(source, logits=chance.normal(size=(30, 3)), features=chance.normal(size=(30, 4)))
    for turn in range(9 if full else 1):
        out = tmp_path / f"picks-{turn}.csv"
        ended = forks.ran(*(["pick", str(source), "--batch", n, "--out", str(out)] for n in ("2", "5")))
        codes = [code for code, _, _ in ended]
        assert sorted(codes) == [0, 2], ended
        assert all(code == 0 or refused(code, err) for code, _, err in ended), ended
        assert len(out.read_text().splitlines()) == (3 if codes[0] == 0 else 6)
