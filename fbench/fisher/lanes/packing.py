"""Arrays laid out for lanes: blocks of 16 samples, a sample a lane, zeros after the last; and threads to share them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fbench.fisher.lanes.registers import LANES

_LEAST_BLOCKS = 16
"""Fewer blocks than this are not worth waking a thread for."""


def pack_lanes(values: Tensor) -> Tensor:
    """Lay out [n, a, b] as [blocks, a·b, 16], with zeros after the last sample.

    Example:
        >>> pack_lanes(torch.ones(20, 3, 2)).shape
        torch.Size([2, 6, 16])
    """
    n, a, b = values.shape
    if n % LANES:
        values = torch.cat([values, values.new_zeros(LANES - n % LANES, a, b)])
    return values.reshape(-1, LANES, a, b).permute(0, 2, 3, 1).contiguous().view(-1, a * b, LANES)


def unpack_lanes(packed: Tensor, n: int) -> Tensor:
    """The first ``n`` samples [n, m] of [blocks, m, 16].

    Example:
        >>> unpack_lanes(pack_lanes(torch.arange(6.0).view(3, 2, 1)), 3).tolist()
        [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    return packed.transpose(1, 2).reshape(-1, packed.shape[1])[:n]


def pack_lower_lanes(values: Tensor) -> Tensor:
    """Lay out the lower triangles of symmetric [n, r, r] as [blocks, r(r+1)/2, 16].

    Example:
        >>> pack_lower_lanes(torch.ones(20, 3, 3)).shape
        torch.Size([2, 6, 16])
    """
    i, j = torch.tril_indices(values.shape[1], values.shape[1])
    return pack_lanes(values[:, i, j][:, :, None])


def share(blocks: int, kernel: Callable[..., None], *arguments: Any) -> None:
    """Run a kernel on all blocks, on as many threads as torch has."""
    threads = min(torch.get_num_threads(), blocks // _LEAST_BLOCKS)
    if threads <= 1:
        kernel(*arguments, 0, blocks)
        return
    edges = [i * blocks // threads for i in range(threads + 1)]
    futures = [_threads().submit(kernel, *arguments, a, b) for a, b in itertools.pairwise(edges[1:])]
    kernel(*arguments, 0, edges[1])
    for future in futures:
        future.result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="fbench-lanes")
