"""``fbench drift`` as it is typed: what it writes, that it is the same every time, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Ended, finished, table

import fbench as product
from fbench import cli
from fbench.harness import registry

WORDS = (
    "--rounds 2 --seeds 2 --epochs 2 --pool 200 --test 60 --batch 5 --start 12 --fisher-samples 40 --model small "
    "--train-batch 8 --threads 1 --device cpu --jobs 1"
)
TINY = WORDS.split()
TABLES = ("results", "fisher", "rounds", "masks", "selections")
FIGURES = ("share_by_depth", "overlap_by_round", "fall_by_fraction")
TIMES = ("train_s", "select_s", "retrain_s", "diagonal_s", "masks_s")
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
    """Run ``fbench drift`` in this process: the tiny settings, and what is typed after them."""

    def run(*words: Any, suite: str = "drift", tiny: list[str] = TINY) -> Ended:
        capfd.readouterr()
        code = cli.run([suite, *tiny, *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("whole") / "run", "drift", *TINY)


def timeless(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Every table without what a clock said."""
    return {
        name: [{key: value for key, value in row.items() if key not in TIMES} for row in table(folder, name)]
        for name in TABLES
    }


def test_the_files_of_a_run(whole: Path) -> None:
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert files >= {
        *(f"{name}.csv" for name in TABLES),
        *(f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("svg", "png")),
        "summary.md", "options.json", "environment.json",
    }  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_the_declared_ones(whole: Path, name: str) -> None:
    declared = [column.name for column in registry.SUITES.get("drift").all_tables()[name]]
    assert (whole / f"{name}.csv").read_text().splitlines()[0].split(",") == declared


def test_columns_of_the_contract_are_declared() -> None:
    contract = (
        "case seed round labels layer layer_index depth parameters kept share jaccard_previous jaccard_first "
        "jaccard_redraw jaccard_retrain jaccard_chance status reason"
    )
    assert set(contract.split()) <= {column.name for column in registry.SUITES.get("drift").columns}


def test_undefined_overlaps_are_empty(whole: Path) -> None:
    for row in table(whole):
        if row["layer"] == "all" or row["round"] == "0":
            assert (row["jaccard_previous"] == "") == (row["round"] == "0")
        if row["layer"] == "classifier.weight":
            assert row["share"] == "1.0"
            assert not any(row[f"jaccard_{name}"] for name in ("first", "redraw", "retrain", "chance"))
        if row["layer"] == "all":
            assert row["layer_index"] == row["depth"] == ""


def test_the_masks_are_those_of_the_rows(whole: Path) -> None:
    masks = product.load_masks(whole)
    rows = [row for row in table(whole) if row["layer"] != "all"]
    for row in rows:
        key = (row["strategy"], *(int(row[n]) for n in ("seed", "round", "samples")), row["rule"], row["classifier"])
        assert masks[(*key, float(row["fraction"]))].counts()[row["layer"]] == int(row["kept"])
    assert len(masks) == 2 * 3 * 3


def test_a_run_again_is_the_same(whole: Path, tmp_path: Path) -> None:
    assert timeless(finished(tmp_path / "again", "drift", *TINY)) == timeless(whole)


def test_a_killed_run_is_taken_up_and_is_the_same(whole: Path, tmp_path: Path) -> None:
    """SIGKILL after the first round is on disk; the same command again."""
    out = tmp_path / "run"
    program = "import sys; from fbench.cli import run; sys.exit(run(sys.argv[1:]))"
    words = [sys.executable, "-c", program, "drift", *TINY, "--out", str(out)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not _rounds_on_disk(out):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= _rounds_on_disk(out) < 3 or process.returncode == 0
    assert timeless(finished(out, "drift", *TINY)) == timeless(whole)


def _rounds_on_disk(out: Path) -> int:
    path = out / "results.csv"
    return len({row["round"] for row in table(out) if row["round"]}) if path.exists() else 0


def test_what_is_typed_is_what_is_measured(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    words = "--fractions 0.1,0.05 --rules global,layer --classifier free,kept --fisher-samples 20,30 --redraws 1,2"
    assert fbench("--seeds", 1, "--rounds", 1, *words.split(), "--retrain", 0, "--out", tmp_path / "run").code == 0
    rows = table(tmp_path / "run")
    for name, values in {
        "fraction": {"0.1", "0.05"}, "rule": {"global", "layer"}, "classifier": {"free", "kept"},
        "samples": {"20", "30"}, "redraws": {"1", "2"}, "jaccard_retrain": {""},
    }.items():  # fmt: skip
        assert {row[name] for row in rows} == values
    assert len(rows) == 2 * 2**5 * 11
    assert {row["retrain_s"] for row in table(tmp_path / "run", "rounds")} == {""}


def test_several_strategies_are_watched(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench("--seeds", 2, "--rounds", 1, "--strategies", "random,bait+fish", "--out", tmp_path / "run")
    assert ended.code == 0
    assert {row["strategy"] for row in table(tmp_path / "run")} == {"random", "bait+fish"}
    assert "bait+fish" in (tmp_path / "run" / "summary.md").read_text()


def test_one_seed_has_no_intervals_and_says_so(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench("--seeds", 1, "--rounds", 1, "--out", tmp_path / "run")
    assert ended.code == 0
    assert "Too few." in ended.out
    assert ", 1 seed:" in ended.out


def test_the_findings_answer(whole: Path) -> None:
    text = (whole / "summary.md").read_text()
    for word in ("neighbouring rounds", "too few layers", "2 seeds", "diagonal"):
        assert word in text, word
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--fractions 0.001", "--fractions 0.001 keeps 9 of 9,648 weights, no more than the classifier's 160"),
        ("--fractions 2", "--fractions '2': must be above 0 and at most 1"),
        (
            "--fisher-samples 101",
            "two disjoint draws of so many need twice as many images, and --fisher-on pool has 200",
        ),
        ("--fisher-samples 4x", "--fisher-samples"),
        ("--rules some", "some"),
        ("--classifier both", "both"),
        ("--redraws 0", "0"),
        ("--retrain 2", "--retrain 2: must be at most 1"),
        ("--retrain -1", "--retrain -1: must be at least 0"),
        ("--margin 0", "--margin 0: must be above 0"),
        ("--strategies nobody", "nobody"),
        ("--batch 100", "more than the pool's 200"),
        ("--dataset cifar10", "cifar10 needs a folder"),
    ],
)
def test_bad_input_is_one_clear_line(fbench: Callable[..., Ended], words: str, message: str, tmp_path: Path) -> None:
    ended = fbench(*words.split(), "--out", tmp_path / "run")
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()


def test_the_plan_says_what_it_will_cost(fbench: Callable[..., Ended]) -> None:
    ended = fbench("--plan")
    assert ended.code == 0
    assert all(name in ended.out for name in ("trainings", "images trained on", "Fisher samples"))
    # 2 seeds × 3 rounds, twice; 2 epochs × (12 + 17 + 22) labels × 2 seeds, twice; 12 networks × 2 draws × 40 images
    assert {"12", "408", "960"} <= set(ended.out.split())


def test_the_published_setting_is_a_preset(fbench: Callable[..., Ended]) -> None:
    preset = registry.PRESETS.get("drift-cifar10")
    assert preset.suite == "drift"
    assert preset.options["fisher_samples"] == "1024"


# compare --drift


def test_compare_watches_its_arms_without_moving_them(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    tiny = [*TINY[: TINY.index("--fisher-samples")], "--fisher-samples", "64", *TINY[TINY.index("--model") :]]
    for name, more in (("plain", []), ("watched", ["--drift"])):
        assert fbench(*more, "--out", tmp_path / name, suite="compare", tiny=tiny).code == 0
    plain, seen = tmp_path / "plain", tmp_path / "watched"
    assert (plain / "selections.csv").read_bytes() == (seen / "selections.csv").read_bytes()
    assert [row["nll"] for row in table(plain)] == [row["nll"] for row in table(seen)]
    assert table(plain, "drift") == table(plain, "masks") == []
    rows = table(seen, "drift")
    assert {row["strategy"] for row in rows} == {"random", "bait", "bait+fish", "bait+random-mask"}
    assert {row["samples"] for row in rows} == {"32"}
    assert {row["jaccard_retrain"] for row in rows} == {""}
    assert any(row["jaccard_redraw"] for row in rows)
    assert len(product.load_masks(seen)) == 4 * 2 * 3
    assert (seen / "figures" / "overlap_by_round.png").exists()
    assert "neighbouring rounds" in (seen / "summary.md").read_text()


@pytest.mark.skipif(CIFAR is None, reason="FBENCH_DATA_DIR is not set")
def test_the_real_cifar10(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    words = (
        "--dataset cifar10 --model thin-resnet18 --seeds 1 --rounds 1 --epochs 1 --fisher-samples 4 --strategies random"
    )
    ended = fbench(*words.split(), "--data-dir", CIFAR, "--out", tmp_path / "run")
    assert ended.code == 0
    assert {row["parameters"] for row in table(tmp_path / "run") if row["layer"] == "all"} == {"701456"}
