"""A reference run taken apart: two runs, of half its arms each, as two machines would have measured them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fbench
from fbench.harness import disk
from fbench.harness.folder import RunFolder
from fbench.harness.state import read_state

REFERENCE = Path(__file__).resolve().parents[1] / "reports" / "reference"
HALVES = {"laptop": ["random", "bait"], "server": ["bait+fish", "bait+random-mask"]}


def take_apart(home: Path) -> list[Path]:
    """Both halves of ``compare-digits``, as folders of ``home``."""
    reading = fbench.open_run(REFERENCE / "compare-digits").reading
    suite = reading.suite
    for name, arms in HALVES.items():
        folder = RunFolder(home / name, suite.all_tables(), suite.unit)
        options = {**reading.identity["options"], "strategies": arms}
        folder.create({**reading.identity, "options": options}, reading.environment, reading.state.spent_s / 2)
        rows = {table: [row for row in rows if row["strategy"] in arms] for table, rows in reading.rows.items()}
        folder.rewrite({table: rows.get(table, []) for table in suite.all_tables()}, finished=True)
        folder.close()
    return [home / name for name in HALVES]


def paper_changed(folder: Path, name: str, **more: Any) -> None:
    """Say something else in ``options.json`` or ``environment.json``, as if the run had said so from the start."""
    value = {**disk.read_checked(folder / name), **more}
    disk.write_checked(folder / name, value)
    state = read_state(folder)
    assert state is not None
    replace(state, papers={**state.papers, name: [disk.digest(value)]}).write(folder)
