"""A run's folder survives a kill, a full disk and other people: what was committed is there, whole, or the new is."""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from fbench.errors import FolderError
from fbench.harness import folder, runner
from fbench.harness.contract import COMMON_COLUMNS, Column, Unit
from fbench.harness.folder import RunFolder

KEY = (COMMON_COLUMNS[0], Column("step", "int", "", "unit"))
TABLES = {
    "results": (*KEY, Column("value", "float", "", ""), *COMMON_COLUMNS[1:]),
    "extra": (*KEY, Column("item", "int", "", "")),
}
IDENTITY = {"suite": "toy", "options": {}, "fingerprint": "f" * 64}


def unit_of(step: int) -> Unit:
    """Odd steps have no side rows; texts need quotes and more than one byte a letter."""
    row = {"case": f"λ={step}", "step": step, "value": step / 3, "status": "ok", "reason": 'a, "b"\nc'}
    items = range(3) if step % 2 == 0 else ()
    return Unit(step, [row], {"extra": [{"case": f"λ={step}", "step": step, "item": i} for i in items]})


UNITS = [unit_of(step) for step in range(4)]


def rows_of(units):
    return {
        "results": [row for unit in units for row in unit.rows],
        "extra": [row for unit in units for row in unit.tables["extra"]],
    }


FINAL = {name: rows[::-1] for name, rows in rows_of(UNITS).items()}
"""What the last rewrite puts in place of the rows as they came: the same in another order, so that they differ."""


@contextmanager
def opened(path, *, resumed=None):
    run = RunFolder(path, TABLES, "step")
    resumed = (path / "state.json").exists() if resumed is None else resumed
    try:
        if resumed:
            run.take_up()
        else:
            run.create(IDENTITY, {"cpu": None})
        yield run
    finally:
        run.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def contents(path):
    """Every file but the lock's; the state without the time, which no two runs share."""
    found = {p.name: p.read_bytes() for p in path.iterdir() if p.is_file() and p.name != ".lock"}
    if "state.json" in found:
        found["state.json"] = {k: v for k, v in json.loads(found["state.json"]).items() if k != "spent_s"}
    return found


def test_a_new_folder_has_headers_and_is_ours(path):
    with opened(path) as run:
        assert not run.finished
        assert run.rows() == {"results": [], "extra": []}
    assert set(contents(path)) == {"options.json", "environment.json", "state.json", "results.csv", "extra.csv"}
    assert folder.identity_of(path) == IDENTITY
    assert json.loads((path / "environment.json").read_text()) == {"cpu": None}
    assert not folder.is_finished(path)


def test_units_are_there_when_taken_up(path):
    with opened(path) as run:
        for done, unit in enumerate(UNITS, start=1):
            run.commit(unit)
            assert run.rows() == rows_of(UNITS[:done])
    with opened(path) as run:
        assert run.rows() == rows_of(UNITS)
        assert not run.finished


def test_a_run_in_parts_leaves_the_bytes_of_one_in_one_go(path, tmp_path):
    with opened(tmp_path / "whole") as run:
        for unit in UNITS:
            run.commit(unit)
    for unit in UNITS:
        with opened(path) as run:
            run.commit(unit)
    assert contents(path) == contents(tmp_path / "whole")


def test_rewriting_replaces_every_table(path):
    with opened(path) as run:
        for unit in UNITS:
            run.commit(unit)
        run.rewrite(FINAL, finished=True)
        assert run.rows() == FINAL
        assert run.finished
    assert folder.is_finished(path)
    assert not list(path.glob("*.new"))
    with opened(path) as run:
        assert run.rows() == FINAL
        assert run.finished


def test_a_rewritten_folder_can_go_on(path):
    with opened(path) as run:
        run.commit(UNITS[0])
        run.commit(UNITS[1])
        run.rewrite(rows_of(UNITS[:1]), finished=False)
        run.commit(UNITS[2])
    with opened(path) as run:
        assert run.rows() == rows_of([UNITS[0], UNITS[2]])


@pytest.mark.parametrize("name", ["results", "extra"])
@pytest.mark.parametrize("tail", [b"x", b"\xce", b'"torn', b"a,0,0.5,ok,\n", b"\n" * 9])
def test_a_tail_that_was_not_committed_is_cut(path, name, tail):
    with opened(path) as run:
        run.commit(UNITS[0])
    with (path / f"{name}.csv").open("ab") as file:
        file.write(tail)
    with opened(path) as run:
        assert run.rows() == rows_of(UNITS[:1])
        run.commit(UNITS[1])
        assert run.rows() == rows_of(UNITS[:2])


@pytest.mark.parametrize("lose", [lambda p: os.truncate(p, p.stat().st_size - 1), Path.unlink], ids=["cut", "gone"])
@pytest.mark.parametrize("name", ["results", "extra"])
def test_committed_bytes_that_are_missing(path, name, lose):
    with opened(path) as run:
        run.commit(UNITS[0])
    lose(path / f"{name}.csv")
    before = contents(path)
    with (
        pytest.raises(FolderError, match=rf"{name}\.csv is shorter than what was committed to it; restore it, or use"),
        opened(path),
    ):
        pass
    assert contents(path) == before


class Killed(BaseException):
    """The process ends here."""


class TornFile:
    """A file whose writes count, and may be torn in two."""

    def __init__(self, file, step):
        self._file, self._step = file, step

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        return self._step(lambda: self._file.write(data), lambda: self._file.write(data[: len(data) // 2]))

    def truncate(self):
        return self._step(self._file.truncate)


class Fate:
    """Every change of the file system is a step; the one numbered ``at`` fails before, halfway or after it is done."""

    def __init__(self, monkeypatch, at, when, error):
        self.at, self.when, self.error, self.steps = at, when, error, 0
        self.once = isinstance(error, OSError)
        for owner, name in [(Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (os, "truncate"), (shutil, "rmtree")]:
            monkeypatch.setattr(owner, name, self.wrap(getattr(owner, name)))
        self.opener = Path.open
        monkeypatch.setattr(Path, "write_bytes", lambda path, data: self.put(path, data))
        monkeypatch.setattr(Path, "write_text", lambda path, text, encoding=None: self.put(path, text.encode()))
        monkeypatch.setattr(Path, "open", lambda path, mode="r", *a, **k: self.open(path, mode, *a, **k))

    def wrap(self, call):
        return lambda *a, **k: self.step(lambda: call(*a, **k))

    def open(self, path, mode, *a, **k):
        if "b" not in mode:  # the lock, and reading
            return self.opener(path, mode, *a, **k)
        return TornFile(self.step(lambda: self.opener(path, mode, *a, **k)), self.step)

    def put(self, path, data):
        def write(data):
            with self.opener(path, "wb") as file:
                file.write(data)

        self.step(lambda: write(data), lambda: write(data[: len(data) // 2]))

    def step(self, whole, half=lambda: None):
        self.steps += 1
        hit = self.steps == self.at
        if hit and self.when == "before":
            raise self.error
        if hit and self.when == "half":
            half()
            raise self.error
        result = whole()
        if hit:
            if hasattr(result, "close"):
                result.close()
            raise self.error
        return result


def live(path, units=UNITS, told=None):
    """A whole run: what a process does from its start to its end, whatever it finds; tells of commits that returned."""
    where, resumed = runner.place(None, IDENTITY, runner.Settings(out=path))
    with opened(where, resumed=resumed) as run:
        if not run.finished:
            have = len(run.rows()["results"])
            for unit in units[have:]:
                run.commit(unit)
                if told is not None:
                    told.append(unit)
            run.rewrite({name: rows[::-1] for name, rows in rows_of(units).items()}, finished=True)


def step_count():
    """How many there are in a whole run; the folder is removed after they were counted."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        fate = Fate(patch, 0, "", None)
        live(Path(name) / "run")
        return fate.steps


STEPS = step_count()
STATES = [rows_of(UNITS[:n]) for n in range(len(UNITS) + 1)]


def test_the_steps_of_a_run_are_seen():
    """Else nothing below would be killed: headers, four units, seven or more writes each, a rewrite."""
    assert 40 < STEPS < 200


@pytest.mark.parametrize("when", ["before", "half", "after"])
@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["killed", "full"])
def test_whenever_it_ends_it_goes_on(tmp_path, when, error):
    live(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    for at in range(1, STEPS + 1):
        path, told = tmp_path / f"run-{at}", []
        with pytest.MonkeyPatch.context() as patch:
            Fate(patch, at, when, error)
            with pytest.raises((Killed, FolderError)) as caught:
                live(path, told=told)
        if isinstance(error, OSError):
            assert "No space left on device. What was committed is kept: mend it and run" in str(caught.value)
        where, resumed = runner.place(None, IDENTITY, runner.Settings(out=path))
        with opened(where, resumed=resumed) as run:
            found = run.rows()
            assert found in [*STATES[len(told) :], FINAL], f"step {at}: committed rows were lost or torn"
            assert found == FINAL or not run.finished, f"step {at}"
        live(path)
        assert contents(path) == whole, f"step {at}"
        gc.collect()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_takes_up(tmp_path, when):
    """The second process may die too, in the middle of a rename that the first one left."""
    for first in range(STEPS - 6, STEPS + 1):
        for at in (1, 2, 3, 4, 5):
            path = tmp_path / f"run-{first}-{at}"
            with pytest.MonkeyPatch.context() as patch:
                Fate(patch, first, when, Killed())
                with pytest.raises(Killed):
                    live(path)
            with pytest.MonkeyPatch.context() as patch:
                fate = Fate(patch, at, when, Killed())
                try:
                    live(path)
                except Killed:
                    assert fate.steps == at
            with opened(path) as run:
                assert run.rows() in [STATES[-1], FINAL]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_overwrites(tmp_path, when):
    """Old rows may be gone, but the folder is still ours, and never the old rows under the new options."""
    new = {**IDENTITY, "fingerprint": "a" * 64}
    settings = runner.Settings(out=tmp_path / "run", overwrite=True)
    for at in range(1, 30):
        live(settings.out)
        (settings.out / "figures").mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            Fate(patch, at, when, Killed())
            run = RunFolder(settings.out, TABLES, "step")
            try:
                run.create(new, {})
            except Killed:
                pass
            finally:
                run.close()
        where, resumed = runner.place(None, new, settings)
        assert (where, resumed) == (settings.out, False), f"step {at}"
        if folder.identity_of(where) == new and (where / "state.json").exists():
            with opened(where) as run:
                assert run.rows() == STATES[0], f"step {at}"
        shutil.rmtree(where)


@contextmanager
def largest_file(size):
    """No file may grow beyond ``size`` bytes: the kernel refuses the write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_of_the_system_keeps_what_was_committed(path):
    """Python ignores SIGXFSZ, so the write fails with EFBIG, possibly after a part of it."""
    with opened(path) as run:
        run.commit(UNITS[0])
        state = contents(path)
        with largest_file(len(state["results.csv"]) + 5), pytest.raises(FolderError, match=r"cannot write in .*large"):
            run.commit(UNITS[2])
    assert contents(path)["state.json"] == state["state.json"]
    live(path)
    with opened(path) as run:
        assert run.rows() == FINAL


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_device(path):
    with opened(path) as run:
        run.commit(UNITS[0])
        (path / "state.json.new").symlink_to("/dev/full")
        with pytest.raises(
            FolderError, match=r"cannot write in .*run: No space left on device\. What was committed is"
        ):
            run.commit(UNITS[1])
    (path / "state.json.new").unlink()
    with opened(path) as run:
        assert run.rows() == STATES[1]
    live(path)
    with opened(path) as run:
        assert run.rows() == FINAL


@pytest.mark.parametrize("way", ["blocked", "blocked/below"])
def test_a_file_in_place_of_the_folder(tmp_path, way):
    (tmp_path / "blocked").write_text("mine")
    run = RunFolder(tmp_path / way, TABLES, "step")
    with pytest.raises(FolderError, match=rf"cannot write in .*{way}: (File exists|Not a directory)"):
        run.create(IDENTITY, {})
    assert (tmp_path / "blocked").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(path):
    path.mkdir(mode=0o500)
    with pytest.raises(FolderError, match="Permission denied"), opened(path):
        pass


HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
)


@pytest.mark.parametrize("resumed", [True, False])
def test_a_folder_in_use(path, resumed):
    with opened(path) as run:
        run.commit(UNITS[0])
    before = contents(path)
    arguments = [sys.executable, "-c", HOLD, str(path / ".lock")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with (
            pytest.raises(FolderError, match="run is in use by another fbench process; wait for it, or choose another"),
            opened(path, resumed=resumed),
        ):
            pass
        assert contents(path) == before
        other.communicate()
    with opened(path) as run:
        assert run.rows() == STATES[1]


def test_the_lock_is_given_back(path):
    for _ in range(3):
        with opened(path):
            pass


def test_clearing_leaves_what_is_not_the_runs(path):
    live(path)
    (path / "figures").mkdir()
    (path / "figures" / "a.svg").write_text("")
    for name in ("notes.txt", "README.md", "data.json"):
        (path / name).write_text("mine")
    (path / "below").mkdir()
    folder.clear(path, TABLES)
    assert {p.name for p in path.iterdir()} - {"options.json"} == {
        ".lock",
        "notes.txt",
        "README.md",
        "data.json",
        "below",
    }


def test_clearing_leaves_other_tables(path):
    live(path)
    (path / "my-notes.csv").write_text("mine")
    folder.clear(path, TABLES)
    assert (path / "my-notes.csv").exists()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "not json", '{"fingerprint"', '"fingerprint"'])
def test_what_is_not_ours(path, text):
    path.mkdir()
    if text is not None:
        (path / "options.json").write_text(text)
    assert folder.identity_of(path) is None


@pytest.mark.parametrize("text", [None, "", "{}", "not json"])
def test_what_is_not_finished(path, text):
    path.mkdir()
    if text is not None:
        (path / "state.json").write_text(text)
    assert not folder.is_finished(path)


@pytest.mark.parametrize(
    "text", ["", "{}", "not json", '{"sizes": {}, "finished": false, "renaming": false, "spent_s": 0}']
)
def test_a_state_that_was_edited(path, text):
    live(path)
    (path / "state.json").write_text(text)
    with pytest.raises(FolderError, match=r"state\.json"), opened(path):
        pass


def test_more_files_of_a_run(path):
    with opened(path) as run:
        run.write_text("summary.md", "λ ≥ 0\n")
        assert (path / "summary.md").read_text(encoding="utf-8") == "λ ≥ 0\n"
        with pytest.raises(FolderError, match="cannot write in"):
            run.write_text("no/such/summary.md", "")
