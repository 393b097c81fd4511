"""Uncertainty scores against their definitions, written candidate by candidate, and where a network is nearly sure."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from fbench.acquisition.uncertainty import entropy, least_confidence, mutual_information, smallest_margin
from fbench.acquisition.views import PoolView, drawn_seed, top_scored
from fbench.errors import InputError


def probabilities(n: int = 50, k: int = 5) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.softmax(3 * torch.randn(n, k, generator=g, dtype=torch.float64), dim=1)


def slow_entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


def slow_margin(row: list[float]) -> float:
    first, second, *_ = sorted(row, reverse=True)
    return 1 - (first - second)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [(least_confidence, lambda row: 1 - max(row)), (smallest_margin, slow_margin), (entropy, slow_entropy)],
)
def test_a_score_is_its_definition(fast: Callable[[Tensor], Tensor], slow: Callable[[list[float]], float]) -> None:
    p = probabilities()
    expected = torch.tensor([slow(row) for row in p.tolist()], dtype=torch.float64)
    torch.testing.assert_close(fast(p), expected, rtol=1e-12, atol=1e-12)
    sure = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    assert fast(sure).tolist() == [0.0]


@pytest.mark.parametrize("score", [least_confidence, smallest_margin, entropy])
def test_sure_candidates_keep_their_order_in_float32(score: Callable[[Tensor], Tensor]) -> None:
    """1 − p̂ taken as written is 0 for all of them."""
    lead = torch.tensor([18.0, 30.0, 25.0, 40.0])
    p = torch.softmax(torch.stack([lead, torch.zeros(4), torch.zeros(4)], dim=1), dim=1)
    assert (1 - p.amax(1)).tolist() == [0.0] * 4
    assert score(p).argsort(descending=True).tolist() == [0, 2, 1, 3]


def test_mutual_information_is_its_definition() -> None:
    samples = torch.stack([probabilities(), probabilities().roll(1, 1), probabilities().roll(2, 0)])
    expected = []
    for x in range(samples.shape[1]):
        rows = samples[:, x].tolist()
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        expected.append(slow_entropy(mean) - sum(map(slow_entropy, rows)) / len(rows))
    torch.testing.assert_close(mutual_information(samples), torch.tensor(expected, dtype=torch.float64))
    assert mutual_information(samples[:1].expand(3, -1, -1)).abs().max() < 1e-12
    assert mutual_information(samples).min() >= 0


def test_the_highest_of_the_free_equal_ones_in_order() -> None:
    scores = torch.tensor([5.0, 1.0, 3.0, 3.0, 9.0, 3.0])
    picks = top_scored(scores, torch.tensor([0, 1, 2, 3, 5]), 3)
    assert picks.positions.tolist() == [0, 2, 3]
    assert picks.scores.tolist() == [5.0, 3.0, 3.0]


def test_a_view_knows_what_is_free_and_refuses_what_is_not_there() -> None:
    view = PoolView(5, torch.tensor([3, 0]), torch.Generator(), features=torch.ones(5, 2))
    assert view.free.tolist() == [1, 2, 4]
    assert view.points.shape == (5, 2)
    with pytest.raises(InputError, match="there are no logits, which this strategy chooses by; give them"):
        _ = view.probabilities
    with pytest.raises(InputError, match=r"logits\[0, 1\] is nan; every value must be finite"):
        PoolView(1, torch.tensor([], dtype=torch.int64), torch.Generator(), logits=torch.tensor([[0.0, torch.nan]]))


def test_a_seed_is_drawn_anew_each_time() -> None:
    generator = torch.Generator().manual_seed(0)
    seeds = [drawn_seed(generator) for _ in range(20)]
    assert len(set(seeds)) == 20
    assert np.all((np.array(seeds) >= 0) & (np.array(seeds) < 1 << 31))
