"""A run's folder: whose it is, what in it is committed, and how it survives a kill at any moment.

    options.json       every option resolved, and the run's fingerprint: written first, it makes the folder ours
    environment.json   the machine
    results.csv, …     tables, appended a unit at a time, rewritten once in key order when the run ends
    state.json         how many bytes of every table are committed, whether the run has finished, and how long it took

A unit is committed when ``state.json`` (replaced atomically) counts its bytes; whatever lies beyond is a torn or
uncommitted tail and is cut off when the folder is taken up. A rewrite puts every new table beside the old one, says
so in ``state.json``, then renames, so that it too can be finished by whoever comes next.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fbench.errors import FolderError
from fbench.harness.contract import Column, Row, Unit
from fbench.results import table

try:
    import fcntl
except ImportError:  # not on Windows: two runs in one folder go unnoticed there
    fcntl = None  # type: ignore[assignment]

_OURS = ("options.json", "environment.json", "state.json", "summary.md", "options.json.new", "state.json.new")


class RunFolder:
    """The folder of one run of a suite; ``tables`` gives the columns of every table, ``unit`` the unit's column."""

    def __init__(self, path: Path, tables: Mapping[str, Sequence[Column]], unit: str) -> None:
        self.path, self.tables, self.unit = path, tables, unit
        self._sizes: dict[str, int] = {}
        self._lock: Any = None
        self._since = time.monotonic()
        self.finished = False
        self.spent_s = 0.0

    def create(self, identity: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Make the folder ours and start every table with its header."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            clear(self.path, self.tables)
            _write_json(self.path / "options.json", identity)
            _write_json(self.path / "environment.json", environment)
            self._sizes = dict.fromkeys(self.tables, 0)
            for name, columns in self.tables.items():
                self._append(name, table.header(columns), start=0)
            self._write_state()

    def take_up(self) -> None:
        """Continue in a folder that is ours: end a rewrite that was under way, cut off what is not committed.

        Raises:
            FolderError: another process works in it, or a table lost bytes that had been committed.
        """
        with writing(self.path):
            self._take_lock()
            state = self._read_state()
            self._sizes, self.finished, self.spent_s = state["sizes"], state["finished"], state["spent_s"]
            if state["renaming"]:
                self._rename()
            for name in self.tables:
                self._cut(name)

    def commit(self, unit: Unit) -> None:
        """Append a unit: side tables, then ``results``, then the mark."""
        with writing(self.path):
            for name in [*(n for n in self.tables if n != "results"), "results"]:
                rows = unit.rows if name == "results" else unit.tables.get(name, ())
                if rows:
                    self._append(name, table.lines(self.tables[name], rows), start=self._sizes[name])
            self._write_state()

    def rows(self) -> dict[str, list[Row]]:
        """Every committed row, by table."""
        return {name: table.read(self._csv(name), columns) for name, columns in self.tables.items()}

    def rewrite(self, rows: Mapping[str, Sequence[Row]], *, finished: bool) -> None:
        """Replace every table at once, so that a kill leaves either the old ones or the new."""
        with writing(self.path):
            for name, columns in self.tables.items():
                text = (table.header(columns) + table.lines(columns, rows[name])).encode()
                self._new(name).write_bytes(text)
                self._sizes[name] = len(text)
            self.finished = finished
            self._write_state(renaming=True)
            self._rename()

    def write_text(self, name: str, text: str) -> None:
        """Write one more file of the run, such as ``summary.md``."""
        with writing(self.path):
            (self.path / name).write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            self._lock.close()

    def _csv(self, name: str) -> Path:
        return self.path / f"{name}.csv"

    def _new(self, name: str) -> Path:
        return self.path / f"{name}.csv.new"

    def _append(self, name: str, text: str, start: int) -> None:
        data = text.encode()
        with self._csv(name).open("r+b" if self._csv(name).exists() else "wb") as file:
            file.seek(start)
            file.truncate()
            file.write(data)
        self._sizes[name] = start + len(data)

    def _cut(self, name: str) -> None:
        path, size = self._csv(name), self._sizes[name]
        if not path.exists() or path.stat().st_size < size:
            raise FolderError(
                f"{path} is shorter than what was committed to it; restore it, or use --fresh or --overwrite"
            )
        os.truncate(path, size)

    def _read_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
            good = {"finished", "renaming", "spent_s"} <= state.keys() and set(state["sizes"]) == set(self.tables)
        except (ValueError, LookupError, AttributeError, TypeError):
            good = False
        if not good:
            raise FolderError(f"{self.path / 'state.json'} was edited or is damaged; use --fresh or --overwrite")
        return state

    def _rename(self) -> None:
        for name in self.tables:
            if self._new(name).exists():
                self._new(name).replace(self._csv(name))
        self._write_state()

    def _write_state(self, *, renaming: bool = False) -> None:
        now = time.monotonic()
        self.spent_s, self._since = round(self.spent_s + now - self._since, 3), now  # as it will be read again
        state = {
            "sizes": self._sizes,
            "finished": self.finished,
            "renaming": renaming,
            "spent_s": self.spent_s,
        }
        _write_json(self.path / "state.json", state)

    def _take_lock(self) -> None:
        if fcntl is None or self._lock is not None:
            return
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise FolderError(
                f"{self.path} is in use by another fbench process; wait for it, or choose another --out"
            ) from None


def identity_of(path: Path) -> dict[str, Any] | None:
    """``options.json`` of a run folder, or None where there is none that we wrote."""
    try:
        identity = json.loads((path / "options.json").read_text())
    except (OSError, ValueError):
        return None
    return identity if isinstance(identity, dict) and "fingerprint" in identity else None


def is_finished(path: Path) -> bool:
    """Whether the run in this folder came to its end."""
    try:
        return bool(json.loads((path / "state.json").read_text())["finished"])
    except (OSError, ValueError, KeyError):
        return False


def clear(path: Path, tables: Iterable[str]) -> None:
    """Remove a run's own files, and nothing else, from a folder that is to be overwritten."""
    # The state goes first, so that what is left is never taken up; options.json stays until it is replaced: it
    # says that the folder is ours.
    ours = {*_OURS[1:], *(name + end for name in tables for end in (".csv", ".csv.new"))}
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name != "state.json"):
        if entry.name == "figures":
            shutil.rmtree(entry)
        elif entry.name in ours:
            entry.unlink()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Atomically: a reader finds the old file or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    new.replace(path)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a write into one line for the user.

    Raises:
        FolderError: the disk is full, the folder cannot be written, …
    """
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        raise FolderError(
            f"cannot write in {path}: {what}. What was committed is kept: mend it and run the same command again"
        ) from error
