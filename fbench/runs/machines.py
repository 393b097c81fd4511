"""Which machine measured what: of a run of several, ``machines.csv`` keeps it for every unit.

A run has several machines where it was merged of parts, or was gone on with elsewhere than it was begun. A unit that is
not in ``machines.csv`` was measured since that was written, on the last machine of ``environment.json``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from fbench.errors import FolderError
from fbench.harness import disk
from fbench.harness.contract import COMMON_COLUMNS, Column, Row
from fbench.harness.folder import RunFolder
from fbench.harness.suite import Suite
from fbench.results import table
from fbench.results.render import devices_of
from fbench.runs.reading import Reading, read_folder

MACHINES_FILE = "machines.csv"


def machine_columns(suite: Suite) -> tuple[Column, ...]:
    """Columns of ``machines.csv``; the unit's has the suite's name for it."""
    return (
        COMMON_COLUMNS[0],
        Column(suite.unit, "int", "", "unit of the case"),
        Column("machine", "int", "", "place in environment.json's machines, from 0"),
        Column("cpu", "str", "", "its processor"),
        Column("gpu", "str", "", "its GPUs that were used"),
        Column("run", "str", "", "the folder that the unit was merged from"),
    )


def machines_of(environment: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The environment of every machine.

    Example:
        >>> machines_of({"cpu": "a CPU"})
        [{'cpu': 'a CPU'}]
    """
    machines: Sequence[Mapping[str, Any]] = environment.get("machines") or [environment]
    return machines


def note_machine(folder: RunFolder, environment: Mapping[str, Any]) -> None:
    """Have a run that goes on elsewhere keep where its units were measured; those that come are of ``environment``.

    Raises:
        FolderError: its ``machines.csv`` is not as it was written; the folder cannot be written.
    """
    machines = machines_of(disk.read_checked(folder.path / "environment.json"))
    if _kind(machines[-1]) == _kind(environment):
        return
    reading = read_folder(folder.path)
    columns, rows = machine_rows(reading)
    folder.publish({MACHINES_FILE: table.text(columns, rows).encode()})
    started = {"started": reading.environment["started"]} if "started" in reading.environment else {}
    folder.reopen({"environment.json": {"machines": [*machines, dict(environment)], **started}})
    folder.notes = (
        *folder.notes,
        f"the run so far was measured on {_described(machines[-1])}; it goes on on {_described(environment)}: "
        f"{MACHINES_FILE} keeps which unit is whose, and times of both are not to be compared",
    )


def _kind(machine: Mapping[str, Any]) -> tuple[Any, ...]:
    """What times depend on, of a machine."""
    return _described(machine), machine.get("cores_usable")


def _described(machine: Mapping[str, Any]) -> str:
    cluster = f"; {machine['cluster']}" if machine.get("cluster") else ""
    return f"{devices_of(machine)} (torch {machine.get('torch')}{cluster})"


def machine_rows(reading: Reading) -> tuple[tuple[Column, ...], list[Row]]:
    """Columns and rows of a run's machines, a row a unit, in the order of ``results``.

    Raises:
        FolderError: ``machines.csv`` of a run of several machines is missing, or is not as it was written.
    """
    columns, number = machine_columns(reading.suite), reading.suite.unit
    machines = machines_of(reading.environment)
    kept = _kept_rows(reading, columns) if "machines" in reading.environment else {}
    last = _machine_cells(machines[-1], len(machines) - 1, str(reading.path))
    rows = []
    for key in dict.fromkeys((row["case"], row[number]) for row in reading.rows["results"]):
        rows.append(kept.get(key) or {"case": key[0], number: key[1], **last})
    return columns, rows


def _machine_cells(machine: Mapping[str, Any], place: int, run: str) -> Row:
    gpus = ", ".join(gpu["name"] for gpu in machine.get("gpus") or ())
    return {"machine": place, "cpu": machine.get("cpu"), "gpu": gpus or None, "run": run}


def _kept_rows(reading: Reading, columns: Sequence[Column]) -> dict[tuple[str, int], Row]:
    path = reading.path / MACHINES_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror or error}; {disk.REMEDY}") from error
    if hashlib.sha256(data).hexdigest() not in reading.state.reports.get(MACHINES_FILE, ()):
        raise FolderError(f"{path} was changed after fbench wrote it; {disk.REMEDY}")
    return {(row["case"], row[reading.suite.unit]): row for row in table.parse(data, columns, path)}
