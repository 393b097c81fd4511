"""``fbench pick`` begun by torchrun: one batch by all, each reading its own rows; one line for what cannot be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from command import typed
from rank_processes import run_ranks

from fbench import cli
from fbench.cli import console
from fbench.errors import UsageError
from fbench.pick.launch import Launch, launch_of
from fbench.pick.pool_files import describe_pool, map_pool, read_candidates

N = 203
RNG = np.random.default_rng(0)
LOGITS, FEATURES = 2 * RNG.normal(size=(N, 4)).astype("f4"), RNG.normal(size=(N, 6)).astype("f4")
PROGRAM = "import sys; from fbench.cli import run; sys.exit(run(sys.argv[1:]))"


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "pool.npz", logits=LOGITS, features=FEATURES, labelled=[3, 100, 202])
    np.savez(tmp_path / "embedding.npz", embedding=RNG.normal(size=(2, 2, 5)))
    return tmp_path


def test_processes_write_the_csv_of_one(folder):
    alone = typed("pick", "pool.npz", "--batch", 6, "--out", "alone.csv", cwd=folder)
    assert alone.returncode == 0
    ended = run_ranks(["-c", PROGRAM, "pick", "pool.npz", "--batch", "6", "--out", "together.csv"], 3, folder)
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    assert [err for _, _, err in ended[1:]] == ["", ""]
    picks = [
        [line.split(",")[:2] for line in (folder / f"{name}.csv").read_text().splitlines()]
        for name in ("alone", "together")
    ]
    assert picks[0] == picks[1]
    first, *others = [out for _, out, _ in ended]
    assert "\nSharded over 3 processes; each has 68 candidates at most, and holds:\n" in first
    assert "6 picks are in together.csv" in first
    assert others == ["", ""]


def test_a_pool_smaller_than_its_processes(folder):
    ended = run_ranks(["-c", PROGRAM, "pick", "embedding.npz", "--batch", "1", "--out", "one.csv"], 3, folder)
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    assert len((folder / "one.csv").read_text().splitlines()) == 2


def test_one_that_cannot_go_on_ends_all(folder):
    """Of the last rows one is no number: their process says so, and the others that it has ended."""
    features = FEATURES.copy()
    features[-1, 2] = np.nan
    np.savez(folder / "bad.npz", logits=LOGITS, features=features)
    words = ["-c", PROGRAM, "pick", "bad.npz", "--batch", "2", "--out", "bad.csv"]
    (first, _, said), (last, _, why) = run_ranks(words, 2, folder, seconds=60)
    assert (first, last) == (4, 2)
    assert said.startswith("fbench: rank 0 of 2: another rank has ended or does not answer")
    assert re.match(r"fbench: bad\.npz: features\[\d+, 2\] is nan; every value must be finite", why)
    assert not (folder / "bad.csv").exists()


@pytest.fixture
def refused(folder, capsys, monkeypatch):
    """What a process of two says to words that cannot be."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(console.err, "width", 400)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)

    def said(*words):
        assert cli.run(["pick", "pool.npz", "--batch", "2", *words]) == 2
        return capsys.readouterr().err.strip()

    return said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--strategy", "badge"], "--strategy badge works in one process; begin it without torchrun"),
        (
            ["--pool", "streamed"],
            "--pool streamed works in one process; over several each has its share in memory",
        ),
        (
            ["--method", "pca:2"],
            "--method pca:2 looks at all features at once, in one process; begin it without torchrun, or save the "
            "projected features",
        ),
    ],
)
def test_what_works_in_one_process_alone(refused, words, line):
    assert refused(*words) == f"fbench: {line}"


def test_a_plan_is_of_a_share_and_of_this_machines_processes(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert cli.run(["pick", "pool.npz", "--batch", "2", "--dry-run"]) == 0
    alone = capsys.readouterr().out
    assert re.search(r"Sharded over 2, 4, 8 processes, begun by\s+torchrun, each would hold [0-9.]+ KiB, ", alone)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("fbench.pick.sharded_picking.free_bytes", lambda device: 2**30)
    assert cli.run(["pick", "pool.npz", "--batch", "2", "--dry-run"]) == 0
    assert re.search(r"free on cpu +512 MiB", capsys.readouterr().out)
    monkeypatch.setenv("RANK", "1")
    assert cli.run(["pick", "pool.npz", "--batch", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("variables", [{"RANK": "x"}, {"RANK": "2"}, {"LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "2"}])
def test_variables_that_torchrun_does_not_set(variables):
    with pytest.raises(UsageError, match=r"^RANK=.*WORLD_SIZE=2.*; (unset them|begin all of them by torchrun)"):
        launch_of({"RANK": "0", "WORLD_SIZE": "2", **variables})


def test_each_process_has_a_gpu_of_its_own():
    assert Launch(5, 8, 1, 4).device(("cpu",)) == "cpu"
    assert [Launch(0, 2, rank, 2).device(("cuda:0",)) for rank in (0, 1)] == ["cuda:0", "cuda:1"]
    with pytest.raises(
        UsageError, match=r"^--device cuda:4,cuda:5: 3 processes were begun here, and each takes a GPU$"
    ):
        Launch(0, 3, 0, 3).device(("cuda:4", "cuda:5"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_and_descriptions_are_those_of_the_whole(tmp_path, save):
    save(tmp_path / "pool.npz", logits=LOGITS.astype("f2"), features=FEATURES[:, ::-1], labelled=[1])
    path = tmp_path / "pool.npz"
    whole, described = map_pool(path), describe_pool(path)
    assert (described.n, described.labelled.tolist(), described.notes) == (N, [1], whole.notes)
    for name, array in read_candidates(path, slice(7, 50)).items():
        assert described.arrays[name].shape == whole.arrays[name].shape
        assert array.dtype == described.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(array, whole.arrays[name][7:50])
        assert array.flags.c_contiguous
