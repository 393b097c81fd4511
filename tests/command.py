"""The program as its tests run it: what a command ended with, and the table that it wrote."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    """A command's exit code and what it printed."""

    code: int
    out: str
    err: str


def table(folder: Path, name: str = "results") -> list[dict[str, str]]:
    """The rows of a run's table, every cell as text."""
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))
