"""A damaged folder is detected, mended or read as it was, and never silently another: of finished and unfinished runs.

An ordinary run of the tests tries some sixty damages; all of them, over a thousand in some minutes, by

    python -m pytest tests/faults/test_damage.py --full -n 0 -s
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from faults.crash import Disk, Killed, Stop, interposed
from faults.damage import TABLES, Damage, damages
from faults.lives import ALONE, cells, complaints, on_disk, ran, tables

from fbench import cli
from fbench.errors import FolderError
from fbench.harness.identity import read_identity
from fbench.harness.state import read_state

BLAMED = {**dict.fromkeys(TABLES, TABLES), "state.json": ("options.json", *TABLES)}
"""What else a complaint may name, where two files contradict each other."""
FEW = 32
"""Damages of a run in an ordinary run of the tests."""


@pytest.fixture(params=["finished", "unfinished"])
def whole(request, growing, tmp_path):
    """A run's folder."""
    folder = tmp_path / "whole/run"
    if request.param == "finished":
        assert ran(folder).code == 0
    else:
        with interposed(Disk(folder, Stop(at=100))), pytest.raises(Killed):
            ran(folder)
    return folder


@pytest.fixture
def others(growing, tmp_path):
    """Another run of the suite, and what the undisturbed one comes to."""
    assert ran(tmp_path / "other/run", "--rate", "0.2").code == 0
    assert ran(tmp_path / "end/run").code == 0
    return tmp_path / "other/run", tmp_path / "end/run"


def contents(folder: Path) -> dict[str, object]:
    """Everything in a folder but its lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else _kind(path)
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }


def _kind(path: Path) -> object:
    return os.readlink(path) if path.is_symlink() else path.lstat().st_mode  # noqa: PTH115


def plain(path: Path) -> object:
    """What JSON says, but for its SHA-256."""
    return {name: value for name, value in json.loads(path.read_bytes()).items() if name != "sha256"}


def some(found: list[Damage], full: bool) -> list[Damage]:
    return found if full else random.Random(0).sample(found, FEW)


def judged(damage: Damage, folder: Path, whole: Path, end: Path) -> str:
    """What the same command made of a damaged folder: detected, mended or harmless.

    Raises:
        AssertionError: it was none of these.
    """
    before, outside = contents(folder), {path: path.read_bytes() for path in folder.parent.glob("*.aside")}
    ended = ran(folder)
    assert {path: path.read_bytes() for path in outside} == outside, "written through a link"
    if ended.code == 2:
        told = complaints(ended)
        assert len(told) == 1, ended
        assert any(name in told[0] for name in (damage.file, *BLAMED.get(damage.file, ()))), told
        assert contents(folder) == before, "refused, and yet changed"
        return "detected"
    assert ended.code == 0, ended
    assert on_disk(folder) == {name: cells(data) for name, data in tables(end).items()}, "other rows"
    assert plain(folder / "options.json") == plain(whole / "options.json"), "other options"
    assert plain(folder / "environment.json") == plain(whole / "environment.json"), "another machine"
    mended = {name: before.get(name) != data for name, data in contents(whole).items() if name in TABLES}
    if read_state(whole).finished and any(mended.values()):
        assert "warning" in ended.err, f"mended without a word: {ended.err}"
    return "mended" if any(mended.values()) or "warning" in ended.err else "harmless"


def reads(folder: Path, end: Path) -> None:
    """A reader finds rows of the run, or complains; it changes nothing."""
    before = contents(folder)
    with contextlib.suppress(FolderError):
        read_identity(folder)
        for name, read in on_disk(folder).items():
            assert set(read) <= set(cells(tables(end)[name])), f"rows of {name} that nobody measured"
    assert contents(folder) == before, "read, and yet changed"


def test_damaged(whole, others, tmp_path, full, request):
    other, end = others
    count, wrong = {"detected": 0, "mended": 0, "harmless": 0}, []
    for damage in some(list(damages(whole, other, seed=1, flips=8 if full else 2)), full):
        folder = tmp_path / "there/run"
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.copytree(whole, folder)
        damage.do(folder)
        try:
            reads(folder, end)
            count[judged(damage, folder, whole, end)] += 1
        except Exception as error:  # an assertion that does not hold, or what the program let through
            wrong.append(f"{damage}: {type(error).__name__}: {str(error)[:500]}")
            print(wrong[-1])
    print(request.node.name, count)
    assert not wrong, f"{len(wrong)} of {len(wrong) + sum(count.values())}:\n" + "\n".join(wrong)
    assert count["detected"] > 5


def test_a_damaged_folder_next_door(whole, others, tmp_path, full, monkeypatch):
    """A command without --out passes over what is damaged under reports/."""
    monkeypatch.chdir(tmp_path)
    harm = [d for d in damages(whole, others[0], seed=2, flips=1) if d.file in ("options.json", "state.json")]
    wrong = []
    for number, damage in enumerate(some(harm, full)[: None if full else 8]):
        folder = tmp_path / f"reports/growing/{number:05d}"
        shutil.copytree(whole, folder)
        damage.do(folder)
        if (code := cli.run(["growing", "--rate", "0.4", "--steps", "1", *ALONE])) != 0:
            wrong.append(f"{damage}: exit {code}")
    assert not wrong, wrong
