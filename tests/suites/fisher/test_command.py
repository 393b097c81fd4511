"""``fbench fisher`` as it is typed: what it writes, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Ended, table

from fbench import cli
from fbench.harness import registry
from fbench.suites.fisher.baselines import BASELINES

TINY = "--model small --size 8 --channels 1 --classes 3 --samples 6 --weights 60 --passes 2 --threads 1 --device cpu"


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run ``fbench fisher`` with the tiny settings and what is typed after them; its cases run in a worker."""

    def run(*words: Any, tiny: str = TINY) -> Ended:
        capfd.readouterr()
        code = cli.run(["fisher", *tiny.split(), *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run of every way, but for one that need not be installed."""
    path = tmp_path_factory.mktemp("whole") / "run"
    words = ["--methods", "loop,vmap,batched,backward", "--loop-samples", "2", "--out", str(path)]
    assert cli.run(["fisher", *TINY.split(), *words]) == 0
    return path


def test_the_files_of_a_run(whole: Path) -> None:
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert files >= {"results.csv", "options.json", "environment.json", "summary.md", "figures/seconds_a_sample.png"}


def test_columns_are_the_declared_ones(whole: Path) -> None:
    declared = [column.name for column in registry.SUITES.get("fisher").columns]
    assert (whole / "results.csv").read_text().splitlines()[0].split(",") == declared


def test_methods_are_those_that_there_are() -> None:
    methods = next(p for p in registry.SUITES.get("fisher").parameters if p.name == "methods")
    assert methods.default.split(",") == list(BASELINES)


def test_rows(whole: Path) -> None:
    rows = table(whole)
    assert {row["status"] for row in rows} == {"ok"}
    for quantity in ("diagonal", "masked-embedding"):
        for method in ("loop", "vmap", "batched", "backward"):
            of_way = [row for row in rows if (row["quantity"], row["method"]) == (quantity, method)]
            assert [(row["block"], row["phase"]) for row in of_way] == [
                ("0", "agreement"), ("0", "memory"), ("0", "pass"), ("1", "pass"),
            ]  # fmt: skip
            assert {row["weights"] for row in of_way} == ({""} if quantity == "diagonal" else {"60"})
            assert [bool(row["time_s"]) for row in of_way] == [False, False, True, True]
            assert of_way[-1]["timed_samples"] == ("2" if method == "loop" else "6")
            if method != "backward":
                assert float(of_way[0]["max_rel_error"]) < 1e-4
            assert (of_way[0]["max_rel_error"] == "") == (method == "backward")
            assert {row["max_rel_error"] for row in of_way[1:]} == {""}


def test_what_it_says(whole: Path) -> None:
    summary = (whole / "summary.md").read_text()
    assert "The diagonal takes " in summary
    assert "The embedding takes " in summary
    assert re.search(r"times (faster|slower) than ", summary)
    assert "the published loop" in summary
    assert "times k−1 plain backward passes, a yardstick." in summary
    assert "Batched float32 differs from a float64 loop by up to " in summary


def test_a_run_taken_up_again_measures_what_is_missing(
    whole: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    """A finished run is rendered again, and nothing in it changes."""
    copy = Path(shutil.copytree(whole, tmp_path / "run"))
    before = (copy / "results.csv").read_bytes()
    ended = fbench("--methods", "loop,vmap,batched,backward", "--loop-samples", 2, "--out", copy)
    assert ended.code == 0, ended.err
    assert (copy / "results.csv").read_bytes() == before


def test_backpack_has_no_embedding(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    """A row says so; where it is all there was, the run says that nothing was measured."""
    words = ["--quantities", "masked-embedding", "--out", tmp_path / "run"]
    ended = fbench("--methods", "backpack,backward", *words)
    assert ended.code == 0, ended.err
    (row,) = [row for row in table(tmp_path / "run") if row["method"] == "backpack"]
    assert (row["status"], row["reason"], row["time_s"]) == ("skipped", "BackPACK gives the diagonal only", "")
    said = (tmp_path / "run" / "summary.md").read_text()
    assert "backpack gave no masked-embedding: BackPACK gives the diagonal only." in said
    ended = fbench("--methods", "backpack", *words, "--overwrite")
    assert ended.code == 4
    assert "BackPACK gives the diagonal only" in ended.err


def test_a_sweep_of_samples_in_float64(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    ended = fbench(
        "--methods", "batched", "--quantities", "diagonal", "--samples", "2..8", "--dtype", "float64",
        "--batch-size", 3, "--seed", 5, "--out", tmp_path / "run",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    rows = table(tmp_path / "run")
    assert [row["samples"] for row in rows if row["phase"] == "pass"] == ["2", "2", "4", "4", "8", "8"]
    assert {row["batch_size"] for row in rows if row["phase"] == "pass"} == {"2", "3"}
    assert all(float(row["max_rel_error"]) < 1e-12 for row in rows if row["phase"] == "agreement")
    assert "The diagonal takes " in ended.out


def test_a_dry_run_writes_nothing(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    ended = fbench("--dry-run", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert not (tmp_path / "run").exists()


def test_the_mask_has_the_classifier_where_it_fits(whole: Path) -> None:
    assert json.loads((whole / "options.json").read_text())["options"]["weights"] == 60
    suite = registry.SUITES.get("fisher")
    from fbench.suites.fisher.passes import make_task

    for weights, kept in ((60, 48), (48, 48), (47, None), (1, None)):
        options = suite.typed(model="small", channels=1, size=8, classes=3, weights=weights)
        mask = make_task(options, "masked-embedding", 4, "cpu").mask
        assert mask is not None
        assert mask.size == weights
        assert kept is None or mask.counts()["classifier.weight"] == kept


BAD = [
    ("--methods bached", "unknown --methods 'bached'; did you mean 'batched'?"),
    ("--methods batched,batched", "'batched' stands twice"),
    ("--quantities trace", "unknown --quantities 'trace'"),
    ("--samples 0", "is too small"),
    ("--model smal", "unknown model 'smal'; did you mean 'small'?"),
    ("--weights 0", "--weights 0: must be at least 1"),
    ("--weights 10000000", "--weights 10,000,000: must be at most the 9,536 weights of small"),
    ("--dtype float16", "unknown --dtype 'float16'; did you mean 'float"),
    ("--classes 1", "--classes 1: must be at least 2"),
    ("--channels 0", "--channels 0: must be at least 1"),
    ("--size 4097", "--size 4097: must be at most 4,096"),
    ("--samples 1000000000 --channels 4096 --size 4096", "make images of 244141 PiB, and"),
    ("--size 0", "--size 0: must be at least 1"),
    ("--passes 0", "--passes 0: must be at least 1"),
    ("--loop-samples 0", "--loop-samples 0: must be at least 1"),
    ("--batch-size -1", "--batch-size -1: must be at least 0"),
]


@pytest.mark.parametrize(("words", "part"), BAD, ids=[words for words, _ in BAD])
def test_bad_input_is_one_clear_line_and_writes_nothing(
    tmp_path: Path, fbench: Callable[..., Ended], words: str, part: str
) -> None:
    ended = fbench(*words.split(), "--out", tmp_path / "run")
    assert ended.code == 2
    assert part in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()
