"""One forward pass that keeps what every layer saw: its input a and its output, from which δ follows.

A per-sample weight gradient is a contraction of a (activations) with δ (the gradient of a logit combination with
respect to the layer's output), so k−1 ordinary backward passes over a *batch* give every sample's gradients. Only δ is
asked for: autograd then computes no weight gradients, frozen or not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from fbench.fisher.gradients.layers import BATCH_NORMS, BatchNorm, unsupported_reason

RowMaker = Callable[[Tensor], Tensor]
"""A function from a batch's logits [c, k] to its rows [c, r, k]."""


class UnsupportedError(Exception):
    """This network cannot be captured; the message says which part. Callers fall back to torch.func."""


class Hashing(NamedTuple):
    """Where every weight's gradient is added, of ``dim`` sums, and its sign in the gradient's dtype: flat, by name."""

    dim: int
    buckets: Mapping[str, Tensor]
    signs: Mapping[str, Tensor]

    def add(self, name: str, G: Tensor, sums: Tensor) -> None:
        """Add the gradients G [c, m] by all weights of the parameter ``name`` to ``sums`` [c, dim]."""
        sums.index_add_(1, self.buckets[name], G * self.signs[name])


@dataclass(frozen=True)
class Record:
    """What one layer saw in one forward pass: its input, and where in the graph its output stands.

    Attributes:
        name: the layer's name in the network.
        layer: the module.
        a: its input.
        version: of ``a`` when the layer ran; a later one tells that an in-place operation overwrote it.
        edge: where in the graph the output stands; None outside the graph.
        shape: of the output.

    The output itself is not kept: its values are never asked for, and
    a residual sum in place (``out += x``) moves the tensor on to another place.
    """

    name: str
    layer: nn.Module
    a: Tensor
    version: int
    edge: GradientEdge | None
    shape: torch.Size

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Each parameter by its name in the network and by its name in the layer, ``weight`` or ``bias``."""
        for name, _ in self.layer.named_parameters(recurse=False):
            yield f"{self.name}.{name}" if self.name else name, name


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation mode (batch norm frozen); every module gets its mode back afterwards.

    Inside, torch's own modules leave their inputs alone: ``ReLU(inplace=True)`` would overwrite what was captured.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
        >>> with evaluating(model):
        ...     model[1].training
        False
        >>> model[1].training
        True
    """
    modes = {module: module.training for module in model.modules()}
    in_place = [module for module in modes if getattr(module, "inplace", None) is True and _is_torchs(module)]
    model.eval()
    for module in in_place:
        module.inplace = False  # type: ignore[assignment] # torch types attributes of modules as Tensor | Module
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]


def _is_torchs(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def forward(model: nn.Module, inputs: Tensor) -> tuple[Tensor, list[Record]]:
    """Run the model once: logits [n, k] with their graph, and a record of every layer that owns parameters.

    Raises:
        UnsupportedError: a layer of unknown type, one used twice, shared parameters, or an in-place operation
            that overwrote what entered a layer.

    Example:
        >>> logits, records = forward(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), torch.ones(5, 4))
        >>> [(record.name, record.a.shape, record.shape) for record in records]
        [('0', torch.Size([5, 4]), torch.Size([5, 6])), ('2', torch.Size([5, 6]), torch.Size([5, 3]))]
    """
    records: list[Record] = []
    layers = _layers(model)
    handles = [layer.register_forward_hook(_keep(name, records), with_kwargs=True) for name, layer in layers.items()]
    try:
        with torch.enable_grad(), affine_norms(model):
            logits = model(inputs.detach().requires_grad_(inputs.is_floating_point()))
    finally:
        for handle in handles:
            handle.remove()
    _check(records, layers)
    return logits, records


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    owners = {name: m for name, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))}
    for name, layer in owners.items():
        reason = unsupported_reason(layer)
        if reason:
            raise UnsupportedError(f"layer {name or type(layer).__name__!r}: {reason}")
    owned = sum(len(list(layer.parameters(recurse=False))) for layer in owners.values())
    if owned != len(list(model.parameters())):
        raise UnsupportedError("two layers share a parameter")
    return owners


def _keep(name: str, records: list[Record]) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]:
    def hook(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        (a,) = (*args, *kwargs.values())  # every supported layer takes one input
        edge = get_gradient_edge(output) if output.requires_grad else None
        records.append(Record(name, layer, a, a._version, edge, output.shape))

    return hook


def _check(records: list[Record], layers: dict[str, nn.Module]) -> None:
    names = [record.name for record in records]
    for name in layers:
        if names.count(name) != 1:
            raise UnsupportedError(f"layer {name!r} ran {names.count(name)} times in one forward pass")
    for record in records:
        if record.a._version != record.version:
            raise UnsupportedError(f"an in-place operation overwrote what layer {record.name!r} saw")
        if record.edge is None:
            raise UnsupportedError(f"layer {record.name!r} ran outside the graph")


@contextmanager
def affine_norms(model: nn.Module, *, live: bool = False) -> Iterator[None]:
    """Run frozen batch norm as the affine map that it is: its backward pass then takes a third of the time.

    Its weight and bias get a gradient only where they are ``live``. Whatever is compared with a capture must take the
    same map: another rounding can put a ReLU's input on the other side of 0.

    Example:
        >>> norm = nn.BatchNorm1d(2).eval()
        >>> with affine_norms(norm):
        ...     norm(torch.ones(3, 2)).requires_grad
        False
    """
    norms = [m for m in model.modules() if isinstance(m, BatchNorm) and m.running_mean is not None]
    frozen = [norm for norm in norms if type(norm) in BATCH_NORMS and "forward" not in vars(norm)]
    for norm in frozen:
        norm.forward = functools.partial(_affine, norm, live)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in frozen:
            del norm.forward


def _affine(norm: BatchNorm, live: bool, a: Tensor) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * (norm.weight if live else norm.weight.detach())
    shift = -norm.running_mean * scale
    if norm.bias is not None:
        shift = shift + (norm.bias if live else norm.bias.detach())
    shape = (-1, *(1,) * (a.dim() - 2))
    return torch.addcmul(shift.view(shape), a, scale.view(shape)).to(a.dtype)


def output_gradients(logits: Tensor, records: list[Record], row: Tensor, *, last: bool) -> list[Tensor]:
    """One backward pass: δ of every record, in the shape of its output, for the logits weighted by ``row`` [n, k].

    ``last`` frees the graph.

    Example:
        >>> logits, records = forward(nn.Linear(4, 3), torch.ones(5, 4))
        >>> [delta.tolist() for delta in output_gradients(logits, records, torch.eye(3)[:1].expand(5, 3), last=True)]
        [[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]]
    """
    edges = [record.edge for record in records if record.edge is not None]
    deltas = torch.autograd.grad(logits, edges, row, retain_graph=not last, allow_unused=True)
    return [
        row.new_zeros(record.shape) if delta is None else delta for record, delta in zip(records, deltas, strict=True)
    ]
