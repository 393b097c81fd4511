"""``fbench compare --replay`` and ``--curves``: what other programs picked and reached, beside the run's arms."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Ended, table

from fbench import cli
from fbench.harness import registry


def words_of(text: str) -> list[str]:
    return text.split()


TINY = words_of(
    "--rounds 1 --seeds 2 --epochs 2 --pool 200 --test 60 --batch 5 --start 12 --fisher-samples 64 "
    "--threads 1 --device cpu --strategies random"
)
MEASURED = ("seed", "round", "labels", "accuracy", "nll")


@pytest.fixture(autouse=True, scope="module")
def _surroundings() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run ``fbench compare`` in this process: the tiny settings, and what is typed after them."""

    def run(*words: Any, jobs: int = 1, tiny: list[str] = TINY) -> Ended:
        capfd.readouterr()
        code = cli.run(["compare", *tiny, "--jobs", str(jobs), *map(str, words)])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ``margin`` alone, whose picks are replayed."""
    path = tmp_path_factory.mktemp("chosen") / "run"
    assert cli.run(["compare", *TINY[:-1], "margin", "--jobs", "1", "--out", str(path)]) == 0
    return path


def picked(folder: Path, file: Path, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Path:
    """The picks of a run, changed, in a file of another program."""
    rows = change(table(folder, "selections"))
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ("strategy", "seed", "round", "position", "index"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return file


def other_start(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Picks of ``theirs``, which begins with what it bought, and buys some of what it began with."""
    moved: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        moved.setdefault(("theirs", row["seed"]), []).append(row["index"])
    for row in rows:
        row["strategy"], row["index"] = "theirs", moved["theirs", row["seed"]].pop()
    return rows


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_replay_of_a_run_is_the_run(fbench: Callable[..., Ended], chosen: Path, tmp_path: Path, jobs: int) -> None:
    ended = fbench("--replay", f"mine={chosen / 'selections.csv'}", "--out", tmp_path / "run", jobs=jobs)
    assert ended.code == 0, ended.err
    again = [{name: row[name] for name in MEASURED} for row in table(tmp_path / "run") if row["strategy"] == "mine"]
    assert again == [{name: row[name] for name in MEASURED} for row in table(chosen)]
    assert {row["select_s"] for row in table(tmp_path / "run") if row["strategy"] == "mine"} == {""}
    assert "from the start sets of selections.csv" in ended.out.splitlines()[0]
    assert "Is mine better than random?" in ended.out
    summary = (tmp_path / "run/summary.md").read_text(encoding="utf-8")
    assert "Every arm begins from the start sets in the file" in summary
    assert cli.run(["show", str(tmp_path / "run"), "--render"]) == 0


def test_every_arm_begins_from_the_start_sets_of_the_file(
    fbench: Callable[..., Ended], chosen: Path, tmp_path: Path
) -> None:
    file = picked(chosen, tmp_path / "picks.csv", other_start)
    assert fbench("--replay", file, "--dry-run").out.count("picks.csv") >= 2
    assert fbench("--replay", file, "--out", tmp_path / "run").code == 0
    bought: dict[tuple[str, ...], list[str]] = {}
    for row in table(tmp_path / "run", "selections"):
        bought.setdefault((row["strategy"], row["seed"], row["round"]), []).append(row["index"])
    wanted: dict[str, list[str]] = {}
    for row in table(chosen, "selections"):
        wanted.setdefault(row["seed"], []).append(row["index"])
    for seed in "01":
        assert bought["random", seed, "0"] == bought["theirs", seed, "0"] == wanted[seed][::-1][:12]
        assert bought["theirs", seed, "1"] == wanted[seed][::-1][12:]


def test_a_replay_goes_on_with_its_file_alone(fbench: Callable[..., Ended], chosen: Path, tmp_path: Path) -> None:
    file, run = picked(chosen, tmp_path / "picks.csv", other_start), tmp_path / "run"
    words = ("--replay", file, "--out", run, "--seeds", "1")
    assert fbench(*words).code == 0
    options = json.loads((run / "options.json").read_text())["options"]
    assert options["strategies"] == ["random", "theirs"]
    assert fbench("--out", run, "--seeds", "2", tiny=[]).code == 0  # it grows
    assert sorted({row["seed"] for row in table(run)}) == ["0", "1"]
    ended = fbench("--out", run, "--rounds", "2", tiny=[])
    assert (ended.code, "--rounds 2 asks it; ask fewer" in ended.err) == (2, True)
    file.write_text(file.read_text() + "\n")
    ended = fbench("--out", run, "--seeds", "2..3", tiny=[])
    assert (ended.code, "not the one that the run began with" in ended.err) == (2, True)
    ended = fbench(*words)
    assert (ended.code, "--replay was" in ended.err) == (2, True)


def test_picks_stand_beside_every_lambda(fbench: Callable[..., Ended], chosen: Path, tmp_path: Path) -> None:
    file, run = picked(chosen, tmp_path / "picks.csv", other_start), tmp_path / "run"
    words = words_of("--regularisation 1,0.1 --strategies random,bait --seeds 1")
    assert fbench(*words, "--replay", file, "--out", run).code == 0
    cases = {(row["strategy"], row["lambda"]) for row in table(run)}
    assert cases == {("random", ""), ("theirs", ""), ("bait", "1"), ("bait", "0.1")}
    file.unlink()
    assert cli.run(["show", str(run), "--render"]) == 0
    summary = (run / "summary.md").read_text(encoding="utf-8")
    assert "Every arm begins from the start sets in the file" in summary
    assert "All begin from the start sets of picks.csv." in summary


@pytest.mark.parametrize(
    ("words", "change", "text"),
    [
        ("--batch 6", other_start, "--batch is 6; give --batch 5"),
        ("--start 13", other_start, "--start is 13; give --start 12"),
        ("--seeds 3", other_start, "has no seed 2, which --seeds asks"),
        (
            "--test 0",
            lambda rows: [{**row, "strategy": "x", "index": row["round"] + "00" + row["position"]} for row in rows],
            "not in that seed",
        ),
        ("", lambda rows: rows, "margin is a strategy of fbench, and this file's must not pass for it"),
        ("--strategies random,theirs", other_start, "unknown strategy 'theirs'"),
    ],
)
def test_picks_that_are_not_this_runs(
    fbench: Callable[..., Ended], chosen: Path, tmp_path: Path, words: str, change: Any, text: str
) -> None:
    file = picked(chosen, tmp_path / "picks.csv", change)
    ended = fbench(*words.split(), "--replay", file, "--out", tmp_path / "run")
    assert (ended.code, ended.err.count("\n"), text in ended.err) == (2, 1, True), ended.err
    assert not (tmp_path / "run").exists()


# Curves of others


def learned(folder: Path, file: Path, seeds: int = 4) -> Path:
    """Curves of ``theirs`` that lie above those of a run, at other label counts."""
    level = min(float(row["accuracy"]) for row in table(folder))
    lines = [f"theirs,{s},{n},{level + 0.2 + 0.01 * s + 0.001 * n:.4f}" for s in range(seeds) for n in (10, 15, 25)]
    file.write_text("\n".join(["strategy,seed,labels,accuracy", *lines]) + "\n")
    return file


@pytest.mark.parametrize("paired", [False, True])
def test_curves_are_kept_and_answered_without_their_file(
    fbench: Callable[..., Ended], chosen: Path, tmp_path: Path, paired: bool
) -> None:
    file, run = learned(chosen, tmp_path / "theirs.csv"), tmp_path / "run"
    words = ["--curves", file, "--seeds", "4", "--out", run, *(["--paired-curves"] if paired else [])]
    ended = fbench(*words)
    assert ended.code == 0, ended.err
    assert "Is theirs better than random?" in ended.out
    assert ("unpaired; 4 and 4 seeds" in " ".join(ended.out.split())) is not paired
    declared = [column.name for column in registry.SUITES.get("compare").all_tables()["curves"]]
    assert (run / "curves.csv").read_text().splitlines()[0].split(",") == declared
    rows = table(run, "curves")
    assert {(row["strategy"], row["round"], row["source"]) for row in rows} == {("theirs", "0", str(file))}
    assert len(rows) == 12
    before = (run / "summary.md").read_bytes()
    file.unlink()
    assert cli.run(["show", str(run), "--render"]) == 0
    assert (run / "summary.md").read_bytes() == before
    ended = fbench("--questions", "theirs >= random", "--rounds", "2", "--out", run, tiny=[])
    assert (ended.code, "no such file" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--seeds 5 --paired-curves", "has no seed 4, so it cannot be paired"),
        ("--start 30", "shares fewer than two label counts with the run"),
        ("--metric nll", "has no column nll"),
        ("--questions theirs>else", "--questions names 'else', which is not among --strategies random,theirs"),
    ],
)
def test_curves_that_are_not_this_runs(
    fbench: Callable[..., Ended], chosen: Path, tmp_path: Path, words: str, text: str
) -> None:
    file = learned(chosen, tmp_path / "theirs.csv")
    ended = fbench(*words.split(), "--curves", file, "--out", tmp_path / "run")
    assert (ended.code, ended.err.count("\n"), text in ended.err) == (2, 1, True), ended.err
    assert not (tmp_path / "run").exists()


def test_columns_of_the_curves_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["columns", "compare"]) == 0
    assert "of the run's --metric" in " ".join(capfd.readouterr().out.split())
