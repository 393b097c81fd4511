"""The runner: plan → cases → rows. It resumes, commits, and knows no suite by name.

``identify`` makes a run's fingerprint, ``place`` finds its folder, ``run`` measures what is missing and leaves the
folder finished. What a user sees on the way is the listener's business.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import fbench
from fbench.errors import FolderError
from fbench.harness import executors, folder
from fbench.harness.clock import Clock
from fbench.harness.contract import Case, Context, Row, Unit
from fbench.harness.folder import RunFolder
from fbench.harness.history import History
from fbench.harness.suite import Suite, stored, values_of
from fbench.measure.environment import environment


@dataclass(frozen=True)
class Settings:
    """How to run, beside what to measure: none of it changes a deterministic result but ``threads``."""

    out: Path | None = None
    reports: Path = Path("reports")
    fresh: bool = False
    overwrite: bool = False
    retry: bool = False
    devices: tuple[str, ...] = ("cpu",)
    threads: int = 1
    jobs: int = 1
    loads: tuple[Path, ...] = ()


class Listener(Protocol):
    """Who is told of progress."""

    def planned(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` units are on disk already."""

    def measured(self, case: Case[Any], unit: int, left_s: float | None) -> None:
        """A unit was committed; about ``left_s`` seconds are left."""

    def stopped(self, case: Case[Any], fault: executors.Fault) -> None:
        """A case ran out of memory or failed."""


def identify(suite: Suite, options: Any, settings: Settings) -> dict[str, Any]:
    """What ``options.json`` says: everything that the numbers depend on, and its SHA-256."""
    identity = {
        "suite": suite.name,
        "fbench": fbench.__version__,
        "options": stored(options),
        "devices": list(settings.devices),
        "threads": settings.threads,
        "loaded": [{"path": str(p), "sha256": _sha256(p)} for p in settings.loads],
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    digest.update(_sources(suite).encode())
    return {**identity, "fingerprint": digest.hexdigest()}


def _sources(suite: Suite) -> str:
    """One hash over fbench's own sources, and over the suite's where that is somebody else's."""
    files = set(Path(fbench.__file__).parent.rglob("*.py"))
    if suite.measure.__module__.startswith("fbench."):
        for suites in sys.modules["fbench.suites"].__path__:  # all of them: one may import another
            files |= set(Path(suites).rglob("*.py"))
    else:
        files.add(Path(inspect.getfile(suite.measure)))
    return ";".join(_sha256(file) for file in sorted(files))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def place(suite: Suite, identity: Mapping[str, Any], settings: Settings) -> tuple[Path, bool]:
    """The run's folder, and whether a run is to be taken up there.

    Raises:
        FolderError: ``--out`` holds another run or something that is not ours.
    """
    if settings.out is None:
        home = settings.reports / suite.name
        return (None if settings.fresh else _unfinished(home, identity)) or (_new_id(home, identity), False)
    path = settings.out
    with folder.writing(path):
        if not path.exists() or _is_blank(path):
            return path, False
    there = folder.identity_of(path)
    if there is None:
        raise FolderError(f"--out {path} is not empty and not a run of fbench; nothing was touched: choose another")
    if settings.overwrite or (settings.fresh and there["fingerprint"] == identity["fingerprint"]):
        return path, False
    if there["fingerprint"] != identity["fingerprint"]:
        raise FolderError(
            f"--out {path} holds a run with other options or another version of fbench{_difference(there, identity)}; "
            "choose another --out, or give --overwrite"
        )
    return path, (path / "state.json").exists()


def _is_blank(path: Path) -> bool:
    if not path.is_dir():
        raise FolderError(f"--out {path} is a file; give a folder")
    return all(entry.name in (".lock", "options.json.new") for entry in path.iterdir())


def _difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    before, after = there.get("options", {}), wanted["options"]
    names = [name for name in after if before.get(name) != after[name]]
    first = [f"{name} was {before.get(name)!r}, is {after[name]!r}" for name in names[:2]]
    return f" ({'; '.join(first)})" if first else ""


def _unfinished(home: Path, identity: Mapping[str, Any]) -> tuple[Path, bool] | None:
    for path in sorted(home.glob("*/"), reverse=True) if home.is_dir() else []:
        there = folder.identity_of(path)
        if there and there["fingerprint"] == identity["fingerprint"] and not folder.is_finished(path):
            return path, (path / "state.json").exists()
    return None


def _new_id(home: Path, identity: Mapping[str, Any]) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = home / f"{stamp}-{identity['fingerprint'][:6]}"
    return path if not path.exists() else home / f"{path.name}-{time.time_ns() % 1000:03d}"


def open_folder(suite: Suite, path: Path, resumed: bool, identity: Mapping[str, Any], settings: Settings) -> RunFolder:
    """The run's folder, new or taken up."""
    run_folder = RunFolder(path, suite.all_tables(), suite.unit)
    if resumed:
        run_folder.take_up()
    else:
        where = {**environment(settings.devices, settings.threads), "jobs": settings.jobs}
        run_folder.create(identity, where)
    return run_folder


def run(
    suite: Suite, options: Any, settings: Settings, run_folder: RunFolder, listener: Listener
) -> dict[str, list[Row]]:
    """Measure what the folder lacks, finish it, and give every row by table."""
    plan = suite.grid(options)
    history = History(suite, run_folder.rows())
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
