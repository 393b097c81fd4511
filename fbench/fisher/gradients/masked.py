"""BAIT's embedding on a FISH mask: V[x, r, j] for the mask's weights j only, gathered from captured factors.

The whole per-sample Jacobian (parameters × classes × samples) is never built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.embeddings import DenseEmbedding, dense_embedding
from fbench.fisher.gradients.footprint import MEMORY_BUDGET
from fbench.fisher.gradients.jacobian import Batches, check_inputs, gathered
from fbench.fisher.gradients.kept import KeptBatch
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.masks import Mask, check_layers


def masked_embedding(
    model: nn.Module,
    inputs: Tensor,
    mask: Mask,
    *,
    batch_size: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
    kept: Sequence[KeptBatch] = (),
) -> DenseEmbedding:
    """V [n, k−1, d] over the d weights that ``mask`` keeps.

    Columns follow ``model.named_parameters()``, then ascending flat position.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        inputs: [n, …], the pool.
        mask: which weights, frozen or not.
        batch_size: samples in a pass; the result does not depend on it beyond rounding. None takes as many as
            ``memory_budget`` holds.
        memory_budget: bytes for activations and gradients, beside the embedding; one sample is always taken.
        kept: passes of this model over some of the inputs, made before: no other passes are made over these.

    Raises:
        InputError: an empty mask, one of another network's names or shapes, a bad batch size or budget, logits that
            are not finite.

    Example:
        >>> import torch, fbench
        >>> generator = torch.Generator().manual_seed(0)
        >>> images = torch.randn(5, 4, generator=generator)
        >>> model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        >>> mask = fbench.random_mask(dict(model.named_parameters()), 10, generator=generator)
        >>> V = fbench.masked_embedding(model, images, mask)
        >>> V.n, V.rows, V.dim
        (5, 2, 10)
    """
    check_inputs(inputs)
    mask = mask if isinstance(mask, Mask) else Mask(mask)
    check_layers("the mask", mask, dict(model.named_parameters()))
    if mask.size == 0:
        raise InputError("the mask is empty; raise the fraction or the size")
    indices = {name: mask.positions(name).to(inputs.device) for name, _ in model.named_parameters()}
    positions = {name: index for name, index in indices.items() if len(index)}
    values: Tensor | None = None
    for at, row, rows, G in _gathered(model, inputs, positions, Batches(batch_size, memory_budget), kept):
        if values is None:
            values = G.new_empty(len(inputs), rows, mask.size)
        values[at, row] = G
    assert values is not None  # there are inputs
    return dense_embedding(values)


def _gathered(
    model: nn.Module, inputs: Tensor, positions: dict[str, Tensor], batches: Batches, kept: Sequence[KeptBatch]
) -> Iterator[tuple[slice | Tensor, int, int, Tensor]]:
    """Which inputs, row, rows and G [c, d]: of the kept passes, then of passes over all other inputs."""
    for at, passes in kept:
        for row, (rows, G) in enumerate(passes.gathered(positions)):
            yield at, row, rows, G
    others = torch.ones(len(inputs), dtype=torch.bool, device=inputs.device)
    for at, _ in kept:
        others[at] = False
    left = others.nonzero()[:, 0]
    if kept and not len(left):
        return
    for part, row, rows, G in gathered(model, inputs[left] if kept else inputs, logit_rows, positions, batches):
        yield left[part] if kept else part, row, rows, G
