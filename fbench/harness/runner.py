"""The runner: plan → cases → rows. It resumes, commits, and knows no suite by name.

``run`` measures what a run's folder lacks and leaves it finished. What a user sees on the way is the listener's
business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from fbench.errors import FolderError
from fbench.harness import executors, ray_executor
from fbench.harness.clock import Clock
from fbench.harness.cluster import Cluster
from fbench.harness.contract import Case, Context, Row, Unit
from fbench.harness.folder import RunFolder
from fbench.harness.history import History
from fbench.harness.placing import Terms
from fbench.harness.suite import Suite, values_of


@dataclass(frozen=True)
class Settings:
    """How to run, beside what to measure: none of it changes a deterministic result but ``threads``."""

    terms: Terms = field(default_factory=Terms)
    retry: bool = False
    devices: tuple[str, ...] = ("cpu",)
    threads: int = 1
    jobs: int = 1
    loads: tuple[Path, ...] = ()
    cluster: Cluster | None = None


class Listener(Protocol):
    """Who is told of progress."""

    def planned(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` units are on disk already."""

    def measured(self, case: Case[Any], unit: int, left_s: float | None) -> None:
        """A unit was committed; about ``left_s`` seconds are left."""

    def stopped(self, case: Case[Any], fault: executors.Fault) -> None:
        """A case ran out of memory or failed."""


def run(
    suite: Suite, options: Any, settings: Settings, run_folder: RunFolder, listener: Listener
) -> dict[str, list[Row]]:
    """Measure what the folder lacks, finish it, and give every row by table."""
    plan = suite.grid(options)
    history = History(suite, run_folder.rows())
    if strangers := history.strangers(plan):
        raise FolderError(
            f"{run_folder.path} has rows of {strangers[0]!r}, which is no case of this study; nothing was touched"
        )
    if settings.retry and history.drop_faults():
        run_folder.rewrite(history.in_order(plan), finished=False)
    units = suite.units(options)
    todo = [] if run_folder.finished else [case for case in plan if not history.closed(case, units)]
    if (cost := suite.cost) is not None:
        todo.sort(key=lambda case: -cost(case, options))
    listener.planned(history.count(), None if units is None else units * len(plan))
    limit_s = suite.limit_s(options) if suite.limit_s else math.inf
    context = Context(devices=settings.devices, threads=settings.threads, ends_at=time.monotonic() + limit_s)
    clock = _clock(suite, options, context, settings.jobs, todo, history)
    for event in _events(suite, options, context, settings, todo, history):
        outcome = event.outcome
        if outcome is None:
            clock.stop(event.case.id)
        if isinstance(outcome, executors.Fault):
            listener.stopped(event.case, outcome)
            clock.stop(event.case.id)
            outcome = _fault_unit(suite, event.case, history.next_unit(event.case), outcome)
        if outcome is not None:
            unit = _complete(suite, event.case, outcome)
            run_folder.commit(unit)
            history.add(event.case, unit)
            clock.take(event.case.id, event.seconds, unit.left_s)
            listener.measured(event.case, unit.index, clock.left_s())
    if not run_folder.finished or todo:
        run_folder.rewrite(suite.finish(history.in_order(plan), options), finished=True)
    return run_folder.rows()  # as they are read again: with every column, and the same now and when rendered again


def _clock(
    suite: Suite, options: Any, context: Context, lanes: int, todo: Sequence[Case[Any]], history: History
) -> Clock:
    """The time left of what is to be measured; of a case taken up, of the units that are not on disk."""
    counted = suite.units(options) is not None
    expected = {
        case.id: suite.expected(case, options, context)[history.next_unit(case) if counted else 0 :] for case in todo
    }
    seconds = suite.expect_s is not None
    return Clock(expected, counted=counted, lanes=lanes, in_seconds=seconds, ends_at=context.ends_at)


def _events(
    suite: Suite, options: Any, context: Context, settings: Settings, todo: Sequence[Case[Any]], history: History
) -> Iterator[executors.Event]:
    if not todo:
        return iter(())
    job = executors.Job(suite.name, values_of(options), context, settings.threads, settings.loads)
    seed = int(getattr(options, "seed", 0))
    if settings.cluster is not None:
        return ray_executor.cluster_workers(job, todo, history.of, seed, settings.jobs, settings.cluster)
    if suite.executor != "inline" or settings.jobs > 1:
        return executors.workers(job, todo, history.of, seed, settings.jobs)
    return executors.inline(job, todo, history.of, seed)


def _complete(suite: Suite, case: Case[Any], unit: Unit) -> Unit:
    """Give every row its case, its unit and its status."""
    rows = [{"case": case.id, suite.unit: unit.index, "status": "ok", "reason": "", **row} for row in unit.rows]
    tables = {
        name: [{"case": case.id, suite.unit: unit.index, **row} for row in extra] for name, extra in unit.tables.items()
    }
    return replace(unit, rows=rows, tables=tables)


def _fault_unit(suite: Suite, case: Case[Any], index: int, fault: executors.Fault) -> Unit:
    names = {column.name for column in suite.columns}
    known = suite.identify(case) if suite.identify else [case.point._asdict()]
    keys = [{name: value for name, value in row.items() if name in names} for row in known]
    return Unit(index, [{**key, "status": fault.status, "reason": fault.reason} for key in keys])
