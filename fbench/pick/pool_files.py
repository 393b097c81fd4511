"""A user's exported arrays in, the picks out: .npz, .npy, .csv and .txt, and nothing that is pickled.

Layout: logits [n, k] and features [n, h] of one network on one pool, or an embedding [n, r, d].
"""

from __future__ import annotations

import contextlib
import csv
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fbench.errors import DataError, FolderError, InputError, TooLargeError
from fbench.harness.contract import Row
from fbench.pick.columns import PICK_COLUMNS
from fbench.results import table

_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class PoolArrays:
    """The contents of a .npz: logits and features, or an embedding.

    Attributes:
        arrays: by name, float32 or float64, in memory order.
        labelled: as stored: positions, or a mask; None if there is none.
        notes: what was read otherwise than it is stored.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    labelled: np.ndarray[Any, Any] | None
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """The number of candidates."""
        return len(next(iter(self.arrays.values())))


def read_pool(path: Path) -> PoolArrays:
    """The arrays of a .npz.

    Raises:
        DataError: no such file, not a .npz, pickled, damaged, without the arrays, or of another dtype or shape.
        TooLargeError: an array does not fit into memory.
    """
    with _loaded(path) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: holds one bare array; save several by name, np.savez(path, logits=…, features=…)")
        arrays = _wanted(path, file)
        labelled = np.asarray(file["labelled"]) if "labelled" in file.files else None
    halves = [f"{name} are float16 and were read as float32" for name, a in arrays.items() if a.dtype == np.float16]
    return PoolArrays({name: _floats(path, name, array) for name, array in arrays.items()}, labelled, tuple(halves))


def _wanted(path: Path, file: Any) -> dict[str, np.ndarray[Any, Any]]:
    names = ("embedding",) if "embedding" in file.files else ("logits", "features")
    if missing := [name for name in names if name not in file.files]:
        raise DataError(
            f"{path}: has no {' and no '.join(missing)} (it holds {', '.join(file.files) or 'nothing'}); it must hold "
            "logits [n, k] and features [n, h], or embedding [n, r, d]"
        )
    return {name: np.asarray(file[name]) for name in names}


def _floats(path: Path, name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in this machine's byte order and in memory order, float16 widened."""
    axes = 3 if name == "embedding" else 2
    if array.dtype.newbyteorder("=").name not in _FLOATS or array.ndim != axes:
        raise DataError(
            f"{path}: {name} has shape {list(array.shape)} and dtype {array.dtype}; it must have {axes} axes and be "
            f"one of {', '.join(_FLOATS)}"
        )
    wide = np.dtype(np.float64 if array.dtype.itemsize == 8 else np.float32)
    return np.ascontiguousarray(array, dtype=wide)


def read_labelled(path: Path) -> np.ndarray[Any, Any]:
    """Positions, or a mask, from .npy, .npz, .csv or .txt; under a header the column ``index``.

    Raises:
        DataError: no such file, another format, or what is in it is no position.
    """
    if path.suffix in (".csv", ".txt"):
        with _reading(path), path.open(newline="", encoding="utf-8-sig") as file:
            return np.array(list(_positions(path, csv.reader(file))), dtype=np.int64)
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"{path}: must end in .npy, .npz, .csv or .txt")
    with _loaded(path) as stored:
        if not isinstance(stored, np.lib.npyio.NpzFile):
            return np.asarray(stored)
        names = ["labelled"] if "labelled" in stored.files else stored.files
        if len(names) != 1:
            raise DataError(f"{path}: holds {', '.join(names) or 'nothing'}; name one array labelled")
        return np.asarray(stored[names[0]])


def _positions(path: Path, reader: Any) -> Iterator[int]:
    """Whole numbers of a text, however they are spread over lines; the column of a header if it has one."""
    column: int | None = None
    for number, row in enumerate(reader):
        cells = [word for cell in row for word in cell.split()] if column is None else row[column : column + 1]
        if number == 0 and cells and not _is_number(cells[0]):
            if "index" not in cells:
                raise DataError(f"{path}: its header is {', '.join(cells)!r}; name the column of positions index")
            column = cells.index("index")
            continue
        for cell in cells:
            if not _is_number(cell) or not float(cell).is_integer():
                raise DataError(f"{path}, line {reader.line_num}: {cell!r} is no position in the pool, a whole number")
            yield int(float(cell))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def positions_of(labelled: np.ndarray[Any, Any], n: int, source: str) -> np.ndarray[Any, Any]:
    """Labelled positions from positions or a mask over the pool's n candidates.

    Raises:
        InputError: a mask of another length, or what is neither; range and repetition are ``bait_select``'s to check.

    Example:
        >>> positions_of(np.array([True, False, True]), 3, "--labelled mask.npy").tolist()
        [0, 2]
    """
    if labelled.dtype == np.bool_:
        if labelled.shape != (n,):
            raise InputError(
                f"{source}: a mask of shape {list(labelled.shape)}; it must be [{n}], the pool's candidates"
            )
        return np.asarray(labelled.nonzero()[0])
    if labelled.ndim != 1 or (len(labelled) and labelled.dtype.kind not in "iu"):
        raise InputError(
            f"{source}: has shape {list(labelled.shape)} and dtype {labelled.dtype}; it must be whole numbers, "
            "positions in the pool, or a mask of booleans"
        )
    return labelled.astype(np.int64)


@contextlib.contextmanager
def _loaded(path: Path) -> Iterator[Any]:
    with _reading(path), path.open("rb") as file:  # numpy would leave a damaged one open
        yield np.load(file, allow_pickle=False)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a file may raise into one line for the user."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise TooLargeError(f"{path}: does not fit into memory: {error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        if isinstance(error, (DataError, InputError)):
            raise
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: is no .npz or .npy of numbers, or holds Python objects, which are never unpickled; save with "
                "np.savez, or np.save, from arrays of numbers"
            ) from error
        raise DataError(f"{path}: is damaged, or not what its name says: {error}") from error


def check_out(path: Path, overwrite: bool) -> None:
    """Refuse, before any work, an output that could not be written at the end of it.

    Raises:
        FolderError: it exists, is no file, or its folder is missing or may not be written.
    """
    with _writing(path):
        if path.exists() and not path.is_file():
            raise FolderError(f"--out {path}: is not a file; give the name of a file")
        if path.exists() and not overwrite:
            raise FolderError(f"--out {path}: exists; give another name, or --overwrite to replace it")
        if not path.parent.is_dir():
            raise FolderError(f"--out {path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise FolderError(f"--out {path}: the folder {path.parent} cannot be written; give another --out")


def write_picks(path: Path, rows: Iterable[Row]) -> None:
    """Write the picks' CSV, whole or not at all.

    Raises:
        FolderError: the disk is full, the folder cannot be written, …
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with _writing(path):
            beside.write_text(
                table.header(PICK_COLUMNS) + table.lines(PICK_COLUMNS, rows), encoding="utf-8", newline=""
            )
            beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"--out {path}: cannot be written: {error.strerror or error}") from error
