"""Which machine measured what: of a merged run, ``machines.csv`` keeps it for every unit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from fbench.errors import FolderError
from fbench.harness import disk
from fbench.harness.contract import COMMON_COLUMNS, Column, Row
from fbench.harness.suite import Suite
from fbench.results import table
from fbench.runs.reading import Reading

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


def machine_row(machines: Sequence[Mapping[str, Any]], place: int, run: str) -> Row:
    """The cells that say which machine it was; no machine where ``place`` is none of them."""
    if not 0 <= place < len(machines):
        return {"run": run}
    gpus = ", ".join(gpu["name"] for gpu in machines[place].get("gpus") or ())
    return {"machine": place, "cpu": machines[place].get("cpu"), "gpu": gpus or None, "run": run}


def machine_rows(reading: Reading) -> tuple[tuple[Column, ...], list[Row]]:
    """Columns and rows of a run's machines, a row a unit, in the order of ``results``.

    A unit that was measured after a merge has no machine; where there was no merge, there is only one.

    Raises:
        FolderError: ``machines.csv`` of a merged run is missing, or is not as it was written.
    """
    columns, number = machine_columns(reading.suite), reading.suite.unit
    machines = machines_of(reading.environment)
    merged = _merged_rows(reading, columns) if "machines" in reading.environment else {}
    rows = []
    for key in dict.fromkeys((row["case"], row[number]) for row in reading.rows["results"]):
        known = machine_row(machines, -1 if "machines" in reading.environment else 0, str(reading.path))
        rows.append(merged.get(key) or {"case": key[0], number: key[1], **known})
    return columns, rows


def _merged_rows(reading: Reading, columns: Sequence[Column]) -> dict[tuple[str, int], Row]:
    path = reading.path / MACHINES_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror or error}; {disk.REMEDY}") from error
    if hashlib.sha256(data).hexdigest() not in reading.state.reports.get(MACHINES_FILE, ()):
        raise FolderError(f"{path} was changed after fbench wrote it; {disk.REMEDY}")
    return {(row["case"], row[reading.suite.unit]): row for row in table.parse(data, columns, path)}
