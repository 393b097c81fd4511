"""What it costs a run that its rows outlive a power cut: commits of the committed comparison on digits, replayed.

    python tests/benchmarks/folder_cost.py FOLDER [ROUNDS]

The 44 units of `reports/reference/compare-digits`, the default comparison, are committed to a new folder below FOLDER,
so that FOLDER's disk is the one measured, and the tables are rewritten as at a run's end. In each round (20 by default)
every way goes once, in an order shuffled anew:

- durable: as runs do.
- not flushed: `os.fsync` does nothing. The difference is the price of flushing.
- bare: not flushed, and SHA-256s of nothing in place of SHA-256s of the rows.

Writes FOLDER/folder_cost.csv, a row a way and round, folder_cost.md with medians over rounds, each with its share of
the time that the reference run took, and folder_cost_environment.json.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from kept_rows import Row, keep_rows, keep_summary

from fbench.harness import disk, registry
from fbench.harness.contract import Table, Unit
from fbench.harness.folder import RunFolder
from fbench.harness.history import History
from fbench.harness.state import read_state
from fbench.measure.medians import median_interval
from fbench.results import table
from fbench.results.render import markdown_table

REFERENCE = Path(__file__).resolve().parents[2] / "reports/reference/compare-digits"
COLUMNS = ("way", "round", "units", "commits_s", "rewrite_s", "share")
SUITE = registry.SUITES.get("compare")
PLACES = {name: REFERENCE / f"{name}.csv" for name in SUITE.all_tables()}
ROWS = {
    name: table.read(PLACES[name], columns) if PLACES[name].exists() else []
    for name, columns in SUITE.all_tables().items()
}
NOTHING = SimpleNamespace(update=lambda data: None, hexdigest=lambda: "")
WAYS: dict[str, dict[str, Any]] = {
    "durable": {},
    "not flushed": {"fsync": lambda handle: None},
    "bare": {"fsync": lambda handle: None, "sha256": lambda data=b"": NOTHING, "digest": lambda value: ""},
}


def units() -> Iterator[Unit]:
    """What the reference run committed, a unit at a time."""
    history = History(SUITE, ROWS)
    for case in dict.fromkeys(row["case"] for row in ROWS["results"]):
        rows = history.of(SimpleNamespace(id=case))
        for index in sorted({row[SUITE.unit] for row in rows["results"]}):
            of = {name: [row for row in rows[name] if row[SUITE.unit] == index] for name in rows}
            yield Unit(index, of.pop("results"), of)


UNITS = list(units())


def cost(home: Path) -> tuple[float, float]:
    """Seconds of all commits, and of the rewrite at a run's end."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        run = RunFolder(Path(folder) / "run", SUITE.all_tables(), SUITE.unit)
        run.create({}, {})
        start = time.perf_counter()
        for unit in UNITS:
            run.commit(unit)
        committed = time.perf_counter()
        run.rewrite(ROWS, finished=True)
        end = time.perf_counter()
        run.close()
    return committed - start, end - committed


def turns(home: Path, rounds: int, whole_s: float) -> Iterator[list[Row]]:
    """The rows of each round: every way once, in a shuffled order."""
    chance = random.Random(0)
    for index in range(rounds):
        rows = []
        for way in chance.sample(sorted(WAYS), len(WAYS)):
            changes = WAYS[way]
            with (
                mock.patch.object(os, "fsync", changes.get("fsync", os.fsync)),
                mock.patch.object(hashlib, "sha256", changes.get("sha256", hashlib.sha256)),
                mock.patch.object(disk, "digest", changes.get("digest", disk.digest)),
            ):
                spent = cost(home)
            rows.append(dict(zip(COLUMNS, (way, index, len(UNITS), *spent, sum(spent) / whole_s), strict=True)))
        yield rows


def main(folder: Path, rounds: int = 20) -> None:
    """Measure, write into ``folder`` and print the medians."""
    whole_s = read_state(REFERENCE).spent_s
    measured = turns(folder, rounds, whole_s)
    rows = keep_rows(folder / "folder_cost.csv", COLUMNS, measured, about="folder_cost_environment")
    costs = {
        way: [float(row["commits_s"]) + float(row["rewrite_s"]) for row in rows if row["way"] == way] for way in WAYS
    }
    lines = [_line(way, values, whole_s) for way, values in costs.items()]
    title = f"What keeping a run's rows costs: {len(UNITS)} units and the last rewrite"
    grid = Table(title, ("way", "ms", "95 %", "share of the run"), lines)
    text = f"{markdown_table(grid)}\n\nMedians of {rounds} rounds in shuffled order; the run took {whole_s:.0f} s.\n"
    keep_summary(folder / "folder_cost.md", text)


def _line(way: str, values: list[float], whole_s: float) -> tuple[str, ...]:
    middle = median_interval(values)
    low, high = 1e3 * middle.low, 1e3 * middle.high
    return way, f"{1e3 * middle.median:.0f}", f"{low:.0f} to {high:.0f}", f"{middle.median / whole_s:.2%}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
