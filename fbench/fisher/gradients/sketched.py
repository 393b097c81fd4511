"""BAIT's embedding on all weights, hashed: count sketches of per-sample gradients (Charikar et al. 2002).

Weight j adds σ_j g_j to bucket h(j) of D, with h and σ drawn once for all rows. Inner products of sketches are those of
the gradients, on average over draws: no weight is chosen, and none is left out. Layout: V [n, k−1, D]. Gradients are
added parameter by parameter and a few samples at a time, so that no array of samples × all weights exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.embeddings import DenseEmbedding, dense_embedding
from fbench.fisher.gradients.capture import Hashing
from fbench.fisher.gradients.footprint import MEMORY_BUDGET
from fbench.fisher.gradients.jacobian import Batches, check_inputs, hashed
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.masks import check_layers


@dataclass(frozen=True)
class CountSketch:
    """Where every weight goes.

    Attributes:
        dim: D, the number of buckets.
        buckets: h(j) from 0 to D − 1, int64, by parameter name, in the parameter's shape.
        signs: σ_j, 1 or −1, int8, likewise.
    """

    dim: int
    buckets: Mapping[str, Tensor]
    signs: Mapping[str, Tensor]


def draw_sketch(like: Mapping[str, Tensor], dim: int, *, generator: torch.Generator) -> CountSketch:
    """Draw h and σ, every weight by itself and evenly.

    Args:
        like: tensors whose names and shapes the sketch takes: a network's parameters.
        dim: D.
        generator: a CPU generator.

    Raises:
        InputError: no bucket.

    Example:
        >>> sketch = draw_sketch({"w": torch.zeros(2, 3)}, 4, generator=torch.Generator().manual_seed(0))
        >>> sketch.buckets["w"].tolist(), sketch.signs["w"].tolist()
        ([[0, 3, 1], [0, 3, 3]], [[1, 1, 1], [1, 1, -1]])
    """
    if dim < 1:
        raise InputError(f"sketch of {dim} dimensions: must be at least 1")
    total, sizes = sum(tensor.numel() for tensor in like.values()), [tensor.numel() for tensor in like.values()]
    buckets = torch.randint(dim, (total,), generator=generator)
    signs = torch.randint(2, (total,), generator=generator, dtype=torch.int8) * 2 - 1
    parts = zip(like.items(), torch.split(buckets, sizes), torch.split(signs, sizes), strict=True)
    shaped = [(name, h.view(tensor.shape), s.view(tensor.shape)) for (name, tensor), h, s in parts]
    return CountSketch(dim, {name: h for name, h, _ in shaped}, {name: s for name, _, s in shaped})


def sketched_embedding(
    model: nn.Module,
    inputs: Tensor,
    sketch: CountSketch,
    *,
    batch_size: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> DenseEmbedding:
    """V [n, k−1, D], the sketch of every row's gradient by all weights, frozen or not.

    On CUDA the order of a bucket's additions is left open, and with it the last bits.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        inputs: [n, …], the pool.
        sketch: where every weight goes.
        batch_size: samples in a pass; the result does not depend on it beyond rounding. None takes as many as
            ``memory_budget`` holds.
        memory_budget: bytes for activations and gradients, beside the embedding; one sample is always taken.

    Raises:
        InputError: a sketch of another network's names or shapes, a model without parameters, no inputs, a bad batch
            size or budget, logits that are not finite.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        >>> sketch = draw_sketch(dict(model.named_parameters()), 8, generator=torch.Generator().manual_seed(0))
        >>> V = sketched_embedding(model, torch.randn(5, 4), sketch)
        >>> V.n, V.rows, V.dim
        (5, 2, 8)
    """
    check_inputs(inputs)
    check_layers("the sketch", sketch.buckets, dict(model.named_parameters()))
    buckets = {name: h.flatten().to(inputs.device) for name, h in sketch.buckets.items()}
    signs = {name: sketch.signs[name].flatten().to(inputs.device, p.dtype) for name, p in model.named_parameters()}
    values: Tensor | None = None
    hashing, batches = Hashing(sketch.dim, buckets, signs), Batches(batch_size, memory_budget)
    for part, row, rows, sums in hashed(model, inputs, logit_rows, hashing, batches):
        if values is None:
            values = sums.new_empty(len(inputs), rows, sketch.dim)
        values[part, row] = sums
    assert values is not None  # hashed refuses empty inputs
    return dense_embedding(values)
