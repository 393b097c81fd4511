"""How much time a run has left, from how long its units took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence


class Clock:
    """Time left: ``left`` maps each case to its units to come; None where their number is unknown.

    The time between two commits is what a unit costs the run, however many processes work at once.
    """

    def __init__(self, left: Mapping[str, Iterable[int]] | None, now: Callable[[], float] = time.perf_counter) -> None:
        self._left = None if left is None else {case: set(units) for case, units in left.items()}
        self._spent: dict[int, list[float]] = defaultdict(list)
        self._now, self._last = now, now()

    def stop(self, case: str) -> None:
        """The case has no more units to come."""
        if self._left is not None:
            self._left[case].clear()

    def left_s(self, case: str, unit: int) -> float | None:
        """Seconds left, now that ``unit`` of ``case`` is committed."""
        now = self._now()
        self._spent[unit].append(now - self._last)
        self._last = now
        if self._left is None:
            return None
        self._left[case].discard(unit)
        return remaining(self._spent, [u for units in self._left.values() for u in units])


def remaining(spent: Mapping[int, Sequence[float]], left: Sequence[int]) -> float:
    """Seconds for the units ``left``: the mean of units of the same number, or else of the latest number seen."""
    means = {unit: sum(seconds) / len(seconds) for unit, seconds in spent.items() if seconds}
    latest = means[max(means)] if means else 0.0
    return sum(means.get(unit, latest) for unit in left)
