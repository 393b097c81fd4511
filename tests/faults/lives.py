"""Commands in the life of a run's folder: what was there before, what is typed, and what it must come to."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command import Ended

from fbench import cli
from fbench.harness import registry
from fbench.harness.state import committed, read_state

FILE = Path(__file__).with_name("growing.py")
ALONE = ("--threads", "1", "--jobs", "1")
MINE = {"notes.txt": b"mine", "figures/mine.svg": b"<svg>mine</svg>"}
"""A user's files in a run's folder."""

Cells = dict[str, list[tuple[str, ...]]]
"""Rows by table, as text."""


def ran(folder: Path, *words: str, suite: str = "growing") -> Ended:
    """A command on a folder, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([suite, *words, *ALONE, "--out", str(folder)])
    return Ended(code, out.getvalue(), err.getvalue())


def complaints(ended: Ended) -> list[str]:
    """The lines in which a command says why it failed."""
    return [
        line for line in ended.err.splitlines() if line.startswith("fbench:") and not line.startswith("fbench: warning")
    ]


def on_disk(folder: Path) -> Cells:
    """Committed rows, as any reader finds them; no tables where nothing is committed yet."""
    state = read_state(folder)
    if state is None or state.clearing:
        return {}
    tables = committed(folder, state, registry.SUITES.get("growing").all_tables()).tables
    return {name: cells(data) for name, data in tables.items()}


def cells(data: bytes) -> list[tuple[str, ...]]:
    """The rows of a table, its header left out."""
    return [tuple(row) for row in csv.reader(io.StringIO(data.decode(), newline=""))][1:]


def tables(folder: Path) -> dict[str, bytes]:
    """The tables' files."""
    return {name: (folder / f"{name}.csv").read_bytes() for name in ("results", "extra")}


def left_mine(folder: Path) -> None:
    """Put a user's files into a run's folder."""
    for name, data in MINE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def _trap(folder: Path, text: str) -> str:
    path = folder.parent.parent / "trap"
    path.write_text(text)
    return str(path)


def _new(folder: Path) -> tuple[str, ...]:
    return ()


def _in_part(folder: Path) -> tuple[str, ...]:
    from faults.crash import Disk, Killed, Stop, interposed

    with interposed(Disk(folder, Stop(at=75))), pytest.raises(Killed):
        ran(folder)
    left_mine(folder)
    return ()


def _grown(folder: Path) -> tuple[str, ...]:
    assert ran(folder).code == 0
    left_mine(folder)
    return ("--sizes", "2,3", "--steps", "3")


def _overwritten(folder: Path) -> tuple[str, ...]:
    assert ran(folder, "--rate", "0.5").code == 0
    left_mine(folder)
    return ("--overwrite",)


def _retried(folder: Path) -> tuple[str, ...]:
    assert ran(folder, "--trap", _trap(folder, "1:1 3:0")).code == 1
    left_mine(folder)
    return ("--trap", _trap(folder, ""), "--retry")


def _rendered(folder: Path) -> tuple[str, ...]:
    assert ran(folder).code == 0
    left_mine(folder)
    (folder / "figures/growth.png").unlink()
    (folder / "summary.md").write_text("mine too")
    return ()


PREPARED: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "new": _new,
    "in part": _in_part,
    "grown": _grown,
    "overwritten": _overwritten,
    "retried": _retried,
    "rendered": _rendered,
}
"""Lives by name: each makes a folder what it was before, and gives the words of the command that is to be broken."""


@dataclass
class Life:
    """A prepared folder, the command, and what it comes to when nothing disturbs it."""

    name: str
    prepared: Path
    words: Sequence[str]
    before: Cells
    after: dict[str, bytes] = field(default_factory=dict)

    @property
    def mine(self) -> dict[str, bytes]:
        """The user's files."""
        if not self.prepared.exists():
            return {}
        more = {"summary.md": b"mine too"} if self.name == "rendered" else {}
        return MINE | more

    def copied(self, place: Path) -> Path:
        """The prepared folder at another place, where it is to be broken."""
        shutil.rmtree(place.parent, ignore_errors=True)
        place.parent.mkdir(parents=True)
        if self.prepared.exists():
            shutil.copytree(self.prepared, place)
        return place


def prepared(name: str, home: Path) -> Life:
    """A life, its undisturbed end measured."""
    words = PREPARED[name](home / "before/run")
    life = Life(name, home / "before/run", words, on_disk(home / "before/run") if words or name != "new" else {})
    place = life.copied(home / "whole/run")
    assert ran(place, *words).code == 0
    life.after = tables(place)
    return life
