"""Tidy CSV: rows of declared columns to text and back, exactly.

Floats are written with the fewest digits that read back the same, a missing value is an empty cell (never 0), and
equal rows give equal bytes. A text that a spreadsheet would run as a formula has an apostrophe before it, which reading
takes off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fbench.errors import FolderError
from fbench.harness.contract import Column, Row
from fbench.results.plain import csv_text, text_of_csv

csv.field_size_limit(2**31 - 1)


def header(columns: Sequence[Column]) -> str:
    """The first line of a table, its newline included.

    Example:
        >>> header([Column("size", "int", "", "candidates"), Column("time_s", "float", "s", "of a pass")]).rstrip()
        'size,time_s'
    """
    return _line([column.name for column in columns])


def lines(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """Rows as CSV text, a line each; a key that no column declares is our own fault and raises KeyError.

    Example:
        >>> columns = [Column("size", "int", "", "candidates"), Column("time_s", "float", "s", "of a pass")]
        >>> lines(columns, [{"size": 16, "time_s": 0.25}, {"size": 32}]).splitlines()
        ['16,0.25', '32,']
    """
    names = {column.name for column in columns}
    text = []
    for row in rows:
        unknown = row.keys() - names
        if unknown:
            raise KeyError(f"columns {sorted(unknown)} are not declared; declared are {sorted(names)}")
        text.append(_line([_cell(row.get(column.name), column) for column in columns]))
    return "".join(text)


def text(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    r"""A whole table: its header and its rows.

    Example:
        >>> text([Column("size", "int", "", "candidates")], [{"size": 16}, {"size": None}])
        'size\n16\n""\n'
    """
    return header(columns) + lines(columns, rows)


def read(path: Path, columns: Sequence[Column]) -> list[Row]:
    """Every row of a table's file, as ``parse`` gives them."""
    return parse(path.read_bytes(), columns, path)


def parse(data: bytes, columns: Sequence[Column], source: Path, *, earlier: bool = False) -> list[Row]:
    """Every row of a table, values in their declared types, empty cells as None; ``source`` is named in complaints.

    With ``earlier`` the table may be of a version that had fewer columns: the others are None.

    Raises:
        FolderError: another header, or a cell that is not of its column's type.
    """
    expected = [column.name for column in columns]
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline=""))
    try:
        there = next(reader, None) or []
        present = [column for column in columns if column.name in there] if earlier else columns
        if not there or there != [column.name for column in present]:
            raise FolderError(f"{source}: its columns are not those of this suite ({', '.join(expected)})")
        empty: Row = dict.fromkeys(expected)
        return [
            {**empty, **{c.name: _value(text, c) for text, c in zip(cells, present, strict=True)}} for cells in reader
        ]
    except (csv.Error, ValueError) as error:
        raise FolderError(f"{source}, line {reader.line_num}: {error}; was it edited?") from error


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)  # so that Python before 3.13 quotes a cell with \\r
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any, column: Column) -> str:
    if value is None or value != value:  # only NaN, of whatever type, differs from itself
        return ""
    match column.type:
        case "float":
            return repr(float(value))
        case "int":
            return str(int(value))
        case "bool":
            return "true" if value else "false"
    return csv_text(str(value))


def _value(text: str, column: Column) -> Any:
    if text == "":
        return "" if column.name == "reason" else None
    match column.type:
        case "float":
            return float(text)
        case "int":
            return int(text)
        case "bool":
            if text not in ("true", "false"):
                raise ValueError(f"{column.name} {text!r} is neither true nor false")
            return text == "true"
    return text_of_csv(text)
