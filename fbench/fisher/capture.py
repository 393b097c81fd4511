"""One forward pass that keeps what every layer saw: its input a and its output, from which δ follows.

A per-sample weight gradient is a contraction of a (activations) with δ (the gradient of a logit combination with
respect to the layer's output), so k−1 ordinary backward passes over a *batch* give every sample's gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fbench.fisher.layers import unsupported_reason


class UnsupportedError(Exception):
    """This network cannot be captured; the message says which part. Callers fall back to torch.func."""


@dataclass(frozen=True)
class Record:
    """What one layer saw in one forward pass."""

    name: str
    layer: nn.Module
    a: Tensor
    output: Tensor
    versions: tuple[int, int]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode (batch norm frozen) inside, every module's own mode restored after."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def forward(model: nn.Module, inputs: Tensor) -> tuple[Tensor, list[Record]]:
    """Logits [n, k] with their graph, and a record for every layer that owns parameters.

    Raises:
        UnsupportedError: a layer of unknown type, one used twice, shared parameters, or an in-place operation
            that overwrote what was captured.
    """
    records: list[Record] = []
    layers = _layers(model)
    handles = [layer.register_forward_hook(_keep(name, records), with_kwargs=True) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
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
        records.append(Record(name, layer, a, output, (a._version, output._version)))

    return hook


def _check(records: list[Record], layers: dict[str, nn.Module]) -> None:
    names = [record.name for record in records]
    for name in layers:
        if names.count(name) != 1:
            raise UnsupportedError(f"layer {name!r} ran {names.count(name)} times in one forward pass")
    for record in records:
        if (record.a._version, record.output._version) != record.versions:
            raise UnsupportedError(f"an in-place operation overwrote what layer {record.name!r} saw")
        if not record.output.requires_grad:
            raise UnsupportedError(f"layer {record.name!r} ran outside the graph")


def output_gradients(logits: Tensor, records: list[Record], row: Tensor, *, last: bool) -> list[Tensor]:
    """δ of every record for the logit combination ``row`` [n, k]; ``last`` frees the graph."""
    outputs = [record.output for record in records]
    return list(
        torch.autograd.grad(logits, outputs, row, retain_graph=not last, allow_unused=True, materialize_grads=True)
    )
