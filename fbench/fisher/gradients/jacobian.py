"""Per-sample gradients of logit combinations, for any network: the path to them and the batches.

Rows R [n, r, k] go in, sums of squares or gathered gradients come out. ``CapturedPath`` (capture and contraction) is
taken wherever it is right; ``FunctionalPath`` is the torch.func fallback, several times slower and complete.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.gradients import capture
from fbench.fisher.gradients.capture import Hashing, RowMaker
from fbench.fisher.gradients.captured import CapturedPath, Passes
from fbench.fisher.gradients.footprint import MEMORY_BUDGET, Footprint, check_limits
from fbench.fisher.gradients.functional import FunctionalPath
from fbench.fisher.gradients.kept import KeptPasses

Positions = Mapping[str, Tensor | None]
"""What is wanted, by parameter: flat positions, or None for the whole of it."""


class Batches(NamedTuple):
    """How a pass is cut into batches: by ``batch_size`` samples, or where that is None by ``memory_budget`` bytes."""

    batch_size: int | None
    memory_budget: int


class GradientRows(NamedTuple):
    """Gradients G [c, d] of the samples ``part`` of the inputs, for row number ``row`` of ``rows``."""

    part: slice
    row: int
    rows: int
    gradients: Tensor


class Path(Protocol):
    """A way to a network's per-sample gradients."""

    footprint: Footprint

    def square_sums(self, inputs: Tensor, rows: RowMaker, totals: Mapping[str, Tensor], room: int = 0) -> Passes | None:
        """Add Σ_x Σ_r g² of a batch to ``totals``; give its passes where they can be kept in ``room`` bytes."""

    def gathered(self, inputs: Tensor, rows: RowMaker) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and G [n, d] at the positions side by side."""

    def hashed(self, inputs: Tensor, rows: RowMaker, hashing: Hashing) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and the sums [n, dim] of the hashed gradients."""


def square_sums(
    model: nn.Module,
    draws: Sequence[Tensor],
    rows: RowMaker,
    batches: Batches,
    keep: KeptPasses | None = None,
) -> list[dict[str, Tensor]]:
    """Σ_x Σ_r g² of every parameter, frozen or not, in its shape, by name: a dict for each draw of inputs.

    ``keep`` takes the passes of the first batches, as many as it has room for.

    Example:
        >>> import torch
        >>> from fbench.fisher.likelihood import logit_rows
        >>> draws = [torch.ones(3, 4), torch.zeros(2, 4)]
        >>> ones, zeros = square_sums(nn.Linear(4, 3), draws, logit_rows, Batches(None, MEMORY_BUDGET))
        >>> ones["weight"].shape, int(zeros["weight"].count_nonzero())
        (torch.Size([3, 4]), 0)

    Raises:
        InputError: as ``_check``, or logits that are not [n, k].
    """
    for inputs in draws:
        _check(model, inputs, batches)
    totals = {name: p.new_zeros(p.shape) for name, p in model.named_parameters()}  # contiguous, unlike zeros_like
    sums = [totals]
    with capture.evaluating(model):
        path = _chosen_path(model, _few(draws[0]), dict.fromkeys(totals))
        for number, inputs in enumerate(draws):
            if number:  # the path holds on to the totals: what is in them moves out
                sums.insert(-1, {name: total.clone() for name, total in totals.items()})
                for total in totals.values():
                    total.zero_()
            for part in _parts(path, inputs, batches):
                passes = path.square_sums(inputs[part], rows, totals, keep.room if keep else 0)
                if keep and passes:
                    keep.add(number, part, passes)
    return sums


def gathered(
    model: nn.Module, inputs: Tensor, rows: RowMaker, positions: Mapping[str, Tensor], batches: Batches
) -> Iterator[GradientRows]:
    """Gradients at the flat ``positions`` of each parameter, none of them empty: batch after batch, row by row.

    The model is evaluated in evaluation mode and left as found.

    Example:
        >>> import torch
        >>> from fbench.fisher.likelihood import logit_rows
        >>> positions = {"weight": torch.tensor([0, 5])}
        >>> rows = gathered(nn.Linear(4, 3), torch.ones(6, 4), logit_rows, positions, Batches(4, MEMORY_BUDGET))
        >>> [(row.part, row.row, row.rows, row.gradients.shape) for row in rows][0]
        (slice(0, 4, None), 0, 2, torch.Size([4, 2]))

    Raises:
        InputError: as ``_check``, or logits that are not [n, k].
    """
    _check(model, inputs, batches)
    with capture.evaluating(model):
        path = _chosen_path(model, _few(inputs), positions)
        for part in _parts(path, inputs, batches):
            for row, (count, gradients) in enumerate(path.gathered(inputs[part], rows)):
                yield GradientRows(part, row, count, gradients)


def hashed(
    model: nn.Module, inputs: Tensor, rows: RowMaker, hashing: Hashing, batches: Batches
) -> Iterator[GradientRows]:
    """Gradients by all weights, frozen or not, each added with its sign to its bucket of d: batch by batch, row by row.

    The model is evaluated in evaluation mode and left as found.

    Example:
        >>> import torch
        >>> from fbench.fisher.likelihood import logit_rows
        >>> first = Hashing(2, {"weight": torch.zeros(12, dtype=torch.int64)}, {"weight": torch.ones(12)})
        >>> layer = nn.Linear(4, 3, bias=False)
        >>> rows = list(hashed(layer, torch.ones(6, 4), logit_rows, first, Batches(None, MEMORY_BUDGET)))
        >>> [(row.part, row.row, row.rows, row.gradients.shape) for row in rows][0]
        (slice(0, 6, None), 0, 2, torch.Size([6, 2]))

    Raises:
        InputError: as ``_check``, or logits that are not [n, k].
    """
    _check(model, inputs, batches)
    with capture.evaluating(model):
        path = _chosen_path(model, _few(inputs), dict.fromkeys(name for name, _ in model.named_parameters()))
        for part in _parts(path, inputs, batches):
            for row, (count, sums) in enumerate(path.hashed(inputs[part], rows, hashing)):
                yield GradientRows(part, row, count, sums)


def automatic_batch(
    model: nn.Module,
    inputs: Tensor,
    positions: Mapping[str, Tensor] | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> int:
    """How many samples a pass takes under the budget: for ``gathered`` at ``positions``, else for ``square_sums``.

    Example:
        >>> import torch
        >>> automatic_batch(nn.Linear(4, 3), torch.ones(6, 4))
        6
    """
    return footprint(model, inputs, positions).batch(memory_budget, len(inputs))


def footprint(model: nn.Module, inputs: Tensor, positions: Mapping[str, Tensor] | None = None) -> Footprint:
    """What a batch holds, measured on the first two of ``inputs``; ``positions`` as for ``automatic_batch``.

    Example:
        >>> import torch
        >>> footprint(nn.Linear(4, 3), torch.ones(6, 4)).per_sample > 0
        True
    """
    wanted = positions if positions is not None else dict.fromkeys(name for name, _ in model.named_parameters())
    with capture.evaluating(model):
        return _chosen_path(model, _few(inputs), wanted).footprint


def _check(model: nn.Module, inputs: Tensor, batches: Batches) -> None:
    """Refuse what has no gradients.

    Raises:
        InputError: a model without parameters, a batch size or memory budget below one, no inputs.
    """
    if not any(True for _ in model.parameters()):
        raise InputError(f"the model {type(model).__name__} has no parameters to take gradients of")
    check_limits(*batches)
    check_inputs(inputs)
    if len(inputs) == 0:
        raise InputError("inputs are empty; at least one sample is needed")


def check_inputs(inputs: object) -> None:
    """Refuse what is not a tensor.

    Raises:
        InputError: naming what it is.

    Example:
        >>> check_inputs([[0.0, 1.0]])
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: inputs are a list: give one tensor [n, …]
    """
    if not isinstance(inputs, Tensor):
        raise InputError(f"inputs are a {type(inputs).__name__}: give one tensor [n, …]")


def _parts(path: Path, inputs: Tensor, batches: Batches) -> Iterator[slice]:
    size = batches.batch_size or path.footprint.batch(batches.memory_budget, len(inputs))
    for start in range(0, len(inputs), size):
        yield slice(start, min(start + size, len(inputs)))


def _few(inputs: Tensor) -> Tensor:
    """Two samples to probe with, in a storage of their own: a view's is the whole pool's, and would be counted."""
    return inputs[:2].clone()


def _chosen_path(model: nn.Module, probe: Tensor, positions: Positions) -> Path:
    """Capture where it can be had and is right for a sample or two; torch.func for all other networks."""
    try:
        return CapturedPath(model, probe, positions)
    except capture.UnsupportedError as reason:
        warnings.warn(f"per-sample gradients by torch.func, several times slower: {reason}", stacklevel=4)
        return FunctionalPath(model, probe, positions)
