"""The exact interval of a share against its definition, and what it refuses."""

from __future__ import annotations

import pytest
from scipy import stats

from fbench.errors import InputError
from fbench.measure.proportions import clopper_pearson


@pytest.mark.parametrize(("count", "draws"), [(0, 10), (3, 10), (10, 10), (50, 1000)])
def test_it_is_scipys(count, draws):
    expected = stats.binomtest(count, draws).proportion_ci(method="exact")
    assert clopper_pearson(count, draws) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("count", "draws"), [(-1, 10), (11, 10), (0, 0)])
def test_no_share(count, draws):
    with pytest.raises(InputError, match="is no share"):
        clopper_pearson(count, draws)
