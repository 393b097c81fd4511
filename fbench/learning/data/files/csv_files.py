"""Tables as text: cells with commas between, the names of the columns first. What pandas would guess at is refused."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path

import pandas as pd

from fbench.errors import DataError, shorten
from fbench.learning.data.files.places import line_of


def read_csv(path: Path) -> pd.DataFrame:
    """The rows of a .csv by the names on its first line; a column without a name is left out, which is said.

    Raises:
        DataError: one that is empty, in another encoding, or of which a line or the header says something else.
    """
    try:
        header = _header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells without a name would be dropped
            frame = pd.read_csv(path, encoding="utf-8-sig", low_memory=False, index_col=False)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not in UTF-8 (it holds the byte {error.object[error.start]:#x}); save it as UTF-8, as "
            "spreadsheets do by 'CSV UTF-8'"
        ) from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: is empty; give a line of names, and below it one line a sample") from error
    except pd.errors.ParserError as error:
        raise DataError(f"{path}: {_ragged(str(error))}") from error
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{path}: line {line_of(path, 0)} has more cells than the {len(header)} that the header names; name every "
            "column"
        ) from error
    unnamed = [name for name, typed in zip(frame.columns, header, strict=False) if not typed.strip()]
    if unnamed:
        warnings.warn(f"{path}: a column without a name (a saved index?) is left out; name it to use it", stacklevel=2)
    return frame.drop(columns=unnamed)


def _header(path: Path) -> list[str]:
    """The names of a .csv's columns, on its first line.

    Raises:
        DataError: cells that are separated by something else, or a name that stands twice: pandas would rename it.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        names: list[str] = next((cells for cells in csv.reader(file) if "".join(cells).strip()), [])
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise DataError(
                f"{path}: its cells are separated by {called}; save it with commas, and with points in numbers "
                f"(pandas: read_csv(path, sep={mark!r}).to_csv(path, index=False))"
            )
    twice = next((name for name in names if name.strip() and names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: {names.count(twice)} columns are called {shorten(twice)!r}; rename all but one")
    return names


def _ragged(error: str) -> str:
    """What pandas says of lines that it cannot divide, in our words."""
    cells = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error)
    if cells:
        return (
            f"line {cells[2]} has {cells[3]} cells, and the lines before it {cells[1]}; mend it (a text that holds a "
            "comma needs quotes)"
        )
    if "EOF inside string" in error:
        return "a quoted text has no end; close its quotes"
    return f"is no table: {error.strip()}; give a line of names, and below it one line a sample"
