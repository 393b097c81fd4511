"""How much time a run has left, from how long its units took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence


class Clock:
    """Time left: ``left`` maps each case to its units to come; None where their number is unknown.

    The time between two commits is what a unit costs the run, however many processes work at once. Where nothing is
    counted, ``cases`` may say themselves what they still take; one not heard of takes what the others said at first.
    """

    def __init__(
        self,
        left: Mapping[str, Iterable[int]] | None,
        cases: Iterable[str] = (),
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._left = None if left is None else {case: set(units) for case, units in left.items()}
        self._spent: dict[int, list[float]] = defaultdict(list)
        self._silent, self._told = set(cases), dict[str, float]()
        self._first: list[float] = []
        self._now, self._last = now, now()

    def stop(self, case: str) -> None:
        """The case has no more units to come."""
        self._silent.discard(case)
        self._told.pop(case, None)
        if self._left is not None:
            self._left[case].clear()

    def left_s(self, case: str, unit: int, told: float | None = None) -> float | None:
        """Seconds left, now that ``unit`` of ``case`` is committed, which takes ``told`` more as far as it knows."""
        now = self._now()
        self._spent[unit].append(now - self._last)
        self._last = now
        if self._left is None:
            return None if told is None else self._hear(case, told)
        self._left[case].discard(unit)
        return remaining(self._spent, [u for units in self._left.values() for u in units])

    def _hear(self, case: str, told: float) -> float:
        if case in self._silent:
            self._silent.discard(case)
            self._first.append(told)
        self._told[case] = told
        unheard = len(self._silent) * sum(self._first) / len(self._first) if self._first else 0.0
        return sum(self._told.values()) + unheard


def remaining(spent: Mapping[int, Sequence[float]], left: Sequence[int]) -> float:
    """Seconds for the units ``left``: the mean of units of the same number, or else of the latest number seen."""
    means = {unit: sum(seconds) / len(seconds) for unit, seconds in spent.items() if seconds}
    latest = means[max(means)] if means else 0.0
    return sum(means.get(unit, latest) for unit in left)
