"""Runs of one design, measured apart, as one run: on other machines, at other times, each its part.

Options that grow may differ (other seeds, arms, sizes, more rounds), and all else that changes numbers must be the
same. What two runs have both measured is held to equality. The new folder is made whole beside its place, and named at
the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from fbench.errors import FolderError, NothingMeasuredError, UsageError
from fbench.harness import disk
from fbench.harness.contract import Row
from fbench.harness.folder import RunFolder
from fbench.harness.history import GOOD, History
from fbench.harness.identity import Difference, differences, fingerprint_of
from fbench.harness.suite import Suite, stored
from fbench.results import table
from fbench.runs.listing import started_at
from fbench.runs.machines import MACHINES_FILE, machine_columns, machine_rows, machines_of
from fbench.runs.opening import Run, open_run
from fbench.runs.reading import Reading, read_folder
from fbench.runs.report import write_report

Key = tuple[str, int]
"""A unit: its case and its number."""

MEASURED_UNITS = ("s", "bytes", "FLOP/s", "Hz", "MHz", "°C")
"""What differs from machine to machine, and from time to time: a column of such a unit is not held to equality."""


@dataclass(frozen=True)
class Part:
    """A unit that goes into the merged run: rows by table, and the place of the run that it comes from."""

    source: int
    rows: Mapping[str, Sequence[Row]]

    @property
    def is_faulty(self) -> bool:
        """Whether a row of it failed or ran out of memory."""
        return any(row["status"] not in GOOD for row in self.rows["results"])


def merge_runs(paths: Sequence[str | Path], out: str | Path, *, accept_version: bool = False) -> Run:
    """Join runs of one design to a new run in ``out``, and open it.

    They may differ in what a study can grow by: seeds, arms, sizes, rounds. A unit that several have is taken from the
    first that has it without a fault. What is still missing is measured by the suite's command with ``--out OUT``.
    ``accept_version`` joins what different versions of fbench or of a loaded file measured, and notes it.

    Example:
        >>> merge_runs(["reports/laptop"], "reports/both")
        Traceback (most recent call last):
        fbench.errors.UsageError: merge needs two runs or more: 1 was named

    Raises:
        UsageError: fewer than two runs, or one twice.
        FolderError: ``out`` exists; a run cannot be read; the runs are of two designs, or don't agree.
    """
    out, folders = Path(out), [Path(path) for path in paths]
    if len(folders) < 2:
        raise UsageError(f"merge needs two runs or more: {len(folders)} was named")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("merge: a run is named twice; name every run once")
    if out.exists() or out.is_symlink():
        raise FolderError(f"--out {out} exists; merge makes a new folder, so choose another")
    readings = [read_folder(folder) for folder in folders]
    suite, options, identity = _design(readings, accept_version)
    parts = _joined(readings, suite)
    rows, finished = _rows(readings, suite, options, parts)
    with _made(out, suite) as folder:
        environment = {"machines": [m for reading in readings for m in machines_of(reading.environment)]}
        started = min(started_at(reading.path, dict(reading.environment)) for reading in readings)
        used = {part.source for part in parts.values()}  # what a run has that others have too took no time here
        spent_s = sum(readings[source].state.spent_s for source in used)
        folder.create(identity, {**environment, "started": started}, spent_s)
        folder.rewrite(rows, finished=finished)
        folder.publish({MACHINES_FILE: _machines(readings, suite, parts, rows)})
        if finished:
            _report(folder)
    return open_run(out)


def _design(readings: Sequence[Reading], accept_version: bool) -> tuple[Suite, Any, dict[str, Any]]:
    """The suite, the options and the identity of all runs together.

    Raises:
        FolderError: they are of two designs, or of two versions that were not accepted; names the first difference.
    """
    first, suite = readings[0], readings[0].suite
    accepted = [_compared(first, reading, accept_version) for reading in readings]
    options = reduce(lambda before, after: _grown(suite, before, after), [reading.options for reading in readings])
    merged = []
    for reading, told in zip(readings, accepted, strict=True):
        origin = {"run": str(reading.path), "fingerprint": reading.identity["fingerprint"]}
        merged += reading.identity.get("merged", [origin | {"fbench": reading.identity["fbench"], "accepted": told}])
    steps = sorted((step for reading in readings for step in reading.identity.get("history", ())), key=_when)
    identity = {**_plain(first), "options": stored(options), "history": steps, "merged": merged}
    return suite, options, {**identity, "fingerprint": fingerprint_of(suite, identity)}


def _when(step: Mapping[str, Any]) -> str:
    return str(step.get("at", ""))


def _plain(reading: Reading) -> dict[str, Any]:
    """The identity with what older versions did not write."""
    identity = {"sources": "unknown", **reading.identity, "options": stored(reading.options)}
    return {**identity, "loaded": [{"code": file["sha256"], **file} for file in identity["loaded"]]}


def _compared(first: Reading, reading: Reading, accept_version: bool) -> list[str]:
    """Refuse a run of another design; gives the differences of versions that are accepted."""
    if reading.identity["suite"] != first.identity["suite"]:
        suites = f"`fbench {first.identity['suite']}` and `fbench {reading.identity['suite']}`"
        raise FolderError(f"{first.path} and {reading.path} are runs of {suites}; merge joins runs of one suite")
    free = {p.name for p in first.suite.parameters if p.option.grows or p.option.hidden}
    before, now = _plain(first), _plain(reading)
    now["options"] = {name: before["options"][name] if name in free else v for name, v in now["options"].items()}
    told = differences(first.suite, before, now)
    hard = [difference for difference in told if not difference.version]
    if hard:
        raise FolderError(f"{_apart(first, reading, hard[0])}: they are of two designs, whose rows don't mix")
    if told and not accept_version:
        raise FolderError(f"{_apart(first, reading, told[0])}; --accept-version joins them and notes it")
    return list(map(str, told))


def _apart(first: Reading, reading: Reading, told: Difference) -> str:
    return f"{told.name} is {told.before} in {first.path} and {told.now} in {reading.path}"


def _grown(suite: Suite, before: Any, after: Any) -> Any:
    """The options of a run that has both."""
    grows = {p.name: p.option.grows for p in suite.parameters if p.option.grows}
    both = {name: merge(getattr(before, name), getattr(after, name)) for name, merge in grows.items()}
    hidden = {p.name: both[p.name] for p in suite.parameters if p.option.hidden and p.option.grows}
    return suite.grown(replace(before, **hidden), replace(before, **both))


def _joined(readings: Sequence[Reading], suite: Suite) -> dict[Key, Part]:
    """Every unit once.

    Raises:
        FolderError: two runs have measured the same and don't agree.
    """
    parts: dict[Key, Part] = {}
    for source, reading in enumerate(readings):
        fresh = {key: Part(source, rows) for key, rows in _units(reading).items()}
        if suite.executor != "inline":
            _refuse_timed_twice(readings, parts, fresh)
        for key, part in fresh.items():
            there = parts.get(key)
            if there is None or (there.is_faulty and not part.is_faulty):
                parts[key] = part
            elif not part.is_faulty:
                _hold_equal(readings, suite, key, there, part)
    return parts


def _units(reading: Reading) -> dict[Key, dict[str, list[Row]]]:
    units: dict[Key, dict[str, list[Row]]] = {}
    for name in reading.suite.all_tables():
        for row in reading.rows.get(name, ()):
            key = row["case"], row[reading.suite.unit]
            units.setdefault(key, {table: [] for table in reading.suite.all_tables()})[name].append(row)
    return units


def _refuse_timed_twice(readings: Sequence[Reading], parts: Mapping[Key, Part], fresh: Mapping[Key, Part]) -> None:
    """Cases that are timed, or weighed, alone say what one machine does; a case of two machines says nothing."""
    there = {case: part for (case, _), part in parts.items() if not _is_skipped(part)}
    for (case, _), part in fresh.items():
        if case in there and not _is_skipped(part):
            first, second = readings[there[case].source].path, readings[part.source].path
            raise FolderError(
                f"case {case!r} was measured in {first} and in {second}: times of two runs don't join; leave it out of "
                "one of them. Nothing was written"
            )


def _is_skipped(part: Part) -> bool:
    return all(row["status"] == "skipped" for row in part.rows["results"])


def _hold_equal(readings: Sequence[Reading], suite: Suite, key: Key, there: Part, part: Part) -> None:
    """Refuse a unit that two runs have, of other values; times and sizes in memory may be others."""
    for name, columns in suite.all_tables().items():
        first, second = there.rows[name], part.rows[name]
        told = [("number of rows", len(first), len(second))] if len(first) != len(second) else []
        told += [
            (column.name, before[column.name], now[column.name])
            for before, now in zip(first, second, strict=False)
            for column in columns
            if column.unit not in MEASURED_UNITS and before[column.name] != now[column.name]
        ]
        if told:
            what, old, new = told[0]
            raise FolderError(
                f"{readings[there.source].path} and {readings[part.source].path} don't agree: case {key[0]!r}, "
                f"{suite.unit} {key[1]}, {name}.csv, {what}: {old} and {new}. Nothing was written"
            )


def _rows(
    readings: Sequence[Reading], suite: Suite, options: Any, parts: Mapping[Key, Part]
) -> tuple[dict[str, list[Row]], bool]:
    """The merged rows by table, in key order, and whether nothing is missing.

    Raises:
        FolderError: a case that the merged design does not have.
    """
    plan = suite.grid(options)
    rows = {name: [row for part in parts.values() for row in part.rows[name]] for name in suite.all_tables()}
    history = History(suite, rows)
    if strangers := history.strangers(plan):
        source = next(part.source for (case, _), part in parts.items() if case == strangers[0])
        raise FolderError(
            f"{readings[source].path} has the case {strangers[0]!r}, which the merged study cuts otherwise: seeds that "
            "both have must be in ranges that both have (as 0..3,4..7 and 4..7,8..11). Nothing was written"
        )
    units = suite.units(options)
    cases = {case for case, _ in parts}
    if units is None:
        finished = all(reading.state.finished for reading in readings) and {case.id for case in plan} <= cases
    else:
        finished = all(history.closed(case, units) for case in plan)
    ordered = history.in_order(plan)
    return (suite.finish(ordered, options) if finished else ordered), finished


def _machines(
    readings: Sequence[Reading], suite: Suite, parts: Mapping[Key, Part], rows: Mapping[str, Sequence[Row]]
) -> bytes:
    """The contents of ``machines.csv``."""
    places: list[dict[Key, Row]] = []
    before = 0
    for reading in readings:
        known = {(row["case"], row[suite.unit]): row for row in machine_rows(reading)[1]}
        places.append({key: _moved(row, before) for key, row in known.items()})
        before += len(machines_of(reading.environment))
    keys = dict.fromkeys((row["case"], row[suite.unit]) for row in rows["results"])
    return table.text(machine_columns(suite), [places[parts[key].source][key] for key in keys]).encode()


def _moved(row: Row, places: int) -> Row:
    return row if row.get("machine") is None else {**row, "machine": row["machine"] + places}


@contextlib.contextmanager
def _made(out: Path, suite: Suite) -> Iterator[RunFolder]:
    """A folder that is made beside ``out`` and gets its name when all is in it; nothing is left if that fails."""
    with disk.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = RunFolder(out.with_name(f".{out.name}.{os.getpid()}"), suite.all_tables(), suite.unit)
        try:
            yield folder
            folder.path.rename(out)
            disk.sync_folder(out.parent)
        finally:
            folder.close()
            shutil.rmtree(folder.path, ignore_errors=True)


def _report(folder: RunFolder) -> None:
    """Write what the merged rows say, where they say something."""
    with contextlib.suppress(NothingMeasuredError):
        for warning in write_report(open_run(folder.path).report, folder):
            warnings.warn(warning, stacklevel=3)
