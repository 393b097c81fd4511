"""What is shown while a command works: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from fbench.cli.console import err
from fbench.harness.suite import Suite
from fbench.units import format_seconds

if TYPE_CHECKING:
    from fbench.harness.contract import Case
    from fbench.harness.executors import Fault


_BETWEEN_LINES_S = 1.0
"""Seconds between two lines of a selection, at least: a small one says nothing."""


class Lines:
    """Progress where no bar can be drawn: a line with the first unit that ends ``every_s`` or more after the last line.

    Nothing ticks in between: a run whose units take minutes says something every so many minutes.
    """

    def __init__(self, every_s: float = 30.0, now: Callable[[], float] = time.perf_counter) -> None:
        self._every_s, self._now, self._said = every_s, now, now()

    def due(self, done: int, total: int | None, left_s: float | None) -> str:
        """``12 of 72 units done, about 40 s left``; empty where it is too early to say something again."""
        now = self._now()
        if now - self._said < self._every_s:
            return ""
        self._said = now
        whole = f"{done} of {total}" if total else f"{done}"
        return f"{whole} units done" + (f", about {format_seconds(round(left_s))} left" if left_s is not None else "")


def _bar() -> Any:
    """A bar on a terminal, started; None elsewhere."""
    if not err.is_terminal:
        return None
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    left = TextColumn("{task.fields[left]}", markup=False)
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        left,
        console=err,
        transient=True,
    )
    bar.start()
    return bar


class Progress:
    """The listener: a bar with the time left on a terminal, a line now and then elsewhere."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._total: int | None = None
        self._done = 0
        self._bar: Any = None
        self._lines = Lines()

    def __enter__(self) -> Self:
        self._bar = _bar()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def planned(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` units are on disk already."""
        self._done, self._total = done, total
        if self._bar is not None:
            self._bar.add_task(self._suite.name, completed=done, total=total, left="")
        elif done:
            err.print(f"{done}{f' of {total}' if total else ''} units are on disk already")

    def measured(self, case: Case[Any], unit: int, left_s: float | None) -> None:
        """A unit was committed; about ``left_s`` seconds are left."""
        self._done += 1
        if self._bar is not None:
            left = "" if left_s is None else f"{format_seconds(left_s)} left"
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=case.id, left=left)
        elif line := self._lines.due(self._done, self._total, left_s):
            err.print(line, markup=False)

    def stopped(self, case: Case[Any], fault: Fault) -> None:
        """A case ran out of memory or failed."""
        err.print(f"fbench: {case.id}: {fault.status}: {fault.reason}", style="yellow", markup=False)
        if fault.story:
            err.print(fault.story, markup=False)


class PickProgress:
    """A selection's phases and picks, with the time left of the phase they are in.

    A phase may come back: a refresh interrupts the forward picks.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._said: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._last: float | None = None
        self._line_at: float | None = None

    def __enter__(self) -> Self:
        self._bar = _bar()
        if self._bar is not None:
            self._bar.add_task("setup", total=None, left="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def took(self, phase: str, done: int, total: int) -> None:
        """``done`` of the ``total`` steps of a phase are taken."""
        now = time.perf_counter()
        if self._last is not None:  # of the first phase the beginning is not known
            self._since.setdefault(phase, self._last)
        self._last = now
        self._line_at = now if self._line_at is None else self._line_at  # a small selection says nothing
        left = ""
        if phase in self._since and done:
            left = f"{format_seconds((now - self._since[phase]) * (total - done) / done)} left"
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, description=phase, completed=done, total=total, left=left)
        elif (done - self._said.get(phase, 0)) * 10 >= total and now - self._line_at >= _BETWEEN_LINES_S:
            self._said[phase], self._line_at = done, now
            err.print(f"{phase}: {done} of {total}{', ' if left else ''}{left}", markup=False)
