"""Per-sample gradients of logit combinations, for any network: rows R [n, r, k] in, batches of gradients out.

``layer_gradients`` goes by capture and contraction; ``jacobian_gradients`` is the torch.func fallback, several times
slower and complete: it takes any network that ``torch.func.vmap`` takes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
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


def row_gradients(model: nn.Module, inputs: Tensor, rows: RowMaker, batch_size: int) -> Iterator[Step]:
    """Every batch's per-sample gradients, a row at a time.

    The model is evaluated in evaluation mode and left as found.

    Raises:
        InputError: a model without parameters, a batch size below one, no inputs, logits that are not [n, k].
    """
    if not any(True for _ in model.parameters()):
        raise InputError(f"the model {type(model).__name__} has no parameters to take gradients of")
    if batch_size < 1:
        raise InputError(f"batch_size {batch_size}: must be at least 1")
    if len(inputs) == 0:
        raise InputError("inputs are empty; at least one sample is needed")
    with capture.evaluating(model):
        for start in range(0, len(inputs), batch_size):
            part = slice(start, min(start + batch_size, len(inputs)))
            for row, (count, gradients) in enumerate(_batch(model, inputs[part], rows)):
                yield Step(part, row, count, gradients)


def _batch(model: nn.Module, inputs: Tensor, rows: RowMaker) -> Iterator[tuple[int, RowGradients]]:
    try:
        logits, records = capture.forward(model, inputs)
    except capture.UnsupportedError as reason:
        warnings.warn(f"per-sample gradients by torch.func, several times slower: {reason}", stacklevel=4)
        return _jacobian_batch(model, inputs, rows)
    return _layer_batch(logits, records, rows(logits.detach()))


class _LayerRow:
    def __init__(self, records: list[capture.Record], acts: list[Factors], deltas: list[Tensor]) -> None:
        self._parts = [
            (record, A, output_factor(record.layer, delta))
            for record, A, delta in zip(records, acts, deltas, strict=True)
        ]

    def squares(self) -> dict[str, Tensor]:
        return {
            _join(record.name, name): A.sum_of_squares(D, name).view(parameter.shape)
            for record, A, D in self._parts
            for name, parameter in record.layer.named_parameters(recurse=False)
        }

    def at(self, positions: Mapping[str, Tensor]) -> Tensor:
        found = {}
        for record, A, D in self._parts:
            for name, _ in record.layer.named_parameters(recurse=False):
                full = _join(record.name, name)
                if len(positions[full]):
                    found[full] = A.gradient_at(D, name, positions[full])
        return torch.cat([found[name] for name in positions if name in found], dim=1)


def _layer_batch(logits: Tensor, records: list[capture.Record], R: Tensor) -> Iterator[tuple[int, RowGradients]]:
    with torch.no_grad():
        acts = [factors(record.layer, record.a.detach()) for record in records]
    count = R.shape[1]
    for r in range(count):
        deltas = capture.output_gradients(logits, records, R[:, r], last=r == count - 1)
        yield count, _LayerRow(records, acts, deltas)


class _JacobianRow:
    def __init__(self, gradients: dict[str, Tensor]) -> None:
        self._gradients = gradients

    def squares(self) -> dict[str, Tensor]:
        return {name: g.square().sum(0) for name, g in self._gradients.items()}

    def at(self, positions: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([self._gradients[name].flatten(1)[:, index] for name, index in positions.items()], dim=1)


def _jacobian_batch(model: nn.Module, inputs: Tensor, rows: RowMaker) -> Iterator[tuple[int, RowGradients]]:
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def combination(values: dict[str, Tensor], x: Tensor, row: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(model, (values, buffers), (x[None],))
        return (logits[0] * row).sum()

    with torch.no_grad():
        R = rows(model(inputs))
    per_sample = torch.func.vmap(torch.func.grad(combination), in_dims=(None, 0, 0))
    for r in range(R.shape[1]):
        gradients = per_sample(parameters, inputs, R[:, r])
        yield R.shape[1], _JacobianRow({name: g.detach() for name, g in gradients.items()})


def _join(layer: str, parameter: str) -> str:
    return f"{layer}.{parameter}" if layer else parameter
