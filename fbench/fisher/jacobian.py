"""Per-sample gradients of logit combinations, for any network: rows R [n, r, k] in, batches of gradients out.

``layer_gradients`` goes by capture and contraction; ``jacobian_gradients`` is the torch.func fallback, several times
slower and complete: it takes any network that ``torch.func.vmap`` takes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher import capture
from fbench.fisher.layers import Factors, Gathered, factors, output_factor
from fbench.fisher.likelihood import logit_rows

RowMaker = Callable[[Tensor], Tensor]
"""From a batch's logits [c, k] to its rows [c, r, k]."""
Positions = dict[str, Tensor | None]
"""What is wanted, by parameter: flat positions, or None for the whole of it."""


class RowGradients(Protocol):
    """One row's per-sample gradients over one batch."""

    def squares(self) -> dict[str, Tensor]:
        """Σ_x g², by parameter, in its shape."""

    def gathered(self) -> Tensor:
        """G at the positions asked for, side by side: [c, d]."""


class Step(NamedTuple):
    """Row ``row`` of ``rows`` over the samples ``part`` of the inputs."""

    part: slice
    row: int
    rows: int
    gradients: RowGradients


def row_gradients(
    model: nn.Module,
    inputs: Tensor,
    rows: RowMaker,
    batch_size: int,
    mask: Mapping[str, Tensor] | None = None,
) -> Iterator[Step]:
    """Every batch's per-sample gradients, a row at a time.

    ``mask`` gives the flat positions that will be asked for by parameter, none of them empty: backward passes end at
    the earliest layer that holds one. Without it every parameter's squares can be asked for. The model is
    evaluated in evaluation mode and left as found.

    Raises:
        InputError: a model without parameters, a batch size below one, no inputs, logits that are not [n, k].
    """
    if not any(True for _ in model.parameters()):
        raise InputError(f"the model {type(model).__name__} has no parameters to take gradients of")
    if batch_size < 1:
        raise InputError(f"batch_size {batch_size}: must be at least 1")
    check_inputs(inputs)
    if len(inputs) == 0:
        raise InputError("inputs are empty; at least one sample is needed")
    positions: Positions = dict(mask) if mask is not None else dict.fromkeys(dict(model.named_parameters()))
    with capture.evaluating(model):
        batch = _chosen_path(model, inputs[:batch_size], positions)
        for start in range(0, len(inputs), batch_size):
            part = slice(start, min(start + batch_size, len(inputs)))
            for row, (count, gradients) in enumerate(batch(model, inputs[part], rows, positions)):
                yield Step(part, row, count, gradients)


def check_inputs(inputs: object) -> None:
    """Refuse what is not a tensor.

    Raises:
        InputError: naming what it is.
    """
    if not isinstance(inputs, Tensor):
        raise InputError(f"inputs are a {type(inputs).__name__}: give one tensor [n, …]")


Batch = Callable[[nn.Module, Tensor, RowMaker, Positions], Iterator[tuple[int, RowGradients]]]


def _chosen_path(model: nn.Module, inputs: Tensor, positions: Positions) -> Batch:
    """Capture where it can be had and is right for one sample; torch.func for all other networks.

    A layer may be fed samples along another axis than the first (steps first, or steps folded into samples); nothing
    in the shapes need betray it, so the last sample's gradients are held to its own backward pass. That is a question
    of the network, asked with the exact rows: the caller's may be drawn at random, anew at every call.
    """
    try:
        _, found = next(_layer_batch(model, inputs, logit_rows, positions))
        if not _agrees(model, inputs, found, list(positions)):
            raise capture.UnsupportedError("a layer does not take one sample a row")
    except capture.UnsupportedError as reason:
        warnings.warn(f"per-sample gradients by torch.func, several times slower: {reason}", stacklevel=5)
        return _jacobian_batch
    return _layer_batch


def _agrees(model: nn.Module, inputs: Tensor, found: _LayerRow, names: Sequence[str]) -> bool:
    last = len(inputs) - 1
    try:
        mine = found.sample(last)
    except (IndexError, RuntimeError):  # factors whose shapes do not even fit each other
        return False
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    with torch.no_grad():
        row = logit_rows(model(inputs))[last, 0]
    one = torch.func.grad(_combination(model))(parameters, inputs[last], row)
    scale = max(float(one[name].abs().max()) for name in names)
    if not math.isfinite(scale):
        return True  # nothing to compare; whoever asked refuses gradients that are not finite
    tolerance = scale * (1e-7 if row.dtype == torch.float64 else 1e-2)
    return all(
        mine[name].shape == one[name].shape and float((mine[name] - one[name]).abs().max()) <= tolerance
        for name in names
    )


@dataclass(frozen=True)
class _Part:
    """One parameter of one captured layer: everything of its gradient but δ."""

    full: str
    name: str
    shape: torch.Size
    record: int
    A: Factors
    gathered: Gathered | None


class _LayerRow:
    """One row's gradients, from every part and that row's δ."""

    def __init__(self, parts: Sequence[_Part], D: Sequence[Tensor]) -> None:
        self._parts = [(part, D[part.record]) for part in parts]

    def squares(self) -> dict[str, Tensor]:
        return {p.full: p.A.gradient(D, p.name).square_().sum(0).view(p.shape) for p, D in self._parts}

    def sample(self, index: int) -> dict[str, Tensor]:
        """One sample's gradients, in the parameters' shapes."""
        at = slice(index, index + 1)
        return {p.full: p.A[at].gradient(D[at], p.name)[0].view(p.shape) for p, D in self._parts}

    def gathered(self) -> Tensor:
        return torch.cat([p.gathered.gradient(D) for p, D in self._parts if p.gathered is not None], dim=1)


def _layer_batch(
    model: nn.Module, inputs: Tensor, rows: RowMaker, positions: Positions
) -> Iterator[tuple[int, _LayerRow]]:
    logits, records = capture.forward(model, inputs)
    R = rows(logits.detach())
    records = [r for r in records if any(_join(r.name, name) in positions for name in _own(r.layer))]
    with torch.no_grad():
        parts = _parts(records, positions)
    for r in range(R.shape[1]):
        deltas = capture.output_gradients(logits, records, R[:, r], last=r == R.shape[1] - 1)
        D = [output_factor(record.layer, delta) for record, delta in zip(records, deltas, strict=True)]
        yield R.shape[1], _LayerRow(parts, D)


def _parts(records: Sequence[capture.Record], positions: Positions) -> list[_Part]:
    """Parts in the order of ``positions``; what a mask needs of A is gathered here, once for every row."""
    parts = {}
    for number, record in enumerate(records):
        A, outputs = (
            factors(record.layer, record.a.detach()),
            output_factor(record.layer, record.output).shape[1],
        )
        for name, parameter in _own(record.layer).items():
            full = _join(record.name, name)
            if full in positions:
                at = positions[full]
                gathered = None if at is None else A.at(outputs, name, at)
                parts[full] = _Part(full, name, parameter.shape, number, A, gathered)
    return [parts[full] for full in positions if full in parts]


def _own(layer: nn.Module) -> dict[str, nn.Parameter]:
    return dict(layer.named_parameters(recurse=False))


class _JacobianRow:
    """One row's gradients, every parameter's in full."""

    def __init__(self, gradients: dict[str, Tensor], positions: Positions) -> None:
        self._gradients, self._positions = gradients, positions

    def squares(self) -> dict[str, Tensor]:
        return {name: g.square().sum(0) for name, g in self._gradients.items()}

    def gathered(self) -> Tensor:
        return torch.cat([self._gradients[name].flatten(1)[:, at] for name, at in self._positions.items()], dim=1)


def _combination(model: nn.Module) -> Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]:
    """One sample's logits, weighted by a row, as a function of the parameters."""
    buffers = dict(model.named_buffers())

    def combination(values: dict[str, Tensor], x: Tensor, row: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(model, (values, buffers), (x[None],))
        return (logits[0] * row).sum()

    return combination


def _jacobian_batch(
    model: nn.Module, inputs: Tensor, rows: RowMaker, positions: Positions
) -> Iterator[tuple[int, RowGradients]]:
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    with torch.no_grad():
        R = rows(model(inputs))
    per_sample = torch.func.vmap(torch.func.grad(_combination(model)), in_dims=(None, 0, 0))
    for r in range(R.shape[1]):
        gradients = per_sample(parameters, inputs, R[:, r])
        yield R.shape[1], _JacobianRow({name: gradients[name].detach() for name in positions}, positions)


def _join(layer: str, parameter: str) -> str:
    return f"{layer}.{parameter}" if layer else parameter
