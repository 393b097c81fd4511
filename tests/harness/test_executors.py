"""Whose turn it is, and what becomes of a case whose process dies."""

from __future__ import annotations

import os
import re
import textwrap
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import psutil
import pytest
import torch
from outliving import outliving

from fbench.harness import registry
from fbench.harness.contract import Case, Context, Unit
from fbench.harness.executors import Event, Fault, Job, Turns, fault_of, inline, workers
from fbench.harness.history import History
from fbench.harness.suite import values_of


class Numbered(NamedTuple):
    n: int


CASES = [Case(f"n={n}", Numbered(n)) for n in range(5)]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def taken(schedule, lengths, lanes=1, seed=0):
    """The order in which cases are advanced, when case n has ``lengths[n]`` units and lanes are served in turn."""
    cases = CASES[: len(lengths)]
    turns, seen, order, idle = Turns(schedule, cases, seed), Counter(), [], set()
    while len(idle) < lanes:
        for lane in range(lanes):
            case = turns.next(lane)
            if case is None:
                idle.add(lane)
                continue
            assert lane not in idle, "a lane that had no more got one"
            if seen[case.id] == lengths[case.point.n]:
                turns.end(lane, case)
            else:
                seen[case.id] += 1
                order.append((lane, case.point.n))
    return order


def test_cases_end_before_the_next_begins():
    assert [n for _, n in taken("cases", [3, 0, 2])] == [0, 0, 0, 2, 2]


def test_blocks_take_a_unit_of_each():
    order = [n for _, n in taken("blocks", [3, 3, 3, 3])]
    blocks = [order[at : at + 4] for at in (0, 4, 8)]
    assert [sorted(block) for block in blocks] == [[0, 1, 2, 3]] * 3


def test_blocks_are_shuffled_anew_by_the_seed():
    orders = [[n for _, n in taken("blocks", [4] * 5, seed=seed)] for seed in range(6)]
    assert len({tuple(order) for order in orders}) > 1
    assert len({tuple(order[at : at + 5]) for order in orders for at in range(0, 20, 5)}) > 5
    assert orders[0] == [n for _, n in taken("blocks", [4] * 5, seed=0)]


def test_short_cases_leave_the_blocks():
    order = [n for _, n in taken("blocks", [1, 3, 2])]
    assert [sorted(block) for block in (order[:3], order[3:5], order[5:])] == [[0, 1, 2], [1, 2], [1]]


@pytest.mark.parametrize("schedule", ["cases", "blocks"])
@pytest.mark.parametrize("lanes", [1, 2, 3, 7])
def test_every_unit_is_taken_once_and_a_case_stays_in_its_lane(schedule, lanes):
    order = taken(schedule, [3, 1, 4, 0, 2], lanes)
    assert Counter(n for _, n in order) == {0: 3, 1: 1, 2: 4, 4: 2}
    assert len({(lane, n) for lane, n in order}) == 4


def test_lanes_share_the_cases():
    assert {lane for lane, _ in taken("cases", [2] * 5, lanes=2)} == {0, 1}
    assert {lane for lane, _ in taken("blocks", [2] * 5, lanes=2)} == {0, 1}


def test_no_cases():
    assert Turns("cases", [], 0).next(0) is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ValueError("too large\nmore"), Fault("failed", "ValueError: too large")),
        (ValueError(), Fault("failed", "ValueError")),
        (MemoryError(), Fault("oom", "MemoryError")),
        (MemoryError("8 GiB"), Fault("oom", "MemoryError: 8 GiB")),
        (torch.OutOfMemoryError("CUDA out of memory."), Fault("oom", "OutOfMemoryError: CUDA out of memory.")),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried\nx"),
            Fault("oom", "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        ),
        (KeyError("a"), Fault("failed", "KeyError: 'a'")),
    ],
)
def test_an_exception_as_a_row(error, fault):
    assert fault_of(error) == fault


def test_what_torch_says_on_the_cpu():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert fault_of(caught.value).status == "oom"


def test_what_the_system_says():
    assert fault_of(OSError(12, os.strerror(12))).status == "oom"


def job_of(toy, suite, **options):
    found = registry.SUITES.get(suite)
    chosen = replace(found.typed(), **options)
    return Job(suite, values_of(chosen), Context(), 1, (toy,)), found.grid(chosen)


def collect(job, cases, count=0, seed=0):
    """Events, and what is known of every case at their end; rows are completed as the runner does."""
    history = History(registry.SUITES.get(job.suite), {"results": [], "extra": []})
    events = workers(job, cases, history.of, seed, count) if count else inline(job, cases, history.of, seed)
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if isinstance(event.outcome, Unit):
            rows = [
                {"case": event.case.id, "step": event.outcome.index, "status": "ok", **row}
                for row in event.outcome.rows
            ]
            history.add(event.case, Unit(event.outcome.index, rows, event.outcome.tables))
    return seen, history.in_order(cases)


def faults(events):
    return {event.case.id: event.outcome for event in events if isinstance(event.outcome, Fault)}


def placed(fault):
    """The fault without the place in the toy's file, which it must begin with."""
    assert re.match(r"toy\.py:\d+: ", fault.reason)
    return replace(fault, reason=fault.reason.partition(": ")[2])


@pytest.mark.parametrize("suite", ["toy", "toyblocks"])
def test_every_case_comes_to_its_end(toy, suite):
    torch.set_num_threads(2)
    job, cases = job_of(toy, suite)
    events, rows = collect(job, cases)
    assert Counter(event.case.id for event in events if event.outcome is None) == {case.id: 1 for case in cases}
    assert len(rows["results"]) == 9
    assert len(rows["extra"]) == 3 * (1 + 2 + 3)
    assert torch.get_num_threads() == 1


def test_workers_give_the_same_units(toy):
    job, cases = job_of(toy, "toyblocks")
    _, here = collect(job, cases, seed=1)
    events, there = collect(job, cases, count=2, seed=2)
    assert there == here
    assert sum(event.outcome is None for event in events) == 3


@pytest.mark.parametrize("how", ["raise", "memory", "cuda", "undeclared"])
def test_a_case_that_raises_in_this_process(toy, tmp_path, how):
    (tmp_path / "trap").write_text(f"1:1:{how}")
    job, cases = job_of(toy, "toyblocks", trap=str(tmp_path / "trap"))
    events, rows = collect(job, cases)
    expected = {
        "raise": Fault("failed", 'ValueError: one, two, "three"'),
        "memory": Fault("oom", "MemoryError"),
        "cuda": Fault("oom", "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"),
        "undeclared": Fault("failed", "KeyError: 'nothing'"),
    }
    assert {case: placed(fault) for case, fault in faults(events).items()} == {"size=1": expected[how]}
    assert Counter(row["size"] for row in rows["results"]) == {3: 3, 1: 1, 2: 3}


def test_workers_that_die(toy, tmp_path):
    """Every way at once, in two processes: each costs its own case, and the others lose nothing."""
    ways = {2: "kill", 4: "exit", 6: "raise", 8: "memory"}
    (tmp_path / "trap").write_text(" ".join(f"{size}:1:{how}" for size, how in ways.items()))
    job, cases = job_of(toy, "toyworker", sizes=tuple(range(1, 9)), trap=str(tmp_path / "trap"))
    events, rows = collect(job, cases, count=2)
    why = "the worker process was killed (signal 9), as the system does when memory runs out"
    stopped = faults(events)
    assert stopped.pop("size=2") == Fault("oom", why)
    assert {case: placed(fault) for case, fault in stopped.items()} == {
        "size=4": Fault("failed", "SystemExit: 3"),
        "size=6": Fault("failed", 'ValueError: one, two, "three"'),
        "size=8": Fault("oom", "MemoryError"),
    }
    job, cases = job_of(toy, "toy", sizes=tuple(range(1, 9)))
    _, whole = collect(job, cases)
    for name in ("results", "extra"):
        assert [row for row in rows[name] if row["size"] % 2] == [row for row in whole[name] if row["size"] % 2]
    assert Counter(row["size"] for row in rows["results"]) == {size: 3 if size % 2 else 1 for size in range(1, 9)}


def test_the_last_case_may_kill_its_worker(toy, tmp_path):
    (tmp_path / "trap").write_text("2:0:kill")
    job, cases = job_of(toy, "toyworker", sizes=(2,), trap=str(tmp_path / "trap"))
    events, rows = collect(job, cases, count=1)
    assert [event.outcome.status for event in events] == ["oom"]
    assert rows["results"] == []


def test_leaving_early_ends_the_workers(toy):
    before = set(psutil.Process().children())
    job, cases = job_of(toy, "toyworker")
    events = workers(job, cases, lambda case: {"results": [], "extra": []}, 0, 2)
    next(events)
    own = set(psutil.Process().children()) - before
    assert len(own) >= 2
    events.close()
    assert outliving([p for p in own if "resource_tracker" not in " ".join(cmdline(p))], 5) == []


def cmdline(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


PIDS = """
    import multiprocessing, os, signal
    from dataclasses import replace
    from fbench.harness.contract import Unit
    from fbench.harness.registry import SUITES

    toy = SUITES.get("toy")

    def pids(case, options, context):
        for unit in toy.measure(case, options, context):
            yield replace(unit, rows=[{**row, "value": os.getpid()} for row in unit.rows])

    def parent(case, options, context):
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        child = spawn.Process(target=theirs.poll, args=(60,))  # ends with the pipe
        child.start()
        theirs.close()
        yield Unit(0, [{"size": case.point.size, "value": child.pid}])
        if case.point.size == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        ours.close()
        child.join()
        yield Unit(1, [{"size": case.point.size, "value": child.exitcode}])

    for executor in ("worker", "fresh"):
        SUITES.add(replace(toy, name=f"{executor}pids", measure=pids, executor=executor))
        SUITES.add(replace(toy, name=f"{executor}parent", measure=parent, executor=executor))
"""


@pytest.fixture
def pids_of(toy, tmp_path):
    """A job of a suite of ``PIDS`` on the sizes 1 to 5, and its cases: a value is the number of a process."""
    path = tmp_path / "pids.py"
    path.write_text(textwrap.dedent(PIDS))
    registry.load_file(path)

    def found(suite, sizes=range(1, 6), **options):
        job, cases = job_of(toy, suite, sizes=tuple(sizes), **options)
        return replace(job, loads=(toy, path)), cases

    return found


def by_size(rows):
    found = {}
    for row in rows["results"]:
        found.setdefault(row["size"], set()).add(row["value"])
    return found


@pytest.mark.parametrize("count", [1, 2])
def test_a_fresh_process_for_every_case(pids_of, count):
    job, cases = pids_of("freshpids", sizes=range(1, 4))
    _, rows = collect(job, cases, count=count)
    seen = by_size(rows)
    assert [len(own) for own in seen.values()] == [1] * 3  # the units of a case stay together
    assert len(set.union(*seen.values()) - {os.getpid()}) == 3
    assert len(rows["results"]) == 9


def test_a_worker_stays_for_all_cases(pids_of):
    job, cases = pids_of("workerpids", sizes=range(1, 4))
    _, rows = collect(job, cases, count=1)
    assert len(set.union(*by_size(rows).values())) == 1


def test_a_fresh_process_is_gone_before_the_next_begins(pids_of):
    """Else the memory of one case would be the machine's load in the next."""
    job, cases = pids_of("freshpids", sizes=range(1, 4))
    pids = {}
    for event in workers(job, cases, lambda case: {"results": [], "extra": []}, 0, 1):
        if isinstance(event.outcome, Unit):
            pids[event.case.id] = event.outcome.rows[0]["value"]
        else:
            assert not psutil.pid_exists(pids[event.case.id])
    assert len(pids) == 3


def test_fresh_processes_that_die_or_fail(pids_of, tmp_path):
    """One lane, so that every case follows one that came to grief."""
    (tmp_path / "trap").write_text("1:1:kill 2:1:exit 3:1:raise 4:1:memory")
    job, cases = pids_of("freshpids", trap=str(tmp_path / "trap"))
    events, rows = collect(job, cases, count=1)
    stopped = faults(events)
    assert stopped.pop("size=1").reason.startswith("the worker process was killed (signal 9)")
    assert {case: placed(fault) for case, fault in stopped.items()} == {
        "size=2": Fault("failed", "SystemExit: 3"),
        "size=3": Fault("failed", 'ValueError: one, two, "three"'),
        "size=4": Fault("oom", "MemoryError"),
    }
    seen = by_size(rows)
    assert len(set.union(*seen.values())) == len(seen) == 5
    assert Counter(row["size"] for row in rows["results"]) == {1: 1, 2: 1, 3: 1, 4: 1, 5: 3}


@pytest.mark.parametrize("executor", ["worker", "fresh"])
def test_a_case_may_start_processes_and_be_killed_beside_them(pids_of, executor):
    job, cases = pids_of(f"{executor}parent", sizes=(1, 2, 3))
    events, rows = collect(job, cases, count=1)
    assert {case: fault.status for case, fault in faults(events).items()} == {"size=2": "oom"}
    children = [row["value"] for row in rows["results"] if row["value"]]
    assert [row["size"] for row in rows["results"] if row["value"] == 0] == [1, 3]  # exit codes
    assert len(set(children)) == 3
    assert outliving([psutil.Process(pid) for pid in children if psutil.pid_exists(pid)], 10) == []
