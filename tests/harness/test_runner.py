"""A run: rows in key order whoever measured them when, and the same bytes however often it was interrupted."""

from __future__ import annotations

import csv
import functools
import random
import re
from dataclasses import replace

import pytest
import torch

from fbench import cli
from fbench.errors import FolderError, NothingMeasuredError
from fbench.harness import disk, history, registry, runner
from fbench.harness.contract import Unit
from fbench.harness.executors import Event, Fault
from fbench.harness.identity import identify, read_identity
from fbench.harness.placing import Terms
from fbench.harness.runner import Settings
from fbench.harness.state import read_state
from fbench.runs import report, study


@pytest.fixture(autouse=True)
def quick(monkeypatch, toy):
    """The machine is not looked at for every one of a test's runs, and torch's threads stay as they were."""
    monkeypatch.setattr(study, "environment", functools.cache(study.environment))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Listener:
    """Writes down what it is told, and interrupts after so many units."""

    def __init__(self, units=None):
        self.units, self.told, self.faults, self.plan = units, [], {}, None

    def planned(self, done, total):
        self.plan = done, total

    def measured(self, case, unit, left_s):
        self.told.append((case.id, unit, left_s))
        if len(self.told) == self.units:
            raise KeyboardInterrupt

    def stopped(self, case, fault):
        self.faults[case.id] = fault


def options_of(suite, **typed):
    return suite.typed(**typed)


def drive(out, name="toy", listener=None, *, loads=(), settings=None, **typed):
    """A run as the command line makes it: identify, enter, run."""
    suite = registry.SUITES.get(name)
    options, settings = options_of(suite, **typed), settings or Settings(Terms(out), loads=loads)
    identity = identify(suite, options, settings.devices, settings.threads, settings.loads)
    run_folder, _ = study.start(study.Study(suite, options, settings, identity))
    try:
        return runner.run(suite, options, settings, run_folder, listener or Listener())
    finally:
        run_folder.close()


def finished(path):
    return read_state(path).finished


def tables_of(path):
    return {name: (path / f"{name}.csv").read_bytes() for name in ("results", "extra")}


def read(path):
    with (path / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


SUITES = ["toy", "toyblocks", "toyopen"]


@pytest.mark.parametrize("name", SUITES)
def test_rows_are_in_key_order(tmp_path, name):
    listener = Listener()
    rows = drive(tmp_path / "run", name, listener)
    assert [(row["size"], row["step"]) for row in rows["results"]] == [(s, t) for s in (3, 1, 2) for t in range(3)]
    assert {(row["status"], row["reason"]) for row in rows["results"]} == {("ok", "")}
    assert [row["size"] for row in read(tmp_path / "run")] == [str(row["size"]) for row in rows["results"]] != [1, 2, 3]
    assert len(rows["extra"]) == 18
    assert finished(tmp_path / "run")
    assert listener.plan == (0, None if name == "toyopen" else 9)


def test_dear_cases_start_first(tmp_path):
    listener = Listener()
    drive(tmp_path / "run", "toyopen", listener)
    assert [case for case, unit, _ in listener.told if unit == 0] == ["size=3", "size=2", "size=1"]


def test_the_order_of_execution_leaves_no_trace(tmp_path):
    for name in SUITES:
        drive(tmp_path / name, name)
    assert tables_of(tmp_path / "toy") == tables_of(tmp_path / "toyblocks") == tables_of(tmp_path / "toyopen")


def test_any_order_at_all_gives_the_same_tables(tmp_path, monkeypatch):
    drive(tmp_path / "whole")

    def shuffled(job, cases, committed, seed):
        suite = registry.SUITES.get("toy")
        options = suite.options(**job.options)
        units = {case.id: list(suite.measure(case, options, job.context)) for case in cases}
        turns = [case for case in cases for _ in range(3)]
        random.Random(seed_of_this).shuffle(turns)
        for case in turns:
            yield Event(case, units[case.id].pop(0))

    monkeypatch.setattr(runner.executors, "inline", shuffled)
    for seed_of_this in range(10):
        drive(tmp_path / f"{seed_of_this}")
        assert tables_of(tmp_path / f"{seed_of_this}") == tables_of(tmp_path / "whole")


def test_processes_leave_no_trace(tmp_path, toy):
    drive(tmp_path / "whole")
    drive(tmp_path / "two", settings=Settings(Terms(tmp_path / "two"), jobs=2, loads=(toy,)))
    drive(tmp_path / "worker", "toyworker", settings=Settings(Terms(tmp_path / "worker"), loads=(toy,)))
    assert tables_of(tmp_path / "two") == tables_of(tmp_path / "worker") == tables_of(tmp_path / "whole")


@pytest.fixture
def fresh(toy, tmp_path):
    """The toy suite with a process for every case; gives settings that its processes can load it by."""
    path = tmp_path / "fresh.py"
    path.write_text(
        "from dataclasses import replace\nfrom fbench.harness.registry import SUITES\n"
        "SUITES.add(replace(SUITES.get('toy'), name='toyfresh', executor='fresh'))\n"
    )
    registry.load_file(path)
    return lambda **more: Settings(Terms(tmp_path / "run"), loads=(toy, path), **more)


def test_a_run_of_fresh_processes_goes_on_where_it_stopped(tmp_path, fresh):
    drive(tmp_path / "whole")
    for units, already in ((2, 0), (3, 2)):  # within the first case, and within the second
        listener = Listener(units)
        with pytest.raises(KeyboardInterrupt):
            drive(tmp_path / "run", "toyfresh", listener, settings=fresh())
        assert listener.plan == (already, 9)
    listener = Listener()
    drive(tmp_path / "run", "toyfresh", listener, settings=fresh())
    assert (listener.plan, len(listener.told)) == ((5, 9), 4)
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")


def test_a_fresh_process_that_is_killed_is_a_row(tmp_path, trap, fresh):
    trap.write_text("3:1:kill")
    rows = drive(tmp_path / "run", "toyfresh", settings=fresh(), trap=str(trap))["results"]
    assert [(row["size"], row["status"]) for row in rows] == [(3, "ok"), (3, "oom"), *[(1, "ok")] * 3, *[(2, "ok")] * 3]
    assert "killed (signal 9)" in rows[1]["reason"]
    trap.unlink()
    drive(tmp_path / "run", "toyfresh", settings=fresh(retry=True), trap=str(trap))
    drive(tmp_path / "whole")
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")


@pytest.mark.parametrize("name", SUITES)
def test_interrupted_anywhere_the_bytes_are_the_same(tmp_path, name):
    drive(tmp_path / "whole", name)
    for units in range(1, 10):
        path, listener = tmp_path / str(units), Listener()
        with pytest.raises(KeyboardInterrupt):
            drive(path, name, Listener(units))
        assert len(read(path)) == units
        assert not finished(path)
        rows = drive(path, name, listener)
        assert listener.plan[0] == units
        assert len(listener.told) == 9 - units
        assert tables_of(path) == tables_of(tmp_path / "whole")
        assert len(rows["results"]) == 9


@pytest.mark.parametrize("name", SUITES)
def test_interrupted_after_every_unit(tmp_path, name):
    drive(tmp_path / "whole", name)
    for _ in range(9):
        with pytest.raises(KeyboardInterrupt):
            drive(tmp_path / "run", name, Listener(1))
    listener = Listener()
    drive(tmp_path / "run", name, listener)
    assert listener.told == []
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")


def test_a_torn_tail_is_measured_again(tmp_path):
    drive(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        drive(tmp_path / "run", listener=Listener(4))
    for name in ("results", "extra"):
        with (tmp_path / "run" / f"{name}.csv").open("ab") as file:
            file.write(b'size=9,"torn')
    drive(tmp_path / "run")
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")


def test_what_is_given_is_what_is_on_disk(tmp_path):
    """A summary must not depend on whether the run was just measured or is rendered again."""
    fresh = drive(tmp_path / "run")
    again = drive(tmp_path / "run")
    assert again == fresh
    assert [list(row) for row in again["results"]] == [list(row) for row in fresh["results"]]


def test_a_finished_run_is_not_measured_again(tmp_path):
    drive(tmp_path / "run")
    before, listener = tables_of(tmp_path / "run"), Listener()
    drive(tmp_path / "run", listener=listener)
    assert (listener.plan, listener.told) == ((9, 9), [])
    assert tables_of(tmp_path / "run") == before


def test_a_finished_run_of_unknown_length_is_not_measured_again(tmp_path, monkeypatch):
    drive(tmp_path / "run", "toyopen")
    suite = registry.SUITES.get("toyopen")
    broken = replace(suite, measure=lambda *_, **__: pytest.fail("measured again"))
    monkeypatch.setitem(registry.SUITES._values, "toyopen", broken)
    drive(tmp_path / "run", "toyopen")


@pytest.fixture
def trap(tmp_path):
    return tmp_path / "trap"


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize(("how", "status"), [("raise", "failed"), ("memory", "oom")])
def test_a_fault_is_a_row_and_the_others_go_on(tmp_path, trap, name, how, status):
    trap.write_text(f"1:1:{how}")
    listener = Listener()
    rows = drive(tmp_path / "run", name, listener, trap=str(trap))["results"]
    assert [(row["size"], row["step"], row["status"]) for row in rows] == [
        *((3, step, "ok") for step in range(3)),
        *((1, 0, "ok"), (1, 1, status)),
        *((2, step, "ok") for step in range(3)),
    ]
    told = {"raise": r'toy\.py:\d+: ValueError: one, two, "three"', "memory": r"toy\.py:\d+: MemoryError"}[how]
    assert re.fullmatch(told, rows[4]["reason"])
    assert rows[4].get("value") is None
    assert listener.faults == {"size=1": Fault(status, rows[4]["reason"])}
    assert [row["value"] for row in read(tmp_path / "run")][4] == ""


def test_a_stopped_case_has_no_time_left(tmp_path, trap):
    trap.write_text("3:0:raise")
    listener = Listener()
    drive(tmp_path / "run", listener=listener, trap=str(trap))
    assert listener.told[-1][2] == 0


@pytest.mark.parametrize("name", SUITES)
def test_faults_stay_unless_they_are_retried(tmp_path, trap, name):
    path = tmp_path / "run"
    trap.write_text("1:1:raise 2:0:memory")
    drive(path, name, trap=str(trap))
    before = tables_of(path)
    trap.unlink()
    listener = Listener()
    drive(path, name, listener, trap=str(trap))
    assert tables_of(path) == before
    assert listener.told == []
    again = Listener()
    drive(path, name, again, settings=Settings(Terms(path), retry=True), trap=str(trap))
    assert again.plan[0] == 4
    drive(tmp_path / "whole", name)
    assert tables_of(path) == tables_of(tmp_path / "whole")


def test_retrying_may_be_interrupted(tmp_path, trap):
    path, settings = tmp_path / "run", Settings(Terms(tmp_path / "run"), retry=True)
    trap.write_text("1:1:raise 2:0:memory")
    drive(path, trap=str(trap))
    trap.unlink()
    with pytest.raises(KeyboardInterrupt):
        drive(path, listener=Listener(1), settings=settings, trap=str(trap))
    drive(path, trap=str(trap))
    drive(tmp_path / "whole")
    assert tables_of(path) == tables_of(tmp_path / "whole")


def test_retrying_a_good_run_changes_nothing(tmp_path):
    drive(tmp_path / "run")
    before, listener = tables_of(tmp_path / "run"), Listener()
    drive(tmp_path / "run", listener=listener, settings=Settings(Terms(tmp_path / "run"), retry=True))
    assert (tables_of(tmp_path / "run"), listener.told) == (before, [])


@pytest.mark.parametrize(("traps", "code"), [("", 0), ("1:1:raise", 1), ("1:1:memory", 1), ("1:0:raise 2:0:memory", 1)])
def test_exit_codes(tmp_path, trap, toy, showwarning, traps, code):
    trap.write_text(traps)
    typed = [
        "toy",
        "--load",
        str(toy),
        "--out",
        str(tmp_path / "run"),
        "--trap",
        str(trap),
        "--threads",
        "1",
        "--jobs",
        "1",
    ]
    registry.SUITES._values.pop("toy")
    for name in ("toyblocks", "toyopen", "toyworker"):
        registry.SUITES._values.pop(name)
    assert cli.run(typed) == code


@pytest.mark.parametrize("name", ["toy", "toyblocks"])
def test_nothing_measured(tmp_path, trap, name):
    trap.write_text("3:0:raise 1:0:memory 2:0:raise")
    suite = registry.SUITES.get(name)
    options = options_of(suite, trap=str(trap))
    rows = drive(tmp_path / "run", name, trap=str(trap))
    with pytest.raises(
        NothingMeasuredError,
        match=r"nothing was measured in .*run: toy.py:\d+: ValueError: .*; toy.py:\d+: MemoryError",
    ) as caught:
        report.summarised(suite, options, rows, {}, {}, 0.0, tmp_path / "run")
    assert caught.value.exit_code == 4


def test_options_are_recorded_resolved(tmp_path, toy):
    drive(tmp_path / "run", loads=(toy,), sizes="1,2")
    found = read_identity(tmp_path / "run")
    assert found["options"] == {"sizes": [1, 2], "steps": 3, "rate": 0.1, "trap": "", "pause": 0.0}
    assert (found["suite"], found["devices"], found["threads"]) == ("toy", ["cpu"], 1)
    assert found["loaded"][0]["path"] == str(toy)
    assert len(found["loaded"][0]["sha256"]) == 64


def test_overwriting_leaves_nothing_of_the_old_run(tmp_path):
    drive(tmp_path / "whole", steps=2)
    drive(tmp_path / "run", steps=3)
    drive(tmp_path / "run", steps=2, settings=Settings(Terms(tmp_path / "run", overwrite=True)))
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")
    assert read_identity(tmp_path / "run")["options"]["steps"] == 2


def test_a_disk_that_fills_and_is_mended(tmp_path, monkeypatch):
    drive(tmp_path / "whole")
    append, left = disk.append, [11]

    def full(path, start, data):
        left[0] -= 1
        if not left[0]:
            append(path, start, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        append(path, start, data)

    monkeypatch.setattr(disk, "append", full)
    with pytest.raises(FolderError, match="No space left on device"):
        drive(tmp_path / "run")
    drive(tmp_path / "run")
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")


def test_a_row_of_its_own_status_is_kept(tmp_path, monkeypatch):
    """``skipped``, with the reason, is a measure's to say."""
    suite = registry.SUITES.get("toy")

    def measure(case, options, context):
        yield Unit(0, [{"size": case.point.size, "status": "skipped", "reason": "odd"}])
        yield Unit(1, [{"size": case.point.size, "value": 1.0}])

    monkeypatch.setitem(registry.SUITES._values, "toy", replace(suite, measure=measure, units=lambda options: 2))
    rows = drive(tmp_path / "run")["results"]
    assert [(row["status"], row["reason"]) for row in rows] == [("skipped", "odd"), ("ok", "")] * 3
    assert "skipped" in history.GOOD


def finished_with_ranks(tables, options):
    """Every good row's place by its value among all of the run, as its reason; and one row of the side table a case."""
    good = sorted(row["value"] for row in tables["results"] if row["status"] == "ok")
    results = [
        {**row, "reason": f"{good.index(row['value']) + 1} of {len(good)}"} if row["status"] == "ok" else row
        for row in tables["results"]
    ]
    last = {row["case"]: {**row, "step": options.steps} for row in tables["extra"]}
    return {"results": results, "extra": list(last.values())}


@pytest.fixture
def finishing(monkeypatch):
    """The toy suites with what only the whole run can tell."""
    for name in SUITES:
        suite = replace(registry.SUITES.get(name), finish=finished_with_ranks)
        monkeypatch.setitem(registry.SUITES._values, name, suite)


@pytest.mark.parametrize("name", SUITES)
def test_the_rows_of_a_finished_run_are_as_finish_leaves_them(tmp_path, name, finishing):
    path = tmp_path / "run"
    rows = drive(path, name)
    assert [row["reason"] for row in rows["results"] if row["size"] == 3] == ["5 of 9", "8 of 9", "9 of 9"]
    assert all(row["reason"].endswith(" of 9") for row in rows["results"])
    assert [row["reason"] for row in read(path)] == [row["reason"] for row in rows["results"]]
    assert [(row["size"], row["step"]) for row in rows["extra"]] == [(3, 3), (1, 3), (2, 3)]
    before = tables_of(path)
    assert drive(path, name) == rows  # rendered again
    assert tables_of(path) == before


@pytest.mark.parametrize("name", SUITES)
def test_interrupted_anywhere_finish_sees_the_whole_run(tmp_path, name, finishing):
    drive(tmp_path / "whole", name)
    for units in (1, 5, 9):
        path = tmp_path / str(units)
        with pytest.raises(KeyboardInterrupt):
            drive(path, name, Listener(units))
        assert all(row["reason"] == "" for row in read(path))
        drive(path, name)
        assert tables_of(path) == tables_of(tmp_path / "whole")


@pytest.mark.parametrize("name", SUITES)
def test_retried_finish_is_done_again(tmp_path, trap, name, finishing):
    path = tmp_path / "run"
    trap.write_text("1:1:raise 2:0:memory")
    drive(path, name, trap=str(trap))
    assert {row["reason"] for row in read(path) if row["status"] == "ok"} == {f"{place} of 4" for place in range(1, 5)}
    trap.unlink()
    drive(path, name, settings=Settings(Terms(path), retry=True), trap=str(trap))
    drive(tmp_path / "whole", name)
    assert tables_of(path) == tables_of(tmp_path / "whole")


def test_cases_may_say_themselves_what_they_still_take(tmp_path, monkeypatch):
    """Two seconds, one, none; cases that have not begun take as long as the others said, by what they cost: 3, 2, 1."""
    suite = registry.SUITES.get("toyopen")

    def measure(case, options, context):
        for unit in suite.measure(case, options, context):
            yield replace(unit, left_s=2.0 - unit.index)

    monkeypatch.setitem(registry.SUITES._values, "toyopen", replace(suite, measure=measure))
    listener = Listener()
    drive(tmp_path / "run", "toyopen", listener)
    left = [left for *_, left in listener.told]
    assert left[0] == pytest.approx(2 + 2 * (2 + 1) / 3, abs=0.5)
    assert left[3] == pytest.approx(2 + 2 / 2, abs=0.7)
    assert left[-3:] == [2, 1, 0]


def test_a_measure_knows_how_many_units_are_done(tmp_path, monkeypatch):
    suite, done = registry.SUITES.get("toy"), []

    def measure(case, options, context):
        done.append((case.id, context.done))
        return suite.measure(case, options, context)

    monkeypatch.setitem(registry.SUITES._values, "toy", replace(suite, measure=measure))
    with pytest.raises(KeyboardInterrupt):
        drive(tmp_path / "run", listener=Listener(2))
    drive(tmp_path / "run")
    assert done == [("size=3", 0), ("size=3", 2), ("size=1", 0), ("size=2", 0)]


def test_a_measure_knows_devices_and_threads(tmp_path, monkeypatch):
    suite, seen = registry.SUITES.get("toy"), []

    def measure(case, options, context):
        seen.append((context.devices, context.threads))
        return suite.measure(case, options, context)

    monkeypatch.setitem(registry.SUITES._values, "toy", replace(suite, measure=measure))
    drive(tmp_path / "run", settings=Settings(Terms(tmp_path / "run"), threads=2, devices=("cpu", "cpu")), sizes="1")
    assert seen == [(("cpu", "cpu"), 2)]
