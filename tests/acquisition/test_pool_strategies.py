"""What holds for every one of them: B distinct free positions, from the generator alone, on every device at hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fbench.acquisition.pool_strategies import BAIT, POOL_STRATEGIES, pool_strategy_of
from fbench.acquisition.views import PoolView
from fbench.errors import InputError, UnknownNameError

NAMES = sorted(POOL_STRATEGIES)


def view(n: int, labelled: list[int], *, copies: int = 1, seed: int = 0, device: str = "cpu") -> PoolView:
    """A pool of n candidates, of which each comes ``copies`` times."""
    g = torch.Generator().manual_seed(seed)
    distinct = -(-n // copies)
    logits = (4 * torch.randn(distinct, 3, generator=g, dtype=torch.float64)).repeat(copies, 1)[:n]
    features = torch.randn(distinct, 4, generator=g, dtype=torch.float64).repeat(copies, 1)[:n]
    return PoolView(n, torch.tensor(labelled, dtype=torch.int64), g, logits.to(device), features.to(device))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("n", "labelled", "copies"), [(1, [], 1), (2, [1], 1), (30, [3, 4, 9], 1), (24, [0], 12), (7, [], 7)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exactly_b_distinct_free_positions(name: str, n: int, labelled: list[int], copies: int, dtype: Any) -> None:
    left = n - len(labelled)
    for count in {1, (left + 1) // 2, left}:
        pool = view(n, labelled, copies=copies, seed=count)
        assert pool.logits is not None
        assert pool.features is not None
        narrow = PoolView(n, pool.labelled, pool.generator, pool.logits.to(dtype), pool.features.to(dtype))
        picks = POOL_STRATEGIES[name].pick(narrow, count)
        positions = picks.positions.tolist()
        assert len(positions) == len(set(positions)) == len(picks.scores) == count
        assert set(positions) <= set(range(n)) - set(labelled)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_is_all_that_chance_comes_from(name: str) -> None:
    first = POOL_STRATEGIES[name].pick(view(40, [1, 2]), 9).positions.tolist()
    torch.rand(3)
    assert POOL_STRATEGIES[name].pick(view(40, [1, 2]), 9).positions.tolist() == first


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_picks_as_a_cpu_does(name: str) -> None:
    first, second = (POOL_STRATEGIES[name].pick(view(200, [1, 2], device=at), 20) for at in ("cpu", "cuda"))
    assert second.positions.tolist() == first.positions.tolist()


@pytest.mark.parametrize("count", [0, 39, -1, 2.0, True])
def test_what_is_no_batch(count: Any) -> None:
    with pytest.raises(
        InputError, match=f"batch_size {count}: must be from 1 to 38, what is left unlabelled in the pool"
    ):
        POOL_STRATEGIES["margin"].pick(view(40, [1, 2]), count)


def test_names() -> None:
    assert pool_strategy_of(BAIT) is None
    assert pool_strategy_of("badge") is POOL_STRATEGIES["badge"]
    with pytest.raises(
        UnknownNameError, match=r"unknown --strategy 'bagde'; did you mean 'badge'\? Known: badge, bait, "
    ):
        pool_strategy_of("bagde", "--strategy")
