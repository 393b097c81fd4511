"""Tables of other programs, ``[NAME=]FILE.csv`` on the command line: how they are named, read and refused.

What a file calls its strategies is what a run calls them. NAME stands for them where that will not do: it is the name
of the file's one strategy, or goes before the names of several, as in ``NAME:margin``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from fbench.errors import DataError, UnknownNameError, UsageError, shorten
from fbench.harness.names import LONGEST_NAME
from fbench.harness.registry import STRATEGIES
from fbench.harness.sweep import parse_names
from fbench.learning.pinned_files import checked_bytes, pin, unpinned

__all__ = ["FileRow", "file_rows", "names_in_run", "parse_named_files", "path_of", "pin_files", "whole_cell"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:@-]*")
_PREFIXED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._+-]*)=(.*)")
_REMEDY = "give a .csv that another program wrote"
_MOST_WHOLE = 10**12


class FileRow(NamedTuple):
    """A row of a file: the number of its line, and its cells by column."""

    line: int
    cells: dict[str, str]


def parse_named_files(option: str) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma-separated ``[NAME=]FILE``; none where nothing was typed.

    Example:
        >>> parse_named_files("--replay")("picks.csv, mine=other.csv")
        ('picks.csv', 'mine=other.csv')
    """

    def parse(text: str) -> tuple[str, ...]:
        files = parse_names(text, "file") if text else ()
        empty = [file for file in files if not path_of(file)]
        if empty:
            raise UsageError(f"{option} {shorten(empty[0])}: names no file; write NAME=FILE.csv")
        return files

    return parse


def path_of(text: str) -> str:
    """The path of ``[NAME=]FILE``, pinned or not.

    Example:
        >>> path_of("mine=picks.csv#sha256-36a1")
        'picks.csv'
    """
    return unpinned(_divided(text)[1])[0]


def _divided(text: str) -> tuple[str, str]:
    """NAME, empty where there is none, and the file."""
    match = _PREFIXED.fullmatch(text)
    return (match[1], match[2]) if match else ("", text)


def pin_files(option: str, files: Iterable[str]) -> tuple[str, ...]:
    """The files, each with the SHA-256 of what it holds; those that are pinned already are held to it.

    Raises:
        DataError: no such file, or one that has changed.
    """
    pinned = []
    for text in files:
        name, place = _divided(text)
        pinned.append(f"{name}={pin(option, place, _REMEDY)}" if name else pin(option, place, _REMEDY))
    return tuple(pinned)


def file_rows(option: str, text: str, columns: Sequence[str], either: Sequence[str] = ()) -> list[FileRow]:
    """The rows of a file, which has all of ``columns``, and one of ``either`` where there are any.

    Raises:
        DataError: a file that has changed, is no text, lacks a column or has no rows.
    """
    where = f"{option} {path_of(text)}"
    data = checked_bytes(option, _divided(text)[1], _REMEDY)
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        rows = [FileRow(reader.line_num, {k: v or "" for k, v in cells.items() if k}) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where}: is no table of comma-separated values: {error}; {_REMEDY}") from error
    there = list(reader.fieldnames or ())
    missing = [name for name in columns if name not in there]
    if either and not set(either) & set(there):
        missing.append(" or ".join(either))
    if missing:
        has = ", ".join(there[:12]) or "none"
        raise DataError(f"{where}: has no column {missing[0]}; it needs {', '.join(columns)}, and has {shorten(has)}")
    if not rows:
        raise DataError(f"{where}: has no rows below its header; {_REMEDY}")
    return rows


def whole_cell(where: str, row: FileRow, column: str, least: int = 0) -> int:
    """A whole number of a row.

    Raises:
        DataError: the cell is none, or less than ``least``.

    Example:
        >>> whole_cell("--replay picks.csv", FileRow(2, {"seed": "3"}), "seed")
        3
    """
    text = row.cells[column].strip()
    if text.isascii() and text.isdecimal() and least <= int(text) <= _MOST_WHOLE:
        return int(text)
    raise DataError(
        f"{where}, line {row.line}: {column} {shorten(text)!r} is no whole number from {least} on; write one in digits"
    )


def names_in_run(option: str, text: str, strategies: Sequence[str]) -> dict[str, str]:
    """What the strategies of a file are called in a run, by their names in the file.

    Raises:
        DataError: a name that nobody could type, or one that fbench has for a strategy of its own.
    """
    prefix, path = _divided(text)[0], path_of(text)
    names = {name: f"{prefix}:{name}" if prefix and len(strategies) > 1 else prefix or name for name in strategies}
    for name in names.values():
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise DataError(
                f"{option} {path}: strategy {shorten(name)!r} must be of 1 to {LONGEST_NAME} letters, digits and "
                f". _ + - : @, a letter or digit first; rename it there, or by {option} NAME={path}"
            )
        if _is_registered(name):
            raise DataError(
                f"{option} {path}: {name} is a strategy of fbench, and this file's must not pass for it; call it "
                f"otherwise by {option} mine={path}"
            )
    return names


def _is_registered(name: str) -> bool:
    try:
        STRATEGIES.get(name)
    except UnknownNameError:
        return False
    except UsageError:  # of a family, which knows the name and refuses it
        pass
    return True
