"""A run's folder survives a kill, a full disk and other people: what was committed is there, whole, or the new is."""

from __future__ import annotations

import contextlib
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
from fbench.harness import disk, folder
from fbench.harness.contract import COMMON_COLUMNS, Column, Unit
from fbench.harness.folder import RunFolder
from fbench.harness.identity import read_identity
from fbench.harness.state import State, read_state

KEY = (COMMON_COLUMNS[0], Column("step", "int", "", "unit"))
TABLES = {
    "results": (*KEY, Column("value", "float", "", ""), *COMMON_COLUMNS[1:]),
    "extra": (*KEY, Column("item", "int", "", "")),
}
IDENTITY = {"suite": "toy", "fbench": "1", "sources": "5" * 64, "options": {}, "devices": ["cpu"], "threads": 1}
IDENTITY |= {"loaded": [], "fingerprint": "f" * 64}


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
        found["state.json"] = {
            k: v for k, v in json.loads(found["state.json"]).items() if k not in ("spent_s", "sha256")
        }
    return found


def test_a_new_folder_has_headers_and_is_ours(path):
    with opened(path) as run:
        assert not run.finished
        assert run.rows() == {"results": [], "extra": []}
    assert set(contents(path)) == {"options.json", "environment.json", "state.json", "results.csv", "extra.csv"}
    assert read_identity(path) == IDENTITY
    assert disk.read_checked(path / "environment.json") == {"cpu": None}
    assert not read_state(path).finished


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
    assert read_state(path).finished
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


def lost(path, name, count):
    os.truncate(path / f"{name}.csv", (path / f"{name}.csv").stat().st_size - count)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("name", ["results", "extra"])
def test_a_lost_end_costs_the_last_unit(path, name, finished):
    with opened(path) as run:
        for unit in UNITS[:3]:
            run.commit(unit)
        if finished:
            run.rewrite(rows_of(UNITS[:3]), finished=True)
    lost(path, name, 7)
    with opened(path) as run:
        assert run.rows() == rows_of(UNITS[:2])
        assert not run.finished
        assert run.notes == (f"{path / name}.csv had lost its end: the last unit is measured again",)
        run.commit(UNITS[2])
    with opened(path) as run:
        assert run.rows() == rows_of(UNITS[:3])
        assert run.notes == ()


def test_a_lost_newline_costs_nothing(path):
    live(path)
    lost(path, "results", 1)
    with opened(path) as run:
        assert run.rows() == FINAL
        assert run.finished


LOSSES = {
    "half": lambda p: os.truncate(p, p.stat().st_size // 2),
    "all": lambda p: os.truncate(p, 0),
    "gone": Path.unlink,
    "flipped": lambda p: p.write_bytes(p.read_bytes()[:-3] + b"7" + p.read_bytes()[-2:]),
    "edited": lambda p: p.write_bytes(p.read_bytes().replace(b"0.33", b"0.34").replace(b"=0,0,1", b"=0,0,2")),
    "a column": lambda p: p.write_bytes(p.read_bytes().replace(b"\n", b",x\n")),
    "swapped": lambda p: p.write_bytes(b"".join([*p.read_bytes().splitlines(True)[:1], b"x\n"])),
}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["results", "extra"])
def test_a_table_that_is_not_what_was_committed(path, name, loss, finished):
    live(path) if finished else [opened_once(path, unit) for unit in UNITS[:3]]
    LOSSES[loss](path / f"{name}.csv")
    before = contents(path)
    how = r"is shorter than what was committed to it|was changed after fbench wrote it|has more than fbench wrote"
    with pytest.raises(FolderError, match=rf"{name}\.csv ({how}).*; restore it, or take another --out"), opened(path):
        pass
    assert contents(path) == before


def opened_once(path, unit):
    with opened(path) as run:
        run.commit(unit)


SPREADSHEETS = {
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "crlf without": lambda data: data.replace(b"\n", b"\r\n").replace(b'b""\r\nc', b'b""\nc'),
    "mark": lambda data: b"\xef\xbb\xbf" + data,
    "quoted": lambda data: data.replace(b",ok,", b',"ok",').replace(b"case,", b'"case",'),
}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("way", SPREADSHEETS)
def test_a_table_that_a_spreadsheet_wrote_anew(path, way, finished):
    """Its values are the same, so it is read; of a finished run it stays as it is."""
    live(path) if finished else [opened_once(path, unit) for unit in UNITS[:3]]
    for name in TABLES:
        file = path / f"{name}.csv"
        file.write_bytes(SPREADSHEETS[way](file.read_bytes()))
    before = contents(path)
    with opened(path) as run:
        assert run.rows() == (FINAL if finished else rows_of(UNITS[:3]))
        assert "results.csv was written anew by another program; its values are the same" in run.notes[0]
    if finished:
        assert contents(path) == before
    live(path)
    with opened(path) as run:
        assert run.rows() == FINAL


def test_a_finished_table_that_grew_is_not_cut(path):
    live(path)
    with (path / "results.csv").open("ab") as file:
        file.write(b"mine,0,1.0,ok,\n")
    before = contents(path)
    with pytest.raises(FolderError, match=r"results\.csv has more than fbench wrote to it; restore it"), opened(path):
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

    CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "ftruncate", "truncate")

    def __init__(self, monkeypatch, at, when, error):
        self.at, self.when, self.error, self.steps = at, when, error, 0
        for name in self.CALLS:
            monkeypatch.setattr(os, name, getattr(self, name, None) or self.wrap(getattr(os, name)))

    def wrap(self, call):
        return lambda *a, **k: self.step(lambda: call(*a, **k))

    _open, _write = staticmethod(os.open), staticmethod(os.write)

    def open(self, path, flags, *a, **k):
        if not flags & (os.O_CREAT | os.O_WRONLY) or str(path).endswith(".lock"):
            return self._open(path, flags, *a, **k)
        return self.step(lambda: self._open(path, flags, *a, **k), undo=os.close)

    def write(self, handle, data):
        return self.step(lambda: self._write(handle, data), lambda: self._write(handle, data[: len(data) // 2]))

    def step(self, whole, half=lambda: None, undo=lambda result: None):
        self.steps += 1
        hit = self.steps == self.at
        if hit and self.when == "before":
            raise self.error
        if hit and self.when == "half":
            half()
            raise self.error
        try:
            result = whole()
        except OSError:  # as of a file that is not there
            if hit:
                raise self.error from None
            raise
        if hit:
            undo(result)
            raise self.error
        return result


def enter(path):
    """The run's folder as a process that starts now gets it: new, or taken up."""
    state = read_state(path) if path.exists() else None
    run = RunFolder(path, TABLES, "step")
    try:
        if state is None or state.clearing:
            run.create(IDENTITY, {"cpu": None})
        else:
            run.take_up()
    except BaseException:
        run.close()
        raise
    return run


def live(path, units=UNITS, told=None):
    """A whole run: what a process does from its start to its end, whatever it finds; tells of commits that returned."""
    with contextlib.closing(enter(path)) as run:
        if not run.finished:
            have = len(run.rows()["results"])
            for unit in units[have:]:
                run.commit(unit)
                if told is not None:
                    told.append(unit)
            run.rewrite({name: rows[::-1] for name, rows in rows_of(units).items()}, finished=True)
        run.publish({"summary.md": b"All is well.", "figures/a.svg": b"<svg/>"})


def step_count():
    """How many there are in a whole run; the folder is removed after they were counted."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        fate = Fate(patch, 0, "", None)
        live(Path(name) / "run")
        return fate.steps


STEPS = step_count()
STATES = [rows_of(UNITS[:n]) for n in range(len(UNITS) + 1)]


def test_the_steps_of_a_run_are_seen():
    """Else nothing below would be killed: headers, four units, a dozen changes each, a rewrite, a report."""
    assert 100 < STEPS < 250


def ended(path, told):
    """What a run ended by; None where it came to its end."""
    try:
        live(path, told=told)
    except (Killed, FolderError) as error:
        return error
    return None


@pytest.mark.parametrize("when", ["before", "half", "after"])
@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["killed", "full"])
def test_whenever_it_ends_it_goes_on(tmp_path, full, when, error):
    """At every step, or at every seventh of another seventh each time."""
    live(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    first = 1 + ["before", "half", "after"].index(when) + 3 * isinstance(error, OSError)
    for at in range(1, STEPS + 1) if full else range(first, STEPS + 1, 7):
        path, told = tmp_path / f"run-{at}", []
        with pytest.MonkeyPatch.context() as patch:
            Fate(patch, at, when, error)
            caught = ended(path, told)
        if caught is None:  # the system made a folder, and complained
            assert isinstance(error, OSError)
            assert contents(path) == whole
            continue
        if isinstance(error, OSError):
            assert "No space left on device. Nothing that was written before is lost: mend it and run" in str(caught)
        with contextlib.closing(enter(path)) as run:
            found = run.rows()
            assert found in [*STATES[len(told) :], FINAL], f"step {at}: committed rows were lost or torn"
            assert found == FINAL or not run.finished, f"step {at}"
        live(path)
        assert contents(path) == whole, f"step {at}"
        gc.collect()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_takes_up(tmp_path, when):
    """The second process may die too, in the middle of a rename that the first one left."""
    for first in range(STEPS - 40, STEPS - 10, 2):
        for at in range(1, 16, 2):
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
    new, path = {**IDENTITY, "fingerprint": "a" * 64}, tmp_path / "run"
    for at in range(1, 60):
        live(path)
        (path / "figures" / "mine.svg").write_text("mine")
        with pytest.MonkeyPatch.context() as patch:
            Fate(patch, at, when, Killed())
            run = RunFolder(path, TABLES, "step")
            try:
                run.create(new, {})
            except Killed:
                pass
            finally:
                run.close()
        state = read_state(path)
        whole = state is not None and state.marks and not state.clearing
        if whole and read_identity(path) == new:
            with opened(path) as run:
                assert run.rows() == STATES[0], f"step {at}"
        elif whole:
            with opened(path) as run:
                assert run.rows() == FINAL, f"step {at}"
        else:
            assert state.clearing, f"step {at}"
        assert (path / "figures" / "mine.svg").read_text() == "mine"
        shutil.rmtree(path)


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
    for name in ("notes.txt", "README.md", "data.json", "my-notes.csv", "figures/mine.svg"):
        (path / name).write_text("mine")
    (path / "figures" / "a.svg").write_text("mine now")
    (path / "below").mkdir()
    folder.clear(path, TABLES, read_state(path))
    ours = {"options.json", "state.json", ".lock"}
    assert {p.name for p in path.iterdir()} - ours == {
        "notes.txt",
        "README.md",
        "data.json",
        "my-notes.csv",
        "figures",
        "below",
    }
    assert {p.name for p in (path / "figures").iterdir()} == {"mine.svg", "a.svg"}


def test_clearing_removes_what_fbench_wrote(path):
    live(path)
    folder.clear(path, TABLES, read_state(path))
    assert {p.name for p in path.iterdir()} == {"options.json", "state.json", ".lock"}


@pytest.mark.parametrize(
    "text", ["", "{}", "not json", '{"sizes": {}, "finished": false, "renaming": false, "spent_s": 0}']
)
def test_a_state_that_was_edited(path, text):
    live(path)
    (path / "state.json").write_text(text)
    with pytest.raises(FolderError, match=r"state\.json"), opened(path):
        pass


def test_a_reports_files(path):
    with opened(path) as run:
        places = run.publish({"summary.md": "λ ≥ 0\n".encode(), "figures/a.svg": b"<svg/>"})
        assert places == {"summary.md": path / "summary.md", "figures/a.svg": path / "figures" / "a.svg"}
        assert (path / "summary.md").read_text(encoding="utf-8") == "λ ≥ 0\n"
        run.publish({"summary.md": b"other"})
        assert (path / "summary.md").read_bytes() == b"other"


def test_what_a_user_put_in_a_reports_place_stays(path, tmp_path):
    live(path)
    (path / "summary.md").write_text("my words")
    (tmp_path / "elsewhere").write_text("theirs")
    (path / "figures" / "a.svg").unlink()
    (path / "figures" / "a.svg").symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        with opened(path) as run:
            places = run.publish({"summary.md": b"ours", "figures/a.svg": b"<svg/>"})
        assert places == {"summary.md": path / "summary-2.md", "figures/a.svg": path / "figures" / "a-2.svg"}
    assert (path / "summary.md").read_text() == "my words"
    assert (path / "summary-2.md").read_text() == "ours"
    assert (tmp_path / "elsewhere").read_text() == "theirs"


@pytest.mark.parametrize("name", [".lock", "summary.md", "results.csv.new", "state.json.new"])
def test_no_link_is_followed(path, tmp_path, name):
    (tmp_path / "elsewhere").write_text("theirs")
    with opened(path) as run:
        run.commit(UNITS[0])
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to(tmp_path / "elsewhere")
    if name == ".lock":
        with (
            pytest.raises(FolderError, match=r"cannot write in .*run: Too many levels of symbolic links"),
            opened(path),
        ):
            pass
    else:
        live(path)
    assert (tmp_path / "elsewhere").read_text() == "theirs"


def test_rendering_again_is_no_time_spent(path):
    live(path)
    before = (path / "state.json").read_bytes()
    live(path)
    assert (path / "state.json").read_bytes() == before


# A suite that has got another table since


OLDER = {name: columns for name, columns in TABLES.items() if name == "results"}


@pytest.fixture(params=[False, True], ids=["unfinished", "finished"])
def older(request, path):
    """A run from before there was the table ``extra``."""
    run = RunFolder(path, OLDER, "step")
    run.create(IDENTITY, {"cpu": None})
    for unit in UNITS[:2]:
        run.commit(Unit(unit.index, unit.rows))
    if request.param:
        run.rewrite({"results": FINAL["results"][-2:]}, finished=True)
    run.close()
    return path


def test_it_gets_the_table_and_keeps_its_rows(older):
    before = (older / "results.csv").read_bytes()
    with opened(older) as run:
        finished = run.finished
        assert (len(run.rows()["results"]), run.rows()["extra"]) == (2, [])
        if not finished:
            run.commit(UNITS[2])
    with opened(older) as run:
        assert len(run.rows()["extra"]) == (0 if finished else 3)
    assert (older / "results.csv").read_bytes().startswith(before)


def test_a_kill_before_it_is_told_of_is_no_harm(older, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    run = RunFolder(older, TABLES, "step")
    with monkeypatch.context() as patch:
        patch.setattr(State, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run.take_up()
    run.close()
    with opened(older) as again:
        assert again.rows()["extra"] == []


def test_a_users_file_in_the_place_of_the_table_stays(older):
    (older / "extra.csv").write_text("mine")
    before = (older / "state.json").read_bytes()
    with pytest.raises(FolderError, match=r"extra\.csv is in the way of a table of this run; move it away"):
        RunFolder(older, TABLES, "step").take_up()
    assert ((older / "extra.csv").read_text(), (older / "state.json").read_bytes()) == ("mine", before)
