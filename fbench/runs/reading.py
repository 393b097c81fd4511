"""One verified reader of a run's folder: no lock is taken and nothing is written, whoever works there meanwhile.

A table's committed bytes are proved by their SHA-256, so what a running process appends or renames while they are read
is either not seen, or noticed and read again.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fbench.errors import FolderError, UsageError
from fbench.harness import disk
from fbench.harness.contract import Column, Row
from fbench.harness.history import History
from fbench.harness.identity import read_identity
from fbench.harness.registry import SUITES
from fbench.harness.state import State, committed, read_state
from fbench.harness.suite import Suite
from fbench.results import table

_TRIES, _PAUSE_S = 20, 0.05
"""A rewrite of every table takes a moment; a folder that changes for a second on end is somebody's mistake."""


@dataclass(frozen=True)
class Reading:
    """What a run's folder says: whose it is, how far it is, where it was measured, and its committed bytes by table."""

    path: Path
    identity: Mapping[str, Any]
    state: State
    environment: Mapping[str, Any]
    data: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def suite(self) -> Suite:
        """The suite that measured it.

        Raises:
            UsageError: it is not registered here; says which file to load.
        """
        return suite_of(self.identity, self.path)

    @functools.cached_property
    def options(self) -> Any:
        """The suite's options, as they were.

        Raises:
            FolderError: one that this version cannot read.
        """
        try:
            return self.suite.restored(self.identity["options"])
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise FolderError(f"{self.path / 'options.json'} has an option that cannot be read: {error}") from error

    @functools.cached_property
    def columns(self) -> dict[str, Sequence[Column]]:
        """Columns of every table that is there."""
        return {name: columns for name, columns in self.suite.all_tables().items() if name in self.data}

    @functools.cached_property
    def rows(self) -> dict[str, list[Row]]:
        """Every committed row, by table; a column that the run's version had not is empty."""
        return {
            name: table.parse(self.data[name], columns, self.path / f"{name}.csv", earlier=True)
            for name, columns in self.columns.items()
        }

    @functools.cached_property
    def history(self) -> History:
        """The rows by case and unit."""
        rows: dict[str, list[Row]] = {name: [] for name in self.suite.all_tables()}
        return History(self.suite, {**rows, **self.rows})

    @functools.cached_property
    def units(self) -> tuple[int, int | None]:
        """Units that are there, and units of the whole run: None where it is not known before its end."""
        number = self.suite.unit
        done = len({(row["case"], row[number]) for row in self.rows["results"]})
        if self.state.finished:
            return done, done
        units = self.suite.units(self.options)
        return done, None if units is None else units * self.cases

    @functools.cached_property
    def cases(self) -> int:
        """Cases of the run, which its units are counted over."""
        return len(self.suite.grid(self.options))


def suite_of(identity: Mapping[str, Any], path: Path) -> Suite:
    """The suite that a run's ``options.json`` names.

    Raises:
        UsageError: it is not registered here. A file is never run because a folder names it.
    """
    name = str(identity["suite"])
    if name in SUITES.names():
        return SUITES.get(name)
    load = " ".join(f"--load {file['path']}" for file in identity["loaded"] if file["path"])
    remedy = f"give {load}" if load else "give the file that declares it (--load FILE.py), or define it before"
    raise UsageError(f"{path} is a run of `fbench {name}`, a suite that is not fbench's: {remedy}")


def read_folder(path: Path) -> Reading:
    """Read a run, as it was at one moment.

    Raises:
        FolderError: no run is there, or something in it is damaged; names the file.
        UsageError: its suite is not registered here.
    """
    if not path.is_dir():
        raise FolderError(f"{path}: no such run; `fbench runs` lists what is there")
    for _ in range(_TRIES):
        before = _marks(path)
        try:
            reading = _read_once(path)
        except FolderError:
            if before == _marks(path) and b'"renaming": true' not in before[0]:
                raise
        else:
            if before[1] == _marks(path)[1]:
                return reading
        time.sleep(_PAUSE_S)
    return _read_once(path)


def _marks(path: Path) -> tuple[bytes, bytes]:
    """The bytes of what says how far a run is, and whose it is; empty for a file that cannot be read."""
    return _bytes(path / "state.json"), _bytes(path / "options.json")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


def _read_once(path: Path) -> Reading:
    identity, state = read_identity(path), read_state(path)
    if identity is None:
        raise FolderError(f"{path} holds no run of fbench: it has no options.json")
    if state is None:
        raise FolderError(f"{path / 'state.json'} is missing: nothing says which rows are whole; {disk.REMEDY}")
    if state.clearing:
        raise FolderError(f"{path} was being replaced by another run: nothing is committed in it")
    tables = _readable(path, suite_of(identity, path), state)
    part = replace(state, marks={name: mark for name, mark in state.marks.items() if name in tables})
    data, now, notes = committed(path, part, tables)
    return Reading(path, identity, now, disk.read_checked(path / "environment.json"), data, notes)


def _readable(path: Path, suite: Suite, state: State) -> dict[str, tuple[Column, ...]]:
    """The tables that the run has; one from before SHA-256s may have been published without some.

    Raises:
        FolderError: it has tables that its suite has not, or no ``results``.
    """
    tables = {name: columns for name, columns in suite.all_tables().items() if name in state.marks}
    if strange := sorted(state.marks.keys() - tables.keys()) or ([] if "results" in tables else ["no results"]):
        raise FolderError(f"{path / 'state.json'} is of other tables than this suite's: {', '.join(strange)}")
    if any(mark.sha256 for mark in state.marks.values()):
        return tables
    return {name: columns for name, columns in tables.items() if name == "results" or (path / f"{name}.csv").exists()}


def find_run(text: str, reports: Path = Path("reports")) -> Path:
    """The folder that was named: a path, or the RUN-ID of a folder below ``reports``.

    Example:
        >>> find_run("a/folder")
        PosixPath('a/folder')
    """
    path = Path(text)
    if path.is_dir() or len(path.parts) != 1 or text in ("", ".", ".."):
        return path
    return next(iter(sorted(folder for folder in reports.glob("*/*/") if folder.name == text)), path)
