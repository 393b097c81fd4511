"""Rows of a run's table whose cells are longer than Python's csv takes by itself, as users' own scripts read them."""

from __future__ import annotations

import base64
import csv
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fbench.errors import DataError
from fbench.harness.inputs import refusal_of

__all__ = ["packed_cell", "table_file", "table_rows", "unpacked_cell"]

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


def packed_cell(data: bytes) -> str:
    """Bytes as a cell: compressed by zlib, in base64.

    Example:
        >>> unpacked_cell(packed_cell(b"abc"), 3)
        b'abc'
    """
    return base64.b64encode(zlib.compress(data)).decode("ascii")


def unpacked_cell(cell: str, size: int) -> bytes:
    """The bytes that ``packed_cell`` wrote, exactly ``size`` of them.

    Raises:
        ValueError: the cell is not base64 of zlib's, or holds another number of bytes.

    Example:
        >>> unpacked_cell(packed_cell(bytes(10**6)), 3)
        Traceback (most recent call last):
        ValueError: 4 bytes or more, not 3
    """
    if not 0 <= size < 2**63 - 1:
        raise ValueError(f"{size} is no number of bytes")
    unpacker = zlib.decompressobj()  # one byte more than there should be is enough to tell, whatever it would unpack to
    try:
        data = unpacker.decompress(base64.b64decode(cell, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(data) != size or not unpacker.eof:
        raise ValueError(f"{len(data):,} bytes{'' if unpacker.eof else ' or more'}, not {size:,}")
    return data
