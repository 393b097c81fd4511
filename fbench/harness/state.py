"""What ``state.json`` says: how much of every table is committed, with its SHA-256, and how far the run is.

A table's committed bytes are known by their number and their SHA-256. The mark of the commit before is kept too: a
file that lost its end is still good up to there. Files that a report wrote are known by theirs, so that what a user put
in their place is never taken for ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from fbench.errors import FolderError
from fbench.harness import disk
from fbench.harness.contract import Column
from fbench.results import table

_KEYS = {"sizes", "finished", "renaming", "spent_s"}


class Mark(NamedTuple):
    """The committed part of a table: its bytes, and their SHA-256 (empty in runs from before it was kept)."""

    size: int
    sha256: str = ""

    def holds(self, data: bytes) -> bool:
        """Whether the file's bytes begin with what was committed."""
        part = data[: self.size]
        return len(part) == self.size and self.sha256 in ("", hashlib.sha256(part).hexdigest())


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
        marks: by table.
        before: the marks of the commit before, by table; empty where there was none.
        finished: whether every unit is there.
        renaming: new tables lie beside the old ones, and ``marks`` are theirs.
        clearing: what is in the folder is to be thrown away; nothing is committed.
        spent_s: seconds that the run has taken.
        reports: SHA-256s that a report's files may have, by name below the folder.
    """

    marks: Mapping[str, Mark] = field(default_factory=dict)
    before: Mapping[str, Mark] = field(default_factory=dict)
    finished: bool = False
    renaming: bool = False
    clearing: bool = False
    spent_s: float = 0.0
    reports: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Replace ``state.json``."""
        disk.write_checked(
            folder / "state.json",
            {
                "sizes": {name: mark.size for name, mark in self.marks.items()},
                "hashes": {name: mark.sha256 for name, mark in self.marks.items()},
                "before": self.before,
                "finished": self.finished,
                "renaming": self.renaming,
                "clearing": self.clearing,
                "spent_s": self.spent_s,
                "reports": self.reports,
            },
        )


def read_state(folder: Path) -> State | None:
    """What ``state.json`` says; None where there is none.

    Raises:
        FolderError: it is damaged, or was edited.
    """
    path = folder / "state.json"
    if not path.exists() and not path.is_symlink():
        return None
    value = disk.read_checked(path)
    try:
        return _state(value)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise FolderError(f"{path} is damaged: it says nothing of the tables; {disk.REMEDY}") from None


def _state(value: Mapping[str, Any]) -> State:
    if "hashes" not in value and set(value) != _KEYS:  # a run from before SHA-256s were kept has these keys, no others
        raise ValueError(value)
    hashes = value.get("hashes", {})
    state = State(
        marks={name: Mark(int(size), hashes.get(name, "")) for name, size in value["sizes"].items()},
        before={name: Mark(int(size), sha256) for name, (size, sha256) in value.get("before", {}).items()},
        finished=value["finished"],
        renaming=value["renaming"],
        clearing=value.get("clearing", False),
        spent_s=float(value["spent_s"]),
        reports=value.get("reports", {}),
    )
    flags = (state.finished, state.renaming, state.clearing)
    if any(mark.size < 0 for mark in state.marks.values()) or not all(isinstance(flag, bool) for flag in flags):
        raise ValueError(value)
    return state


class CommittedBytes(NamedTuple):
    """CommittedBytes bytes by table, what had to be mended to get at them, and the state that they are in."""

    tables: Mapping[str, bytes]
    state: State
    notes: tuple[str, ...] = ()


def committed(folder: Path, state: State, tables: Mapping[str, Sequence[Column]]) -> CommittedBytes:
    """The committed bytes of every table; nothing is written.

    A table that a spreadsheet wrote anew is read as it was where its values are the same. Where a table lost its end,
    all of them are taken back by one unit, and the run is unfinished.

    Raises:
        FolderError: a table is not what was committed to it.
    """
    if set(state.marks) != set(tables):
        raise FolderError(f"{folder / 'state.json'} is of other tables than this suite's ({', '.join(tables)})")
    files = {name: _read(folder, name, state) for name in tables}
    parts, notes = {}, []
    for name, columns in tables.items():
        mark, data = state.marks[name], files[name]
        if not mark.holds(data):
            data = _respelled(data, columns, mark)
            if not data:
                return _taken_back(folder, state, files, name)
            notes.append(f"{folder / name}.csv was written anew by another program; its values are the same")
        elif state.finished and len(data) > mark.size:
            raise FolderError(f"{folder / name}.csv has more than fbench wrote to it; {disk.REMEDY}")
        parts[name] = data[: mark.size]
    return CommittedBytes(parts, state, tuple(notes))


def _read(folder: Path, name: str, state: State) -> bytes:
    path = folder / f"{name}.csv"
    if state.renaming and disk.beside(path).exists():
        path = disk.beside(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror or error}") from error


def _respelled(data: bytes, columns: Sequence[Column], mark: Mark) -> bytes:
    """What was committed, where the file says the same with other quotes and line ends; else nothing."""
    for spelling in (data, data.replace(b"\r\n", b"\n")):
        try:
            text = table.text(columns, table.parse(spelling, columns, Path())).encode()
        except (FolderError, UnicodeError):
            continue
        if mark.sha256 and mark.holds(text) and mark.size == len(text):
            return text
    return b""


def _taken_back(folder: Path, state: State, files: Mapping[str, bytes], broken: str) -> CommittedBytes:
    """Everything but the last unit, where a table lost its end and what is left of all of them is good.

    Raises:
        FolderError: it is not, or the table is no shorter than it was.
    """
    path, mark = folder / f"{broken}.csv", state.marks[broken]
    short = len(files[broken]) < mark.size
    if short and state.before and all(state.before[name].holds(files[name]) for name in files):
        parts = {name: data[: state.before[name].size] for name, data in files.items()}
        note = f"{path} had lost its end: the last unit is measured again"
        return CommittedBytes(parts, replace(state, marks=state.before, before={}, finished=False), (note,))
    what = "is shorter than what was committed to it" if short else "was changed after fbench wrote it"
    raise FolderError(f"{path} {what}; {disk.REMEDY}")
