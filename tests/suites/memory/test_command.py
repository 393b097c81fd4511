"""``fbench memory`` as it is typed: what it writes and says, budgets, plans, killed workers, going on, refusals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Ended, finished, table, typed

from fbench import cli
from fbench.harness import registry
from fbench.suites.memory.spec import ROUND_PHASES


def words_of(text: str) -> list[str]:
    return text.split()


SMALL = words_of(
    "--candidates 200 --image 1x8x8 --features 8 --classes 4 --batch 4 --labelled 20 --chunk-size 32 --rounds 2 "
    "--fisher-samples 16 --train-batch 8 --threads 1 --device cpu"
)
METHODS = ("incremental", "fused", "incremental:mask")
COMMAND = [sys.executable, "-c", "from fbench.cli import main; main()", "memory"]
SUITE = registry.SUITES.get("memory")
LAST_LAYER = [phase for phase in ROUND_PHASES if phase not in ("diagonal", "mask")]

MODELS = """
import os, signal
from math import prod
from pathlib import Path

from torch import nn

from fbench.harness.registry import model


@model("plain", "a linear layer", block=1)
def plain(replicas, shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes, bias=False))


class Trapped(nn.Sequential):
    def forward(self, x):
        float(x.detach().sum().item())
        if len(x) == 200 and self[1].out_features == 3 and Path(__file__).with_name("trap").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


@model("trapped", "needs numbers to run; a trap kills it in a pass over the whole pool of three classes", block=1)
def trapped(replicas, shape, classes):
    return Trapped(nn.Flatten(), nn.Linear(prod(shape), classes, bias=False))
"""


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str], registries: Any) -> Callable[..., Ended]:
    """Run ``fbench memory`` in this process; its cases run in their workers."""

    def run(*words: Any) -> Ended:
        capfd.readouterr()
        code = cli.run(["memory", *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "models.py").write_text(MODELS)
    return tmp_path / "mine" / "models.py"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run: two methods, two rounds."""
    path = tmp_path_factory.mktemp("memory") / "run"
    return finished(path, "memory", *SMALL, "--methods", "fused,incremental:mask")


def where(path: Path, name: str = "results", **values: str) -> list[dict[str, str]]:
    return [row for row in table(path, name) if all(row[key] == value for key, value in values.items())]


# What a run writes


def test_every_file_is_there(whole: Path) -> None:
    tables = {f"{name}.csv" for name in SUITE.all_tables()}
    assert tables == {"results.csv", "limits.csv", "rounds.csv", "timeline.csv", "readers.csv"}
    assert {*tables, "summary.md", "environment.json", "options.json"} <= {path.name for path in whole.iterdir()}
    figures = {path.name for path in (whole / "figures").iterdir()}
    assert {"peaks.png", "peaks.svg", "timeline-fused.svg", "timeline-incremental-mask.png"} <= figures


def test_columns_are_the_declared_ones(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, columns in SUITE.all_tables().items():
        assert list(table(whole, name)[0]) == [column.name for column in columns]
    assert cli.run(["columns", "memory"]) == 0
    said = capsys.readouterr().out
    assert all(column.name in said for columns in SUITE.all_tables().values() for column in columns)


def test_rows_are_phases_of_rounds(whole: Path) -> None:
    for method, phases in (("fused", LAST_LAYER), ("incremental:mask", list(ROUND_PHASES))):
        rows = where(whole, method=method, status="ok", dim="32")
        assert [(row["round"], row["phase"]) for row in rows] == [(i, phase) for i in "01" for phase in phases]
        assert {(row["device"], row["source"], row["quantity"], row["scope"]) for row in rows} == {
            ("cpu", "rss", "used", "process")
        }
        assert {row["chunk_size"] for row in rows} == ({"32"} if method == "fused" else {""})
        assert all(int(row["predicted_bytes"]) > 0 for row in rows)
        ends = [float(row[name]) for row in rows if row["round"] == "0" for name in ("start_s", "end_s")]
        assert ends == sorted(ends)
        assert ends[0] >= 0


def test_a_phase_holds_no_less_than_before_it(whole: Path) -> None:
    for row in where(whole, status="ok"):
        assert int(row["peak_bytes"]) >= int(row["start_bytes"])
        assert int(row["baseline_bytes"]) > 0


def test_limits_are_of_every_case_once(whole: Path) -> None:
    rows = table(whole, "limits")
    assert [(row["method"], row["dim"], row["round"]) for row in rows] == [
        ("fused", "32", "0"),
        ("incremental:mask", "32", "0"),
    ]
    for row in rows:
        assert row["margin"] == "0.15"
        assert int(row["largest_pool"]) > 200
        assert row["largest_chunk"] == ("200" if row["method"] == "fused" else "")
        own = where(whole, case=row["case"], round="0", phase=row["phase"])
        assert [each["predicted_bytes"] for each in own] == [row["predicted_bytes"]]


def test_rounds_timeline_and_readers(whole: Path) -> None:
    cases = {row["case"] for row in where(whole, status="ok")}
    assert len(cases) == 2
    for name in ("rounds", "readers"):
        assert sorted((row["case"], row["round"]) for row in table(whole, name)) == sorted(
            (case, i) for case in cases for i in "01"
        )
    assert all(int(row["held_bytes"]) > 0 for row in table(whole, "rounds"))
    assert {row["fault"] for row in table(whole, "readers")} == {""}
    for case in cases:
        line = where(whole, "timeline", case=case)
        assert {row["round"] for row in line} == {"1"}
        assert 10 < len(line) <= 400
        assert all(int(row["bytes"]) > 0 for row in line)


def test_the_summary(whole: Path) -> None:
    text = (whole / "summary.md").read_text()
    for words in (
        "Peak growth by phase",
        "Predicted / measured",
        "What fits",
        " peaks at ",
        "Does memory leak",
        "sampler",
    ):
        assert words in text
    assert "](figures/peaks.png)" in text
    assert "nan" not in text.lower()


def test_a_finished_run_is_rendered_again(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    (copy / "summary.md").unlink()
    ended = fbench(*SMALL, "--methods", "fused,incremental:mask", "--out", copy)
    assert ended.code == 0
    assert "Rendering again the finished run" in ended.err
    for name in ("results.csv", "summary.md"):
        assert (copy / name).read_bytes() == (whole / name).read_bytes()


# Plans


@pytest.mark.parametrize("flag", ["--plan", "--dry-run"])
def test_a_plan_is_printed_and_nothing_written(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = fbench(*SMALL, "--methods", ",".join(METHODS), flag)
    assert ended.code == 0
    assert "3 cases of 2 rounds on cpu; nothing was run." in ended.out
    for words in ("In every case: dtype=float32 candidates=200", *ROUND_PHASES, "peak", "free", "largest pool"):
        assert words in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_plan_says_what_would_not_fit(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    words = ["--methods", "fused", "--dim", "32,33", "--memory-budget", "100kB", "--plan", "--out", tmp_path / "run"]
    ended = fbench(*SMALL, *words)
    assert ended.code == 0
    said = " ".join(ended.out.split())
    assert "and 15 % to spare; 97.7 KiB are to be had" in said
    assert "dim 33 is not a multiple of classes 4" in said
    assert not (tmp_path / "run").exists()


def test_a_plan_of_what_nobody_has_takes_no_time(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    """A network of terabytes is planned for by its shapes."""
    ended = fbench("--device", "cpu", "--methods", "fused", "--dim", "1024000", "--plan", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "TiB of it d×d matrices, and 15 % and 64 MiB to spare" in " ".join(ended.out.split())


# What does not fit, or dies


def test_a_budget_makes_oom_rows_and_the_others_go_on(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    """A small pool fits a megabyte, a larger one does not, and one has fewer than are labelled."""
    out = tmp_path / "run"
    words = ["--methods", "incremental", "--candidates", "10,60,5000", "--memory-budget", "1MB", "--rounds", 1]
    ended = fbench(*SMALL, *words, "--out", out)
    assert ended.code == 0
    refused = where(out, candidates="5000")
    assert [row["phase"] for row in refused] == LAST_LAYER
    assert {(row["status"], row["peak_bytes"], row["start_s"]) for row in refused} == {("oom", "", "")}
    assert all(int(row["predicted_bytes"]) > 0 for row in refused)
    (reason,) = {row["reason"] for row in refused}
    assert reason.endswith("and 15 % to spare; 977 KiB are to be had")
    (limit,) = where(out, "limits", candidates="5000")
    assert (limit["budget_bytes"], limit["largest_chunk"]) == ("1000000", "")
    assert 60 <= int(limit["largest_pool"]) < 5000
    assert {row["status"] for row in where(out, candidates="60")} == {"ok"}
    (skipped,) = where(out, candidates="10")
    assert (skipped["status"], skipped["phase"], skipped["peak_bytes"]) == ("skipped", "", "")
    assert skipped["reason"] == "'--labelled 20 are more than the --candidates 10, which they are among"
    assert "to spare" in " ".join((out / "summary.md").read_text().split())


def test_a_killed_worker_is_an_oom_row_and_may_be_tried_again(
    fbench: Callable[..., Ended], tmp_path: Path, models: Path
) -> None:
    """The model does not run on the meta device either: what is not known beforehand is measured all the same."""
    out, trap = tmp_path / "run", models.with_name("trap")
    trap.touch()
    words = ["--load", models, *SMALL, "--features", 0, "--model", "trapped", "--methods", "incremental"]
    words += ["--classes", "3,4", "--rounds", 1, "--out", out]
    assert fbench(*words).code == 0
    (row,) = where(out, classes="3")
    assert (row["status"], row["peak_bytes"], row["method"], row["dim"]) == ("oom", "", "incremental", "192")
    assert "the worker process was killed (signal 9)" in row["reason"]
    good = where(out, classes="4", status="ok")
    assert [row["phase"] for row in good] == LAST_LAYER
    assert [row["phase"] for row in good if not row["predicted_bytes"]] == ["train", "embed"]
    assert all(row["peak_bytes"] and row["dim"] == "256" for row in good)
    trap.unlink()
    assert typed("memory", *words, "--retry", cwd=tmp_path).returncode == 0
    assert [row["phase"] for row in where(out, classes="3", status="ok")] == LAST_LAYER
    assert where(out, classes="4") == good
    assert not where(out, status="oom")


def committed(path: Path) -> int:
    try:
        return int(json.loads((path / "state.json").read_text())["sizes"]["rounds"])
    except (OSError, ValueError, KeyError):  # not begun
        return 0


def test_broken_off_it_goes_on(tmp_path: Path, models: Path) -> None:
    """After some rounds; the same command loses none of them and measures none again."""
    out = tmp_path / "run"
    words = [*SMALL, "--features", "0", "--model", "plain", "--methods", "diagonal", "--rounds", "3", "--out", out]
    command = [*COMMAND, "--load", str(models), *map(str, words)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    end = time.monotonic() + 60
    while committed(out) < 90 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130
    size = json.loads((out / "state.json").read_text())["sizes"]["results"]
    kept = (out / "results.csv").read_bytes()[:size].decode().splitlines()
    assert len(kept) > 7
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Taking up the unfinished run" in done.stderr
    assert (out / "results.csv").read_text().splitlines()[: len(kept)] == kept
    assert [(row["round"], row["phase"]) for row in table(out)] == [(i, p) for i in "012" for p in LAST_LAYER]
    assert len(table(out, "limits")) == 1
    assert {row["round"] for row in table(out, "timeline")} == {"1"}


# What it refuses


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--methods incremantal", "unknown method 'incremantal'; did you mean 'incremental'?"),
        ("--methods fused,", "a method is missing here"),
        ("--methods fused,fused", "method 'fused' stands twice"),
        ("--methods factored:mask", "--methods factored:mask: a mask's weights have no factors; take fused:mask"),
        ("--image 3x32x31", "--image 3x32x31: must be channels × a square's side, as 3x32x32"),
        ("--image 32", "--image 32: must be channels × a square's side, as 3x32x32"),
        ("--dim 321 --methods fused", "nothing can be measured: dim 321 is not a multiple of classes 10"),
        (
            "--dim 1000000 --methods incremental:mask --features 8 --image 1x8",
            "nothing can be measured: dim 1000000: the network has",
        ),
        ("--model smal", "unknown model 'smal'; did you mean 'small'?"),
        (
            "--model small --dim 320 --methods fused",
            "the last layer of small has 10 classes × 16 features = 160 weights; leave --dim out",
        ),
        ("--model small --features 9", "--features 9: the last layer of --model small has 16; leave it out"),
        ("--features -1", "--features -1: must be at least 0"),
        ("--memory-budget 0", "--memory-budget: '0' is out of range; write a size from 1 byte"),
        ("--memory-budget lots", "'lots' is not a size"),
        ("--rounds 0", "--rounds 0: must be at least 1"),
        ("--rounds 1001", "--rounds 1001: must be at most 1,000"),
        ("--chunk-size 0", "0 is too small; a value is at least 1"),
        ("--chunk-size auto", "'a' does not begin a value"),
        ("--candidates 0", "0 is too small"),
        ("--candidates 50", "nothing can be measured: --labelled 100 are more than the --candidates 50"),
        (
            "--batch 5000",
            "nothing can be measured: --batch 5000 is more than the 900 that --labelled 100 leaves of",
        ),
        ("--classes 1", "--classes 1: must be at least 2"),
        ("--dtype float16", "--dtype float16: must be float32 or float64, or both as float32,float64"),
        ("--labelled 1", "--labelled 1: must be at least 2"),
        ("--train-batch 1", "--train-batch 1: must be at least 2"),
        ("--fisher-samples 0", "--fisher-samples 0: must be at least 1"),
        ("--oversample 0.5", "--oversample 0.5: must be at least 1"),
        ("--picks 0", "--picks 0: must be at least 1"),
        ("--malloc mine", "unknown --malloc 'mine'. Known: returning, system"),
        ("--seed -1", "--seed -1: must be at least 0"),
        ("--jobs 2", "run one at a time"),
    ],
)
def test_bad_values_are_one_message(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = fbench(*words.split(), "--device", "cpu")
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    assert lines[0].startswith("fbench: ")
    assert message in lines[0]
    assert len(lines) in (1, 3)  # the other two show what was typed and a caret
    assert list(tmp_path.iterdir()) == []
