"""The synthetic pool is the same every time, for every dtype, and not too kind."""

from __future__ import annotations

import pytest
import torch

from fbench.fisher.embeddings import last_layer_embedding
from fbench.fisher.selection.bait import bait_select
from fbench.learning.synthetic import synthetic_outputs


def test_shapes_and_seeds():
    one, two, other = (synthetic_outputs(50, 3, 8, 7, seed) for seed in (0, 0, 1))
    assert one.logits.shape == (50, 3)
    assert one.features.shape == (50, 8)
    assert len(set(one.labelled.tolist())) == 7
    assert one.labelled.tolist() == sorted(one.labelled.tolist())
    assert torch.equal(one.logits, two.logits)
    assert torch.equal(one.labelled, two.labelled)
    assert not torch.equal(one.logits, other.logits)


def test_dtypes_see_the_same_pool():
    pool = synthetic_outputs(50, 3, 8, 7, 0)
    double = pool.to("cpu", torch.float64)
    assert torch.equal(double.logits.float(), pool.logits)
    assert torch.equal(double.features.float(), pool.features)


@pytest.mark.parametrize(("n", "k", "h"), [(3, 2, 1), (2, 2, 1), (40, 2, 100)])
def test_odd_sizes_are_finite(n, k, h):
    pool = synthetic_outputs(n, k, h, 1, 0)
    assert bool(torch.isfinite(pool.logits).all())
    assert bool(torch.isfinite(pool.features).all())


def test_it_is_like_a_networks():
    pool = synthetic_outputs(2000, 10, 32, 100, 0).to("cpu", torch.float64)
    top = torch.softmax(pool.logits, 1).max(1).values
    assert 0.6 < float(top.median()) < 0.95
    assert float(top.quantile(0.1)) < 0.55  # some are in doubt
    assert float((pool.features == 0).double().mean()) > 0.1  # as a ReLU leaves them
    values = torch.linalg.svdvals(pool.features)
    assert float(values[5] / values[0]) < 0.5  # correlated
    outputs = bait_select(last_layer_embedding(pool.logits, pool.features), 20, labelled=pool.labelled)
    assert 2 < outputs.effective_dimension < 100
    assert float(outputs.gaps.median()) > 1e-3  # picks are not drawn by rounding
