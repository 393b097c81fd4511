"""``fbench compare`` as it is typed: what it writes, that it is the same every time, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Ended, table

from fbench import cli
from fbench.harness import disk, registry
from fbench.harness.folder import clear
from fbench.harness.state import read_state
from fbench.learning import arms, data


def words_of(text: str) -> list[str]:
    return text.split()


TINY = words_of(
    "--rounds 2 --seeds 2 --epochs 2 --pool 200 --test 60 --batch 5 --start 12 --fisher-samples 64 "
    "--threads 1 --device cpu"
)
ARMS = ("random", "bait", "bait+fish", "bait+random-mask")
TIMES = ("train_s", "select_s")
CIFAR = os.environ.get("FBENCH_DATA_DIR")


@pytest.fixture(autouse=True, scope="module")
def _surroundings() -> Iterator[None]:
    """One thread, no data folder from outside, and everything as it was after."""
    threads, folder = torch.get_num_threads(), os.environ.pop("FBENCH_DATA_DIR", None)
    yield
    torch.set_num_threads(threads)
    if folder is not None:
        os.environ["FBENCH_DATA_DIR"] = folder


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run ``fbench compare`` in this process: the tiny settings, and what is typed after them."""

    def run(*words: Any, tiny: tuple[str, ...] | list[str] = TINY, jobs: int | None = 1) -> Ended:
        capfd.readouterr()
        side_by_side = [] if jobs is None else ["--jobs", str(jobs)]
        code = cli.run(["compare", *tiny, *side_by_side, *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


def deterministic(folder: Path, **where: str) -> list[dict[str, str]]:
    """The rows of ``results.csv`` without what a clock said, and those ``where`` only."""
    rows = [row for row in table(folder) if all(row[name] == value for name, value in where.items())]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def assert_equal_runs(one: Path, two: Path) -> None:
    assert deterministic(one) == deterministic(two)
    assert (one / "selections.csv").read_bytes() == (two / "selections.csv").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run of all four arms, uninterrupted."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert cli.run(["compare", *TINY, "--jobs", "1", "--out", str(path)]) == 0
    return path


# A comparison that grows


SHORT = ["--strategies", "random,bait", "--rounds", "1", "--seeds", "2", "--questions", "bait > random"]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms, two seeds, one round."""
    path = tmp_path_factory.mktemp("short") / "run"
    assert cli.run(["compare", *TINY, *SHORT, "--jobs", "1", "--out", str(path)]) == 0
    return path


@pytest.mark.parametrize(
    ("more", "fresh"),
    [
        ("--seeds 2..3", "--seeds 0..1,2..3"),
        ("--seeds 4 --rounds 2", "--seeds 0..1,2..3 --rounds 2"),
        ("--rounds 2 --strategies bait-top2", "--rounds 2 --strategies random,bait,bait-top2"),
    ],
)
def test_a_grown_comparison_is_a_fresh_one(
    fbench: Callable[..., Ended], short: Path, tmp_path: Path, more: str, fresh: str
) -> None:
    shutil.copytree(short, tmp_path / "grown")
    assert fbench(*words_of(more), "--out", tmp_path / "grown", tiny=[]).code == 0
    assert fbench(*SHORT, *words_of(fresh), "--out", tmp_path / "fresh").code == 0
    assert_equal_runs(tmp_path / "grown", tmp_path / "fresh")


def test_seeds_that_came_later_are_those_of_a_larger_study(
    fbench: Callable[..., Ended], short: Path, tmp_path: Path
) -> None:
    """But for the name of the case, which is a block of seeds."""
    shutil.copytree(short, tmp_path / "grown")
    assert fbench("--seeds", "3", "--out", tmp_path / "grown", tiny=[]).code == 0
    assert fbench(*SHORT, "--seeds", "3", "--out", tmp_path / "fresh").code == 0

    def rows(folder: Path) -> list[dict[str, str]]:
        bare = [{name: value for name, value in row.items() if name != "case"} for row in deterministic(folder)]
        return sorted(bare, key=lambda row: (row["strategy"], row["seed"], row["round"]))

    assert rows(tmp_path / "grown") == rows(tmp_path / "fresh")


def test_a_question_that_is_asked_afterwards_says_so(fbench: Callable[..., Ended], short: Path, tmp_path: Path) -> None:
    shutil.copytree(short, tmp_path / "run")
    ended = fbench("--questions", "random >= bait", "--out", tmp_path / "run", tiny=[])
    assert ended.code == 0
    assert " ".join(ended.out.split()).count("asked when rows were there") == 1
    assert deterministic(tmp_path / "run") == deterministic(short)
    options = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert options["questions"] == "bait > random, random >= bait"
    assert options["later"] == "random >= bait"


def test_a_replication_asks_all_of_it_of_new_seeds(fbench: Callable[..., Ended], short: Path, tmp_path: Path) -> None:
    shutil.copytree(short, tmp_path / "run")
    assert fbench("--questions", "random >= bait", "--out", tmp_path / "run", tiny=[]).code == 0
    ended = fbench("--replicate", tmp_path / "run", "--out", tmp_path / "again", tiny=[])
    assert ended.code == 0
    assert "asked when rows were there" not in ended.out
    assert sorted({row["seed"] for row in table(tmp_path / "again")}) == ["2", "3"]
    ended = fbench("--replicate", tmp_path / "run", "--seeds", "1..4", "--out", tmp_path / "more", tiny=[])
    assert (ended.code, "seed 1 is in the run that is replicated" in ended.err) == (2, True)


def test_folds_are_disjoint_test_sets_and_recorded(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    words = [*SHORT, "--pool", "0", "--test", "0", "--folds", "2", "--out", tmp_path / "run"]
    assert fbench(*words).code == 0
    assert json.loads((tmp_path / "run/options.json").read_text())["options"]["folds"] == 2
    halves = [len(data.split(data.digits(None, download=False), seed, folds=2).test_targets) for seed in range(2)]
    assert sum(halves) == 1797
    for row in table(tmp_path / "run"):
        count = float(row["accuracy"]) * halves[int(row["seed"])]
        assert count == pytest.approx(round(count), abs=1e-3)
    bought = {seed: {r["index"] for r in table(tmp_path / "run", "selections") if r["seed"] == seed} for seed in "01"}
    assert not bought["0"] & bought["1"]


@pytest.mark.parametrize(
    ("folds", "text"),
    [
        ("1", "--folds 1: give 2 to 100, or 0"),
        ("101", "--folds 101: give 2 to 100"),
        ("two", "--folds two: give 2 to 100"),
    ],
)
def test_folds_that_cannot_be(fbench: Callable[..., Ended], folds: str, text: str) -> None:
    ended = fbench("--folds", folds, "--dry-run")
    assert (ended.code, text in ended.err) == (2, True), ended.err


def test_folds_need_a_data_set_without_a_test_set(fbench: Callable[..., Ended], loaded: Path) -> None:
    ended = fbench(
        "--load", loaded, "--dataset", "bands", "--model", "two-layers", "--folds", "5", "--dry-run", tiny=BANDS
    )
    assert ended.code == 2
    assert "--folds 5: bands has a test set of its own, the same for every seed; leave it out" in ended.err


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ("0", "seeds must number 1 to 1,000"),
        ("1001", "seeds must number 1 to 1,000"),
        ("3..1", "a range of seeds runs upwards"),
        ("0..1,1..2", "a seed stands twice"),
        ("0..9999", "at most 1,000 seeds in all"),
        ("1..x", "seeds are a count such as 8, or ranges such as 8..15"),
        ("0..1,", "a range of seeds is missing here"),
        ("5,6", "seeds are a count such as 8, or ranges such as 8..15"),
    ],
)
def test_seeds_that_cannot_be(fbench: Callable[..., Ended], seeds: str, text: str) -> None:
    ended = fbench("--seeds", seeds, "--dry-run")
    assert (ended.code, text in ended.err) == (2, True)


# Batches for one network


def test_batches_of_round_1_are_scored_for_the_network_of_round_0(
    fbench: Callable[..., Ended], short: Path, tmp_path: Path
) -> None:
    """What is bought and learned is what it is without."""
    ended = fbench(*SHORT, "--same-state", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    rows = table(tmp_path / "run", "states")
    assert [(row["strategy"], row["seed"], row["round"]) for row in rows] == [
        (name, seed, "1") for name in ("random", "bait") for seed in "01"
    ]
    networks = {seed: {row["network"] for row in rows if row["seed"] == seed} for seed in "01"}
    assert [len(names) for names in networks.values()] == [1, 1]
    assert networks["0"] != networks["1"]
    for row in rows:
        assert 0 < float(row["objective"]) < float(row["objective_before"])
        assert (row["samples"], row["candidates"], row["weights"]) == ("200", "188", "9648")
    assert "One network, every batch" in (tmp_path / "run" / "summary.md").read_text()
    assert (tmp_path / "run" / "figures" / "same_state.svg").exists()
    assert_equal_runs(tmp_path / "run", short)
    assert table(short, "states") == []
    assert "One network" not in (short / "summary.md").read_text()


def test_the_columns_of_states_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["columns", "compare"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    for name in ("objective_before", "redundancy", "SHA-256 of its weights"):
        assert name in told


def test_a_start_set_that_is_too_large_to_be_scored(
    fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fbench.suites.compare.state_plan.most_rows", lambda dtype: 90)
    ended = fbench(*SHORT, "--same-state", "--dry-run")
    assert ended.code == 2
    assert "--start 12 + --batch 5 may be at most 10 together; lower one of them" in " ".join(ended.err.split())


# What a run writes


def test_the_files_of_a_run(whole: Path) -> None:
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert files >= {
        "results.csv", "selections.csv", "options.json", "environment.json", "summary.md",
        "figures/learning_curves.svg", "figures/learning_curves.png",
    }  # fmt: skip
    assert not [name for name in files if name.endswith(".new")]


@pytest.mark.parametrize("name", ["results", "selections"])
def test_columns_are_the_declared_ones(whole: Path, name: str) -> None:
    declared = [column.name for column in registry.SUITES.get("compare").all_tables()[name]]
    assert (whole / f"{name}.csv").read_text().splitlines()[0].split(",") == declared


def test_columns_of_the_contract_are_declared() -> None:
    tables = registry.SUITES.get("compare").all_tables()
    names = {name: [column.name for column in columns] for name, columns in tables.items()}
    contract = {"case", "strategy", "seed", "round", "labels", "accuracy", "nll", "train_s", "select_s"}
    assert contract | {"status", "reason"} <= set(names["results"])
    assert {"strategy", "seed", "round", "position", "index"} <= set(names["selections"])


def test_rows_are_complete_and_in_key_order(whole: Path) -> None:
    keys = [(row["strategy"], int(row["round"]), int(row["seed"])) for row in table(whole)]
    assert keys == [(name, number, seed) for name in ARMS for number in range(3) for seed in range(2)]
    keys = [(r["strategy"], *(int(r[n]) for n in ("round", "seed", "position"))) for r in table(whole, "selections")]
    bought = [12, 5, 5]
    assert keys == [
        (name, number, seed, place)
        for name in ARMS
        for number in range(3)
        for seed in range(2)
        for place in range(bought[number])
    ]


def test_values_of_the_rows(whole: Path) -> None:
    for row in table(whole):
        number = int(row["round"])
        assert (row["status"], row["reason"]) == ("ok", "")
        assert int(row["labels"]) == 12 + 5 * number
        assert 0 <= float(row["accuracy"]) <= 1
        assert (float(row["accuracy"]) * 60) == pytest.approx(round(float(row["accuracy"]) * 60))
        assert float(row["nll"]) > 0
        assert float(row["train_s"]) > 0
        assert (row["select_s"] == "") is (number == 0)
        assert (row["dim"] == "") is (number == 0 or row["strategy"] == "random")
        if row["dim"]:
            assert int(row["dim"]) == 160 if row["strategy"] == "bait" else int(row["dim"]) >= 320
            assert 0 < float(row["d_eff"]) < int(row["dim"])
            assert float(row["regularisation"]) == 1


def test_arms_share_the_start_set_and_nothing_is_bought_twice(whole: Path) -> None:
    for seed in "01":
        rows = [row for row in table(whole, "selections") if row["seed"] == seed]
        by_arm = {name: [int(row["index"]) for row in rows if row["strategy"] == name] for name in ARMS}
        assert all(len(set(indices)) == len(indices) == 22 for indices in by_arm.values())
        assert all(indices[:12] == by_arm["random"][:12] for indices in by_arm.values())
        first = {tuple(indices[12:17]) for indices in by_arm.values()}
        assert len(first) == len(ARMS)
    start = [row for row in deterministic(whole) if row["round"] == "0"]
    assert len({(row["seed"], row["accuracy"], row["nll"]) for row in start}) == 2


def test_options_are_all_recorded(whole: Path) -> None:
    identity = json.loads((whole / "options.json").read_text())
    options = identity["options"]
    assert set(options) == {parameter.name for parameter in registry.SUITES.get("compare").parameters}
    assert "auto" not in options.values()
    assert (options["seeds"], options["rounds"], options["model"]) == ([[0, 1]], 2, "small")
    assert options["strategies"] == list(ARMS)
    assert options["mask_fraction"] == pytest.approx(0.034)
    assert options["questions"] == (
        "bait+fish > random, bait+fish > bait+random-mask, bait+random-mask > bait, bait+fish >= bait"
    )
    assert options["folds"] == 0
    assert (identity["threads"], identity["devices"], identity["suite"]) == (1, ["cpu"], "compare")
    assert len(identity["fingerprint"]) == 64


def test_the_environment_is_recorded(whole: Path) -> None:
    environment = json.loads((whole / "environment.json").read_text())
    assert environment["threads"] == 1
    assert environment["torch"] == torch.__version__


def test_the_summary_has_findings_table_and_figure(whole: Path) -> None:
    text = (whole / "summary.md").read_text()
    assert text.splitlines()[2] == "2 seeds on digits are too few to say which strategy is better."
    assert "**Is bait+random-mask better than bait?** *Too few.*" in text
    assert "| random |" in text
    assert "](figures/learning_curves.png)" in text
    assert "nan" not in text.lower()


def test_a_finished_run_is_rendered_again(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    (copy / "summary.md").unlink()
    shutil.rmtree(copy / "figures")
    ended = fbench("--out", copy)
    assert ended.code == 0
    assert "Rendering again the finished run" in ended.err
    for name in ("results.csv", "selections.csv", "summary.md", "figures/learning_curves.svg"):
        assert (copy / name).read_bytes() == (whole / name).read_bytes()


def test_a_dry_run_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in ([], ["--out", tmp_path / "run"]):
        ended = fbench("--dry-run", *words)
        assert ended.code == 0
        assert "nothing was run" in ended.out
        assert all(name in ended.out for name in ARMS)
    assert list(tmp_path.iterdir()) == []


def test_without_out_the_folder_is_named_by_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fbench("--strategies", "random,bait").code == 0
    (path,) = (tmp_path / "reports/compare").iterdir()
    assert ":" not in path.name
    assert len(table(path)) == 12


@pytest.mark.parametrize("arm", ["random", "bait"])
def test_one_arm_alone(tmp_path: Path, fbench: Callable[..., Ended], arm: str) -> None:
    words = ["--strategies", arm, "--rounds", 1, "--out", tmp_path / "run"]
    assert fbench(*words).code == 0
    before = (tmp_path / "run/summary.md").read_text()
    assert f"| {arm} |" in before
    assert json.loads((tmp_path / "run/options.json").read_text())["options"]["questions"] == ""
    assert fbench(*words).code == 0  # rendered again, from the file
    assert (tmp_path / "run/summary.md").read_text().split("Measured in")[0] == before.split("Measured in")[0]


# The same every time


def test_the_same_command_gives_the_same_numbers(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    torch.rand(3)
    assert fbench("--out", tmp_path / "again").code == 0
    assert_equal_runs(tmp_path / "again", whole)


def test_seeds_do_not_depend_on_how_many_are_run(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    assert fbench("--seeds", 1, "--strategies", "random,bait+fish", "--out", tmp_path / "one").code == 0
    names = [name for name in table(whole)[0] if name not in (*TIMES, "case")]
    for strategy in ("random", "bait+fish"):
        one = deterministic(tmp_path / "one", strategy=strategy)
        two = deterministic(whole, strategy=strategy, seed="0")
        assert [[row[name] for name in names] for row in one] == [[row[name] for name in names] for row in two]
    picks = [row["index"] for row in table(tmp_path / "one", "selections")]
    wanted = [r for r in table(whole, "selections") if r["seed"] == "0" and r["strategy"] in ("random", "bait+fish")]
    assert picks == [row["index"] for row in wanted]


def test_the_order_of_the_strategies_does_not_matter(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    assert fbench("--strategies", ",".join(reversed(ARMS)), "--out", tmp_path / "back").code == 0
    for name in ARMS:
        assert deterministic(tmp_path / "back", strategy=name) == deterministic(whole, strategy=name)
        one, two = (
            [r for r in table(path, "selections") if r["strategy"] == name] for path in (whole, tmp_path / "back")
        )
        assert one == two


# A user's own


OWN = """
from math import prod

import torch
from torch import nn

from fbench.learning.data import Images
from fbench.learning.strategies import Proposal
from fbench.harness.registry import dataset, model, strategy


@strategy("lowest", "the first positions")
def lowest(state, batch_size):
    return Proposal(state.unlabelled()[:batch_size], {"dim": 3})


@strategy("twice", "the same one again and again")
def twice(state, batch_size):
    return Proposal(state.unlabelled()[:1].repeat(batch_size))


@strategy("noted", "a fact that no column declares")
def noted(state, batch_size):
    return Proposal(state.unlabelled()[:batch_size], {"mood": 1.0})


@model("two-layers", "no replicas, no convolution")
def two_layers(replicas, shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 6), nn.ReLU(), nn.Linear(6, classes))


def bands(broken=None):
    g = torch.Generator().manual_seed(0)
    targets = torch.arange(240) % 3
    images = 0.7 * torch.rand(240, 2, 5, 5, generator=g)
    for label in range(3):
        images[targets == label, :, label] += 0.5
    if broken is not None:
        images[broken] = torch.nan
    return Images("bands", images[:200], targets[:200], 3, images[200:], targets[200:])


@dataset("bands", "three classes")
def whole(folder, download):
    return bands()


@dataset("holed", "NaN in images 0 to 39")
def holed(folder, download):
    return bands(slice(0, 40))


@dataset("one-hole", "NaN in one image, which no start set of two seeds holds")
def one_hole(folder, download):
    return bands(HOLE)
"""


def unbought() -> int:
    """An image that neither the start set nor random's batches of seeds 0 and 1 hold."""
    from fbench.learning import seeds

    drawn = {int(i) for s in (0, 1) for i in torch.randperm(200, generator=seeds.generator("start", s, 3))[:6]}
    return next(i for i in range(199, -1, -1) if i not in drawn)


@pytest.fixture
def loaded(tmp_path: Path, registries: Any) -> Iterator[Path]:
    path = tmp_path / "own.py"
    path.write_text(OWN.replace("HOLE", str(unbought())))
    arms.load_images.cache_clear()
    yield path
    arms.load_images.cache_clear()


BANDS = words_of("--rounds 2 --seeds 2 --epochs 2 --batch 3 --start 6 --fisher-samples 32 --threads 1 --device cpu")


def test_own_strategy_model_and_data_set(loaded: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    words = ["--load", loaded, "--dataset", "bands", "--model", "two-layers", "--strategies", "random,bait+fish,lowest"]
    ended = fbench(*words, "--out", tmp_path / "run", tiny=BANDS)
    assert ended.code == 0
    rows = table(tmp_path / "run")
    assert len(rows) == 3 * 3 * 2
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["dim"] for row in rows if row["strategy"] == "lowest"} == {"", "3"}
    picks = [int(r["index"]) for r in table(tmp_path / "run", "selections") if r["strategy"] == "lowest"]
    assert set(picks) >= {0, 1, 2}
    identity = json.loads((tmp_path / "run/options.json").read_text())
    assert identity["loaded"][0]["path"] == str(loaded)
    assert "lowest" in (tmp_path / "run/summary.md").read_text()


def test_two_processes_give_what_one_gives(loaded: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    words = ["--load", loaded, "--dataset", "bands", "--model", "small", "--strategies", "bait,random,lowest"]
    words += ["--mask-fraction", "0.5"]
    assert fbench(*words, "--out", tmp_path / "two", tiny=BANDS, jobs=2).code == 0
    for values in (registry.STRATEGIES, registry.DATASETS, registry.MODELS):
        for name in ("lowest", "twice", "noted", "bands", "holed", "one-hole", "two-layers"):
            values._values.pop(name, None)
    assert fbench(*words, "--out", tmp_path / "one", tiny=BANDS, jobs=1).code == 0
    assert_equal_runs(tmp_path / "two", tmp_path / "one")


def test_a_strategy_that_breaks_its_promise_is_a_failed_row(
    loaded: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    words = ["--load", loaded, "--dataset", "bands", "--model", "small", "--mask-fraction", "0.5"]
    ended = fbench(*words, "--strategies", "random,twice,bait", "--out", tmp_path / "run", tiny=BANDS)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    rows = table(tmp_path / "run")
    failed = [row for row in rows if row["status"] == "failed"]
    assert {(row["strategy"], row["round"]) for row in failed} == {("twice", "1")}
    assert all("3 distinct unlabelled ones were asked" in row["reason"] for row in failed)
    assert all(row["accuracy"] == "" for row in failed)
    assert len([row for row in rows if row["strategy"] == "random" and row["status"] == "ok"]) == 6


def test_a_fact_that_no_column_declares_costs_its_case_alone(
    loaded: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    words = ["--load", loaded, "--dataset", "bands", "--model", "small", "--mask-fraction", "0.5"]
    ended = fbench(*words, "--strategies", "random,bait,noted", "--out", tmp_path / "run", tiny=BANDS)
    assert ended.code == 1
    assert len([row for row in table(tmp_path / "run") if row["strategy"] == "random"]) == 6


@pytest.mark.parametrize(("dataset", "holes", "first"), [("holed", 40, 0), ("one-hole", 1, None)])
def test_nan_in_the_images_is_refused_before_a_run(
    loaded: Path, tmp_path: Path, fbench: Callable[..., Ended], dataset: str, holes: int, first: int | None
) -> None:
    words = ["--load", loaded, "--dataset", dataset, "--model", "small", "--mask-fraction", "0.5"]
    ended = fbench(*words, "--strategies", "random,bait,bait+fish", "--out", tmp_path / "run", tiny=BANDS)
    where = unbought() if first is None else first
    refusal(ended, f"images hold NaN or infinity in {holes} of 200, first in {where}; drop or mend them")
    assert not (tmp_path / "run").exists()


# Interrupted


MORE = words_of("--rounds 6 --seeds 2 --epochs 2 --pool 200 --test 60 --batch 5 --start 12 --threads 1 --device cpu")
MORE += ["--strategies", "random,bait", "--jobs", "1"]

LAUNCHER = textwrap.dedent("""
    import json, os, signal, sys
    import matplotlib.pyplot, sklearn.datasets, torch
    from fbench import cli
    from fbench.harness import options, registry, runner
    import fbench.results.figures, fbench.suites.compare.summary, fbench.learning.rounds
    registry.SUITES.names(), registry.STRATEGIES.names(), registry.DATASETS.names(), registry.MODELS.names()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            errors = os.open(order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(errors, 2)
            code = cli.run(order["words"])
            sys.stdout.flush()
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
""")


class Launcher:
    """Starts the command in a process and a group of its own, at the price of a fork and not of the imports."""

    def __init__(self, folder: Path) -> None:
        quiet = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        command = [sys.executable, "-W", "ignore", "-c", LAUNCHER]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=quiet)
        assert self._read() == "ready"
        self.err = folder / "stderr.txt"

    def start(self, words: list[str]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"words": words, "err": str(self.err)}) + "\n")
        self._process.stdin.flush()
        child = int(self._read())
        assert child > 1  # not the exit code of a run that a failed test left: killpg(0) would end the tests
        return child

    def wait(self) -> int:
        return int(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    started = Launcher(tmp_path_factory.mktemp("launcher"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The run that the interrupted ones have to equal, and its seconds."""
    path = tmp_path_factory.mktemp("uninterrupted") / "run"
    begun = time.perf_counter()
    assert cli.run(["compare", *MORE, "--out", str(path)]) == 0
    return path, time.perf_counter() - begun


def committed(path: Path) -> int:
    """Bytes of results that a run would keep, its header not counted."""
    try:
        header = (path / "results.csv").read_bytes().index(b"\n") + 1
        return int(json.loads((path / "state.json").read_text())["sizes"]["results"]) - header
    except (OSError, ValueError, KeyError):  # not there yet, or of a run that is about to begin
        return 0


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it came true in time."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            return False
        time.sleep(0.002)
    return True


def test_killed_at_random_moments_it_goes_on(
    launcher: Launcher, uninterrupted: tuple[Path, float], tmp_path: Path
) -> None:
    """The process alone and its whole group by turns."""
    whole, seconds = uninterrupted
    path, moments = tmp_path / "run", random.Random(4)
    words = ["compare", *MORE, "--out", str(path)]
    kept = []
    for attempt in range(7):
        child, before = launcher.start(words), committed(path)
        if attempt % 2:  # after something new was committed; otherwise at any moment, the first ones included
            assert until(lambda before=before: committed(path) > before)  # type: ignore[misc]
            time.sleep(moments.uniform(0, 0.1))
        else:
            time.sleep(moments.uniform(0, seconds / 8))
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if attempt % 4 > 1 else os.kill)(child, signal.SIGKILL)
        code = launcher.wait()
        kept.append(committed(path))
        if code != -signal.SIGKILL:
            break
    assert sorted(kept) == kept  # nothing committed is ever lost
    assert len({size for size in kept if size > 0}) >= 3
    launcher.start(words)
    assert launcher.wait() == 0, launcher.err.read_text()
    assert_equal_runs(path, whole)
    for name in ("summary.md", "figures/learning_curves.svg", "figures/learning_curves.png"):
        assert (path / name).exists()


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(
    launcher: Launcher, uninterrupted: tuple[Path, float], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    words = ["compare", *MORE, "--out", str(path)]
    for _ in range(2):
        child, before = launcher.start(words), committed(path)
        assert until(lambda before=before: committed(path) > before)  # type: ignore[misc]
        os.killpg(child, signal.SIGINT)
        assert launcher.wait() == 130
        assert "Traceback" not in launcher.err.read_text()
    launcher.start(words)
    assert launcher.wait() == 0
    assert "Taking up the unfinished run" in launcher.err.read_text()
    assert_equal_runs(path, uninterrupted[0])


def test_ctrl_c_says_how_to_go_on(launcher: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "run"
    child = launcher.start(["compare", *MORE, "--out", str(path)])
    assert until(lambda: committed(path) > 0)
    os.killpg(child, signal.SIGINT)
    assert launcher.wait() == 130
    assert "interrupted: what was measured is on disk" in launcher.err.read_text()


def group_members(group: int) -> set[int]:
    """Processes of a group that still run."""
    running = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, _, own_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if entry.name.isdigit() and int(own_group) == group and state != "Z":
                running.add(int(entry.name))
    return running


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("end", "number", "code"),
    [(os.kill, signal.SIGKILL, -9), (os.killpg, signal.SIGINT, 130)],
    ids=["the main process killed", "Ctrl-C"],
)
def test_with_two_processes_too(
    launcher: Launcher,
    uninterrupted: tuple[Path, float],
    tmp_path: Path,
    fbench: Callable[..., Ended],
    end: Callable[[int, int], None],
    number: int,
    code: int,
) -> None:
    path = tmp_path / "run"
    main = launcher.start(["compare", *MORE[:-1], "2", "--out", str(path)])
    assert until(lambda: committed(path) > 0)
    end(main, number)
    assert launcher.wait() == code
    assert until(lambda: not group_members(main), 20)  # workers notice that they are alone
    assert number == signal.SIGKILL or "Traceback" not in launcher.err.read_text()
    assert 0 < committed(path) < (uninterrupted[0] / "results.csv").stat().st_size
    assert fbench("--out", path, tiny=MORE, jobs=None).code == 0
    assert_equal_runs(path, uninterrupted[0])


def test_a_full_disk_is_one_line_and_the_run_goes_on(
    uninterrupted: tuple[Path, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    real, calls = disk.append, []

    def append(path: Path, start: int, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 10:
            real(path, start, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        real(path, start, data)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "append", append)
        ended = fbench("--out", tmp_path / "run", tiny=MORE, jobs=None)
    assert ended.code == 2
    assert "No space left on device" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert fbench("--out", tmp_path / "run", tiny=MORE, jobs=None).code == 0
    assert_equal_runs(tmp_path / "run", uninterrupted[0])


def test_a_disk_that_is_full_at_the_figures_costs_these(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    def draw(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    monkeypatch.setattr("fbench.results.figures.draw", draw)
    ended = fbench("--out", copy)
    assert ended.code == 0
    assert "figure learning_curves could not be drawn: OSError: [Errno 28] No space left on device" in ended.err


# Refused


def refusal(ended: Ended, *parts: str) -> str:
    """The one message of a refused command; ``parts`` are in it."""
    assert ended.code == 2, ended
    lines = ended.err.rstrip("\n").split("\n")
    assert lines[0].startswith("fbench: "), ended.err
    assert len(lines) == 1 or (len(lines) == 3 and lines[2].strip() == "^"), ended.err  # a caret below a list
    assert ended.out == ""
    for part in parts:
        assert part in ended.err, ended.err
    return lines[0]


BAD = [
    ("--strategies bait+fisch,random", "unknown strategy 'bait+fisch'; did you mean 'bait+fish'?"),
    ("--strategies bait+fisch@328,random", "unknown strategy 'bait+fisch@328'; did you mean 'bait+fish@D'?"),
    ("--strategies bait+fish@1e3", "strategy bait+fish@1e3: behind the @ stands how many weights it keeps in all"),
    (
        "--strategies random,bait+fish@160",
        "strategy bait+fish@160: 160 weights; of the 9,648 of SmallNet it keeps 161",
    ),
    ("--dataset digit", "unknown data set 'digit'; did you mean 'digits'?"),
    ("--model smal", "unknown model 'smal'; did you mean 'small'?"),
    ("--strategies bait,random,bait", "strategy 'bait' stands twice; name each once"),
    ("--strategies bait,,random", "a strategy is missing here; write one, or drop the comma"),
    ("--strategies ,", "a strategy is missing here"),
    ("--batch 100", "--start 12 + 2 rounds × --batch 100 = 212 labels, more than the pool's 200; lower"),
    ("--start 201 --rounds 1 --batch 1", "more than the pool's 200"),
    ("--start 0", "--start 0: must be at least 1"),
    ("--rounds 0", "--rounds 0: must be at least 1"),
    ("--seeds 0", "--seeds: seeds must number 1 to 1,000"),
    ("--seeds -1", "--seeds: seeds are a count such as 8, or ranges such as 8..15"),
    ("--batch 0", "--batch 0: must be at least 1"),
    ("--epochs 0", "--epochs 0: must be at least 1"),
    ("--pool -1", "--pool -1: must be at least 0"),
    ("--pool 5000", "--pool 5000: this data set allows 1 to 1438"),
    ("--test 5000", "--test 5000: this data set allows 1 to 359"),
    ("--fisher-samples 0", "--fisher-samples 0: must be at least 1"),
    ("--rounds two", "two"),
    ("--rounds 2.5", "2.5"),
    ("--dataset cifar10", "cifar10 needs a folder: give --data-dir FOLDER or set FBENCH_DATA_DIR"),
    ("--dataset cifar10 --data-dir {tmp}/empty", "data_batch_1 is missing; point --data-dir"),
    ("--dataset cifar10 --data-dir {tmp}/fake", "data_batch_1 is corrupt: its MD5 checksum is"),
    ("--device nonsense", "unknown device 'nonsense'; write auto, cpu, cuda"),
    ("--device cpu,cuda", "mixes CPU and GPU"),
    ("--mask-fraction 0", "--mask-fraction 0: must be above 0 and at most 1, or auto"),
    ("--mask-fraction 2", "--mask-fraction 2: must be above 0 and at most 1, or auto"),
    ("--mask-fraction abc", "--mask-fraction abc: must be above 0 and at most 1, or auto"),
    ("--mask-fraction 0.001", "--mask-fraction 0.001 keeps 9 of 9,648 weights, no more than the classifier's 160"),
    ("--regularisation 0", "--regularisation 0: must be a positive number, or rel:c"),
    ("--regularisation -1", "--regularisation -1: must be a positive number, or rel:c"),
    ("--regularisation rel:", "--regularisation rel:: must be a positive number, or rel:c"),
    ("--regularisation deff:0", "--regularisation deff:0: must be a positive number, or rel:c or deff:c"),
    ("--regularisation abc", "--regularisation abc: must be a positive number, or rel:c"),
    ("--margin 0", "--margin 0: must be"),
    ("--margin nan", "--margin nan: must be a finite number"),
    ("--train-batch 1", "--train-batch 1: must be at least 2"),
    ("--learning-rate nan", "--learning-rate nan: must be a finite number"),
    ("--learning-rate -1", "--learning-rate -1: must be"),
    ("--learning-rate 0", "--learning-rate 0: must be above 0"),
    ("--weight-decay -1", "--weight-decay -1: must be at least 0"),
    ("--oversample 0.5", "--oversample 0.5: must be at least 1"),
    ("--dtype float16", "unknown --dtype 'float16'; did you mean 'float"),
    ("--fisher-on xyz", "unknown --fisher-on 'xyz'. Known: labelled, pool, unlabelled"),
    ("--strategies random,bait --questions bait>bait+fish", "--questions names 'bait+fish', which is not among"),
    ("--questions bait<random", "question 'bait<random': write 'A >= B' (not inferior) or 'A > B' (better)"),
    ("--questions bait>", "question 'bait>': write"),
    ("--preset fishmas", "unknown preset 'fishmas'; did you mean 'fishermask'?"),
    ("--jobs -1", "--jobs -1: must be at least 0"),
    ("--threads -1", "--threads -1: must be at least 0"),
    ("--no-such-option", "No such option"),
    ("--load {tmp}/absent.py", "absent.py: no such file"),
]


@pytest.fixture
def data_folders(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake/cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "fake/cifar-10-batches-py/data_batch_1").write_bytes(b"not a batch")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "part"),
    BAD,
    ids=[words for words, _ in BAD],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(
    data_folders: Path, fbench: Callable[..., Ended], words: str, part: str
) -> None:
    out = data_folders / "run"
    jobs = None if "--jobs" in words else 1
    ended = fbench(*words.format(tmp=data_folders).split(), "--out", out, jobs=jobs)
    refusal(ended, part)
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("words", ["--gpus 0", "--gpus 0..3", "--device cuda", "--device cuda:0,cuda:1"])
def test_a_gpu_that_is_not_there(tmp_path: Path, fbench: Callable[..., Ended], words: str) -> None:
    tiny = TINY[: TINY.index("--device")]
    ended = fbench(*words.split(), "--out", tmp_path / "run", tiny=tiny)
    refusal(ended, f"{words}: no CUDA device here", "or run with --device cpu")
    assert not (tmp_path / "run").exists()


def test_gpus_beside_a_device(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    refusal(fbench("--gpus", 0, "--out", tmp_path / "run"), "--device cpu and --gpus 0 both name devices")


def test_a_preset_of_another_suite(tmp_path: Path, registries: Any, fbench: Callable[..., Ended]) -> None:
    registry.PRESETS.add(registry.Preset("other", "", "elsewhere", {}))
    ended = fbench("--preset", "other", "--out", tmp_path / "run")
    refusal(ended, "--preset other is for `fbench elsewhere`, not `fbench compare`")


def test_a_start_of_fewer_labels_than_classes_is_warned_of_and_runs(
    tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ended = fbench("--start", 4, "--strategies", "random,bait", "--out", tmp_path / "run")
    assert ended.code == 0
    assert ended.err.startswith("fbench: warning: --start 4 is fewer labels than the 10 classes")
    assert {row["labels"] for row in table(tmp_path / "run")} == {"4", "9", "14"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--fresh"]], ids=str)
def test_a_foreign_folder_is_left_alone(tmp_path: Path, fbench: Callable[..., Ended], more: list[str]) -> None:
    (tmp_path / "theirs/figures").mkdir(parents=True)
    (tmp_path / "theirs/figures/mine.svg").write_text("figure")
    (tmp_path / "theirs/results.csv").write_text("a,b\n1,2\n")
    before = contents(tmp_path / "theirs")
    ended = fbench("--out", tmp_path / "theirs", *more)
    refusal(ended, "theirs is not empty and not a run of fbench", "choose another")
    assert contents(tmp_path / "theirs") == before


def test_out_that_is_a_file(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    (tmp_path / "file").write_text("kept")
    refusal(fbench("--out", tmp_path / "file"), "file is a file; give a folder")
    assert (tmp_path / "file").read_text() == "kept"


def test_out_below_a_file(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    (tmp_path / "file").write_text("kept")
    refusal(fbench("--out", tmp_path / "file/run"), "cannot write in", "Not a directory")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_out_that_cannot_be_written(fbench: Callable[..., Ended]) -> None:
    refusal(fbench("--out", "/proc/x"), "cannot write in /proc/x")


def test_out_with_other_options_is_refused_and_overwrite_replaces(
    whole: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    (copy / "notes.txt").write_text("mine")
    before = contents(copy)
    other = ["--strategies", "random,bait", "--rounds", 1, "--out", copy, "--weight-decay", 0.5]
    ended = fbench(*other)
    refusal(ended, "--weight-decay was 0.01 in that run, is 0.5", "choose another --out (or --overwrite it)")
    assert contents(copy) == before
    assert fbench(*other, "--overwrite").code == 0
    assert len(table(copy)) == 2 * 2 * 2
    assert (copy / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("removed", [1, 3, 4])
def test_a_killed_overwrite_can_be_run_again(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended], removed: int
) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    real, left = Path.unlink, [removed]

    def unlink(self: Path, *more: Any) -> None:
        real(self, *more)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            clear(copy, ("results", "selections"), read_state(copy))
    words = ["--strategies", "random,bait", "--rounds", 1, "--out", copy, "--overwrite"]
    assert fbench(*words).code == 0


# Real photographs


@pytest.mark.skipif(not CIFAR, reason="FBENCH_DATA_DIR is not set")
def test_real_cifar10(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    tiny = words_of("--pool 64 --test 32 --epochs 1 --rounds 1 --seeds 1 --batch 4 --start 12 --fisher-samples 16")
    words = ["--dataset", "cifar10", "--data-dir", CIFAR, "--threads", 1, "--device", "cpu"]
    words += ["--mask-fraction", 0.002]  # 1402 weights, little more than the classifier's 1280: d³ is what takes time
    ended = fbench(*words, "--out", tmp_path / "run", tiny=tiny)
    arms.load_images.cache_clear()
    assert ended.code == 0, ended.err
    rows = table(tmp_path / "run")
    assert len(rows) == 8
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["dim"] for row in rows if row["strategy"] == "bait"} == {"", "1280"}
    assert json.loads((tmp_path / "run/options.json").read_text())["options"]["model"] == "thin-resnet18"


# Masks at equal d


def test_controls_at_equal_d(fbench: Any, tmp_path: Path) -> None:
    names = ["bait+fish", "bait+fish-layer", "bait+fish-body", "bait+magnitude", "bait+random-mask", "bait+sketch"]
    words = ["--rounds", 1, "--seeds", 1, "--fisher-samples", 16, "--out", tmp_path / "run"]
    words += ["--regularisation", "deff:2.5"]
    ended = fbench("--strategies", ",".join(["bait", *(f"{name}@170" for name in names)]), *words)
    assert ended.code == 0, ended.err
    bought = [row for row in table(tmp_path / "run") if row["round"] == "1"]
    dims = {row["strategy"]: row["dim"] for row in bought}
    assert dims == {"bait": "160", **{f"{name}@170": "170" for name in names}}
    assert {f"{float(row['d_eff']):.6f}" for row in bought} == {"2.500000"}
    assert len({row["regularisation"] for row in bought}) == len(bought)
    assert json.loads((tmp_path / "run/options.json").read_text())["options"]["questions"] == (
        "bait+fish@170 > bait+random-mask@170, bait+random-mask@170 > bait, bait+fish@170 >= bait"
    )
    summary = (tmp_path / "run/summary.md").read_text()
    assert "(of bait+sketch: of the numbers that all weights are hashed to)" in summary


# What BAIT is compared with


BASELINE_ARMS = "random,least-confidence,margin,entropy,coreset,badge,typiclust,probcover,skactiveml:CoreSet,all"


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every arm without an embedding, and one of another library's; the last round was asked for later."""
    path = tmp_path_factory.mktemp("baselines") / "run"
    words = ["compare", *TINY, "--jobs", "1", "--strategies", BASELINE_ARMS, "--questions", "all > random"]
    for rounds in ("1", "2"):
        assert cli.run([*words, "--rounds", rounds, "--out", str(path)]) == 0
    return path


def test_baselines_are_arms_like_any_other(baselines: Path) -> None:
    rows = table(baselines)
    assert {(row["strategy"], row["status"]) for row in rows} == {(name, "ok") for name in BASELINE_ARMS.split(",")}
    bought = table(baselines, "selections")
    for name in BASELINE_ARMS.split(",")[:-1]:
        indices = [(row["seed"], row["index"]) for row in bought if row["strategy"] == name]
        assert len(indices) == len(set(indices)) == 2 * (12 + 2 * 5)
    starts = [
        [row["index"] for row in bought if (row["strategy"], row["round"]) == (name, "0")]
        for name in ("random", "margin")
    ]
    assert starts[0] == starts[1]


def test_all_has_every_label_and_one_result(baselines: Path) -> None:
    rows = [row for row in table(baselines) if row["strategy"] == "all"]
    assert [(row["round"], row["seed"]) for row in rows] == [(r, s) for r in "012" for s in "01"]
    assert {row["labels"] for row in rows} == {"200"}
    for seed in ("0", "1"):
        assert len({(row["accuracy"], row["nll"]) for row in rows if row["seed"] == seed}) == 1
    assert {row["select_s"] for row in rows} == {""}
    assert not [row for row in table(baselines, "selections") if row["strategy"] == "all"]
    summary = (baselines / "summary.md").read_text()
    assert "all: every label from the start, trained once; that stands in all rounds." in summary
    assert "margin − random" in summary
    assert "all −" not in summary
    saved = summary[summary.index("Labels saved") :].split("Interval: where")[0]
    assert "| margin" in saved
    assert "| all" not in saved


DROPPING = """
from torch import nn
from fbench.registry import model


@model("dropping", "one hidden layer, half of it dropped")
def dropping(replicas, *sizes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, sizes[-1]))
"""


def test_bald_on_a_network_that_has_dropout(fbench: Any, tmp_path: Path, registries: Any) -> None:
    (tmp_path / "dropping.py").write_text(DROPPING)
    words = ["--load", tmp_path / "dropping.py", "--model", "dropping", "--strategies", "random,bald", "--rounds", 1]
    assert fbench(*words, "--questions", "bald > random", "--seeds", 1, "--out", tmp_path / "run").code == 0
    bought = [row for row in table(tmp_path / "run", "selections") if row["round"] == "1"]
    chosen = [{row["index"] for row in bought if row["strategy"] == arm} for arm in ("random", "bald")]
    assert [len(indices) for indices in chosen] == [5, 5]
    assert chosen[0] != chosen[1]


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        ("all", "--strategies all: trains on the whole pool and buys nothing; name an arm beside it"),
        ("random,bald", "bald samples networks by dropout, and SmallNet has none; take --model mlp --dropout"),
        ("random,skactiveml:Nothing", "unknown strategy 'skactiveml:Nothing'"),
        ("random,skactiveml:GreedySamplingTarget", "skactiveml:GreedySamplingTarget is for regression, and an arm"),
        ("random,skactiveml:EpistemicUncertaintySampling", "is written for 2 classes, and the data have 10; take"),
    ],
)
def test_arms_that_cannot_run_are_one_line(fbench: Any, tmp_path: Path, strategies: str, message: str) -> None:
    ended = fbench("--strategies", strategies, "--questions", "", "--out", tmp_path / "run")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err
    assert not (tmp_path / "run").exists()


def test_bait_on_all_the_weights_is_an_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a pool with too many rows it takes a part, and the row says how many."""
    words = ["compare", *TINY, "--jobs", "1", "--pool", "60", "--rounds", "1", "--seeds", "1", "--questions", ""]
    arms = ["--strategies", "random,bait,bait-full"]
    for room, considered in ((60, "60"), (40, "40")):
        monkeypatch.setattr("fbench.fisher.planning.row_space.GRAM_BYTES", 4 * (room * 9) ** 2)
        assert cli.run([*words, *arms, "--out", str(tmp_path / considered)]) == 0
        rows = {row["strategy"]: row for row in table(tmp_path / considered) if row["round"] == "1"}
        assert {row["status"] for row in rows.values()} == {"ok"}
        assert (rows["bait-full"]["considered"], rows["bait-full"]["dim"]) == (considered, "9648")
        assert rows["bait"]["considered"] == ""
        assert 0 < float(rows["bait-full"]["d_eff"]) < 9648


def test_labels_beyond_what_bait_full_considers_are_refused(
    fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fbench.fisher.planning.row_space.GRAM_BYTES", 4 * (16 * 9) ** 2)
    ended = fbench("--strategies", "random,bait-full", "--rounds", "1", "--questions", "")
    assert ended.code == 2
    assert "12 labelled and 5 to buy are more than the 16 candidates that BAIT on all weights can consider" in ended.err
