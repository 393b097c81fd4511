"""Arrays of an uncompressed .npz where they lie in the file: what is indexed is read, and nothing is held.

``numpy.savez`` stores its members as they are, one behind the other: behind the headers an array's bytes stand in the
file as they would in memory, except that they may begin anywhere. Such arrays are fit for numpy, which copies what is
not aligned before it computes; torch would compute where they lie, and its compiled loops take alignment for granted.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fbench.array_headers import ArrayHeader, array_headers_of, reading_file
from fbench.errors import DataError

_LOCAL_HEADER = 30
"""Bytes of a zip member's header before its name; the lengths of name and extra field are its last four."""
_PIECE = 1 << 20
"""Bytes that are read at a time to hold an array to its checksum."""
_ALL = slice(None)


def mapped_array(path: Path, name: str, rows: slice = _ALL) -> np.ndarray[Any, Any] | None:
    """An array of a .npz, read-only, as it is stored; None where it is compressed, and must be read.

    Its dtype, byte order, memory order and alignment are the file's: ``held_array`` makes of it what torch takes.

    Args:
        path: the .npz.
        name: of the array in it.
        rows: those of the first axis to give; only they are ever read.

    Returns:
        The array, [rows, …]; its numbers are read when they are used, and memory that they take can be had back.

    Raises:
        DataError: no such file, no .npz, no array of that name, Python objects, or a damaged one. The numbers
            themselves are not looked at: ``check_stored`` holds them to the file's checksum.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pool.npz"
        >>> np.savez(path, features=np.arange(12.0).reshape(6, 2))
        >>> mapped_array(path, "features", slice(1, 3)).tolist()
        [[2.0, 3.0], [4.0, 5.0]]
        >>> np.savez_compressed(path, features=np.arange(12.0))
        >>> mapped_array(path, "features") is None
        True
    """
    header = _header_of(path, name)
    with reading_file(path):
        member = _member_of(path, name)
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        if not header.bytes:  # the operating system maps no empty range
            return np.empty(header.shape, header.dtype)[rows]
        at = _start_of(path, member) + member.file_size - header.present
        return np.memmap(path, header.dtype, "r", at, header.shape, "C" if header.in_order else "F")[rows]


def held_array(array: np.ndarray[Any, Any], dtype: np.dtype[Any] | None = None) -> np.ndarray[Any, Any]:
    """Stored numbers in memory of their own, as torch takes them: native, aligned, in memory order and writable.

    Example:
        >>> held_array(np.arange(3, dtype=">f2"), np.dtype("f4")).dtype.str.lstrip("<>")
        'f4'
    """
    return np.array(array, dtype or array.dtype.newbyteorder("="), order="C", subok=False)


def check_stored(path: Path, name: str) -> None:
    """Read an array once, and hold it to its checksum, as whoever reads it whole does without being asked.

    Raises:
        DataError: the file is damaged there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pool.npz"
        >>> np.savez(path, features=np.ones(3))
        >>> check_stored(path, "features")
    """
    with reading_file(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stored:
        while stored.read(_PIECE):
            pass


def _header_of(path: Path, name: str) -> ArrayHeader:
    headers = array_headers_of(path)
    if isinstance(headers, ArrayHeader):
        raise DataError(f"{path}: holds one bare array; save several by name, np.savez(path, {name}=…)")
    if name not in headers:
        raise DataError(f"{path}: has no {name} (it holds {', '.join(headers) or 'nothing'})")
    if headers[name].dtype.hasobject:
        raise DataError(f"{path}: {name} holds Python objects, which are never unpickled; save arrays of numbers")
    return headers[name]


def _member_of(path: Path, name: str) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return archive.getinfo(f"{name}.npy" if f"{name}.npy" in names else name)


def _start_of(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member that is not compressed begin in the file."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name_length, extra_length = struct.unpack("<HH", file.read(_LOCAL_HEADER)[-4:])
    return member.header_offset + _LOCAL_HEADER + int(name_length) + int(extra_length)
