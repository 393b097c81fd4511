"""Rows of a run's table whose cells are longer than Python's csv takes by itself, as users' own scripts read them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fbench.errors import DataError
from fbench.harness.inputs import refusal_of

__all__ = ["table_file", "table_rows"]

csv.field_size_limit(2**31 - 1)  # the bits of a large layer, or ten thousand images' logits


def table_file(path: str | Path, name: str) -> Path:
    """The file of that name where ``path`` is a run's folder, else the path itself.

    Example:
        >>> table_file("masks.csv", "masks.csv").name
        'masks.csv'
    """
    path = Path(path)
    return path / name if path.is_dir() else path


def table_rows(path: Path, name: str, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    r"""The rows of a run's file of that name, each with its line.

    Args:
        path: the file.
        name: of the file, such as ``masks.csv``.
        columns: that it must have.

    Raises:
        DataError: no such file, none of fbench's, other columns, or a row that was cut; naming the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "masks.csv").write_text("layer,kept\nfc,3\n")
        ...     list(table_rows(table_file(folder, "masks.csv"), "masks.csv", ["layer"]))
        [(2, {'layer': 'fc', 'kept': '3'})]
    """
    wanted = f"give the {name} of a run, or its folder"
    if refusal := refusal_of(path):
        raise DataError(f"{path}: {refusal}; {wanted}")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}: give the {name} of a run of fbench")
            for row in reader:
                if None in row.values():
                    raise DataError(f"{path}, line {reader.line_num}: the row has too few cells: was the file cut?")
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV of fbench: {error}; {wanted}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; {wanted}") from error
