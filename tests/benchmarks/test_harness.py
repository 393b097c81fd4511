"""What the harness does between measurements, timed: sweeps parsed, rows committed, tables read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fbench.harness.contract import Column, Unit
from fbench.harness.folder import RunFolder
from fbench.harness.sweep import parse_sweep
from fbench.results import table

COLUMNS = (
    Column("case", "str", "", "the case"),
    Column("block", "int", "", "its block"),
    Column("pass_index", "int", "", "its pass"),
    Column("time_s", "float", "s", "of the pass"),
    Column("status", "str", "", "how it ended"),
    Column("reason", "str", "", "why"),
)
ROWS = [
    {"case": "kernel=fused", "block": 0, "pass_index": i, "time_s": (i + 1) / 7, "status": "ok", "reason": ""}
    for i in range(100)
]


@pytest.mark.parametrize("text", ["64..4096", "16..1000:+16,2^10,4Ki"])
def test_parse_sweep(timed, text):
    assert timed(lambda: [parse_sweep(text) for _ in range(50)], "csv module")[0][0] in (16, 64)


def test_append(timed, tmp_path):
    """A unit of 100 rows committed: its rows, and what says that they are whole."""
    folder = RunFolder(tmp_path / "run", {"results": COLUMNS}, "block")
    folder.create({"suite": "x", "fbench": "0", "options": {}, "devices": [], "threads": 1, "loaded": []}, {}, 0.0)
    blocks = iter(range(10_000))

    def append() -> None:
        block = next(blocks)
        folder.commit(Unit(block, [{**row, "block": block} for row in ROWS]))

    def beside() -> None:
        with (tmp_path / "control.csv").open("a", newline="") as file:
            csv.writer(file).writerows(row.values() for row in ROWS)

    timed(append, "csv module, to a file", beside=beside, moved=len(table.lines(COLUMNS, ROWS)))
    folder.close()
    assert Path(tmp_path, "run", "results.csv").read_text().count("kernel=fused") >= 100


def test_read(timed):
    data = table.text(COLUMNS, ROWS * 10).encode()
    assert len(timed(lambda: table.parse(data, COLUMNS, Path("results.csv")), "csv module", moved=len(data))) == 1000
