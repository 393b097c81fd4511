"""A layer's A in lanes, and what becomes of its weights' gradients: squares, hashed sums, those of a mask.

Letters as in ``layers``: A [n, I, L], D [n, O, L] of one row. A stays what entered the layer, each number once, and its
windows are offsets. The loops are those of ``weight_kernels``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fbench.fisher.gradients import weight_kernels
from fbench.fisher.lanes.cores import share
from fbench.fisher.lanes.packing import pack_lanes, unpack_lanes
from fbench.fisher.lanes.registers import LANES

_NEAR = 1 << 17
"""Numbers of A that are met by one output after another: half a megabyte in float32, which a second cache holds."""


class LaneWeights:
    """A of a layer of n samples, ready for one row's D after another.

    Args:
        view: A [n, *inputs, *positions], any strides.
        axes: how many of its axes are inputs.
        outputs: O.
        groups: of outputs that meet every input of their group.

    Example:
        >>> import torch
        >>> weights = LaneWeights(torch.tensor([[[1.0, 2.0]]]), axes=1, outputs=1, groups=1)  # one input, two positions
        >>> weights.gathered(torch.tensor([[[3.0, 4.0]]]), *weights.places(torch.tensor([0]))).tolist()
        [[11.0]]
    """

    def __init__(self, view: Tensor, axes: int, outputs: int, groups: int) -> None:
        self.n, self._outputs, self._groups = len(view), outputs, groups
        inner = list(zip(view.shape[1:], view.stride()[1:], strict=True))
        extent = 1 + sum((size - 1) * stride for size, stride in inner)
        self.A = pack_lanes(view.as_strided((self.n, extent, 1), (view.stride(0), 1, 1)))
        self._inputs, self._positions = _offsets(inner[:axes]), _offsets(inner[axes:])

    @property
    def nbytes(self) -> int:
        """Bytes that A takes, its lanes without a sample not counted."""
        return self.n * self.A.shape[1] * self.A.element_size()

    def add_squares(self, D: Tensor, total: Tensor) -> None:
        """Add Σ_x g² of every weight to ``total`` [O, I/groups], contiguous."""
        step = max(1, _NEAR // (self.A.shape[1] * LANES))
        sizes = (self._outputs, self._groups, len(self.A), step)
        arrays = (*self._both(D), self._inputs, self._positions, _flat(total))
        share(self._outputs, weight_kernels.add_squares, *arrays, *sizes)

    def room(self, dim: int) -> Tensor:
        """Zeros [blocks, dim, 16], for ``add_hashed``."""
        return self.A.new_zeros(len(self.A), dim, LANES)

    def add_hashed(self, D: Tensor, buckets: Tensor, signs: Tensor, hashed: Tensor) -> None:
        """Add the weights' gradients, times their ``signs``, to their ``buckets`` of ``hashed`` [blocks, dim, 16].

        Both are flat, int64 and of D's dtype.
        """
        arrays = (*self._both(D), self._inputs, self._positions, _flat(buckets), _flat(signs), _flat(hashed))
        share(len(self.A), weight_kernels.add_hashed, *arrays, self._outputs, self._groups, len(self.A))

    def places(self, positions: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Output, and place of the input in A, of the weights at the flat ``positions``: what ``gathered`` takes."""
        width = len(self._inputs) // self._groups
        out = (positions // width).numpy()
        into = out // (self._outputs // self._groups) * width + (positions % width).numpy()
        return out, self._inputs[into]

    def gathered(self, D: Tensor, out: NDArray[np.int64], into: NDArray[np.int64]) -> Tensor:
        """G [n, m] of the weights at ``places``."""
        G = D.new_empty(len(self.A), len(out), LANES)
        arrays = (*self._both(D), into, self._positions, out, _flat(G))
        share(len(self.A), weight_kernels.gather, *arrays, self._outputs, len(self.A))
        return unpack_lanes(G, self.n)

    def _both(self, D: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
        return _flat(pack_lanes(D)), _flat(self.A)


def pair_sums(D: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """G [n, m] = Σ_l D[:, out(j), l] · A[:, j, l], for D [n, O, L] and A [n, m, L], without a copy of D's rows.

    Example:
        >>> import torch
        >>> pair_sums(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.ones(1, 1, 2), torch.tensor([1])).tolist()
        [[7.0]]
    """
    G = D.new_empty(A.shape[:2])
    arrays = (_flat(D.contiguous()), _flat(A.contiguous()), out.numpy(), _flat(G))
    share(len(D), weight_kernels.pair_products, *arrays, D.shape[1], D.shape[2])
    return G


def _flat(values: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = values.view(-1).numpy()
    return array


def _offsets(axes: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Where the lanes of all elements along the axes begin, (size, stride) each, the last axis fastest."""
    places = np.zeros(1, np.int64)
    for size, stride in axes:
        places = (places[:, None] + LANES * stride * np.arange(size)).ravel()
    return places
