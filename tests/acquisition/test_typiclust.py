"""TypiClust: its choice among clusters against the definition, its clusters against scikit-learn's."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from fbench.acquisition import distances, typiclust
from fbench.acquisition.typiclust import clusters_of, most_typical
from fbench.acquisition.views import drawn_seed


def points(n: int = 60, h: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(n, h, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_typicality(features: Tensor, members: list[int], at: int, neighbours: int) -> float:
    apart = sorted(math.dist(features[at].tolist(), features[x].tolist()) for x in members if x != at)[:neighbours]
    return len(apart) / sum(apart) if apart else math.inf


def slow(
    features: Tensor, clusters: Tensor, labelled: list[int], count: int, neighbours: int, smallest: int
) -> list[int]:
    members = {c: [x for x in range(len(features)) if clusters[x] == c] for c in range(int(clusters.max()) + 1)}
    labels = {c: len(set(members[c]) & set(labelled)) for c in members}
    order = sorted(members, key=lambda c: (len(members[c]) < smallest, labels[c], -len(members[c]), c))
    left = {c: [x for x in members[c] if x not in labelled] for c in order}
    picked: list[int] = []
    while len(picked) < count:
        for c in order:
            if left[c] and len(picked) < count:
                best = max(left[c], key=lambda x: (slow_typicality(features, left[c], x, neighbours), -x))
                picked.append(best)
                left[c].remove(best)
    return picked


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("neighbours", "smallest", "count"), [(20, 5, 4), (3, 1, 12), (5, 5, 55)])
@pytest.mark.parametrize("part", [1, 1 << 24])
def test_the_picks_are_those_of_the_definition(
    seed: int, neighbours: int, smallest: int, count: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "PART", part)
    features, labelled = points(seed=seed), [0, 7, 20, 33, 41]
    clusters = torch.randint(9, (60,), generator=torch.Generator().manual_seed(seed))
    free = torch.tensor([x for x in range(60) if x not in labelled])
    picks = most_typical(
        features, clusters, torch.tensor(labelled), free, count, neighbours=neighbours, smallest=smallest
    )
    assert picks.positions.tolist() == slow(features, clusters, labelled, count, neighbours, smallest)


def test_clusters_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    features = points()
    seed = drawn_seed(torch.Generator().manual_seed(3))
    expected = KMeans(7, n_init=1, random_state=seed).fit_predict(features.numpy())
    assert clusters_of(features, 7, torch.Generator().manual_seed(3)).tolist() == expected.tolist()
    monkeypatch.setattr(typiclust, "_LLOYD", 0)
    many = clusters_of(features, 7, torch.Generator().manual_seed(3))
    assert len(set(many.tolist())) == 7


def test_more_clusters_than_points_and_copies_of_points() -> None:
    features = torch.tensor([[0.0, 1.0]] * 6 + [[4.0, 1.0]] * 2, dtype=torch.float64)
    none = torch.tensor([], dtype=torch.int64)
    picks = typiclust.typiclust(features, none, torch.arange(8), 8, torch.Generator().manual_seed(0))
    assert sorted(picks.positions.tolist()) == list(range(8))


def test_separate_groups_get_one_pick_each() -> None:
    groups = torch.cat([points(20, seed=s) * 0.1 + 10 * s for s in range(4)])
    picks = typiclust.typiclust(groups, torch.tensor([0]), torch.arange(1, 80), 3, torch.Generator().manual_seed(0))
    assert sorted(x // 20 for x in picks.positions.tolist()) == [1, 2, 3]
