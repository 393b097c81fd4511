"""Work that is told of while it is done: what lies deep says what it has behind it, and whoever began it listens.

Saying so is the reading of one variable, where a matrix product comes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HUNDREDTHS = 100
"""In so many parts a phase is told whose steps are not picks."""

StepListener = Callable[[str, int, int], None]
"""A function that is told (phase, done, total) after every step of a selection."""

_HEARS: ContextVar[Callable[[float], None] | None] = ContextVar("hears", default=None)


def did(operations: float) -> None:
    """So many operations more are done, or on a GPU begun."""
    hears = _HEARS.get()
    if hears is not None:
        hears(operations)


@contextmanager
def phase_of(name: str, operations: float, listener: StepListener) -> Iterator[None]:
    """Tell the listener of a phase of about so many operations, in hundredths, as ``did`` is called within.

    Example:
        >>> with phase_of("setup", 1e6, print):
        ...     did(5e5)
        ...     did(1e3)  # not a hundredth more
        ...     did(9e5)  # more than was foreseen
        setup 50 100
        setup 99 100
        setup 100 100
    """
    done, parts = 0.0, 0

    def hears(more: float) -> None:
        nonlocal done, parts
        done += more
        now = min(int(HUNDREDTHS * done / operations), HUNDREDTHS - 1) if operations else 0
        if now > parts:
            parts = now
            listener(name, parts, HUNDREDTHS)

    token = _HEARS.set(hears)
    try:
        yield
    finally:
        _HEARS.reset(token)
    listener(name, HUNDREDTHS, HUNDREDTHS)
