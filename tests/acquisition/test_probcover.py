"""ProbCover without its graph against the same with it: all edges in an n×n matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fbench.acquisition import distances, probcover
from fbench.acquisition.probcover import pure_radius


def points(n: int = 50, seed: int = 0) -> Tensor:
    values = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(values, dim=1)


def slow(features: Tensor, labelled: list[int], order: list[int], count: int, radius: float) -> list[int]:
    """Algorithm 1: edges to what is covered are removed, then the candidate with most edges is chosen."""
    edges = torch.cdist(features, features).square() < radius
    edges.fill_diagonal_(True)
    picked: list[int] = []
    for _ in range(count):
        for at in [*labelled, *picked]:
            edges[:, torch.cdist(features[at][None], features)[0].square() < radius] = False
            edges[:, at] = False
        degree = edges.sum(1)
        picked.append(max((x for x in order if x not in picked), key=lambda x: (int(degree[x]), -order.index(x))))
    return picked


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("part", [1, 1 << 24])
def test_the_picks_are_those_of_the_graph(seed: int, radius: float, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "PART", part)
    features, labelled = points(seed=seed), [3, 17]
    order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    order = order[~torch.isin(order, torch.tensor(labelled))]
    picks = probcover._greedy_cover(features, torch.tensor(labelled), order, 12, radius)
    assert picks.positions.tolist() == slow(features, labelled, order.tolist(), 12, radius)


@pytest.mark.parametrize("purity", [1.0, 0.95, 0.8, 0.5])
@pytest.mark.parametrize("part", [1, 1 << 24])
def test_the_radius_is_the_largest_that_is_pure_enough(
    purity: float, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "PART", part)
    features = points(40)
    clusters = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))
    radius = pure_radius(features, clusters, purity)
    apart = torch.cdist(features, features).square()
    impure = clusters[:, None] != clusters

    def share(size: float) -> float:
        return 1 - float(((apart < size) & impure).any(1).double().mean())

    assert share(radius * (1 - 1e-9)) >= purity
    assert share(radius * (1 + 1e-9)) < purity


def test_one_cluster_has_no_radius() -> None:
    assert pure_radius(points(5), torch.zeros(5, dtype=torch.int64)) == torch.inf


def test_groups_are_covered_largest_first_and_equal_candidates_at_random() -> None:
    near = [points(1, seed=s) + 0.001 * torch.randn(size, 3, dtype=torch.float64) for s, size in enumerate((5, 20, 10))]
    features, none = torch.cat(near), torch.tensor([], dtype=torch.int64)
    groups = torch.tensor([0] * 5 + [1] * 20 + [2] * 10)
    draws = []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        picks = probcover.probcover(features, none, torch.arange(35), 8, 3, generator)
        assert groups[picks.positions[:3]].tolist() == [1, 2, 0]
        assert len(set(picks.positions.tolist())) == 8
        assert picks.scores[3:].tolist() == [0.0] * 5  # nothing was left to cover
        draws.append(tuple(picks.positions[3:].tolist()))
    assert len(set(draws)) > 1
