"""BADGE kept factored against k-means++ on the gradients themselves, n·k·h numbers that the fast one never has."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from fbench.acquisition import badge as badge_module
from fbench.acquisition import distances
from fbench.acquisition.badge import badge

N, K, H = 60, 4, 5


def problem(seed: int = 0, n: int = N) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, K, generator=g, dtype=torch.float64)
    return torch.softmax(logits, dim=1), torch.randn(n, H, generator=g, dtype=torch.float64)


def gradients(p: Tensor, features: Tensor) -> Tensor:
    """G [n, k·h], built: (p − e_ŷ) hᵀ of every candidate."""
    ones = torch.nn.functional.one_hot(p.argmax(1), p.shape[1]).to(p.dtype)
    return ((p - ones)[:, :, None] * features[:, None, :]).flatten(1)


def slow(p: Tensor, features: Tensor, free: Tensor, count: int, generator: torch.Generator) -> list[int]:
    """K-means++ on G, the longest first: weights are the squared distances to the nearest pick."""
    G = gradients(p, features)
    picked = [int(free[G[free].square().sum(1).argmax()])]
    while len(picked) < count:
        weights = torch.cdist(G[free], G[picked]).square().amin(1)
        weights[torch.isin(free, torch.tensor(picked))] = 0
        mark = torch.rand(2, generator=generator, dtype=torch.float64)[:1] * weights.sum()
        picked.append(int(free[torch.searchsorted(weights.cumsum(0), mark, right=True)]))
    return picked


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("part", [1, 1 << 24])
def test_brought_up_to_date_for_every_pick_it_is_that_on_the_gradients(
    seed: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(badge_module, "PICKS", 1)
    monkeypatch.setattr(distances, "PART", part)
    p, features = problem(seed)
    free = torch.arange(N)[torch.arange(N) % 4 != 0]
    picks = badge(p, features, free, 20, torch.Generator().manual_seed(seed))
    assert picks.positions.tolist() == slow(p, features, free, 20, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1, 5, 128])
def test_scores_are_squared_distances_of_the_gradients(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badge_module, "PICKS", size)
    p, features = problem()
    picks, G = badge(p, features, torch.arange(N), 50, torch.Generator().manual_seed(1)), gradients(p, features)
    positions = picks.positions.tolist()
    apart = [float(torch.cdist(G[x][None], G[positions[:i]]).min() ** 2) for i, x in enumerate(positions) if i]
    assert picks.scores.tolist() == pytest.approx([float(G[positions[0]].square().sum()), *apart])
    assert len(set(positions)) == 50


def test_draws_by_old_distances_follow_the_new_ones() -> None:
    """The second and third pick together, over many seeds, against the product of their probabilities."""
    p, features = problem(3, n=6)
    G, draws = gradients(p, features), 2000
    first, apart = int(G.square().sum(1).argmax()), torch.cdist(G, G).square()
    expected, counts = torch.zeros(6, 6, dtype=torch.float64), torch.zeros(6, 6)
    for second in set(range(6)) - {first}:
        weights = torch.minimum(apart[first], apart[second])
        expected[second] = draws * apart[first, second] / apart[first].sum() * weights / weights.sum()
    for seed in range(draws):
        _, second, third = badge(p, features, torch.arange(6), 3, torch.Generator().manual_seed(seed)).positions
        counts[second, third] += 1
    possible = expected > 0
    assert expected[possible].min() > 5
    assert counts[~possible].sum() == 0
    assert stats.chisquare(counts[possible].double(), expected[possible]).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_is_chosen_twice_where_samples_are_copies(dtype: torch.dtype) -> None:
    """Two points, five copies of either: scikit-activeml's badge gave an index twice in 13 of 20 tries (its #586)."""
    features = torch.tensor([[3.0, 3.0], [7.0, 7.0]], dtype=dtype).repeat(5, 1)
    p = torch.tensor([[0.3, 0.7], [0.1, 0.9]], dtype=dtype).repeat(5, 1)
    for seed in range(20):
        for count in (6, 10):
            positions = badge(p, features, torch.arange(10), count, torch.Generator().manual_seed(seed)).positions
            assert len(set(positions.tolist())) == count
            assert {x % 2 for x in positions[:2].tolist()} == {0, 1}  # a copy of the first is never the second


def test_nothing_is_chosen_twice_where_a_network_is_sure_of_all() -> None:
    """Every gradient is 0: what is left is drawn uniformly."""
    p, features = torch.eye(2).repeat(6, 1), torch.ones(12, 3)
    draws = [badge(p, features, torch.arange(12), 12, torch.Generator().manual_seed(s)).positions for s in range(5)]
    assert all(sorted(positions.tolist()) == list(range(12)) for positions in draws)
    assert len({tuple(positions.tolist()) for positions in draws}) > 1
    assert torch.isfinite(badge(p, features, torch.arange(12), 3, torch.Generator()).scores).all()


def test_the_origin_is_no_pick() -> None:
    """A cluster of short gradients that no pick covers is as far from the picks as it is (scikit-activeml#588)."""
    features = torch.tensor([[10.0, 0.0]] * 6 + [[0.01, 0.0]] * 6)
    p = torch.tensor([[0.6, 0.4]]).repeat(12, 1)
    seconds = [badge(p, features, torch.arange(12), 2, torch.Generator().manual_seed(s)).positions[1] for s in range(9)]
    assert min(map(int, seconds)) >= 6


def test_only_the_free_are_chosen() -> None:
    p, features = problem()
    free = torch.tensor([2, 3, 50, 51])
    picks = badge(p, features, free, 4, torch.Generator().manual_seed(0))
    assert sorted(picks.positions.tolist()) == free.tolist()
