"""Per-sample gradients of logit combinations, for any network: rows R [n, r, k] in, batches of gradients out.

``layer_gradients`` goes by capture and contraction; ``jacobian_gradients`` is the torch.func fallback, several times
slower and complete: it takes any network that ``torch.func.vmap`` takes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher import capture
from fbench.fisher.layers import Factors, factors, output_factor

RowMaker = Callable[[Tensor], Tensor]
"""From a batch's logits [c, k] to its rows [c, r, k]."""


class RowGradients(Protocol):
    """One row's per-sample gradients over one batch."""

    def squares(self) -> dict[str, Tensor]:
        """Σ_x g², by parameter, in its shape."""

    def at(self, positions: Mapping[str, Tensor]) -> Tensor:
        """g at the flat positions of every parameter, side by side: [c, d]."""


class Step(NamedTuple):
    """Row ``row`` of ``rows`` over the samples ``part`` of the inputs."""

    part: slice
    row: int
    rows: int
    gradients: RowGradients


def row_gradients(
    model: nn.Module, inputs: Tensor, rows: RowMaker, batch_size: int, needed: Collection[str] | None = None
) -> Iterator[Step]:
    """Every batch's per-sample gradients, a row at a time.

    ``needed`` names the parameters whose gradients will be asked for (all of them if None): backward passes end at
    the earliest layer that holds one. The model is evaluated in evaluation mode and left as found.

    Raises:
        InputError: a model without parameters, a batch size below one, no inputs, logits that are not [n, k].
    """
    if not any(True for _ in model.parameters()):
        raise InputError(f"the model {type(model).__name__} has no parameters to take gradients of")
    if batch_size < 1:
        raise InputError(f"batch_size {batch_size}: must be at least 1")
    if len(inputs) == 0:
        raise InputError("inputs are empty; at least one sample is needed")
    names = [name for name, _ in model.named_parameters() if needed is None or name in needed]
    with capture.evaluating(model):
        batch = _chosen_path(model, inputs[:batch_size], rows, names)
        for start in range(0, len(inputs), batch_size):
            part = slice(start, min(start + batch_size, len(inputs)))
            for row, (count, gradients) in enumerate(batch(model, inputs[part], rows, names)):
                yield Step(part, row, count, gradients)


Batch = Callable[[nn.Module, Tensor, RowMaker, Sequence[str]], Iterator[tuple[int, RowGradients]]]


def _chosen_path(model: nn.Module, inputs: Tensor, rows: RowMaker, names: Sequence[str]) -> Batch:
    """Capture where it can be had and is right for one sample; torch.func for all other networks.

    A layer may be fed samples along another axis than the first (steps first, or steps folded into samples); nothing
    in the shapes need betray it, so the last sample's gradients are held to its own backward pass.
    """
    try:
        _, found = next(_layer_batch(model, inputs, rows, names))
        if not _agrees(model, inputs, rows, found, names):
            raise capture.UnsupportedError("a layer does not take one sample a row")
    except capture.UnsupportedError as reason:
        warnings.warn(f"per-sample gradients by torch.func, several times slower: {reason}", stacklevel=5)
        return _jacobian_batch
    return _layer_batch


def _agrees(model: nn.Module, inputs: Tensor, rows: RowMaker, found: _LayerRow, names: Sequence[str]) -> bool:
    last = len(inputs) - 1
    try:
        mine = found.sample(last)
    except (IndexError, RuntimeError):  # factors whose shapes do not even fit each other
        return False
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    with torch.no_grad():
        row = rows(model(inputs))[last, 0]
    one = torch.func.grad(_combination(model))(parameters, inputs[last], row)
    scale = max(float(one[name].abs().max()) for name in names)
    if not math.isfinite(scale):
        return True  # nothing to compare; whoever asked refuses gradients that are not finite
    tolerance = scale * (1e-7 if row.dtype == torch.float64 else 1e-2)
    return all(
        mine[name].shape == one[name].shape and float((mine[name] - one[name]).abs().max()) <= tolerance
        for name in names
    )


class _LayerRow:
    """One row's gradients, from every layer's A and D."""

    def __init__(self, records: list[capture.Record], acts: list[Factors], deltas: list[Tensor], names: Sequence[str]) -> None:
        self._parts = [
            (name, parameter, A, output_factor(record.layer, delta))
            for record, A, delta in zip(records, acts, deltas, strict=True)
            for name, parameter in record.layer.named_parameters(recurse=False)
            if _join(record.name, name) in names
        ]
        self._names = [
            _join(record.name, name)
            for record in records
            for name, _ in record.layer.named_parameters(recurse=False)
            if _join(record.name, name) in names
        ]

    def squares(self) -> dict[str, Tensor]:
        return {
            full: A.gradient(D, name).square_().sum(0).view(parameter.shape)
            for full, (name, parameter, A, D) in zip(self._names, self._parts, strict=True)
        }

    def sample(self, index: int) -> dict[str, Tensor]:
        """One sample's gradients, in the parameters' shapes."""
        at = slice(index, index + 1)
        return {
            full: A[at].gradient(D[at], name)[0].view(parameter.shape)
            for full, (name, parameter, A, D) in zip(self._names, self._parts, strict=True)
        }

    def at(self, positions: Mapping[str, Tensor]) -> Tensor:
        found = {
            full: A.gradient_at(D, name, positions[full])
            for full, (name, _, A, D) in zip(self._names, self._parts, strict=True)
        }
        return torch.cat([found[name] for name in positions if name in found], dim=1)


def _layer_batch(
    model: nn.Module, inputs: Tensor, rows: RowMaker, names: Sequence[str]
) -> Iterator[tuple[int, _LayerRow]]:
    logits, records = capture.forward(model, inputs)
    R = rows(logits.detach())
    records = [r for r in records if any(_join(r.name, n) in names for n, _ in r.layer.named_parameters(recurse=False))]
    with torch.no_grad():
        acts = [factors(record.layer, record.a.detach()) for record in records]
    count = R.shape[1]
    for r in range(count):
        deltas = capture.output_gradients(logits, records, R[:, r], last=r == count - 1)
        yield count, _LayerRow(records, acts, deltas, names)


class _JacobianRow:
    def __init__(self, gradients: dict[str, Tensor]) -> None:
        self._gradients = gradients

    def squares(self) -> dict[str, Tensor]:
        return {name: g.square().sum(0) for name, g in self._gradients.items()}

    def at(self, positions: Mapping[str, Tensor]) -> Tensor:
        found = self._gradients
        return torch.cat([found[name].flatten(1)[:, positions[name]] for name in positions if name in found], dim=1)


def _combination(model: nn.Module) -> Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]:
    """One sample's logits, weighted by a row, as a function of the parameters."""
    buffers = dict(model.named_buffers())

    def combination(values: dict[str, Tensor], x: Tensor, row: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(model, (values, buffers), (x[None],))
        return (logits[0] * row).sum()

    return combination


def _jacobian_batch(
    model: nn.Module, inputs: Tensor, rows: RowMaker, names: Sequence[str]
) -> Iterator[tuple[int, RowGradients]]:
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    with torch.no_grad():
        R = rows(model(inputs))
    per_sample = torch.func.vmap(torch.func.grad(_combination(model)), in_dims=(None, 0, 0))
    for r in range(R.shape[1]):
        gradients = per_sample(parameters, inputs, R[:, r])
        yield R.shape[1], _JacobianRow({name: gradients[name].detach() for name in names})


def _join(layer: str, parameter: str) -> str:
    return f"{layer}.{parameter}" if layer else parameter
