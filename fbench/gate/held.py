"""What must hold on any machine: two functions timed in turn, and their ratio decided by an interval.

Both are called in short blocks, one pair of blocks after another, whichever first by a coin, so that a machine that
changes its speed meets both alike. After 10, 20, 40, … pairs the Hodges–Lehmann interval of the log ratio is looked at;
the first that lies on one side of the limit decides. Look k has a level of 1 − 0.05/2ᵏ, so that all looks together are
wrong in 5 % of cases at most, however many they are, and either way in half of that.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from fbench.errors import InputError
from fbench.gate.bench_server import Untraced
from fbench.gate.playing import calls_of_block
from fbench.measure.signed_ranks import hodges_lehmann

FIRST_LOOK, MOST_PAIRS = 10, 320
_ALPHA = 0.05
"""Chance that any look is wrong, both ways together."""

_Call = Callable[[], Any]


class HeldRatio(NamedTuple):
    """A ratio of two times that was decided.

    Attributes:
        ratio: time of the first function over the second's.
        low: lower end of the interval that decided; ``high`` is the upper one.
        n: pairs.
    """

    ratio: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.ratio:.3g} ({self.low:.3g} to {self.high:.3g}, {self.n} pairs)"


class HeldFixture:
    """The fixture ``held``.

    Args:
        clock: seconds; the budget is of the same clock.
        rng: draws who comes first; by itself anew each time.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter, rng: random.Random | None = None) -> None:
        self._clock, self._rng = clock, rng or random.Random()

    def ratio(self, f: _Call, g: _Call, *, at_most: float, budget_s: float = 10.0) -> HeldRatio:
        """Pass where ``f`` takes at most so many times as long as ``g``; fail where it takes more; else skip.

        Args:
            f: what is to be fast, called without arguments.
            g: what it is held to.
            at_most: the limit of time of ``f`` over time of ``g``.
            budget_s: seconds, after which no pair is begun.

        Raises:
            InputError: a limit or budget that is no number above 0, or what cannot be called.
        """
        _check(f, g, at_most, budget_s)
        until = self._clock() + budget_s
        blocks = [self._calibrated(call) for call in (f, g)]
        logs: list[float] = []
        look, due = 1, FIRST_LOOK
        while len(logs) < MOST_PAIRS and self._clock() < until:
            logs.append(self._pair(blocks))
            if len(logs) == due:
                if _decides(so_far := _judged(logs, look), at_most):
                    return _told(so_far, at_most)
                look, due = look + 1, 2 * due
        last = _judged(logs, look)
        if _decides(last, at_most):
            return _told(last, at_most)
        pytest.skip(_open(last, at_most, budget_s))

    def _calibrated(self, call: _Call) -> Callable[[], float]:
        """A block of a function: gives seconds of a call, the median of its rounds."""

        def seconds(rounds: int, iterations: int) -> list[float]:
            return [self._time(call, iterations) for _ in range(rounds)]

        first = self._time(call, 1)  # which also warms up
        rounds, iterations = calls_of_block(first, lambda *block: statistics.median(seconds(*block)))
        return lambda: statistics.median(seconds(rounds, iterations))

    def _time(self, call: _Call, iterations: int) -> float:
        again = range(iterations)
        with Untraced():
            start = self._clock()
            for _ in again:
                call()
            end = self._clock()
        return (end - start) / iterations

    def _pair(self, blocks: list[Callable[[], float]]) -> float:
        """A block of either; gives the logarithm of the first function's over the second's."""
        order = [0, 1]
        self._rng.shuffle(order)
        seconds = {at: max(blocks[at](), 1e-12) for at in order}
        return math.log(seconds[0] / seconds[1])


def _judged(logs: list[float], look: int) -> HeldRatio:
    """The ratio with the interval of a look, nan ends where pairs are too few for one."""
    if not logs:
        return HeldRatio(math.nan, math.nan, math.nan, 0)
    middle = hodges_lehmann(logs, 1 - _ALPHA / 2**look)
    return HeldRatio(math.exp(middle.value), math.exp(middle.low), math.exp(middle.high), len(logs))


def _decides(held: HeldRatio, at_most: float) -> bool:
    return held.high < at_most or held.low > at_most


def _told(held: HeldRatio, at_most: float) -> HeldRatio:
    if held.low > at_most:
        pytest.fail(f"held.ratio is {held}: more than at_most = {at_most:g}", pytrace=False)
    return held


def _open(held: HeldRatio, at_most: float, budget_s: float) -> str:
    """Why nothing is decided."""
    if math.isnan(held.low):
        pairs = f"{held.n} pair{'' if held.n == 1 else 's'}"
        return f"inconclusive: {pairs} in {budget_s:g} s tell nothing: give held.ratio a larger budget_s"
    return f"inconclusive: held.ratio is {held}, which does not tell whether it is at most {at_most:g}"


def _check(f: _Call, g: _Call, at_most: float, budget_s: float) -> None:
    for place, call in (("first", f), ("second", g)):
        if not callable(call):
            raise InputError(f"held.ratio: the {place} argument is {call!r}: give a function of no arguments")
    for name, number in (("at_most", at_most), ("budget_s", budget_s)):
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            raise InputError(f"held.ratio: {name} = {number!r}: must be a number above 0")
