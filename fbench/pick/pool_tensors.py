"""A pool's arrays as tensors: in memory, or the large one in its file, read a part at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbench.mapped_arrays import check_stored, held_array
from fbench.pick.pool_files import PoolArrays, read_pool
from fbench.stored_samples import StoredSamples


def pool_tensors(path: Path, pool: PoolArrays, device: str, *, streams: bool) -> dict[str, Tensor]:
    """The arrays by name; what ``map_pool`` left in the file stays there where it ``streams``, and is read if not.

    Raises:
        DataError: the file is damaged where nobody has looked yet.
        TooLargeError: an array does not fit into memory.
    """
    tensors = {name: torch.from_numpy(array) for name, array in pool.arrays.items() if name != pool.mapped}
    if pool.mapped and streams:
        check_stored(path, pool.mapped)
        tensors[pool.mapped] = stored_rows(pool.arrays[pool.mapped])
    elif pool.mapped:
        tensors[pool.mapped] = torch.from_numpy(read_pool(path, (pool.mapped,)).arrays[pool.mapped])
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def stored_rows(array: np.ndarray[Any, Any]) -> StoredSamples:
    """A tensor of an array that lies in a file: its rows [n, …] are copied from there when they are asked for.

    They are copied, and not used where they lie, since ``numpy.savez`` aligns nothing; a chunk's copy stays in a core's
    cache until it is multiplied.

    Example:
        >>> rows = stored_rows(np.arange(6.0).reshape(3, 2))
        >>> rows.shape, rows[1:].tolist()
        (torch.Size([3, 2]), [[2.0, 3.0], [4.0, 5.0]])
    """

    def read(rows: Tensor) -> Tensor:
        return torch.from_numpy(held_array(array[_as_slice(rows)]))

    dtype = torch.from_numpy(held_array(array[:0])).dtype
    return StoredSamples(read, torch.arange(len(array)), array.shape[1:], dtype)


def _as_slice(rows: Tensor) -> Any:
    """Positions as numpy reads them fastest: a slice where one follows on the other."""
    first = int(rows[0]) if len(rows) else 0
    follow = torch.equal(rows, torch.arange(first, first + len(rows)))
    return slice(first, first + len(rows)) if follow else rows.numpy()
