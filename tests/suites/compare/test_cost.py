"""What costs the same: within a tenth of a round, or not clear over the seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from compare_curves import curves_of

from fbench.suites.compare.cost import faster, fastest
from fbench.suites.compare.curves import Curves

PAIR = ("new", "old")


def costing(new: float, old: float, **more: float) -> Curves:
    """Curves of strategies that train for a second and select for so many."""
    seconds = {"new": (1.0, new), "old": (1.0, old), **{name: (1.0, s) for name, s in more.items()}}
    return replace(curves_of({name: np.ones((4, 11)) for name in seconds}), seconds=seconds)


@pytest.mark.parametrize(
    ("new", "old", "cheaper"),
    [
        (0.0, 0.005, ""),
        (0.0, 0.11, ""),
        (0.0, 0.12, "new"),
        (0.12, 0.0, "old"),
        (5.0, 5.5, ""),
        (float("nan"), 0.5, ""),
    ],
)
def test_less_than_a_tenth_of_a_round_is_no_difference(new: float, old: float, cheaper: str) -> None:
    assert faster(costing(new, old), *PAIR) == cheaper


def test_what_is_not_clear_over_the_seeds_is_none() -> None:
    curves = costing(1.0, 2.0)
    wild = {"new": np.array([0.1, 3.0, 0.2, 0.7]), "old": np.array([4.0, 0.5, 3.0, 0.5])}
    assert faster(replace(curves, choosing=wild), *PAIR) == ""
    busy = {"new": np.array([0.006, 0.006, 0.007, 0.006]), "old": np.array([4.4, 0.9, 60.0, 1.1])}
    assert faster(replace(curves, choosing=busy), *PAIR) == "new"
    calm = {"new": np.array([1.0, 1.1, 0.9, 1.0]), "old": np.array([2.0, 2.1, 1.9, 2.0])}
    assert faster(replace(curves, choosing=calm), *PAIR) == "new"


def test_the_fastest_are_all_that_none_is_faster_than() -> None:
    assert fastest(costing(0.0, 0.005, slow=3.0)) == ["new", "old"]
    assert fastest(costing(0.0, 0.5)) == ["new"]
    assert fastest(costing(float("nan"), 0.5)) == ["old"]
