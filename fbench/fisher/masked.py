"""BAIT's embedding on a FISH mask: V[x, r, j] for the mask's weights j only, gathered from captured factors.

The whole per-sample Jacobian (parameters × classes × samples) is never built.
"""

from __future__ import annotations

from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.embeddings import DenseEmbedding, dense_embedding
from fbench.fisher.jacobian import check_inputs, row_gradients
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.masks import Mask, check_layers


def masked_embedding(model: nn.Module, inputs: Tensor, mask: Mask, *, batch_size: int = 256) -> DenseEmbedding:
    """V [n, k−1, d] over the d weights that ``mask`` keeps.

    Columns follow ``model.named_parameters()``, then ascending flat position.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        inputs: [n, …], the pool.
        mask: which weights.
        batch_size: samples in a pass; the result does not depend on it beyond rounding.

    Raises:
        InputError: an empty mask, one of another network's names or shapes, logits that are not finite.
    """
    check_inputs(inputs)
    mask = mask if isinstance(mask, Mask) else Mask(mask)
    check_layers("the mask", mask, dict(model.named_parameters()))
    if mask.size == 0:
        raise InputError("the mask is empty; raise the fraction or the size")
    found = {name: mask.positions(name).to(inputs.device) for name, _ in model.named_parameters()}
    positions = {name: index for name, index in found.items() if len(index)}
    values: Tensor | None = None
    for step in row_gradients(model, inputs, logit_rows, batch_size, positions):
        columns = step.gradients.gathered()
        if values is None:
            values = columns.new_empty(len(inputs), step.rows, mask.size)
        values[step.part, step.row] = columns
    assert values is not None  # row_gradients refuses empty inputs
    return dense_embedding(values)
