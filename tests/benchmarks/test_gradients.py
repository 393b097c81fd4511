"""Passes through a network, timed: the Fisher diagonal, the embedding on a mask, the sketch; masks compared."""

from __future__ import annotations

from functools import cache

import pytest
import torch

import fbench
from fbench.fisher.gradients.sketched import draw_sketch, sketched_embedding
from fbench.harness.registry import MODELS

IMAGES, MASKED, BUCKETS = 32, 328, 328


@cache
def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS.get(name).build(1, (1, 8, 8), 10).eval()


@cache
def images() -> torch.Tensor:
    return torch.randn(IMAGES, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def passes(model: torch.nn.Module, rows: int) -> int:
    """Operations of a forward and ``rows`` backward passes, two a weight and sample, convolutions counted once."""
    return 2 * IMAGES * (1 + 2 * rows) * sum(weights.numel() for weights in model.parameters())


@pytest.mark.parametrize("model", ["small", "mlp"])
def test_diagonal(timed, model):
    held = network(model)
    diagonal = timed(lambda: fbench.fisher_diagonal(held, images()), "matrix product", flops=passes(held, 9))
    assert all(bool((values >= 0).all()) for values in diagonal.values())


@pytest.mark.parametrize("model", ["small", "mlp"])
def test_masked_embedding(timed, model):
    held = network(model)
    mask = fbench.random_mask(dict(held.named_parameters()), MASKED, generator=torch.Generator().manual_seed(0))
    V = timed(lambda: fbench.masked_embedding(held, images(), mask), "matrix product", flops=passes(held, 9))
    assert (V.n, V.dim) == (IMAGES, MASKED)


def test_sketch(timed):
    held = network("small")
    sketch = draw_sketch(dict(held.named_parameters()), BUCKETS, generator=torch.Generator().manual_seed(0))
    V = timed(lambda: sketched_embedding(held, images(), sketch), "matrix product", flops=passes(held, 9))
    assert (V.n, V.dim) == (IMAGES, BUCKETS)


@cache
def two_masks() -> tuple[fbench.Mask, fbench.Mask]:
    generator = torch.Generator().manual_seed(0)
    like = {name: torch.rand(size, generator=generator) for name, size in (("a", 2_000_000), ("b", 500_000))}
    shuffled = {name: torch.rand(len(values), generator=generator) for name, values in like.items()}
    return tuple(fbench.Mask({name: values < 0.01 for name, values in held.items()}) for held in (like, shuffled))


def test_overlap(timed):
    """Masks of 2.5 million weights, a hundredth of them kept."""
    first, second = two_masks()
    assert timed(lambda: first.jaccard(second), "copy", moved=5_000_000) == pytest.approx(0.01 / 1.99, rel=0.3)


def test_top_mask(timed):
    generator = torch.Generator().manual_seed(0)
    diagonal = {"a": torch.rand(500_000, generator=generator), "b": torch.rand(200_000, generator=generator)}
    mask = timed(lambda: fbench.top_mask(diagonal, fraction=0.01), "copy", moved=4 * 700_000)
    assert mask.size == 7000
