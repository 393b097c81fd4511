"""What two random batches share, against scipy's distribution and against drawn batches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fbench.errors import InputError
from fbench.measure.chance import chance_shared


@pytest.mark.parametrize(("pool", "batch"), [(20, 7), (1418, 20), (9, 8), (50_000, 250)])
def test_one_pool_is_hypergeometric(pool: int, batch: int) -> None:
    known = stats.hypergeom(pool, batch, batch)
    chance = chance_shared([pool], batch)
    assert chance.mean == pytest.approx(known.mean())
    assert chance.high == known.ppf(0.95)


def test_a_batch_that_is_the_pool_is_shared() -> None:
    assert chance_shared([9], 9) == (9, 9)


def test_several_pools_are_drawn() -> None:
    rng = np.random.default_rng(0)
    pools = [30, 40, 50]
    shared = sum(rng.hypergeometric(8, pool - 8, 8, size=20_000) for pool in pools) / 3
    chance = chance_shared(pools, 8)
    assert chance.mean == pytest.approx(shared.mean(), abs=0.02)
    assert (shared > chance.high).mean() < 0.05 < (shared > chance.high - 1 / 3).mean()


def test_pools_that_cannot_be() -> None:
    with pytest.raises(InputError, match="batches of 5 of 1 pools: give pools that hold one"):
        chance_shared([4], 5)
    with pytest.raises(InputError, match="of 0 pools"):
        chance_shared([], 5)
    with pytest.raises(InputError, match="level"):
        chance_shared([4], 2, level=1)
