"""Where cases run: in this process, or in spawned workers whose death is an event and not the end.

A case is a generator of units. An executor advances the generators and yields events; the order in which cases
take turns is the suite's ``schedule``. The runner alone writes.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from fbench.errors import ForeignError
from fbench.harness import accept, guard, lifeline, registry
from fbench.harness.contract import Case, Context, Row, Unit
from fbench.harness.global_state import Worlds
from fbench.harness.streams import guard_streams

Committed = Callable[[Case[Any]], dict[str, list[Row]]]

_GRACE_S = 0.2
"""A signal to a whole group reaches its processes one after the other."""


@dataclass(frozen=True)
class Job:
    """What a process needs to run the cases of a suite.

    ``options`` are the suite's by field: a worker makes its dataclass of them once it has loaded the file that has it.
    ``data`` is what the suite's ``SharedData`` loaded, pickled, where the worker's machine lacks it.
    """

    suite: str
    options: dict[str, Any]
    context: Context
    threads: int
    loads: tuple[Path, ...] = ()
    data: bytes = b""


@dataclass(frozen=True)
class Fault:
    """Why a case stopped: ``oom`` or ``failed``, the first line of the reason, and the traceback if that was asked."""

    status: str
    reason: str
    story: str = field(default="", compare=False)


CaseOutcome = Unit | Fault | None
"""A unit of a case, why it stopped, or its end."""


@dataclass(frozen=True)
class Event:
    """A case gave a unit, came to its end (``None``), or stopped; ``seconds`` is what that took where it ran."""

    case: Case[Any]
    outcome: CaseOutcome
    seconds: float = 0.0


_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory")


def fault_of(error: BaseException) -> Fault:
    """An exception as a row's status and reason, placed in the user's code; running out of memory has many faces."""
    clear = guard.explained(error)
    reason = (str(clear).splitlines() or [""])[0]
    name = "" if isinstance(clear, ForeignError) else type(clear).__name__
    memory = any(_is_out_of_memory(cause) for cause in guard.causes(clear))
    story = "".join(traceback.format_exception(error)) if os.environ.get("FBENCH_TRACEBACK") else ""
    return Fault("oom" if memory else "failed", ": ".join(filter(None, [name, reason])), story)


def _is_out_of_memory(error: BaseException) -> bool:
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or any(phrase in str(error).lower() for phrase in _OUT_OF_MEMORY)


class Turns:
    """Whose turn it is: one case to its end (``cases``), or a unit of each in shuffled order (``blocks``).

    A case stays with the ``lane`` (a process) that began it, for there its generator lives.
    """

    def __init__(self, schedule: str, cases: Sequence[Case[Any]], seed: int) -> None:
        self._schedule = schedule
        self._waiting = list(cases)
        self._lanes: dict[int, dict[str, tuple[int, Case[Any]]]] = {}
        self._random = random.Random(seed)

    def end(self, lane: int, case: Case[Any]) -> None:
        """The case has no more units."""
        del self._lanes[lane][case.id]

    def next(self, lane: int) -> Case[Any] | None:
        """The case that the lane is to advance now; None when it has no more."""
        mine = self._lanes.setdefault(lane, {})
        if self._waiting and (not mine or (self._schedule == "blocks" and min(n for n, _ in mine.values()) > 0)):
            at = self._random.randrange(len(self._waiting)) if self._schedule == "blocks" else 0
            case = self._waiting.pop(at)
            mine[case.id] = (0, case)
        if not mine:
            return None
        least = min(n for n, _ in mine.values())
        turn, case = self._random.choice([entry for entry in mine.values() if entry[0] == least])
        mine[case.id] = (turn + 1, case)
        return case


class _Host:
    """The generators of the cases that live in this process, each in a global state of its own."""

    def __init__(self, job: Job) -> None:
        self._suite = registry.SUITES.get(job.suite)
        self._context = job.context
        self._options = self._suite.options(**job.options)
        self._running: dict[str, Iterator[Any]] = {}
        self._next: dict[str, int] = {}
        self._worlds = Worlds()

    def timed(self, case: Case[Any], committed: Committed) -> tuple[CaseOutcome, float]:
        """As ``advance``, and the seconds that it took."""
        start = time.perf_counter()
        outcome = self.advance(case, committed)
        return outcome, time.perf_counter() - start

    def advance(self, case: Case[Any], committed: Committed) -> CaseOutcome:
        """The case's next unit; None at its end; a fault if it raised, were it to end the program."""
        try:
            with self._worlds.of(case.id):
                unit = self._step(case, committed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._end(case)
            return fault_of(error)
        if unit is None:
            self._end(case)
        return unit

    def _step(self, case: Case[Any], committed: Committed) -> Unit | None:
        if case.id not in self._running:
            rows = committed(case)
            done = self._next[case.id] = len({row[self._suite.unit] for row in rows["results"]})
            context = replace(self._context, committed=rows, done=done)
            yielded = self._suite.measure(case, self._options, context)
            self._running[case.id] = accept.units_of(self._suite, yielded)
        unit = next(self._running[case.id], None)
        if unit is None:
            return None
        index = self._next[case.id]
        self._next[case.id] += 1
        return accept.accepted_unit(self._suite, unit, index)

    def _end(self, case: Case[Any]) -> None:
        self._running.pop(case.id, None)
        self._worlds.end(case.id)


def inline(job: Job, cases: Sequence[Case[Any]], committed: Committed, seed: int) -> Iterator[Event]:
    """Run the cases in this process."""
    _pin(job.threads)
    host, turns = _Host(job), _turns(job, cases, seed)
    while (case := turns.next(0)) is not None:
        outcome, seconds = host.timed(case, committed)
        if not isinstance(outcome, Unit):
            turns.end(0, case)
        yield Event(case, outcome, seconds)


class Lane(Protocol):
    """What advances cases, one at a time and elsewhere: a process of this machine, or one of a cluster's."""

    @property
    def awaited(self) -> Any:
        """What is ready once the case that was sent has an outcome."""

    def send(self, case: Case[Any], committed: Committed) -> None:
        """Begin with the case's next unit."""

    def receive(self) -> tuple[CaseOutcome, float] | None:
        """What came of the case, and the seconds that it took in there; None where it was begun again."""

    def renew(self) -> None:
        """Leave nothing of the case that ended to the next one."""

    def stop(self) -> None:
        """End it, with all that it holds; once more does nothing."""


def take_turns(
    job: Job,
    cases: Sequence[Case[Any]],
    committed: Committed,
    seed: int,
    lanes: Sequence[Lane],
    ready: Callable[[list[Any]], Iterable[Any]],
) -> Iterator[Event]:
    """Run the cases in lanes; ``ready`` waits for one of what they await, or more, and gives it.

    A suite whose executor is ``fresh`` gets a new process for every case, however the one before it ended.
    """
    turns, fresh = _turns(job, cases, seed), registry.SUITES.get(job.suite).executor == "fresh"
    busy: dict[Any, tuple[int, Case[Any], float]] = {}

    def give(number: int) -> None:
        case = turns.next(number)
        if case is None:
            lanes[number].stop()
        else:
            lanes[number].send(case, committed)
            busy[lanes[number].awaited] = number, case, time.perf_counter()

    try:
        for number in range(len(lanes)):
            give(number)
        while busy:
            for awaited in ready(list(busy)):
                number, case, start = busy.pop(awaited)
                answer = lanes[number].receive()
                if answer is None:
                    busy[lanes[number].awaited] = number, case, start
                    continue
                outcome, inside_s = answer
                seconds = time.perf_counter() - start if fresh else inside_s  # where it comes again, starting counts
                if not isinstance(outcome, Unit):
                    turns.end(number, case)
                    if fresh:
                        lanes[number].renew()
                yield Event(case, outcome, seconds)
                give(number)
    finally:
        for lane in lanes:
            lane.stop()


def workers(job: Job, cases: Sequence[Case[Any]], committed: Committed, seed: int, count: int) -> Iterator[Event]:
    """Run the cases in ``count`` spawned processes; one that is killed costs its case, not the run."""
    lanes = [WorkerProcess(job) for _ in range(min(count, len(cases)))]
    return take_turns(job, cases, committed, seed, lanes, wait)


def _turns(job: Job, cases: Sequence[Case[Any]], seed: int) -> Turns:
    return Turns(registry.SUITES.get(job.suite).schedule, cases, seed)


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Spawned processes would run ``__main__`` again, which is a notebook, a script, or the program that is running."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class WorkerProcess:
    """A spawned process and the pipe to it; one that died or was stopped is replaced when it is next needed."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._start()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self._job), daemon=True)
        with lifeline.deaf(), _no_main():
            self._process.start()
        theirs.close()

    @property
    def awaited(self) -> Connection:
        """The pipe, from which an answer comes."""
        return self._pipe

    def send(self, case: Case[Any], committed: Committed) -> None:
        """Have the process take the case's next unit."""
        task = case.id, tuple(case.point), committed(case)  # a point's type may be a loaded file's, or made at run time
        try:
            self._pipe.send(task)
        except OSError:  # it is gone, with the cases that it held: a new one takes them up from what is committed
            self._start()
            self._pipe.send(task)

    def receive(self) -> tuple[CaseOutcome, float]:
        """What came of the case, and the seconds that it took in there, the process's starting not counted."""
        try:
            outcome, seconds = self._pipe.recv()
            return outcome, seconds
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            self._process.join()
            code = self._process.exitcode or 0
            if -code in lifeline.ENDING:  # whoever ends the whole group ends us too: no row then blames the case
                time.sleep(_GRACE_S)
            return _death(code), 0.0

    def renew(self) -> None:
        """End the process: the next case gets another."""
        self.stop()

    def stop(self) -> None:
        """End the process, and wait until the system has its memory back; once more does nothing."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _death(code: int) -> Fault:
    """What a worker's exit code says: Linux ends a process that takes too much memory by SIGKILL."""
    if code == -signal.SIGKILL:
        return Fault("oom", "the worker process was killed (signal 9), as the system does when memory runs out")
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return Fault("failed", f"the worker process ended {how}")


def _serve(pipe: Connection, job: Job) -> None:
    """A worker's life: advance what it is told to, until the pipe closes."""
    lifeline.end_with_parent()
    guard_streams()
    multiprocessing.current_process().daemon = False  # only here, for daemons may not start processes: a case may
    for path in job.loads:
        registry.load_file(path)
    _pin(job.threads)
    host, suite = _Host(job), registry.SUITES.get(job.suite)
    if job.data and suite.data is not None:
        suite.data.hold(suite.options(**job.options), pickle.loads(job.data))
    while True:
        try:
            case_id, coordinates, committed = pipe.recv()
        except EOFError:
            return
        pipe.send(host.timed(Case(case_id, suite.point(*coordinates)), functools.partial(_same, committed)))


def _same(rows: dict[str, list[Row]], case: Case[Any]) -> dict[str, list[Row]]:
    return rows


def _pin(threads: int) -> None:
    """Fix torch's threads: the same number gives the same rounding, and timings mean something."""
    import torch

    torch.set_num_threads(threads)
