"""A user's exported arrays in, the picks out: .npz, .npy, .csv and .txt, and nothing that is pickled.

Layout: logits [n, k] and features [n, h] of one network on one pool, or an embedding [n, r, d].
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fbench.array_headers import ArrayHeader, array_headers_of, check_free, loaded_arrays, reading_file
from fbench.errors import DataError, FolderError, InputError, shorten
from fbench.harness.contract import MOST_WHOLE, Row
from fbench.harness.parsing import read_real
from fbench.harness.publish import publish, publish_as_free
from fbench.mapped_arrays import held_array, mapped_array
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
        mapped: the name of an array that lies in the file still; empty where all are read.
        obstacle: why the largest array must be read, where ``map_pool`` could not leave it in the file.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    labelled: np.ndarray[Any, Any] | None
    notes: tuple[str, ...] = ()
    mapped: str = ""
    obstacle: str = ""

    @property
    def n(self) -> int:
        """The number of candidates."""
        return len(next(iter(self.arrays.values())))


def read_pool(path: Path, needs: tuple[str, ...] = ()) -> PoolArrays:
    """The arrays of a .npz, in memory: those named in ``needs``, or what BAIT takes.

    Raises:
        DataError: no such file, not a .npz, pickled, damaged, without the arrays, or of another dtype or shape.
        TooLargeError: an array does not fit into memory.
    """
    headers = _headers_of(path)
    return _read(path, headers, _dtypes(path, headers, needs))


def map_pool(path: Path) -> PoolArrays:
    """The same, but for features, or an embedding, that lie in the file as they would in memory: they are not read.

    Raises:
        DataError, TooLargeError: as ``read_pool``.
    """
    headers = _headers_of(path)
    dtypes = _dtypes(path, headers, ())
    name = "embedding" if "embedding" in dtypes else "features"
    array = mapped_array(path, name)
    if array is None:
        obstacle = f"{name} are compressed; numpy.savez stores them as they are"
    elif not headers[name].in_order:
        obstacle = f"{name} are stored column by column; save numpy.ascontiguousarray of them"
    elif array.dtype != dtypes[name]:
        obstacle = f"{name} are {array.dtype.newbyteorder('=')}{_foreign(array)}; save them as float32 or float64"
    else:
        others = {other: dtype for other, dtype in dtypes.items() if other != name}
        read = _read(path, headers, others)
        in_order = {other: array if other == name else read.arrays[other] for other in dtypes}
        return replace(read, arrays=in_order, mapped=name)
    return replace(_read(path, headers, dtypes), obstacle=f"{path}: {obstacle}")


def describe_pool(path: Path) -> PoolArrays:
    """The same by the file's headers: arrays of the right shapes and dtypes, without their numbers.

    Raises:
        DataError: as ``read_pool``.
    """
    headers = _headers_of(path)
    dtypes = _dtypes(path, headers, ())
    labelled = _read(path, headers, {}).labelled
    arrays = {name: np.broadcast_to(np.empty((), dtype), headers[name].shape) for name, dtype in dtypes.items()}
    return PoolArrays(arrays, labelled, _halves(headers, dtypes))


def read_candidates(path: Path, rows: slice) -> dict[str, np.ndarray[Any, Any]]:
    """Some candidates' rows of what BAIT takes; of arrays that are not compressed nothing else is read.

    Raises:
        DataError, TooLargeError: as ``read_pool``.
    """
    headers = _headers_of(path)
    arrays = {}
    for name, dtype in _dtypes(path, headers, ()).items():
        stored = mapped_array(path, name, rows)
        whole = _read(path, headers, {name: dtype}).arrays[name][rows] if stored is None else stored
        arrays[name] = held_array(whole, dtype)
    return arrays


def _halves(headers: Mapping[str, ArrayHeader], dtypes: Mapping[str, np.dtype[Any]]) -> tuple[str, ...]:
    return tuple(f"{name} are float16 and were read as float32" for name in dtypes if headers[name].dtype.itemsize == 2)


def _foreign(array: np.ndarray[Any, Any]) -> str:
    return "" if array.dtype.isnative else " of another machine's byte order"


def _headers_of(path: Path) -> dict[str, ArrayHeader]:
    headers = array_headers_of(path)
    if isinstance(headers, ArrayHeader):
        raise DataError(f"{path}: holds one bare array; save several by name, np.savez(path, logits=…, features=…)")
    return headers


def _dtypes(path: Path, headers: Mapping[str, ArrayHeader], needs: tuple[str, ...]) -> dict[str, np.dtype[Any]]:
    """The wanted arrays, and the dtype that each is read as."""
    return {name: _checked(path, name, headers[name]) for name in _wanted(path, headers, needs)}


def _read(path: Path, headers: Mapping[str, ArrayHeader], dtypes: Mapping[str, np.dtype[Any]]) -> PoolArrays:
    sizes = {name: headers[name].bytes_as(dtype) for name, dtype in dtypes.items()}
    has_labelled = "labelled" in headers
    check_free(path, headers, {**sizes, **({"labelled": headers["labelled"].bytes} if has_labelled else {})})
    with loaded_arrays(path) as file:
        arrays = {name: np.ascontiguousarray(file[name], dtype=dtype) for name, dtype in dtypes.items()}
        labelled = np.asarray(file["labelled"]) if has_labelled else None
    return PoolArrays(arrays, labelled, _halves(headers, dtypes))


def _wanted(path: Path, headers: Mapping[str, ArrayHeader], needs: tuple[str, ...]) -> tuple[str, ...]:
    names = needs or (("embedding",) if "embedding" in headers else ("logits", "features"))
    if missing := [name for name in names if name not in headers]:
        shapes = {"logits": "logits [n, k]", "features": "features [n, h]"}
        remedy = " and ".join(shapes[name] for name in needs or shapes) + ("" if needs else ", or embedding [n, r, d]")
        raise DataError(
            f"{path}: has no {' and no '.join(missing)} (it holds {', '.join(headers) or 'nothing'}); "
            f"it must hold {remedy}"
        )
    return names


def _checked(path: Path, name: str, header: ArrayHeader) -> np.dtype[Any]:
    """The dtype that an array is read as: in this machine's byte order, float16 widened."""
    axes = 3 if name == "embedding" else 2
    if header.dtype.hasobject:
        raise DataError(
            f"{path}: {name} holds Python objects, which are never unpickled; save with np.savez from arrays of numbers"
        )
    if header.dtype.newbyteorder("=").name not in _FLOATS or len(header.shape) != axes:
        raise DataError(
            f"{path}: {name} has shape {list(header.shape)} and dtype {header.dtype}; it must have {axes} axes and be "
            f"one of {', '.join(_FLOATS)}"
        )
    return np.dtype(np.float64 if header.dtype.itemsize == 8 else np.float32)


def read_labelled(path: Path) -> np.ndarray[Any, Any]:
    """Positions, or a mask, from .npy, .npz, .csv or .txt; under a header the column ``index``.

    Raises:
        DataError: no such file, another format, or what is in it is no position.
    """
    if path.suffix in (".csv", ".txt"):
        with reading_file(path), path.open(newline="", encoding="utf-8-sig") as file:
            return np.array(list(_positions(path, csv.reader(file))), dtype=np.int64)
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"{path}: must end in .npy, .npz, .csv or .txt")
    headers = array_headers_of(path)
    if isinstance(headers, ArrayHeader):
        check_free(path, {"the array": headers}, {"the array": headers.bytes})
        with loaded_arrays(path) as stored:
            return np.asarray(stored)
    names = ["labelled"] if "labelled" in headers else list(headers)
    if len(names) != 1:
        raise DataError(f"{path}: holds {', '.join(names) or 'nothing'}; name one array labelled")
    check_free(path, headers, {names[0]: headers[names[0]].bytes})
    with loaded_arrays(path) as stored:
        return np.asarray(stored[names[0]])


def _positions(path: Path, reader: Any) -> Iterator[int]:
    """Whole numbers of a text, however they are spread over lines; the column of a header if it has one."""
    column: int | None = None
    for number, row in enumerate(reader):
        cells = [word for cell in row for word in cell.split()] if column is None else row[column : column + 1]
        if number == 0 and cells and read_real(cells[0]) is None:
            if "index" not in cells:
                raise DataError(
                    f"{path}: its header is {shorten(', '.join(cells))!r}; name the column of positions index"
                )
            column = cells.index("index")
            continue
        for cell in cells:
            value = read_real(cell)
            if value is None or not value.is_integer() or abs(value) > MOST_WHOLE:
                raise DataError(
                    f"{path}, line {reader.line_num}: {shorten(cell)!r} is no position in the pool, a whole number"
                )
            yield int(value)


def positions_of(labelled: np.ndarray[Any, Any], n: int, source: str) -> np.ndarray[Any, Any]:
    """Labelled positions from positions or a mask over the pool's n candidates.

    Raises:
        InputError: a mask of another length, or what is neither; a position outside the pool, or one twice.

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
    outside = labelled[(labelled < 0) | (labelled >= n)]
    if len(outside):
        raise InputError(f"{source}: labelled index {outside[0]} is outside the pool: must be from 0 to {n - 1}")
    positions, counts = np.unique(labelled, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{source}: labelled index {positions[counts > 1][0]} is given twice; each sample is labelled once"
        )
    return labelled.astype(np.int64)


def check_out(path: Path, overwrite: bool) -> None:
    """Refuse, before any work, an output that could not be written at the end of it.

    Raises:
        FolderError: it exists, is no file, or its folder is missing or may not be written.
    """
    with _writing(path):
        if path.exists() and not path.is_file():
            raise FolderError(f"--out {path}: is not a file; give the name of a file")
        if (path.exists() or path.is_symlink()) and not overwrite:
            raise FolderError(f"--out {path}: exists; give another name, or --overwrite to replace it")
        if not path.parent.is_dir():
            raise FolderError(f"--out {path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise FolderError(f"--out {path}: the folder {path.parent} cannot be written; give another --out")


def write_picks(path: Path, rows: Iterable[Row], *, overwrite: bool) -> None:
    """Write the picks' CSV, whole or not at all; what stands there is replaced only with ``overwrite``.

    Raises:
        FolderError: the disk is full, the folder cannot be written, …; a file has appeared there meanwhile, and the
            picks are under the next free name.
    """
    text = table.header(PICK_COLUMNS) + table.lines(PICK_COLUMNS, rows)
    with _writing(path):
        try:
            publish(path, text, replace=overwrite)
        except FileExistsError:
            kept = publish_as_free(path, text)
            raise FolderError(
                f"--out {path}: a file of that name appeared meanwhile, and stays; these picks are in {kept}"
            ) from None


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"--out {path}: cannot be written: {error.strerror or error}") from error
