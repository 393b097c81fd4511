"""How much time a run has left, from how long its units took and what they were expected to cost.

What is expected is in no particular unit, and right but for a factor: every case measured has a factor of its own, and
those that have not begun get that of all others together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_FIRST_TRUST = 1 / 3
"""Loading and compiling made first units of ``fbench compare`` nine times as dear as expected, later ones twice."""


@dataclass
class Course:
    """How one case went and goes on.

    Attributes:
        to_come: what each of its units is expected to cost; of a case whose units are not counted, one number for all.
        counted: whether ``to_come`` are units.
        costs: what the units measured were expected to cost; empty where they are not counted.
        seconds: what they took.
        told: seconds that the case says it may still take.
        ended: whether it has no more units.
        trust: the power of the factor while one unit alone is measured; less than 1 leans to what was expected.

    Example:
        >>> course = Course([1.0, 2.0, 3.0])
        >>> course.take(10.0)
        >>> course.left_s(), course.share()
        (50.0, (60.0, 6.0))
    """

    to_come: list[float]
    counted: bool = True
    costs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    told: float | None = None
    ended: bool = False
    trust: float = 1.0

    @property
    def whole(self) -> float:
        """What the whole case is expected to cost."""
        return sum(self.costs) + sum(self.to_come)

    def take(self, seconds: float, told: float | None = None) -> None:
        """A unit took so long, and the case has ``told`` more as far as it knows."""
        self.seconds.append(seconds)
        self.told = told
        if self.counted and self.to_come:
            self.costs.append(self.to_come.pop(0))

    def left_s(self, factor: float | None = None) -> float | None:
        """Seconds that the case still takes, by itself, or by the ``factor`` of others; None where neither tells."""
        if self.ended:
            return 0.0
        if self.told is not None:
            return self.told
        if self.counted and self.costs:
            return sum(self.to_come) * self._recent_factor()
        return None if factor is None else max(self.whole * factor - sum(self.seconds), 0.0)

    def share(self, *, begun_first: bool = False) -> tuple[float | None, float]:
        """Seconds of the whole case, None where it does not tell them, and what it was expected to cost.

        Of one that was ``begun_first`` only what is to come: its first unit had more in it than that of any other.
        """
        left = self.left_s()
        if left is None or not self.seconds:
            return None, self.whole
        if begun_first and self.counted and left:
            return left, sum(self.to_come)
        return sum(self.seconds) + left, self.whole

    def _recent_factor(self) -> float:
        """Of the later half of its units: the first may have warmed up, and costs may grow other than expected."""
        half = len(self.costs) // 2
        cost = sum(self.costs[half:])
        factor = sum(self.seconds[half:]) / cost if cost else 0.0
        return factor if half else factor**self.trust


class Clock:
    """Time left of cases of which ``lanes`` run side by side.

    ``expected`` gives what each unit to come of a case may cost; ``counted`` says whether these are units, or one
    number for a case whose units nobody can count beforehand; ``in_seconds``, whether they are seconds. The run is over
    when ``now`` is ``ends_at``.

    Example:
        >>> clock = Clock({"a": [1.0, 2.0], "b": [1.0, 2.0]})
        >>> clock.take("a", 5.0)
        >>> clock.left_s()
        25.0
    """

    def __init__(
        self,
        expected: Mapping[str, Iterable[float]],
        *,
        counted: bool = True,
        lanes: int = 1,
        in_seconds: bool = False,
        ends_at: float = math.inf,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cases = {case: Course(list(costs), counted) for case, costs in expected.items()}
        self._lanes, self._ends_at, self._now = lanes, ends_at, now
        self._in_seconds = in_seconds
        self._first: set[str] = set()  # in their first units a process loads and compiles, once for all cases

    def take(self, case: str, seconds: float, told: float | None = None) -> None:
        """A unit of the case took so many ``seconds``; it ``told`` how many more the case may take, if it knows."""
        course = self._cases[case]
        if case not in self._first and len(self._first) < self._lanes:
            self._first.add(case)
            course.trust = _FIRST_TRUST if self._in_seconds else 1.0
        course.take(seconds, told)

    def stop(self, case: str) -> None:
        """The case has no more units."""
        self._cases[case].ended = True

    def left_s(self) -> float | None:
        """Seconds left; None where nothing that was measured tells."""
        factor = self._common_factor()
        left = [course.left_s(factor) for course in self._cases.values()]
        known = [seconds for seconds in left if seconds is not None]
        if len(known) < len(left):
            return None
        return min(makespan(known, self._lanes), max(self._ends_at - self._now(), 0.0))

    def _common_factor(self) -> float | None:
        """Seconds to a unit of cost, of all cases that were measured."""
        shares = [course.share(begun_first=case in self._first) for case, course in self._cases.items()]
        known = [(seconds, cost) for seconds, cost in shares if seconds is not None and cost]
        return sum(seconds for seconds, _ in known) / sum(cost for _, cost in known) if known else None


def makespan(seconds: Sequence[float], lanes: int) -> float:
    """How long so many ``lanes`` take for cases of so many ``seconds``: none is shared between two.

    Example:
        >>> makespan([4.0, 1.0, 1.0], lanes=2), makespan([2.0, 2.0, 2.0], lanes=2)
        (4.0, 3.0)
    """
    return max([sum(seconds) / lanes, *seconds], default=0.0)
