"""Per-sample gradients by ``torch.func``: several times slower than capture, and complete.

It takes any network that ``torch.func.vmap`` takes: tied and loose parameters, layers used twice, any axis for samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from fbench.fisher.gradients.capture import Hashing, RowMaker
from fbench.fisher.gradients.footprint import Footprint, watching


def combination(model: nn.Module) -> Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]:
    """One sample's logits, weighted by a row [k] and summed: a function of the parameters, the sample and the row.

    Example:
        >>> model = nn.Linear(2, 3, bias=False)
        >>> weights = {"weight": torch.ones(3, 2)}
        >>> float(combination(model)(weights, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0, -2.0])))
        -3.0
    """
    buffers = dict(model.named_buffers())

    def weighted(values: dict[str, Tensor], x: Tensor, row: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(model, (values, buffers), (x[None],))
        return (logits[0] * row).sum()

    return weighted


class FunctionalPath:
    """The per-sample gradients of one network, batch after batch; methods as those of ``CapturedPath``."""

    def __init__(self, model: nn.Module, probe: Tensor, positions: Mapping[str, Tensor | None]) -> None:
        self._model, self._positions = model, positions
        self._parameters = {name: p.detach() for name, p in model.named_parameters()}
        with watching() as held, torch.enable_grad():
            model(probe)
        activations = held.bytes(*model.parameters(), *model.buffers()) // len(probe)
        gradients = sum(p.nbytes for p in self._parameters.values())
        # a sample's gradients and their squares; activations with the gradients on their way back
        self.footprint = Footprint(2 * gradients, 3 * activations + 2 * gradients)

    def square_sums(self, inputs: Tensor, rows: RowMaker, totals: Mapping[str, Tensor], room: int = 0) -> None:
        """Add Σ_x Σ_r g² of a batch to ``totals``; there are no passes to keep."""
        for _, gradients in self._rows(inputs, rows):
            for name, total in totals.items():
                total += gradients.pop(name).square().sum(0)

    def gathered(self, inputs: Tensor, rows: RowMaker) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and G [n, d] at the positions side by side."""
        for count, gradients in self._rows(inputs, rows):
            yield count, torch.cat([gradients[name].flatten(1)[:, at] for name, at in self._positions.items()], dim=1)

    def hashed(self, inputs: Tensor, rows: RowMaker, hashing: Hashing) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and the sums [n, dim] of the hashed gradients."""
        for count, gradients in self._rows(inputs, rows):
            some = next(iter(gradients.values()))
            sums = some.new_zeros(len(inputs), hashing.dim)
            for name, gradient in gradients.items():
                hashing.add(name, gradient.flatten(1), sums)
            yield count, sums

    def _rows(self, inputs: Tensor, rows: RowMaker) -> Iterator[tuple[int, dict[str, Tensor]]]:
        with torch.no_grad():
            R = rows(self._model(inputs))
        per_sample = torch.func.vmap(torch.func.grad(combination(self._model)), in_dims=(None, 0, 0))
        for r in range(R.shape[1]):
            gradients = per_sample(self._parameters, inputs, R[:, r])
            yield R.shape[1], {name: gradient.detach() for name, gradient in gradients.items()}
