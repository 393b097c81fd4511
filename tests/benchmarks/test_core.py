"""The Fisher core timed by pytest-benchmark: `pytest tests/benchmarks --benchmark-enable`.

Without that flag each case runs once, so that the benchmarks cannot rot.
"""

from __future__ import annotations

import pytest
import torch

import fbench
import fbench.learning.models
from fbench.harness.registry import KERNELS, MODELS


@pytest.fixture(scope="module")
def last_layer():
    """V of 1,000 candidates, 10 classes, 32 features: d = 320."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(1000, 10, generator=generator)
    return fbench.last_layer_embedding(logits, torch.randn(1000, 32, generator=generator))


@pytest.mark.parametrize("kernel", ["published", "fused", "factored", "incremental"])
def test_trace(benchmark, last_layer, kernel):
    assert kernel in KERNELS.names()
    F = last_layer.gram() / last_layer.n
    inverse = torch.linalg.inv(F + torch.eye(len(F)))
    scores = benchmark(fbench.trace, last_layer, inverse, F, kernel=kernel)
    assert bool((scores > 0).all())


@pytest.mark.parametrize("method", ["published", "incremental"])
def test_select(benchmark, last_layer, method):
    chosen = benchmark(fbench.bait_select, last_layer, 2, labelled=range(20), method=method)
    assert len(chosen.indices) == 2


def test_diagonal(benchmark):
    torch.manual_seed(0)
    network = MODELS.get("small").build(1, (1, 8, 8), 10)
    diagonal = benchmark(fbench.fisher_diagonal, network, torch.randn(64, 1, 8, 8))
    assert all(bool((values >= 0).all()) for values in diagonal.values())


def test_overlap(benchmark):
    """Masks of a full ResNet-18, 11 million weights, a hundredth of them kept."""
    generator = torch.Generator().manual_seed(0)
    like = {name: p.shape for name, p in MODELS.get("resnet18").build(1, (3, 32, 32), 10).named_parameters()}
    first, second = (fbench.Mask({n: torch.rand(s, generator=generator) < 0.01 for n, s in like.items()}) for _ in "ab")
    assert benchmark(first.jaccard, second) == pytest.approx(0.01 / 1.99, rel=0.05)
