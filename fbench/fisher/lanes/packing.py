"""Arrays laid out for lanes: blocks of 16 samples, a sample a lane, zeros after the last."""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.fisher.lanes.registers import LANES


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
