"""Greedy k-centre against the same written with every distance."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fbench.acquisition import distances
from fbench.acquisition.coreset import k_centre_greedy
from fbench.acquisition.distances import blocks, centred, squared_distances, squared_distances_to


def points(n: int = 40, h: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(n, h, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow(features: Tensor, labelled: list[int], free: list[int], count: int) -> tuple[list[int], list[float]]:
    """The candidate whose nearest centre is farthest, by the definition."""
    centres, picked, scores = list(labelled), [], []
    for _ in range(count):
        far = {x: min(math.dist(features[x].tolist(), features[c].tolist()) for c in centres) for x in free}
        best = max((x for x in free if x not in picked), key=lambda x: (far[x], -x))
        picked.append(best)
        scores.append(far[best])
        centres.append(best)
    return picked, scores


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("part", [1, 1 << 24])
def test_the_picks_are_those_of_the_definition(seed: int, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "PART", part)
    features, labelled = points(seed=seed) + 100, [4, 9, 30]
    free = [x for x in range(40) if x not in labelled and x % 5]
    picks = k_centre_greedy(features, torch.tensor(labelled), torch.tensor(free), 10)
    positions, scores = slow(features, labelled, free, 10)
    assert picks.positions.tolist() == positions
    torch.testing.assert_close(picks.scores, torch.tensor(scores, dtype=torch.float64))


def test_without_a_label_it_begins_in_the_middle() -> None:
    features = torch.tensor([[0.0], [4.0], [5.0], [10.0]])
    none = torch.tensor([], dtype=torch.int64)
    picks = k_centre_greedy(features, none, torch.arange(4), 4)
    assert picks.positions.tolist()[:2] == [2, 0]
    assert sorted(picks.positions.tolist()) == [0, 1, 2, 3]
    assert picks.scores.tolist()[0] == math.inf


def test_copies_are_chosen_last_and_nothing_twice() -> None:
    features = torch.tensor([[0.0, 0.0]] * 5 + [[3.0, 4.0]] * 3)
    picks = k_centre_greedy(features, torch.tensor([0]), torch.arange(1, 8), 7)
    assert picks.positions.tolist() == [5, 1, 2, 3, 4, 6, 7]
    assert picks.scores.tolist() == pytest.approx([5.0] + [0.0] * 6, abs=1e-3)


def test_distances_are_those_of_cdist_and_no_square_is_negative() -> None:
    a, b = points(7), points(9, seed=1)
    torch.testing.assert_close(squared_distances(a, b), torch.cdist(a, b).square())
    norms = a.square().sum(1)
    torch.testing.assert_close(squared_distances_to(a, norms, 3), torch.cdist(a, a[3:4]).square()[:, 0])
    copies = squared_distances(centred(a.float() + 1000), centred(a.float() + 1000))
    assert copies.min() >= 0
    assert copies.diagonal().max() < 1e-5


def test_blocks_cover_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "PART", 10)
    for width in (0, 1, 3, 100):
        assert [x for part in blocks(7, width) for x in range(7)[part]] == list(range(7))
