"""What a .npy or .npz says that it holds, read before any of it: shape, dtype, and whether so many bytes are there.

A header costs nothing to read and may say anything: a .npz of a few megabytes may unpack to all of a machine's memory.
"""

from __future__ import annotations

import contextlib
import csv
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from fbench.errors import DataError, TooLargeError, UsageError
from fbench.harness.inputs import hint_for, refusal_of
from fbench.machine import free_bytes
from fbench.units import format_bytes

_UNREADABLE: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, csv.Error)
_UNREADABLE += (EOFError, SyntaxError, LookupError, ValueError, TypeError, RuntimeError, OverflowError)
"""What Python's and numpy's readers raise of damaged files, of encrypted ones, and of compressions they don't know."""

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class ArrayHeader:
    """What an array is by its header.

    Attributes:
        shape: as it says.
        dtype: as it says.
        in_order: whether it lies in memory order, the last axis closest.
        present: bytes that are there behind the header.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_order: bool
    present: int

    @property
    def bytes(self) -> int:
        """Bytes that the array takes in memory, as it is stored."""
        return math.prod(self.shape) * self.dtype.itemsize

    def bytes_as(self, dtype: np.dtype[Any]) -> int:
        """Bytes that reading it as another dtype, in memory order, takes at its peak."""
        stays = self.in_order and self.dtype == dtype
        return self.bytes + (0 if stays else math.prod(self.shape) * dtype.itemsize)


def read_headers(path: Path) -> dict[str, ArrayHeader] | ArrayHeader | None:
    """The headers of a .npz by name, or that of a .npy; None for what is neither, which numpy refuses in its own words.

    Raises:
        DataError: an array's bytes are not all there, or its shape is none.
        ValueError, zipfile.BadZipFile, …: whatever reading a damaged file raises.
    """
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"\x93NUM":
            return _header(f"{path}: the array", file, path.stat().st_size)
        if start not in (b"PK\x03\x04", b"PK\x05\x06"):
            return None
        with zipfile.ZipFile(file) as archive:
            headers = {}
            for member in archive.infolist():
                with archive.open(member) as stored:
                    name = member.filename.removesuffix(".npy")
                    headers[name] = _header(f"{path}: {name}", stored, member.file_size)
            return headers


def _header(what: str, file: IO[bytes], size: int) -> ArrayHeader:
    """Read one header; ``what`` names its array in messages, ``size`` is all that is stored of it."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise DataError(f"{what} is of .npy version {version[0]}.{version[1]}; save it again as plain numbers")
    shape, fortran, dtype = _READERS[version](file)
    header = ArrayHeader(shape, dtype, not fortran or len(shape) < 2, size - file.tell())
    if min(shape, default=0) < 0:
        raise DataError(f"{what} is damaged: its header has the shape {list(shape)}")
    if header.bytes > header.present and not dtype.hasobject:
        raise DataError(
            f"{what} is cut or damaged: by its header it has {format_bytes(header.bytes)}, and "
            f"{format_bytes(header.present)} are there"
        )
    return header


def check_free(path: Path, headers: Mapping[str, ArrayHeader], sizes: Mapping[str, int]) -> None:
    """Refuse arrays that take more memory than is free: ``sizes`` has the bytes that reading each takes.

    Raises:
        TooLargeError: with both numbers.
    """
    needed, free = sum(sizes.values()), free_bytes()
    if free is None or needed <= free:
        return
    held = ", ".join(f"{name} {list(headers[name].shape)} of {headers[name].dtype}" for name in sizes)
    raise TooLargeError(
        f"{path}: {held} would take {format_bytes(needed)} in memory, and {format_bytes(free)} are free; "
        "save fewer candidates, or narrower numbers"
    )


def array_headers_of(path: Path) -> dict[str, ArrayHeader] | ArrayHeader:
    """What the file says that it holds.

    Raises:
        DataError: it is no .npy and no .npz.
    """
    with reading_file(path):
        headers = read_headers(path)
    if headers is None:
        raise DataError(
            f"{path}: is no .npz or .npy of numbers, or holds Python objects, which are never unpickled; save with "
            "np.savez, or np.save, from arrays of numbers"
        )
    return headers


@contextlib.contextmanager
def loaded_arrays(path: Path) -> Iterator[Any]:
    """What ``numpy.load`` gives of a file, open as long as the context lasts; nothing is unpickled."""
    with reading_file(path), path.open("rb") as file:  # numpy would leave a damaged one open
        yield np.load(file, allow_pickle=False)


@contextlib.contextmanager
def reading_file(path: Path) -> Iterator[None]:
    """Refuse what is no file, and turn what reading a file may raise into one line for the user."""
    if refusal := refusal_of(path):
        raise DataError(f"{path}: {refusal}{hint_for(path)}")
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise TooLargeError(f"{path}: does not fit into memory: {error}") from error
    except UsageError:
        raise
    except _UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: is no .npz or .npy of numbers, or holds Python objects, which are never unpickled; save with "
                "np.savez, or np.save, from arrays of numbers"
            ) from error
        raise DataError(f"{path}: is damaged, or not what its name says: {error}") from error
