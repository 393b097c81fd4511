"""Features [n, h] as they are stored (an array, one on the disk, a sparse matrix), read a few rows at a time.

What is small becomes a tensor, what is large stays where it is; both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fbench.harness.guard import Refuse
from fbench.learning.data.files import stored
from fbench.learning.data.files.places import Places
from fbench.stored_samples import StoredSamples

Matrix: TypeAlias = Any
"""A numpy array, a memory-mapped one, or a scipy sparse matrix in CSR form: [n, h], indexed by rows."""

_CHUNK = 4096
"""Rows that are read together."""


class Scale(NamedTuple):
    """What is subtracted from every column [h], and what it is then divided by."""

    mean: np.ndarray[Any, Any]
    deviation: np.ndarray[Any, Any]


def dense_rows(matrix: Matrix, rows: Any) -> np.ndarray[Any, Any]:
    """Some rows [m, h] as float64, a sparse matrix's among them.

    Example:
        >>> from scipy.sparse import csr_array
        >>> dense_rows(csr_array([[0.0, 1.0], [2.0, 0.0]]), slice(1, 2)).tolist()
        [[2.0, 0.0]]
    """
    part = matrix[rows]
    return np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float64)


def survey(refuse: Refuse, name: str, matrix: Matrix, places: Places) -> Scale:
    """Mean and deviation of every column, in one pass; a column of one value has a deviation of 1.

    ``places`` are those of the rows and the columns.

    Raises:
        Whatever ``refuse`` raises, where a value is not finite.
    """
    first = dense_rows(matrix, slice(0, 1))[0]
    sums, squares = np.zeros_like(first), np.zeros_like(first)
    for start, part in _chunks(matrix):
        _check_finite(refuse, name, start, part, places)
        part = part - first  # a large mean with a small deviation would lose its digits
        sums += part.sum(0)
        squares += np.square(part).sum(0)
    shift = sums / matrix.shape[0]
    deviation = np.sqrt(np.maximum(squares / matrix.shape[0] - np.square(shift), 0.0))
    return Scale(first + shift, np.where(deviation > 0, deviation, 1.0))


def _chunks(matrix: Matrix) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    for start in range(0, matrix.shape[0], _CHUNK):
        yield start, dense_rows(matrix, slice(start, start + _CHUNK))


def _check_finite(refuse: Refuse, name: str, start: int, part: np.ndarray[Any, Any], places: Places) -> None:
    """Refuse NaN, infinity, and what float32 would make infinity of."""
    bad = ~(np.abs(part) <= np.finfo(np.float32).max)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        where = f"{places.row(start + row)}, {places.column(column)}"
        refuse(f"{name} hold {part[row, column]:g} in {where}; drop or mend such rows")


def samples_of(matrix: Matrix, scale: Scale | None) -> Tensor:
    """The features as float32, scaled where ``scale`` says how; stored ones where they would be large.

    Example:
        >>> samples_of(np.array([[1.0], [3.0]]), Scale(np.array([2.0]), np.array([1.0]))).tolist()
        [[-1.0], [1.0]]
    """

    def read(rows: Any) -> Tensor:
        part = dense_rows(matrix, rows)
        scaled = part if scale is None else (part - scale.mean) / scale.deviation
        return torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))

    n, h = matrix.shape
    if 4 * n * h > stored.HELD_BYTES:
        return StoredSamples(lambda rows: read(rows.numpy()), torch.arange(n), (h,), torch.float32)
    samples = torch.empty(n, h)
    for start in range(0, n, _CHUNK):
        samples[start : start + _CHUNK] = read(slice(start, start + _CHUNK))
    return samples
