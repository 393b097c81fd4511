"""A run's folder: whose it is, what in it is committed, and how it survives a kill at any moment.

    options.json       every option resolved, and the run's fingerprint: it makes the folder ours
    environment.json   the machine
    results.csv, …     tables, appended a unit at a time, rewritten once in key order when the run ends
    state.json         how much of every table is committed, and its SHA-256 (see ``harness.state``)

A unit is committed when ``state.json`` counts its bytes, which are on the disk by then; whatever lies beyond is a torn
or uncommitted tail and is cut off when the folder is taken up. A rewrite puts every new table beside the old one, says
so in ``state.json``, then renames, so that it too can be finished by whoever comes next.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fbench.errors import FolderError
from fbench.harness import disk
from fbench.harness.contract import Column, Row, Unit
from fbench.harness.state import Mark, State, committed, read_state
from fbench.results import table

try:
    import fcntl
except ImportError:  # not on Windows: two runs in one folder go unnoticed there
    fcntl = None  # type: ignore[assignment]


class RunFolder:
    """The folder of one run of a suite; ``tables`` gives the columns of every table, ``unit`` the unit's column."""

    def __init__(self, path: Path, tables: Mapping[str, Sequence[Column]], unit: str) -> None:
        self.path, self.tables, self.unit = path, tables, unit
        self.notes: tuple[str, ...] = ()
        self._state = State()
        self._hashes: dict[str, Any] = {}
        self._lock = -1
        self._since = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether every unit of the run is there."""
        return self._state.finished

    @property
    def spent_s(self) -> float:
        """Seconds that the run has taken so far."""
        return self._state.spent_s

    def lock(self) -> None:
        """Make the folder if need be, and keep every other process out of it.

        Raises:
            FolderError: another process works in it; it cannot be written.
        """
        with disk.writing(self.path):
            disk.make_folder(self.path)
            if fcntl is None or self._lock >= 0:
                return
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._lock = os.open(self.path / ".lock", flags, 0o666)
            if not self._is_free():
                self.close()
                raise FolderError(
                    f"{self.path} is in use by another fbench process; wait for it, or choose another --out"
                )

    def _is_free(self) -> bool:
        """Take the lock, if no process works here; one that only looks holds it for less than a few tries."""
        for _ in range(5):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                time.sleep(0.03)
        return False

    def create(self, identity: Mapping[str, Any], environment: Mapping[str, Any], spent_s: float = 0.0) -> None:
        """Make the folder ours and start every table with its header; what a run before left is removed.

        ``spent_s`` are the seconds that its rows took elsewhere.
        """
        self.lock()
        with disk.writing(self.path):
            old = _state_or_none(self.path)
            State(clearing=True, reports=old.reports if old else {}).write(self.path)
            clear(self.path, self.tables, old)
            papers = {"options.json": identity, "environment.json": environment}
            for name, value in papers.items():
                disk.write_checked(self.path / name, value)
            self._hashes = {name: hashlib.sha256() for name in self.tables}
            headers = {name: table.header(columns).encode() for name, columns in self.tables.items()}
            marks = {name: self._append(name, 0, data) for name, data in headers.items()}
            disk.sync_folder(self.path)
            self._write(
                State(marks, spent_s=spent_s, papers={name: [disk.digest(value)] for name, value in papers.items()})
            )

    def take_up(self) -> None:
        """Continue in a folder that is ours: end a rewrite that was under way, cut off what is not committed.

        Nothing is written before all of it has been checked. ``notes`` tell what had to be mended.

        Raises:
            FolderError: another process works in it, or something in it is damaged.
        """
        self.lock()
        with disk.writing(self.path):
            state = read_state(self.path)
            if state is None or state.clearing:
                raise FolderError(f"{self.path / 'state.json'} is missing; {disk.REMEDY}")
            for path in filter(Path.is_symlink, map(self._csv, self.tables)):
                raise FolderError(f"{path} is a symbolic link, and rows would go elsewhere; put the file itself there")
            new = self._new_tables(state)
            known = {name: columns for name, columns in self.tables.items() if name not in new}
            parts, self._state, self.notes = committed(self.path, state, known)
            if new:
                parts = {**parts, **self._begin(new)}
            self._hashes = {name: hashlib.sha256(data) for name, data in parts.items()}
            if state.renaming or not self._state.finished:
                self._restore(parts)

    def _new_tables(self, state: State) -> dict[str, bytes]:
        """The headers of tables that the suite has got since the run was measured: nothing is in them yet.

        Raises:
            FolderError: a file that fbench did not write has the name of one.
        """
        if "results" not in state.marks or not set(state.marks) < set(self.tables):
            return {}
        headers = {name: table.header(self.tables[name]).encode() for name in self.tables if name not in state.marks}
        for path, header in ((self._csv(name), header) for name, header in headers.items()):
            if path.exists() and disk.read_file(path) not in (b"", header):
                raise FolderError(f"{path} is in the way of a table of this run; move it away")
        return headers

    def _begin(self, headers: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Give the run tables that hold their headers alone."""
        for name, header in headers.items():
            disk.append(self._csv(name), 0, header)
        sealed = self._state.hashed
        marks = {name: Mark(len(h), hashlib.sha256(h).hexdigest() if sealed else "") for name, h in headers.items()}
        before = {**self._state.before, **marks} if self._state.before else {}
        self._write(replace(self._state, marks={**self._state.marks, **marks}, before=before))
        return headers

    def _restore(self, parts: Mapping[str, bytes]) -> None:
        """Bring every table to its committed bytes, and the state to one that counts them."""
        for name in self.tables if self._state.renaming else ():
            if disk.beside(self._csv(name)).exists():
                disk.beside(self._csv(name)).replace(self._csv(name))
        disk.sync_folder(self.path)
        for name, data in parts.items():
            there = self._csv(name).read_bytes()
            if not there.startswith(data):
                disk.write(self._csv(name), data)
            elif len(there) > len(data):
                os.truncate(self._csv(name), len(data))
        self._write(replace(self._state, renaming=False))

    def reopen(self, papers: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on with a run, finished or not, under other papers: an ``options.json`` that asks for more, say."""
        with disk.writing(self.path):
            parts = committed(self.path, self._state, self.tables).tables
            known = dict(self._state.papers)
            for name, value in papers.items():
                old = disk.read_checked(self.path / name)  # what is there, until it is replaced
                known[name] = [disk.digest(old), disk.digest(value)]
            self._write(replace(self._state, finished=False, papers=known))
            self._restore(parts)
            for name, value in papers.items():
                disk.write_checked(self.path / name, value)

    def commit(self, unit: Unit) -> None:
        """Append a unit: side tables, then ``results``, then the mark."""
        with disk.writing(self.path):
            marks = dict(self._state.marks)
            for name in [*(n for n in self.tables if n != "results"), "results"]:
                rows = unit.rows if name == "results" else unit.tables.get(name, ())
                if rows:
                    data = _encoded(table.lines(self.tables[name], rows))
                    marks[name] = self._append(name, marks[name].size, data)
            self._write(replace(self._state, marks=marks, before=self._state.marks))

    def rows(self) -> dict[str, list[Row]]:
        """Every committed row, by table."""
        parts = committed(self.path, self._state, self.tables).tables
        return {name: table.parse(parts[name], columns, self._csv(name)) for name, columns in self.tables.items()}

    def rewrite(self, rows: Mapping[str, Sequence[Row]], *, finished: bool) -> None:
        """Replace every table at once, so that a kill leaves either the old ones or the new."""
        with disk.writing(self.path):
            marks, before = {}, {}
            for name, columns in self.tables.items():
                first, last = self._apart(rows, name)
                start = _encoded(table.text(columns, first))
                data = start + _encoded(table.lines(columns, last))
                disk.write_beside(self._csv(name), data)
                self._hashes[name] = hashlib.sha256(data)
                marks[name] = Mark(len(data), self._hashes[name].hexdigest())
                before[name] = Mark(len(start), hashlib.sha256(start).hexdigest())
            state = replace(self._state, marks=marks, before=before, finished=finished)
            self._write(replace(state, renaming=True))
            for name in self.tables:
                disk.beside(self._csv(name)).replace(self._csv(name))
            disk.sync_folder(self.path)
            self._write(state)

    def _apart(self, rows: Mapping[str, Sequence[Row]], name: str) -> tuple[Sequence[Row], Sequence[Row]]:
        """A table's rows before those of the last unit of ``results``, and these."""
        key = [(row["case"], row[self.unit]) for row in rows["results"][-1:]]
        at = len(rows[name])
        while at and [(rows[name][at - 1]["case"], rows[name][at - 1][self.unit])] == key:
            at -= 1
        return rows[name][:at], rows[name][at:]

    def publish(self, files: Mapping[str, bytes]) -> dict[str, Path]:
        """Write a report's files, by name below the folder; gives where they are.

        What a user put in the place of one stays, and ours goes beside it as ``NAME-2``.
        """
        with disk.writing(self.path):
            places = {name: self._free(name) for name in files}
            known = dict(self._state.reports)
            for name, place in places.items():
                new, there = hashlib.sha256(files[name]).hexdigest(), _hash_of(self.path / place)
                known[place] = [there, new] if there not in ("", new) else [new]  # the old one, until it is replaced
            if known != self._state.reports:
                self._write(replace(self._state, reports=known))
            for name, place in places.items():
                if _hash_of(self.path / place) != known[place][-1]:
                    disk.make_folder((self.path / place).parent)
                    disk.write(self.path / place, files[name])
        return {name: self.path / place for name, place in places.items()}

    def _free(self, name: str) -> str:
        """The first of ``NAME``, ``NAME-2``, … that is ours or nobody's."""
        stem, dot, end = name.rpartition(".")
        for place in (name, *(f"{stem}-{n}{dot}{end}" for n in range(2, 1000))):
            path, hashes = self.path / place, self._state.reports.get(place)
            if not path.exists() and not path.is_symlink():
                return place
            if _hash_of(path) in (hashes or ()) or (not self._state.hashed and _hash_of(path)):
                return place
        raise FolderError(f"{self.path / name}: too many files of that name that fbench did not write; move some away")

    def close(self) -> None:
        """Let other processes in."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _csv(self, name: str) -> Path:
        return self.path / f"{name}.csv"

    def _append(self, name: str, start: int, data: bytes) -> Mark:
        disk.append(self._csv(name), start, data)
        self._hashes[name].update(data)
        return Mark(start + len(data), self._hashes[name].hexdigest())

    def _write(self, state: State) -> None:
        now = time.monotonic()
        if not self._state.finished:  # rendering again measures nothing
            state = replace(state, spent_s=round(state.spent_s + now - self._since, 3))
        state.write(self.path)
        self._state, self._since = state, now


def clear(path: Path, tables: Mapping[str, Any], state: State | None) -> None:
    """Remove what fbench wrote, and nothing else, from a folder that is to be overwritten.

    ``options.json`` and ``state.json`` stay until they are replaced: they say that the folder is ours. A report's file
    that was changed since is the user's.
    """
    disk.remove(path / "environment.json")
    for name in tables:
        disk.remove(path / f"{name}.csv")
        disk.remove(disk.beside(path / f"{name}.csv"))
    for name in _reports(path, state):
        disk.remove(path / name)
    if (path / "figures").is_dir() and not any((path / "figures").iterdir()):
        (path / "figures").rmdir()


def _reports(path: Path, state: State | None) -> Iterator[str]:
    """Names of the report's files that are as fbench wrote them; of a run from before hashes, those of its names."""
    if state is None or state.clearing or state.hashed:
        for name, hashes in state.reports.items() if state else ():
            if not Path(name).is_absolute() and ".." not in Path(name).parts and _hash_of(path / name) in hashes:
                yield name
    else:
        yield from ["summary.md"] if (path / "summary.md").is_file() else []
        svgs = (path / "figures").glob("*.svg")
        yield from (f"figures/{svg.stem}{end}" for svg in svgs for end in (".svg", ".png"))


def _hash_of(path: Path) -> str:
    """The SHA-256 of a file; empty for what is none, a link included."""
    if path.is_symlink() or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _state_or_none(path: Path) -> State | None:
    try:
        return read_state(path)
    except FolderError:
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate has no bytes
