"""What a script measures, kept as it is measured: environment, rows, and at last a summary, which is printed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fbench.measure.environment import environment

Row = dict[str, Any]


def keep_rows(
    path: Path, columns: Sequence[str], groups: Iterable[Sequence[Row]], *, threads: int = 1, about: str = "environment"
) -> list[Row]:
    """Write rows to a CSV file as each group of them is measured, and ``about``.json beside it first; gives all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = json.dumps(environment(("cpu",), threads), indent=2)
    path.with_name(f"{about}.json").write_text(where + "\n", encoding="utf-8")
    rows = list[Row]()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for group in groups:
            writer.writerows(group)
            file.flush()
            rows += group
    return rows


def keep_summary(path: Path, text: str) -> None:
    """Write what the rows say, and print it."""
    path.write_text(text, encoding="utf-8")
    print(text)
