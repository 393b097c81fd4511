"""Batches that fit a budget."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fbench.fisher.gradients.footprint import Footprint, watching
from fbench.fisher.gradients.jacobian import footprint


@pytest.mark.parametrize(
    ("per_sample", "budget", "samples", "batch"),
    [(8, 90, 100, 10), (8, 90, 5, 5), (8, 8, 100, 1), (8, 1, 3, 1), (8, 90, 12, 6), (0, 100, 7, 7)],
)
def test_as_many_as_fit_in_batches_of_nearly_equal_size(per_sample: int, budget: int, samples: int, batch: int) -> None:
    """Nine bytes for eight: allocators leave gaps."""
    assert Footprint(0, per_sample).batch(budget, samples) == batch
    assert Footprint(30, per_sample).batch(budget + 30, samples) == batch


@pytest.mark.parametrize("samples", [1, 2, 97, 1024])
@pytest.mark.parametrize("most", [1, 3, 50, 2000])
def test_no_batch_is_beyond_the_budget(samples: int, most: int) -> None:
    assert Footprint(11, 7).batch(11 + 7 * most, samples) <= most


def test_a_budget_below_what_is_fixed_takes_one() -> None:
    assert Footprint(1000, 7).batch(10, 99) == 1


def test_what_autograd_keeps_is_counted_once() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
    x = torch.zeros(5, 4, requires_grad=True)
    with watching() as held:
        y = model(x)
    held.add(y, y)
    assert held.bytes(*model.parameters()) == 4 * 5 * (4 + 8 + 8)


@pytest.mark.parametrize("masked", [False, True])
def test_the_pool_that_samples_come_from_is_not_theirs(masked: bool) -> None:
    """Two samples of a large pool are a view of its storage."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    positions = {"1.weight": torch.arange(9)} if masked else None
    pools = [torch.randn(n, 2, 2) for n in (2, 20_000)]
    alone, among = (footprint(model, pool, positions) for pool in pools)
    assert alone == among
    assert alone.per_sample < 4000
