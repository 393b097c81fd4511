"""Arrays of .npz and .npy files by name, and sparse matrices as scipy saves them; nothing is unpickled.

What is large and not compressed is mapped into memory, not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fbench.array_headers import ArrayHeader, array_headers_of, check_free, loaded_arrays, reading_file
from fbench.errors import DataError
from fbench.learning.data.files import stored
from fbench.mapped_arrays import mapped_array

_SPARSE = {"format", "shape", "data"}
"""Names that every sparse matrix of scipy's has in its .npz."""


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a file by name; a .npy's, and a sparse matrix, are called ``features``.

    Raises:
        DataError: no such file, none of these formats, damaged, or one that holds Python objects.
        TooLargeError: an array that must be read does not fit into memory.
    """
    headers = array_headers_of(path)
    if isinstance(headers, ArrayHeader):
        _check_plain(path, "the array", headers)
        if headers.bytes > stored.HELD_BYTES:
            return {"features": np.load(path, mmap_mode="r", allow_pickle=False)}
        with loaded_arrays(path) as array:
            return {"features": array}
    for name, header in headers.items():
        _check_plain(path, name, header)
    if headers.keys() >= _SPARSE:
        return {"features": _sparse(path)}
    large = [name for name in headers if headers[name].bytes > stored.HELD_BYTES]
    mapped = {name: array for name in large if (array := mapped_array(path, name)) is not None}
    rest = [name for name in headers if name not in mapped]
    check_free(path, headers, {name: headers[name].bytes for name in rest})
    with loaded_arrays(path) as file:
        return {**mapped, **{name: np.asarray(file[name]) for name in rest}}


def _check_plain(path: Path, name: str, header: ArrayHeader) -> None:
    if header.dtype.hasobject:
        kind = "float" if name in ("features", "test_features") else "str"
        raise DataError(
            f"{path}: {name} holds Python objects, which are never unpickled; save arrays of numbers or texts, such as "
            f"{name.replace('the ', '')}.astype({kind})"
        )


def _sparse(path: Path) -> Any:
    from scipy.sparse import csr_array, load_npz

    with reading_file(path):
        try:
            matrix = load_npz(path)
            if hasattr(matrix, "check_format"):  # COO's and DIA's are checked when they are made
                matrix.check_format(full_check=True)  # scipy itself would read and write beyond the arrays
        except (ValueError, NotImplementedError) as error:
            raise DataError(
                f"{path}: is a damaged sparse matrix: {error}; save it again by scipy.sparse.save_npz"
            ) from error
        return csr_array(matrix)


def read_targets(path: Path) -> Any:
    """The one array of a .npy, or ``targets`` of a .npz.

    Raises:
        DataError: as ``read_arrays``; a .npz without it.
    """
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"--targets {path}: must end in .npy or .npz; save the classes by np.save, one a sample")
    arrays = read_arrays(path)
    names = ["targets"] if "targets" in arrays else list(arrays)
    if len(names) != 1:
        raise DataError(f"{path}: holds {', '.join(names) or 'nothing'}; name one array targets")
    return arrays[names[0]]
