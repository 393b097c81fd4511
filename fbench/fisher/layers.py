"""Per-sample gradients of a layer's parameters as contractions of its input a with its output gradient δ.

Every supported layer's gradient has one form. With A [n, I, L] made from a, D [n, O, L] made from δ (L positions: of
an image, of a sequence, or 1), entry j of a parameter's gradient for sample x is

    g[x, j] = Σ_l D[x, out(j), l] · A[x, in(j), l]

so a mask's positions are gathered without building the rest. A bias has A = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BLOCK_FILL = 64
"""A product of I′ × O′ entries a position beats gathering up to about this many entries for each position kept."""


@dataclass(frozen=True)
class Factors:
    """A [n, I, L] and how δ becomes D [n, O, L]; ``groups`` blocks when every output meets every input of its group,
    0 when output i meets input i alone (norms).
    """

    A: Tensor
    groups: int

    def __getitem__(self, sample: slice) -> Factors:
        """The factors of some samples."""
        return Factors(self.A[sample], self.groups)

    def at(self, outputs: int, parameter: str, positions: Tensor) -> Gathered:
        """What the flat ``positions`` [m] of ``weight`` or ``bias`` need of A, gathered once for every row."""
        if parameter == "bias":
            return Pairs(None, positions)
        if self.groups == 0:
            return Pairs(self.A[:, positions], positions)
        width = self.A.shape[1] // self.groups
        out = positions // width
        into = out // (outputs // self.groups) * width + positions % width
        outs, at_out = torch.unique(out, return_inverse=True)
        ins, at_in = torch.unique(into, return_inverse=True)
        if len(outs) * len(ins) <= _BLOCK_FILL * len(positions):
            return Block(self.A[:, ins], outs, at_out, at_in)
        return Pairs(self.A[:, into], out)

    def gradient(self, D: Tensor, parameter: str) -> Tensor:
        """G [n, m] at every position, flat."""
        if parameter == "bias":
            return D.sum(-1)
        if self.groups == 0:
            return (D * self.A).sum(-1)
        n, _, L = D.shape
        g = D.reshape(n * self.groups, -1, L) @ self.A.reshape(n * self.groups, -1, L).mT
        return g.view(n, -1)


class Gathered(Protocol):
    """A at a mask's positions, ready to meet every row's D."""

    def gradient(self, D: Tensor) -> Tensor:
        """G [n, m]."""


@dataclass(frozen=True)
class Pairs:
    """A position at a time: A [n, m, L] (None for a bias: ones) and out(j) [m]. For scattered positions."""

    A: Tensor | None
    out: Tensor

    def gradient(self, D: Tensor) -> Tensor:
        rows = D[:, self.out]
        return rows.sum(-1) if self.A is None else (rows * self.A).sum(-1)


@dataclass(frozen=True)
class Block:
    """The product of all outputs with all inputs that the mask touches, then its positions: A [n, I′, L]."""

    A: Tensor
    outs: Tensor
    at_out: Tensor
    at_in: Tensor

    def gradient(self, D: Tensor) -> Tensor:
        return (D[:, self.outs] @ self.A.mT)[:, self.at_out, self.at_in]


def unsupported_reason(layer: nn.Module) -> str:
    """Why this layer's gradient has not the form above; empty if it has."""
    if isinstance(layer, nn.Conv2d) and (layer.padding_mode != "zeros" or isinstance(layer.padding, str)):
        return f"padding mode {layer.padding_mode!r} with padding {layer.padding!r}"
    if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is None:
        return "batch norm without running statistics mixes samples"
    if type(layer) in (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm):
        return ""
    return f"type {type(layer).__name__} has no contraction here"


def factors(layer: nn.Module, a: Tensor) -> Factors:
    """A for a layer from what entered it."""
    match layer:
        case nn.Conv2d():
            padding: tuple[int, ...] = layer.padding  # type: ignore[assignment] # a str is unsupported_reason's
            unfolded = F.unfold(a, layer.kernel_size, layer.dilation, padding, layer.stride)
            return Factors(unfolded, layer.groups)
        case nn.Linear():
            return Factors(_positions_last(a), 1)
        case nn.BatchNorm2d():
            return Factors(F.batch_norm(a, layer.running_mean, layer.running_var, eps=layer.eps).flatten(2), 0)
        case nn.GroupNorm():
            return Factors(F.group_norm(a, layer.num_groups, eps=layer.eps).flatten(2), 0)
        case nn.LayerNorm():
            normal = F.layer_norm(a, layer.normalized_shape, eps=layer.eps)
            return Factors(_positions_last(normal.flatten(-len(layer.normalized_shape))), 0)
    raise TypeError(f"no factors for {type(layer).__name__}")


def output_factor(layer: nn.Module, delta: Tensor) -> Tensor:
    """D [n, O, L] from δ, which has the shape of the layer's output."""
    match layer:
        case nn.Linear():
            return _positions_last(delta)
        case nn.LayerNorm():
            return _positions_last(delta.flatten(-len(layer.normalized_shape)))
    return delta.flatten(2)


def _positions_last(values: Tensor) -> Tensor:
    """[n, …, features] → [n, features, L]."""
    n, width = values.shape[0], values.shape[-1]
    return values.reshape(n, -1, width).mT
