"""Where a run goes: a folder of its own, one where it stopped, never one of somebody else's."""

from __future__ import annotations

import pytest

from fbench.errors import FolderError
from fbench.harness import identity as identities
from fbench.harness import placing, registry
from fbench.harness.folder import RunFolder
from fbench.harness.identity import identify, read_identity
from fbench.harness.placing import Terms
from fbench.harness.state import State


@pytest.fixture(autouse=True)
def loaded(toy):
    """The toy suites are there."""


class Places:
    """Runs of the toy suite below ``reports`` or in ``--out``, and where the next would go."""

    def __init__(self, home):
        self.home, self.suite = home, registry.SUITES.get("toy")

    def identity(self, **typed):
        return identify(self.suite, self.suite.typed(**typed), ("cpu",), 1)

    def find(self, *, rate=0.1, **terms):
        """The folder that would be entered, and how; it is left as it is."""
        folder, how = placing.enter(self.suite, self.identity(rate=rate), Terms(reports=self.home, **terms), {})
        folder.close()
        return folder.path, how

    def make(self, path, *, rate=0.1, finished=False):
        run = RunFolder(path, self.suite.all_tables(), "step")
        run.create(self.identity(rate=rate), {})
        if finished:
            run.rewrite({"results": [], "extra": []}, finished=True)
        run.close()
        return path


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "reports")


def test_a_new_run_gets_an_id_that_sorts_by_time(places):
    path, how = places.find()
    assert path.parent == places.home / "toy"
    assert path.name[:2] == "20"
    assert path.name.endswith(places.identity()["fingerprint"][:6])
    assert ":" not in path.name
    assert how == "new"


def test_two_runs_of_a_second_do_not_share_a_folder(places):
    first = places.make(places.find(fresh=True)[0], finished=True)
    assert places.find()[0] != first


def test_the_newest_unfinished_run_is_taken_up(places):
    home = places.home / "toy"
    for name in ("20260101-000000-a", "20260102-000000-a"):
        places.make(home / name)
    places.make(home / "20260103-000000-a", finished=True)
    places.make(home / "20260104-000000-b", rate=0.5)
    (home / "20260105-000000-foreign").mkdir()
    (home / "20260106-file").write_text("")
    assert places.find() == (home / "20260102-000000-a", "taken up")
    assert places.find(rate=0.5) == (home / "20260104-000000-b", "taken up")
    path, how = places.find(fresh=True)
    assert how == "new"
    assert path.name > "20260105"


DAMAGE = ["", "[]", "{", "[" * 50_000, '"text"', '{"sizes": 3, "finished": 0, "renaming": 0, "spent_s": 0}', "\udcff"]


@pytest.mark.parametrize("name", ["options.json", "state.json", "results.csv", "extra.csv"])
def test_a_damaged_folder_next_door_stops_nothing(places, name):
    home = places.home / "toy"
    for number, text in enumerate(DAMAGE):
        path = places.make(home / f"2026010{number + 1}-000000-a", rate=0.3)
        (path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (home / "20260109-000000-a").mkdir()
    (home / "20260109-000000-a" / name).mkdir()
    assert places.find()[1] == "new"


def test_a_finished_run_without_out_is_a_new_one(places):
    done = places.make(places.home / "toy" / "20260101-000000-a", finished=True)
    path, how = places.find()
    assert path != done
    assert how == "new"


def test_killed_before_anything_was_committed(places, tmp_path):
    path = places.make(tmp_path / "run")
    State(clearing=True).write(path)
    assert places.find(out=path) == (path, "new")


def test_a_state_that_is_gone(places, tmp_path):
    """Nothing says which rows are whole: they stay, and nothing is taken for a new run."""
    path = places.make(tmp_path / "run")
    (path / "state.json").unlink()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(FolderError, match=r"state\.json is missing: nothing says which rows are whole; restore it"):
        places.find(out=path)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert places.find(out=path, overwrite=True) == (path, "new")


@pytest.mark.parametrize("finished", [True, False])
def test_out_of_the_same_fingerprint_is_taken_up(places, tmp_path, finished):
    out = places.make(tmp_path / "run", finished=finished)
    assert places.find(out=out) == (out, "finished" if finished else "taken up")
    assert places.find(out=out, fresh=True) == (out, "new")
    assert places.find(out=out, overwrite=True) == (out, "new")


def test_out_of_another_fingerprint_is_refused_unless_overwritten(places, tmp_path):
    out = places.make(tmp_path / "run")
    wrong = r"--out .*run holds another run: --rate was 0\.1, is 0\.5; choose another --out, or give --overwrite"
    for fresh in (False, True):
        with pytest.raises(FolderError, match=wrong):
            places.find(out=out, rate=0.5, fresh=fresh)
    assert places.find(out=out, rate=0.5, overwrite=True) == (out, "new")


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_foreign_folder_is_never_touched(places, tmp_path, overwrite):
    out = tmp_path / "home"
    out.mkdir()
    (out / "results.csv").write_text("mine")
    with pytest.raises(FolderError, match=r"--out .*home is not empty and not a run of fbench; nothing was touched"):
        places.find(out=out, overwrite=overwrite)
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("results.csv", "mine")]


def test_somebody_elses_options_are_never_overwritten(places, tmp_path):
    out = tmp_path / "home"
    out.mkdir()
    (out / "options.json").write_text('{"theirs": 1}')
    with pytest.raises(FolderError, match=r"options\.json is damaged, or not of fbench"):
        places.find(out=out, overwrite=True)
    assert (out / "options.json").read_text() == '{"theirs": 1}'


def test_out_that_is_a_file(places, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderError, match=r"--out .*file is a file; give a folder"):
        places.find(out=tmp_path / "file", overwrite=True)


@pytest.mark.parametrize("names", [[], [".lock"], ["options.json.new", ".lock", "state.json.new"]])
def test_an_empty_out_is_used(places, tmp_path, names):
    (tmp_path / "new").mkdir()
    for name in names:
        (tmp_path / "new" / name).write_text("")
    assert places.find(out=tmp_path / "new") == (tmp_path / "new", "new")
    assert places.find(out=tmp_path / "newer" / "still") == (tmp_path / "newer" / "still", "new")


def test_a_folder_that_is_taken_between_the_look_and_the_lock(places, tmp_path, monkeypatch):
    """Another run's rows are never under this one's options."""
    out, lock = tmp_path / "run", RunFolder.lock

    def late(folder):
        monkeypatch.setattr(RunFolder, "lock", lock)
        places.make(out, rate=0.5)
        lock(folder)

    monkeypatch.setattr(RunFolder, "lock", late)
    with pytest.raises(FolderError, match=r"holds another run: --rate was 0\.5, is 0\.1"):
        places.find(out=out)
    assert read_identity(out)["options"]["rate"] == 0.5


def test_another_version_is_refused_and_may_be_accepted(places, tmp_path, monkeypatch):
    out = places.make(tmp_path / "run")
    monkeypatch.setattr(identities.fbench, "__version__", "9.9")
    wrong = r"was measured by other code: fbench was 0\.1\.0 \(\w{8}\), is 9\.9 \(\w{8}\); .*--accept-version goes on"
    with pytest.raises(FolderError, match=wrong):
        places.find(out=out)
    assert places.find(out=out, accept_version=True) == (out, "taken up")
    (step,) = read_identity(out)["history"]
    assert step["accepted"][0].startswith("fbench was 0.1.0")
    assert step["grew"] == {}
    assert places.find(out=out) == (out, "taken up")


def test_a_finished_run_of_another_version_is_rendered_again(places, tmp_path, monkeypatch):
    out = places.make(tmp_path / "run", finished=True)
    before = (out / "options.json").read_bytes()
    monkeypatch.setattr(identities.fbench, "__version__", "9.9")
    assert places.find(out=out) == (out, "finished")
    assert (out / "options.json").read_bytes() == before


def test_an_unfinished_run_that_differs_in_threads_or_version_is_told_of(places, monkeypatch):
    suite, identity = places.suite, places.identity()
    assert placing.near_miss(suite, identity, places.home) == ""
    path = places.make(places.home / "toy" / "20260101-000000-a")
    places.make(places.home / "toy" / "20260102-000000-a", finished=True)
    assert placing.near_miss(suite, {**identity, "threads": 2}, places.home) == (
        f"{path} is unfinished, but --threads was 1, is 2: this is a new run (--out {path} goes on with that one)"
    )
    assert placing.near_miss(suite, places.identity(rate=0.5), places.home) == ""
    monkeypatch.setattr(identities.fbench, "__version__", "9.9")
    assert "but fbench was" in placing.near_miss(suite, places.identity(), places.home)
