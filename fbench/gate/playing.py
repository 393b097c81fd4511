"""Who runs next: short blocks of both sides and of the base again, in random order, until pairs tell or time is over.

Two processes of the same code differ by a few percent for as long as they live. So all are begun anew after every four
pairs, and what counts is the start: the median of its pairs is one value. Every benchmark gets six starts, one pair a
round, in an order that is drawn anew for each round. Those that look slower (p < 0.3, uncorrected) or faster by more
than the threshold, and those whose floor is above it, get nine more; all fifteen are pooled. Where that does not tell,
they go on, to forty-five: where the floor is above the threshold even then, or where the change is, and one odd start
keeps it from being confirmed. The base runs in two processes: what they differ by is the floor, measured in the same
rounds as what is asked.
"""

from __future__ import annotations

import contextlib
import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fbench.gate.processes import BlockFailedError, TimedBlock
from fbench.measure.signed_ranks import hodges_lehmann, p_above
from fbench.regression.floor import SUSPECT, floor_of
from fbench.regression.paired_rule import PAIRED_LEVEL
from fbench.regression.pairs_file import TimedPair, WhichSide, log_ratios

PAIRS_A_START, FIRST_STARTS, ALL_STARTS, MOST_STARTS = 4, 6, 15, 45
"""Starts of every benchmark, as many as an interval needs; of those that are looked at closer, enough for a family of
three hundred; of those that stay open."""
_BLOCK_S, _ROUNDS, _MOST_CALLS = 0.02, 5, 1_000_000
"""What a block takes, about; rounds and calls of a round, at most."""


class Player(Protocol):
    """A side that runs blocks."""

    role: str

    def run(self, name: str, rounds: int, iterations: int) -> TimedBlock:
        """A block of a benchmark; raises BlockFailedError."""
        ...


@dataclass
class Played:
    """What was measured of one benchmark.

    Attributes:
        rounds: of a block.
        iterations: calls of a round.
        pairs: of base and new, with the starts that made them.
        again_s: seconds of the base's second process, in the place of every pair.
        values: by side, the digests of its values and how one looked.
        failed: by side, why it has no time.
    """

    rounds: int = 1
    iterations: int = 1
    pairs: list[TimedPair] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def logs(self) -> list[float]:
        """Logarithms of new over base, one a start."""
        return log_ratios(self.pairs)

    @property
    def changed(self) -> str:
        """How the returned value changed; empty where it did not, or where the base's own values differ."""
        base, again, new = (self.values.get(side, {}) for side in ("base", "again", "new"))
        if (
            len(base) != 1
            or base.keys() != again.keys()
            or not new
            or "" in base
            or "" in new
            or base.keys() == new.keys()
        ):
            return ""
        return f"{next(iter(base.values()))} became {next(iter(new.values()))}"


class _SideFailedError(Exception):
    """Which side of a benchmark has no time; its words are why."""

    def __init__(self, role: str, why: str) -> None:
        self.role = role
        super().__init__(why)


def play(
    sides: Sequence[Player],
    names: Iterable[str],
    *,
    threshold: float,
    budget_s: float,
    clock: Callable[[], float],
    rng: random.Random,
    most_starts: int = MOST_STARTS,
    renew: Callable[[], None] = lambda: None,
    after_round: Callable[[Mapping[str, Played]], None] = lambda played: None,
) -> dict[str, Played]:
    """Measure benchmarks on three sides, ``base``, ``again`` and ``new``, by rounds, until done or out of budget.

    ``renew`` begins the processes of all sides anew; ``after_round`` is called with all there is, after every round.
    """
    until = clock() + budget_s
    played = {name: Played() for name in names}
    for name, one in played.items():
        with _failing(one):
            _calibrate(sides, name, one)
        if clock() > until:
            return played
    going = played
    for start in range(most_starts):
        going = {
            name: one for name, one in going.items() if not one.failed and _goes_on(one, start, threshold, len(played))
        }
        if not going or (start and clock() > until):
            break
        if start:
            renew()
            _warm(sides, going)
        for number in range(PAIRS_A_START * start, PAIRS_A_START * (start + 1)):
            for name in rng.sample([*going], len(going)):
                if clock() > until:
                    return played
                if not going[name].failed:
                    with _failing(going[name]):
                        _pair(sides, name, going[name], number, start, rng)
            after_round(played)
    return played


def _goes_on(one: Played, start: int, threshold: float, family: int) -> bool:
    """Whether a benchmark takes part in another start: all do in the first ones, then those that are open."""
    if start == FIRST_STARTS:
        return _is_suspect(one, threshold) or _is_coarse(one, threshold)
    if start == 0 or start % ALL_STARTS:
        return True
    return _is_coarse(one, threshold) or _is_unconfirmed(one, threshold, family)


def _warm(sides: Sequence[Player], played: Mapping[str, Played]) -> None:
    """One call on every side: what a process does only the first time is not what is measured."""
    for name, one in played.items():
        with _failing(one):
            for side in sides:
                _run(side, name, 1, 1)


@contextlib.contextmanager
def _failing(one: Played) -> Iterator[None]:
    """What fails on a side is noted, and the next benchmark runs."""
    try:
        yield
    except _SideFailedError as failed:
        one.failed[failed.role] = str(failed)


def _calibrate(sides: Sequence[Player], name: str, one: Played) -> None:
    """Calls that take the base about a block's time; the other sides try one block, so that what fails is known."""
    for side in sides:
        try:
            first = side.run(name, 1, 1)
        except BlockFailedError as error:
            one.failed[side.role] = str(error)
            continue
        if side.role == "base":
            seconds = statistics.median(first.seconds)
    if one.failed:
        return
    base = next(side for side in sides if side.role == "base")

    def call_s(rounds: int, iterations: int) -> float | None:
        block = _run(base, name, rounds, iterations)
        asked = rounds * iterations  # a pedantic test takes fewer, and says itself how many
        return statistics.median(block.seconds) if block.calls >= asked else None

    one.rounds, one.iterations = calls_of_block(seconds, call_s)


def calls_of_block(seconds: float, call_s: Callable[[int, int], float | None]) -> tuple[int, int]:
    """Rounds, and calls of a round, that make a block of about 20 ms.

    Args:
        seconds: that one call took.
        call_s: tries so many rounds of so many calls; gives seconds of a call, or None to stay with so many.

    Example:
        >>> calls_of_block(0.001, lambda rounds, iterations: 0.001)
        (5, 4)
    """
    rounds, iterations = min(_ROUNDS, max(1, round(_BLOCK_S / max(seconds, 1e-8)))), 1
    while seconds * iterations * rounds < _BLOCK_S / 2 and iterations < _MOST_CALLS:
        iterations = min(_MOST_CALLS, max(2 * iterations, int(_BLOCK_S / _ROUNDS / max(seconds, 1e-8))))
        tried = call_s(rounds, iterations)
        if tried is None:
            break
        seconds = tried
    return rounds, iterations


def _pair(sides: Sequence[Player], name: str, one: Played, number: int, start: int, rng: random.Random) -> None:
    """A block of every side, in a drawn order: nothing of it counts where one fails."""
    order = [*sides]
    rng.shuffle(order)
    blocks = {side.role: _run(side, name, one.rounds, one.iterations) for side in order}
    seconds = {role: max(statistics.median(block.seconds), 1e-12) for role, block in blocks.items()}
    first: WhichSide = "new" if next(side.role for side in order if side.role != "again") == "new" else "base"
    one.pairs.append(TimedPair(number, first, seconds["base"], seconds["new"], start))
    one.again_s.append(seconds["again"])
    for role, block in blocks.items():
        one.values.setdefault(role, {})[block.digest] = block.shown


def _run(side: Player, name: str, rounds: int, iterations: int) -> TimedBlock:
    try:
        return side.run(name, rounds, iterations)
    except BlockFailedError as error:
        raise _SideFailedError(side.role, str(error)) from error


def _is_suspect(one: Played, threshold: float) -> bool:
    """Whether it looks slower, or faster by so much that it is worth being shown."""
    return p_above(one.logs) < SUSPECT or hodges_lehmann(one.logs).value < -math.log1p(threshold)


def _is_coarse(one: Played, threshold: float) -> bool:
    """Whether the machine alone may move it beyond the threshold."""
    return floor_of(one.pairs, one.again_s) > threshold


def _is_unconfirmed(one: Played, threshold: float, family: int) -> bool:
    """Whether it looks slower by more than the threshold, and is not shown to be."""
    change = hodges_lehmann(one.logs).value
    return change > math.log1p(threshold) and p_above(one.logs) * family >= PAIRED_LEVEL
