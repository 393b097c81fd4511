"""Where in a user's file a sample and a feature stand, in words by which they are found again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "line_of"]


@dataclass(frozen=True, eq=False)
class Places:
    """The places of a part's samples and of its features.

    Attributes:
        rows: of the samples among the file's rows, where they are not its first ones in order.
        columns: what the features are called; empty where they have numbers alone.
        lines_of: the .csv whose lines an editor counts; None where there are none.

    Example:
        >>> Places(rows=[4, 7]).row(1), Places(columns=["age", "size"]).column(0), Places().column(3)
        ('row 7 (rows count from 0)', "column 'age'", 'column 3')
    """

    rows: Sequence[int] = ()
    columns: Sequence[str] = ()
    lines_of: Path | None = None

    def row(self, sample: int) -> str:
        """The line or the row of a sample."""
        at = self.rows[sample] if len(self.rows) else sample
        return f"line {line_of(self.lines_of, at)}" if self.lines_of else f"row {at} (rows count from 0)"

    def column(self, feature: int) -> str:
        """The column of a feature, by its name where it has one."""
        return f"column {self.columns[feature]!r}" if len(self.columns) else f"column {feature}"


def line_of(path: Path, row: int) -> int:
    r"""The line of a .csv on which its row begins, as an editor counts: from 1, the header and blank ones included.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.csv").write_text('f,target\n1,a\n\n2,"b\nc"\n3,d\n')
        ...     [line_of(Path(folder, "a.csv"), row) for row in range(3)]
        [2, 4, 6]
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader, number, begins = csv.reader(file), -1, 1
        for cells in reader:
            blank = not "".join(cells).strip() and len(cells) < 2
            if not blank:
                if number == row:
                    return begins
                number += 1
            begins = reader.line_num + 1
    return begins
