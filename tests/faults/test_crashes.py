"""A run's folder outlives a kill, an error of the disk and a power cut at any operation on files.

An ordinary run of the tests tries a few points of every kind; 750 of them, or all, some five thousand, by

    FBENCH_POINTS=25 python -m pytest tests/faults/test_crashes.py
    python -m pytest tests/faults/test_crashes.py --full
"""

import contextlib
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from errno import EIO, ENOSPC
from pathlib import Path

import numpy as np
import pytest
from faults.crash import Disk, Killed, Stop, interposed
from faults.lives import PREPARED, cells, complaints, on_disk, prepared, ran, tables
from faults.power import ForgetfulDisk

from fbench import cli
from fbench.cli.progress import Progress

FEW = int(os.environ.get("FBENCH_POINTS", "2"))
"""Points of a kind and life where not all are tried."""


@pytest.fixture
def told(growing, monkeypatch):
    """Units of which the program said that they are committed."""
    units, measured = [], Progress.measured

    def note(self, case, unit, *more, **named):
        units.append((case.id, str(unit)))
        return measured(self, case, unit, *more, **named)

    monkeypatch.setattr(Progress, "measured", note)
    return units


@pytest.fixture(params=PREPARED)
def life(request, growing, tmp_path):
    return prepared(request.param, tmp_path)


def some(points: Sequence[Stop], full: bool, few: int = FEW) -> Sequence[Stop]:
    """All of them, or a few at places that are the same every time."""
    return points if full or len(points) <= few else random.Random(len(points)).sample(points, few)


def steps_of(life, place) -> list[str]:
    """The operations of the undisturbed command."""
    disk = Disk(life.copied(place).parent)
    with interposed(disk):
        assert ran(place, *life.words).code == 0
    return disk.log


def struck(disk, life, place) -> None:
    """The command, stopped by the disk: killed, or ended with one line that a user can act on."""
    with interposed(disk):
        try:
            ended = ran(place, *life.words)
        except Killed:
            return
    assert ended.code in (0, 2), f"{disk.stop}: {ended}"
    assert len(complaints(ended)) == (ended.code == 2), f"{disk.stop}: {ended.err}"


def keeps(life, place, told, stop) -> None:
    """Nothing that was committed is lost, and nothing of the user's."""
    rows = on_disk(place) if (place / "state.json").exists() else {}
    units = {(row[0], row[2]) for row in rows.get("results", ())}
    assert units >= set(told), f"{stop}: units were lost: {set(told) - units}"
    whole = {name: cells(data) for name, data in life.after.items()}
    for name, old in life.before.items():
        new = rows.get(name, [])
        if life.name == "overwritten":
            assert set(new) <= set(whole[name]) or new == old, f"{stop}: two runs are mixed in {name}"
        elif life.name == "retried":
            assert set(new) >= {row for row in old if row in whole[name]}, f"{stop}: rows were lost from {name}"
        else:
            assert set(new) >= set(old), f"{stop}: rows were lost from {name}"
    assert {name: (place / name).read_bytes() for name in life.mine} == life.mine, str(stop)


def goes_on(life, place, stop) -> None:
    """An ordinary command takes the folder up and comes to the same end."""
    ended = ran(place, *life.words)
    assert ended.code == 0, f"{stop}: {ended}"
    assert tables(place) == life.after, f"{stop}: other rows"
    assert (place / "summary.md").exists()
    assert (place / "figures/growth.png").exists()
    assert {name: (place / name).read_bytes() for name in life.mine} == life.mine, str(stop)
    assert not list(place.rglob("*.new")), str(stop)


def kills(log: Sequence[str]) -> list[Stop]:
    """Before every operation, and in every write."""
    halves = [Stop(at, "half") for at, step in enumerate(log, 1) if step.startswith("write")]
    return [*(Stop(at) for at in range(1, len(log) + 1)), *halves]


def errors(log: Sequence[str]) -> Iterator[Stop]:
    """A full disk wherever something is written or named, half a write done, and a broken one at every flush too."""
    for at, step in enumerate(log, 1):
        if not step.startswith(("fsync", "look")):
            yield Stop(at, "half", ENOSPC)
        yield Stop(at, "before", EIO)


def test_killed(life, told, tmp_path, full):
    place = tmp_path / "there/run"
    for stop in some(kills(steps_of(life, place)), full):
        told.clear()
        struck(Disk(life.copied(place).parent, stop), life, place)
        keeps(life, place, told, stop)
        goes_on(life, place, stop)


def test_the_disk_fails(life, told, tmp_path, full):
    place = tmp_path / "there/run"
    for stop in some(list(errors(steps_of(life, place))), full):
        told.clear()
        struck(Disk(life.copied(place).parent, stop), life, place)
        keeps(life, place, told, stop)
        goes_on(life, place, stop)


def test_killed_twice(life, told, tmp_path, full):
    """What recovers is killed as well, at other places each time."""
    place = tmp_path / "there/run"
    chance = random.Random(0)
    for stop in some(kills(steps_of(life, place))[:: 1 if full else 5], full):
        told.clear()
        struck(Disk(life.copied(place).parent, stop), life, place)
        second = Stop(chance.randint(1, 60), chance.choice(["before", "half"]))
        struck(Disk(place.parent, second), life, place)
        keeps(life, place, () if life.name == "overwritten" else told, f"{stop}, then {second}")
        goes_on(life, place, f"{stop}, then {second}")


@pytest.mark.parametrize("worst", [True, False], ids=["worst", "chance"])
def test_the_power_fails(life, told, tmp_path, full, worst):
    place = tmp_path / "there/run"
    points = kills(steps_of(life, place))
    for stop in some(points, full):
        told.clear()
        disk = ForgetfulDisk(life.copied(place).parent, stop)
        struck(disk, life, place)
        disk.cut(None if worst else random.Random(stop.at))
        keeps(life, place, told, f"power cut, {stop}")
        goes_on(life, place, f"power cut, {stop}")


def test_picks_are_whole_or_not_there(told, tmp_path, full):
    """Whenever ``fbench pick`` is stopped; and what it was to replace is there until it is replaced."""
    chance = np.random.default_rng(0)
    source = tmp_path / "pool.npz"
    np.savez(source, logits=chance.normal(size=(20, 3)), features=chance.normal(size=(20, 4)))
    out = tmp_path / "there/picks.csv"

    def picked(disk: Disk, *words: str) -> None:
        with interposed(disk), contextlib.suppress(Killed):
            assert cli.run(["pick", str(source), "--batch", "3", "--out", str(out), *words]) in (0, 2)

    def fresh(old: bytes = b"") -> Path:
        shutil.rmtree(out.parent, ignore_errors=True)
        out.parent.mkdir()
        if old:
            out.write_bytes(old)
        return out.parent

    disk = Disk(fresh())
    picked(disk)
    whole = out.read_bytes()
    for stop in some([*kills(disk.log), *errors(disk.log)], full, few=5):
        picked(Disk(fresh(), stop))
        assert not out.exists() or out.read_bytes() == whole, str(stop)
        picked(Disk(out.parent))
        assert out.read_bytes() == whole, str(stop)
        picked(Disk(fresh(b"old"), stop), "--overwrite")
        assert out.read_bytes() in (b"old", whole), str(stop)


def test_what_is_interposed(growing, tmp_path):
    """Else nothing above would be stopped: a new run makes its folder, and flushes what it writes and renames."""
    life = prepared("new", tmp_path)
    log = steps_of(life, tmp_path / "there/run")
    kinds = [step.split()[0] for step in log]
    assert {kind: kinds.count(kind) > 5 for kind in ("open", "write", "fsync", "replace")} == dict.fromkeys(
        ("open", "write", "fsync", "replace"), True
    )
    assert kinds[0] == "mkdir"
    assert 100 < len(log) < 400
