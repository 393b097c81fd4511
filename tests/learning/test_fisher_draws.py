"""Two draws of images: disjoint in all rounds, and one pass whoever asks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.learning import fisher_draws
from fbench.learning.fisher_draws import FisherDraws, two_draws
from fbench.learning.networks import SmallNet

N = 60


def sets(draws: tuple[Tensor, Tensor]) -> tuple[set[int], set[int]]:
    first, second = draws
    return set(first.tolist()), set(second.tolist())


@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 3), st.integers(0, 2))
def test_draws_are_disjoint_and_as_large_as_asked(members: int, size: int, seed: int, pair: int) -> None:
    population = torch.randperm(N)[:members]
    first, second = sets(two_draws(population, N, size, seed, pair))
    assert not first & second
    assert first | second <= set(population.tolist())
    assert len(first) + len(second) == min(size, members)
    assert 0 <= len(first) - len(second) <= 1


def test_draws_depend_on_seed_and_pair_and_not_on_the_populations_order() -> None:
    everyone = torch.arange(N)
    draws = [sets(two_draws(everyone, N, 20, seed, pair)) for seed in (0, 1) for pair in (0, 1)]
    assert all(a != b for a, b in itertools.combinations(draws, 2))
    assert sets(two_draws(everyone.flip(0), N, 20, 0)) == draws[0]
    assert draws[0] != (set(range(10)), set(range(10, 20)))


@given(st.permutations(range(N)), st.integers(2, 20), st.integers(0, 9))
@settings(max_examples=40)
def test_draws_of_different_rounds_are_disjoint_too(bought: list[int], size: int, seed: int) -> None:
    """Where the population only shrinks, or only grows, and has the size in every round."""
    for populations in (
        [torch.tensor(sorted(bought[start:])) for start in (0, 5, 15, N - size)],
        [torch.tensor(bought[:stop]) for stop in (size, size + 3, N)],
    ):
        draws = [sets(two_draws(draw, N, size, seed)) for draw in populations]
        assert not any(first & second for first, _ in draws for _, second in draws)


def test_draws_are_random() -> None:
    """Every position comes into the first draw of 20 from 60 in a third of 600 seeds: 200 ± 4 sd of 11.5."""
    hits = torch.zeros(N)
    for seed in range(600):
        hits[two_draws(torch.arange(N), N, 40, seed)[0]] += 1
    assert hits.min() > 200 - 4 * 11.5
    assert hits.max() < 200 + 4 * 11.5


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each Fisher pass was made over."""
    seen: list[int] = []
    real = fisher_draws.fisher_diagonals

    def spy(network: SmallNet, draws: list[Tensor], **how: Any) -> list[dict[str, Tensor]]:
        seen.append(sum(map(len, draws)))
        return real(network, draws, **how)

    monkeypatch.setattr(fisher_draws, "fisher_diagonals", spy)
    return seen


@pytest.mark.parametrize(("sizes", "cuts"), [((10, 10), ()), ((11, 10), ()), ((11, 10), (3, 7, 10)), ((6, 6), (6, 99))])
def test_diagonals_of_parts_and_whole_are_those_of_their_images(
    sizes: tuple[int, int], cuts: tuple[int, ...], passes: list[int]
) -> None:
    torch.manual_seed(0)
    network, images = SmallNet(1, 1, 4).double().eval(), torch.randn(N, 1, 8, 8, dtype=torch.float64)
    first, second = torch.randperm(N)[: sum(sizes)].split(sizes)
    draws = FisherDraws(network, images, (first, second), cuts)
    assert draws.seconds == 0.0
    for size in sorted({*(cut for cut in cuts if cut < sizes[1]), sizes[1]}):
        for got, positions in zip(draws.pair(size), (first[:size], second[:size]), strict=True):
            close(got, fisher_diagonal(network, images[positions]))
    assert not draws.used
    close(draws.whole(), fisher_diagonal(network, images[torch.cat([first, second])]))
    assert draws.used
    assert passes == [sum(sizes)]
    assert draws.seconds > 0


def close(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-10, atol=1e-18)


def test_a_lone_image_is_the_whole() -> None:
    network, images = SmallNet(1, 1, 4).eval(), torch.randn(3, 1, 8, 8)
    draws = FisherDraws(network, images, two_draws(torch.tensor([2]), 3, 8, 0))
    close(draws.whole(), fisher_diagonal(network, images[2:]))
