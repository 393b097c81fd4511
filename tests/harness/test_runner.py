"""A run: rows in key order whoever measured them when, and the same bytes however often it was interrupted."""

from __future__ import annotations

import csv
import functools
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fbench import cli
from fbench.cli import report
from fbench.errors import FolderError, NothingMeasuredError
from fbench.harness import folder, history, registry, runner
from fbench.harness.contract import Unit
from fbench.harness.executors import Event, Fault
from fbench.harness.runner import Settings


@pytest.fixture(autouse=True)
def quick(monkeypatch, toy):
    """The machine is not looked at for every one of a test's runs, and torch's threads stay as they were."""
    monkeypatch.setattr(runner, "environment", functools.cache(runner.environment))
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
    """A run as the command line makes it: identify, place, open, run."""
    suite = registry.SUITES.get(name)
    options, settings = options_of(suite, **typed), settings or Settings(out=out, loads=loads)
    identity = runner.identify(suite, options, settings)
    path, resumed = runner.place(suite, identity, settings)
    run_folder = runner.open_folder(suite, path, resumed, identity, settings)
    try:
        return runner.run(suite, options, settings, run_folder, listener or Listener())
    finally:
        run_folder.close()


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
    assert folder.is_finished(tmp_path / "run")
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
    drive(tmp_path / "two", settings=Settings(out=tmp_path / "two", jobs=2, loads=(toy,)))
    drive(tmp_path / "worker", "toyworker", settings=Settings(out=tmp_path / "worker", loads=(toy,)))
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
    return lambda **more: Settings(out=tmp_path / "run", loads=(toy, path), **more)


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
        assert not folder.is_finished(path)
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
    monkeypatch.setattr(runner, "_sources", lambda suite: "")
    identity = json.loads((tmp_path / "run" / "options.json").read_text())
    settings = Settings(out=tmp_path / "run")
    run_folder = runner.open_folder(suite, settings.out, True, identity, settings)
    try:
        runner.run(broken, options_of(suite), settings, run_folder, Listener())
    finally:
        run_folder.close()


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
    drive(path, name, again, settings=Settings(out=path, retry=True), trap=str(trap))
    assert again.plan[0] == 4
    drive(tmp_path / "whole", name)
    assert tables_of(path) == tables_of(tmp_path / "whole")


def test_retrying_may_be_interrupted(tmp_path, trap):
    path, settings = tmp_path / "run", Settings(out=tmp_path / "run", retry=True)
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
    drive(tmp_path / "run", listener=listener, settings=Settings(out=tmp_path / "run", retry=True))
    assert (tables_of(tmp_path / "run"), listener.told) == (before, [])


@pytest.mark.parametrize(("traps", "code"), [("", 0), ("1:1:raise", 1), ("1:1:memory", 0), ("1:0:raise 2:0:memory", 1)])
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
    suite, settings = registry.SUITES.get(name), Settings(out=tmp_path / "run")
    options = options_of(suite, trap=str(trap))
    rows = drive(settings.out, name, trap=str(trap))
    run_folder = folder.RunFolder(settings.out, suite.all_tables(), suite.unit)
    with pytest.raises(
        NothingMeasuredError,
        match=r"nothing was measured in .*run: toy.py:\d+: ValueError: .*; toy.py:\d+: MemoryError",
    ) as caught:
        report.write_report(suite, options, rows, run_folder)
    assert caught.value.exit_code == 4


def fingerprint(name="toy", settings=None, **typed):
    suite = registry.SUITES.get(name)
    return runner.identify(suite, options_of(suite, **typed), settings or Settings())["fingerprint"]


def test_the_fingerprint_is_of_what_the_numbers_depend_on(toy):
    plain = fingerprint()
    assert len(plain) == 64
    assert plain == fingerprint()
    assert plain == fingerprint(settings=Settings(out=Path("a"), reports=Path("b"), jobs=3, fresh=True))
    assert plain == fingerprint(settings=Settings(retry=True, overwrite=True))
    others = [
        fingerprint(steps=4),
        fingerprint(sizes="3,2,1"),
        fingerprint(rate=0.2),
        fingerprint("toyblocks"),
        fingerprint(settings=Settings(threads=2)),
        fingerprint(settings=Settings(devices=("cuda:0",))),
        fingerprint(settings=Settings(loads=(toy,))),
    ]
    assert len({plain, *others}) == 1 + len(others)


def test_the_fingerprint_is_of_the_sources(toy, tmp_path, monkeypatch):
    plain, loaded = fingerprint(), fingerprint(settings=Settings(loads=(toy,)))
    toy.write_text(toy.read_text() + "# changed\n")
    assert fingerprint() != plain
    assert fingerprint(settings=Settings(loads=(toy,))) != loaded
    copy = tmp_path / "fbench"
    copy.mkdir()
    (copy / "__init__.py").write_text("1")
    monkeypatch.setattr(runner.fbench, "__file__", str(copy / "__init__.py"))
    first = fingerprint()
    (copy / "__init__.py").write_text("2")
    assert fingerprint() != first


def test_the_fingerprint_is_of_every_suite(tmp_path, monkeypatch):
    """A suite may import another: ``compare --drift`` does."""
    (tmp_path / "drift").mkdir()
    (tmp_path / "drift" / "watcher.py").write_text("1")
    monkeypatch.setattr(sys.modules["fbench.suites"], "__path__", [str(tmp_path)])
    options = {"strategies": "random", "model": "small"}
    first = fingerprint("compare", **options)
    (tmp_path / "drift" / "watcher.py").write_text("2")
    assert fingerprint("compare", **options) != first


def test_options_are_recorded_resolved(tmp_path, toy):
    drive(tmp_path / "run", loads=(toy,), sizes="1,2")
    found = folder.identity_of(tmp_path / "run")
    assert found["options"] == {"sizes": [1, 2], "steps": 3, "rate": 0.1, "trap": "", "pause": 0.0}
    assert (found["suite"], found["devices"], found["threads"]) == ("toy", ["cpu"], 1)
    assert found["loaded"][0]["path"] == str(toy)
    assert len(found["loaded"][0]["sha256"]) == 64


class Places:
    """Runs of the toy suite below ``reports`` or in ``--out``, and where the next would go."""

    def __init__(self, home):
        self.home, self.suite = home, registry.SUITES.get("toy")

    def identity(self, **typed):
        return runner.identify(self.suite, options_of(self.suite, **typed), Settings())

    def find(self, *, steps=3, **settings):
        return runner.place(self.suite, self.identity(steps=steps), Settings(reports=self.home, **settings))

    def make(self, path, *, steps=3, finished=False):
        run = folder.RunFolder(path, self.suite.all_tables(), "step")
        run.create(self.identity(steps=steps), {})
        if finished:
            run.rewrite({"results": [], "extra": []}, finished=True)
        run.close()
        return path


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "reports")


def test_a_new_run_gets_an_id_that_sorts_by_time(places):
    path, resumed = places.find()
    assert path.parent == places.home / "toy"
    assert path.name[:2] == "20"
    assert path.name.endswith(places.identity()["fingerprint"][:6])
    assert ":" not in path.name
    assert not resumed
    assert not path.exists()


def test_two_runs_of_a_second_do_not_share_a_folder(places):
    first = places.make(places.find()[0], finished=True)
    assert places.find()[0] != first


def test_the_newest_unfinished_run_is_taken_up(places):
    home = places.home / "toy"
    for name in ("20260101-000000-a", "20260102-000000-a"):
        places.make(home / name)
    places.make(home / "20260103-000000-a", finished=True)
    places.make(home / "20260104-000000-b", steps=4)
    (home / "20260105-000000-foreign").mkdir()
    (home / "20260106-file").write_text("")
    assert places.find() == (home / "20260102-000000-a", True)
    assert places.find(steps=4) == (home / "20260104-000000-b", True)
    path, resumed = places.find(fresh=True)
    assert not path.exists()
    assert not resumed


def test_a_finished_run_without_out_is_a_new_one(places):
    done = places.make(places.home / "toy" / "20260101-000000-a", finished=True)
    path, resumed = places.find()
    assert path != done
    assert not resumed


def test_killed_before_it_had_a_state(places, tmp_path):
    """The folder is ours already, and there is nothing in it to take up."""
    for path, found in [(places.home / "toy" / "20260101-000000-a", {}), (tmp_path / "run", {"out": tmp_path / "run"})]:
        places.make(path)
        (path / "state.json").unlink()
        assert places.find(**found) == (path, False)


@pytest.mark.parametrize("finished", [True, False])
def test_out_of_the_same_fingerprint_is_taken_up(places, tmp_path, finished):
    out = places.make(tmp_path / "run", finished=finished)
    assert places.find(out=out) == (out, True)
    assert places.find(out=out, fresh=True) == (out, False)
    assert places.find(out=out, overwrite=True) == (out, False)


def test_out_of_another_fingerprint_is_refused_unless_overwritten(places, tmp_path):
    out = places.make(tmp_path / "run")
    wrong = (
        r"--out .*run holds a run with other options.*\(steps was 3, is 4\); choose another --out, or give --overwrite"
    )
    for fresh in (False, True):
        with pytest.raises(FolderError, match=wrong):
            places.find(out=out, steps=4, fresh=fresh)
    assert places.find(out=out, steps=4, overwrite=True) == (out, False)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_foreign_folder_is_never_touched(places, tmp_path, overwrite):
    out = tmp_path / "home"
    out.mkdir()
    (out / "results.csv").write_text("mine")
    with pytest.raises(FolderError, match=r"--out .*home is not empty and not a run of fbench; nothing was touched"):
        places.find(out=out, overwrite=overwrite)
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("results.csv", "mine")]


def test_out_that_is_a_file(places, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderError, match=r"--out .*file is a file; give a folder"):
        places.find(out=tmp_path / "file", overwrite=True)


@pytest.mark.parametrize("names", [[], [".lock"], ["options.json.new", ".lock"]])
def test_an_empty_out_is_used(places, tmp_path, names):
    (tmp_path / "new").mkdir()
    for name in names:
        (tmp_path / "new" / name).write_text("")
    assert places.find(out=tmp_path / "new") == (tmp_path / "new", False)
    assert places.find(out=tmp_path / "newer" / "still") == (tmp_path / "newer" / "still", False)


def test_overwriting_leaves_nothing_of_the_old_run(tmp_path):
    drive(tmp_path / "whole", steps=2)
    drive(tmp_path / "run", steps=3)
    drive(tmp_path / "run", steps=2, settings=Settings(out=tmp_path / "run", overwrite=True))
    assert tables_of(tmp_path / "run") == tables_of(tmp_path / "whole")
    assert folder.identity_of(tmp_path / "run")["options"]["steps"] == 2


def test_a_disk_that_fills_and_is_mended(tmp_path, monkeypatch):
    drive(tmp_path / "whole")
    append, left = folder.RunFolder._append, [11]

    def full(self, name, text, start):
        left[0] -= 1
        if not left[0]:
            append(self, name, text[: len(text) // 2], start)
            raise OSError(28, "No space left on device")
        append(self, name, text, start)

    monkeypatch.setattr(folder.RunFolder, "_append", full)
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
    drive(path, name, settings=Settings(out=path, retry=True), trap=str(trap))
    drive(tmp_path / "whole", name)
    assert tables_of(path) == tables_of(tmp_path / "whole")


def test_cases_may_say_themselves_what_they_still_take(tmp_path, monkeypatch):
    """Two seconds, one, none; cases that have not begun take as long as the others said at first."""
    suite = registry.SUITES.get("toyopen")

    def measure(case, options, context):
        for unit in suite.measure(case, options, context):
            yield replace(unit, left_s=2.0 - unit.index)

    monkeypatch.setitem(registry.SUITES._values, "toyopen", replace(suite, measure=measure))
    listener = Listener()
    drive(tmp_path / "run", "toyopen", listener)
    assert [left for *_, left in listener.told] == [6, 5, 4, 4, 3, 2, 2, 1, 0]


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
    drive(tmp_path / "run", settings=Settings(out=tmp_path / "run", threads=2, devices=("cpu", "cpu")), sizes="1")
    assert seen == [(("cpu", "cpu"), 2)]
