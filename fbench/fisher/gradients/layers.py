"""Per-sample gradients of a layer's parameters as contractions of its input a with its output gradient δ.

Every supported layer's gradient has one form. With A [n, I, L] made from a, D [n, O, L] made from δ (L positions: of
an image, of a sequence, or 1), entry j of a parameter's gradient for sample x is

    g[x, j] = Σ_l D[x, out(j), l] · A[x, in(j), l]

so a mask's positions are gathered without building the rest. A bias has A = 1. A convolution's A repeats every pixel
once for each weight that meets it, so it stays a view of the padded image until some of it is asked for.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fbench.fisher.gradients.lane_weights import LaneWeights

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_SUPPORTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *BATCH_NORMS, nn.GroupNorm, nn.LayerNorm)
_LANE_POSITIONS = 64
"""Positions up to which products in lanes are as fast as a library's or faster: 1.3 to 2.5 times with 16 positions, as
fast with 64, three quarters with 256 (square sums of 3×3 convolutions of 16 to 128 channels, one core, float32)."""
_BLOCK_FILL = 64
"""A product of I′ × O′ entries a position beats gathering up to about this many entries for each position kept."""


@dataclass(frozen=True)
class Factors:
    """A of one layer, as a view.

    Attributes:
        view: [n, *inputs, *positions]; I and L are the products of the two groups of axes.
        axes: how many of its axes are inputs.
        outputs: O.
        groups: of outputs that meet every input of their group; 0 where output i meets input i alone (norms).
    """

    view: Tensor
    axes: int
    outputs: int
    groups: int

    @property
    def inputs(self) -> int:
        """I, the number of inputs."""
        return math.prod(self.view.shape[1 : 1 + self.axes])

    @property
    def positions(self) -> int:
        """L, the number of positions."""
        return math.prod(self.view.shape[1 + self.axes :])

    def whole(self, samples: slice = slice(None)) -> Tensor:
        """A [c, I, L] of some samples, built."""
        view = self.view[samples]
        return view.reshape(len(view), self.inputs, self.positions)

    def some(self, inputs: Tensor) -> Tensor:
        """A [n, m, L] at the flat ``inputs`` [m], without building the rest."""
        at = torch.unravel_index(inputs, self.view.shape[1 : 1 + self.axes])
        some = self.view[(slice(None), *at)]  # type: ignore[index] # mypy joins slice and Tensor to object
        return some.reshape(len(self.view), len(inputs), self.positions)

    def lanes(self) -> LaneWeights | None:
        """A in lanes, for the weights of a layer of few positions on a CPU; None elsewhere."""
        few = self.groups > 0 and 1 < self.positions <= _LANE_POSITIONS
        if not (few and _may_compile(self.view)):
            return None
        from fbench.fisher.gradients.lane_weights import LaneWeights

        return LaneWeights(self.view, self.axes, self.outputs, self.groups)

    def at(self, parameter: str, positions: Tensor) -> MaskedFactors:
        """What the flat ``positions`` [m] of ``weight`` or ``bias`` need of A, gathered once for every row."""
        if parameter == "bias":
            return Pairs(None, positions)
        if self.groups == 0:
            return Pairs(self.some(positions), positions)
        lanes = self.lanes()
        if lanes is not None:
            return InLanes(lanes, *lanes.places(positions))
        width = self.inputs // self.groups
        if len(positions) == self.outputs * width:
            return Whole(self.whole(), self.groups)
        out = positions // width
        into = out // (self.outputs // self.groups) * width + positions % width
        outs, at_out = torch.unique(out, return_inverse=True)
        ins, at_in = torch.unique(into, return_inverse=True)
        if len(outs) * len(ins) <= _BLOCK_FILL * len(positions):
            return Block(self.some(ins), outs, at_out, at_in)
        return Pairs(self.some(into), out)

    def gradients(self, D: Tensor, parameter: str, samples: slice) -> Tensor:
        """Some samples' gradients G [c, m] by all weights of a parameter, from every sample's D [n, O, L]."""
        D = D[samples]
        if parameter == "bias":
            return D.sum(-1)
        A = self.whole(samples)
        if self.groups == 0:
            return (D * A).sum(-1)
        D, A = (values.view(len(values), self.groups, -1, self.positions) for values in (D, A))
        return (D @ A.mT).flatten(1)


def _may_compile(like: Tensor) -> bool:
    """Whether compiled loops take such tensors."""
    return like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64) and _has_numba()


@cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


class MaskedFactors(Protocol):
    """A at a mask's positions, ready to meet every row's D."""

    @property
    def nbytes(self) -> int:
        """Bytes that A takes."""

    def gradient(self, D: Tensor) -> Tensor:
        """G [n, m], the gradients of every sample at the positions, from a row's D [n, O, L]."""


@dataclass(frozen=True)
class InLanes:
    """Positions of a layer in lanes: output of each, and the place of its input."""

    A: LaneWeights
    out: NDArray[np.int64]
    into: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        return self.A.nbytes

    def gradient(self, D: Tensor) -> Tensor:
        return self.A.gathered(D, self.out, self.into)


@dataclass(frozen=True)
class Pairs:
    """Scattered positions, each gathered alone: A [n, m, L] (None for a bias, where it is 1) and out(j) [m]."""

    A: Tensor | None
    out: Tensor

    @property
    def nbytes(self) -> int:
        return 0 if self.A is None else self.A.nbytes

    def gradient(self, D: Tensor) -> Tensor:
        if self.A is None:
            return D.sum(-1)[:, self.out]
        if self.A.shape[2] > 1 and _may_compile(D):
            from fbench.fisher.gradients.lane_weights import pair_sums

            return pair_sums(D, self.A, self.out)
        return (D[:, self.out] * self.A).sum(-1)


@dataclass(frozen=True)
class Block:
    """Dense positions: all outputs times all inputs that the mask touches, then its positions; A [n, I′, L]."""

    A: Tensor
    outs: Tensor
    at_out: Tensor
    at_in: Tensor

    @property
    def nbytes(self) -> int:
        return self.A.nbytes

    def gradient(self, D: Tensor) -> Tensor:
        return (D[:, self.outs] @ self.A.mT)[:, self.at_out, self.at_in]


@dataclass(frozen=True)
class Whole:
    """All positions of a weight, in their order: A [n, I, L], and the groups of outputs."""

    A: Tensor
    groups: int

    @property
    def nbytes(self) -> int:
        return self.A.nbytes

    def gradient(self, D: Tensor) -> Tensor:
        n, L = len(D), self.A.shape[2]
        return (D.reshape(n, self.groups, -1, L) @ self.A.view(n, self.groups, -1, L).mT).flatten(1)


def unsupported_reason(layer: nn.Module) -> str:
    """Why this layer's gradient has not the form above; empty if it has.

    Example:
        >>> unsupported_reason(nn.Linear(2, 3)), unsupported_reason(nn.Embedding(2, 3))
        ('', 'type Embedding has no contraction here')
    """
    if isinstance(layer, BatchNorm) and layer.running_mean is None:
        return "batch norm without running statistics mixes samples"
    if type(layer) not in _SUPPORTED:
        return f"type {type(layer).__name__} has no contraction here"
    return ""


def factors(layer: nn.Module, a: Tensor) -> Factors:
    """The factor A of a layer, from what entered it.

    Example:
        >>> A = factors(nn.Conv2d(3, 8, 3), torch.zeros(2, 3, 5, 5))
        >>> A.inputs, A.outputs, A.positions, A.whole().shape
        (27, 8, 9, torch.Size([2, 27, 9]))
    """
    match layer:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return Factors(_windows(layer, a), 1 + len(layer.kernel_size), layer.out_channels, layer.groups)
        case nn.Linear():
            return Factors(a.movedim(-1, 1), 1, layer.out_features, 1)
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
            normal = F.batch_norm(a, layer.running_mean, layer.running_var, eps=layer.eps)
            return Factors(normal, 1, layer.num_features, 0)
        case nn.GroupNorm():
            return Factors(F.group_norm(a, layer.num_groups, eps=layer.eps), 1, layer.num_channels, 0)
        case nn.LayerNorm():
            shape = layer.normalized_shape
            normal = F.layer_norm(a, shape, eps=layer.eps).flatten(-len(shape)).movedim(-1, 1)
            return Factors(normal, 1, math.prod(shape), 0)
    raise TypeError(f"no factors for {type(layer).__name__}")


def output_factor(layer: nn.Module, delta: Tensor) -> Tensor:
    """The factor D [n, O, L] of a layer, from δ, which has the shape of the layer's output.

    Example:
        >>> output_factor(nn.Conv2d(3, 8, 3), torch.zeros(2, 8, 3, 3)).shape
        torch.Size([2, 8, 9])
    """
    match layer:
        case nn.Linear():
            delta = delta.movedim(-1, 1)
        case nn.LayerNorm():
            delta = delta.flatten(-len(layer.normalized_shape)).movedim(-1, 1)
    return delta.reshape(*delta.shape[:2], -1)


def _windows(layer: Convolution, a: Tensor) -> Tensor:
    """Every window of the padded image, as a view [n, channels, *kernel, *positions].

    ``F.unfold`` builds the same; copying from this view is three times faster on images of 16 × 16 and more.
    """
    padding = _padding(layer)
    if any(padding):
        a = F.pad(a, padding, mode="constant" if layer.padding_mode == "zeros" else layer.padding_mode)
    axes = list(zip(a.shape[2:], a.stride()[2:], layer.kernel_size, layer.stride, layer.dilation, strict=True))
    positions = [(size - dilation * (kernel - 1) - 1) // step + 1 for size, _, kernel, step, dilation in axes]
    steps = [stride * dilation for _, stride, _, _, dilation in axes] + [
        stride * step for _, stride, _, step, _ in axes
    ]
    return a.as_strided((*a.shape[:2], *layer.kernel_size, *positions), (*a.stride()[:2], *steps))


def _padding(layer: Convolution) -> list[int]:
    """Pixels before and after each axis, the last axis first, as ``F.pad`` takes them."""
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        ends = [(total // 2, total - total // 2) for total in totals]
    elif isinstance(layer.padding, str):  # valid
        ends = [(0, 0)] * len(layer.kernel_size)
    else:
        ends = [(pixels, pixels) for pixels in layer.padding]
    return [size for pair in reversed(ends) for size in pair]
