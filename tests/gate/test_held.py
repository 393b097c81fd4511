"""``held.ratio`` on a clock that the functions wind themselves: no machine's time is in here."""

from __future__ import annotations

import math
import random

import pytest

from fbench.errors import InputError
from fbench.gate.held import FIRST_LOOK, MOST_PAIRS, HeldFixture
from fbench.measure.proportions import clopper_pearson


class Winding:
    """A function that takes so many seconds of a clock, and a noise of its own a block of calls."""

    def __init__(self, hands, seconds, sd=0.02, seed=0):
        self.hands, self.seconds, self.sd, self.rng = hands, seconds, sd, random.Random(seed)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self.hands.time += self.seconds * math.exp(self.rng.gauss(0, self.sd))


@pytest.fixture
def held(hands):
    return HeldFixture(hands, random.Random(1))


def test_what_holds_passes_with_its_interval(held, hands):
    f, g = Winding(hands, 0.02), Winding(hands, 0.05, seed=1)
    decided = held.ratio(f, g, at_most=0.5)
    assert decided.low < 0.4 < decided.high < 0.5
    assert decided.n == FIRST_LOOK
    assert str(decided).endswith(f", {FIRST_LOOK} pairs)")


def test_what_does_not_hold_fails_with_its_interval(held, hands):
    with pytest.raises(
        pytest.fail.Exception,
        match=r"held.ratio is 0\.(59|6)\d* \(0\.\d+ to 0\.6\d*, 10 pairs\): more than at_most = 0.5",
    ):
        held.ratio(Winding(hands, 0.03), Winding(hands, 0.05, seed=1), at_most=0.5)


def test_more_pairs_are_taken_while_it_is_open(held, hands):
    """A noise of half, and 10 % from the limit: 10 pairs tell nothing."""
    decided = held.ratio(Winding(hands, 0.04, 0.5), Winding(hands, 0.05, 0.5, seed=1), at_most=1.0, budget_s=1e6)
    assert FIRST_LOOK < decided.n <= MOST_PAIRS
    assert decided.n / FIRST_LOOK in (2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("budget_s", "why"),
    [
        (1e6, rf"inconclusive: held.ratio is \S+ \(0.\d+ to 1\S*, {MOST_PAIRS} pairs\), which does not tell whether"),
        (1.5, r"inconclusive: held.ratio is \S+ \(0.\d+ to 1.\d+, \d+ pairs\), which does not tell whether it is at"),
        (0.3, r"inconclusive: 2 pairs in 0.3 s tell nothing: give held.ratio a larger budget_s"),
        (0.01, r"inconclusive: 0 pairs in 0.01 s tell nothing"),
    ],
)
def test_what_stays_open_is_skipped(held, hands, budget_s, why):
    with pytest.raises(pytest.skip.Exception, match=why):
        held.ratio(Winding(hands, 0.05), Winding(hands, 0.05, seed=1), at_most=1.0, budget_s=budget_s)


def test_a_block_is_short_on_either_side(held, hands):
    """The two may differ by a thousand times, and no side has a second of calls."""
    f, g = Winding(hands, 1e-5), Winding(hands, 1e-2, seed=1)
    assert held.ratio(f, g, at_most=0.1).ratio == pytest.approx(1e-3, rel=0.05)
    assert hands.time - 100 < 3
    assert g.calls < 100 < 10_000 < f.calls < 60_000


def test_a_machine_that_slows_down_meets_both(held, hands):
    """Three times as slow from one pair to the next: ratios are as they were."""

    class Slowing(Winding):
        def __call__(self):
            self.seconds_now = self.seconds * (3 if int(hands.time) % 2 else 1)
            hands.time += self.seconds_now

    assert held.ratio(Slowing(hands, 0.021), Slowing(hands, 0.05), at_most=0.9).ratio == pytest.approx(0.42, rel=0.1)


def test_looking_again_and_again_is_seldom_wrong(hands):
    """The ratio is the limit: whatever is decided is wrong, and 5 % of drawn machines may decide it."""
    decided = 0
    for seed in range(100):
        rng = random.Random(seed)
        noise = Winding(hands, 0.06, 0.1, seed=seed), Winding(hands, 0.06, 0.1, seed=1000 + seed)
        try:
            HeldFixture(hands, rng).ratio(*noise, at_most=1.0, budget_s=12)
        except pytest.skip.Exception:
            continue
        except pytest.fail.Exception:
            pass
        decided += 1
    assert clopper_pearson(decided, 100)[0] <= 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"f": 3}, "the first argument is 3: give a function of no arguments"),
        ({"g": None}, "the second argument is None"),
        ({"at_most": 0}, "at_most = 0: must be a number above 0"),
        ({"at_most": math.nan}, "at_most = nan: must be a number"),
        ({"at_most": "half"}, "at_most = 'half'"),
        ({"budget_s": -1}, "budget_s = -1: must be a number above 0"),
    ],
)
def test_a_mistake_is_said(held, change, message):
    words = {"f": print, "g": print, "at_most": 0.5, **change}
    with pytest.raises(InputError, match=message):
        held.ratio(words.pop("f"), words.pop("g"), **words)
