"""``fbench select`` as it is typed: what it writes, that it agrees with the slow formulas, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reference as slow
import torch
from command import Ended, finished, table

from fbench import cli
from fbench.harness import registry
from fbench.harness.contract import Case, Context
from fbench.learning.synthetic import synthetic_outputs
from fbench.suites.select import ways
from fbench.units import format_bytes


def words_of(text: str) -> list[str]:
    return text.split()


TINY = words_of(
    "--candidates 60 --classes 3 --dim 12 --batch 4 --labelled 6 --passes 2 --dtype float64,float32 --threads 1 "
    "--device cpu --methods incremental,published,fused,factored,top2,random,score-packed,score-inverse"
)
ANEW = ("published", "fused", "factored")
MEASURED = ("time_s", "peak_bytes")
SUITE = registry.SUITES.get("select")


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run ``fbench select`` in this process; its cases run in their worker."""

    def run(*words: Any) -> Ended:
        capfd.readouterr()
        code = cli.run(["select", *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


def deterministic(folder: Path) -> list[dict[str, str]]:
    """Every row without what a clock or the system said."""
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in table(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, uninterrupted; one of its two sizes of d makes no sense."""
    return finished(tmp_path_factory.mktemp("select") / "run", "select", *TINY, "--dim", "12,13")


def where(path: Path, **values: str) -> list[dict[str, str]]:
    return [row for row in table(path) if all(row[name] == value for name, value in values.items())]


# What a run writes


def test_columns_are_the_declared_ones(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [column.name for column in SUITE.columns]
    assert (whole / "results.csv").read_text().splitlines()[0].split(",") == names
    contract = words_of("method device dtype candidates classes dim batch picks block pass_index time_s peak_bytes")
    assert {*contract, "same_picks", "objective", "case", "status", "reason"} <= set(names)
    assert cli.run(["columns", "select"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_of_a_selection(whole: Path, dtype: str) -> None:
    rows = where(whole, method="incremental", dtype=dtype, dim="12")
    timed = [(row["block"], row["phase"]) for row in rows if row["time_s"]]
    phases = ["setup", "forward", "first_removal", "backward"]
    assert timed == [(block, phase) for block in "01" for phase in phases]
    assert all(float(row["time_s"]) > 0 for row in rows if row["time_s"])
    assert [row["picks"] for row in rows if row["time_s"] and row["block"] == "0"] == ["0", "8", "1", "3"]
    (memory,) = [row for row in rows if row["peak_bytes"] or row["phase"] == "memory"]
    assert (memory["block"], memory["time_s"]) == ("0", "")
    (agreement,) = [row for row in rows if row["phase"] == "agreement"]
    assert (agreement["same_picks"], agreement["first_difference"], agreement["reference"]) == ("1.0", "", "published")
    assert {(row["device"], row["rows"], row["pass_index"]) for row in rows} == {("cpu", "2", "0")}


@pytest.mark.parametrize("method", ANEW)
def test_what_scores_anew_is_cut_short_and_says_so(whole: Path, method: str) -> None:
    rows = where(whole, method=method, dtype="float64", dim="12", block="1")
    covered = {row["phase"]: (row["picks"], row["picks_total"]) for row in rows}
    assert covered["forward"] == ("3", "8")
    assert covered["backward"] == ("2", "3")
    text = (whole / "summary.md").read_text()
    assert re.search(rf"^\| float64 \| {method} \| ≈ ", text, re.MULTILINE)
    assert re.search(rf"^\| float64 \| {method} \| 3 of 3 ", text, re.MULTILINE)
    assert "(extrapolated)" in text
    assert "≈: extrapolated" in text


def test_agreement_is_that_of_the_slow_formulas(whole: Path) -> None:
    pool = synthetic_outputs(60, 3, 4, 6, 0)
    V = slow.last_layer_rows(pool.logits, pool.features)
    labelled = pool.labelled.tolist()
    expected = slow.bait(V, 4, labelled)
    best = slow.objective(V, labelled, expected.kept, 4)
    top2 = slow.last_layer_rows(pool.logits, pool.features)
    likely = torch.softmax(pool.logits.double(), 1).topk(2, dim=1).indices
    top2 = top2.gather(1, likely[:, :, None].expand(-1, -1, V.shape[2]))
    few = slow.bait(top2, 4, labelled)
    for dtype in ("float64", "float32"):
        (row,) = where(whole, method="incremental", dtype=dtype, dim="12", phase="agreement")
        assert float(row["objective"]) == pytest.approx(best, rel=1e-9)
        (row,) = where(whole, method="top2", dtype=dtype, dim="12", phase="agreement")
        assert float(row["same_picks"]) == len(set(few.kept) & set(expected.kept)) / 4
        assert float(row["objective"]) == pytest.approx(slow.objective(V, labelled, few.kept, 4), rel=1e-9)
        assert float(row["reference_objective"]) == pytest.approx(best, rel=1e-9)
        orders = zip(few.forward, expected.forward, strict=True)
        at = next(i for i, (one, two) in enumerate(orders) if one != two)
        assert int(row["first_difference"]) == at
        assert float(row["gap_there"]) == pytest.approx(expected.gaps[at], rel=1e-6)


def test_the_chunk_size_is_of_what_scores_anew(whole: Path) -> None:
    sizes = {row["method"]: row["chunk_size"] for row in where(whole, dim="12")}
    assert {name: size for name, size in sizes.items() if size} == dict.fromkeys(ANEW, "1024")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("method", ANEW)
def test_what_scores_anew_picks_as_the_reference(whole: Path, method: str, dtype: str) -> None:
    (row,) = where(whole, method=method, dtype=dtype, dim="12", phase="agreement")
    assert (row["same_picks"], row["picks"], row["reference"]) == ("1.0", "3", "published")
    assert (row["drift"], row["refreshes"]) == ("", "")  # nothing is updated that could drift
    assert {row["rows"] for row in where(whole, method=method, dim="12")} == {"3" if method == "published" else "2"}


@pytest.mark.parametrize(("typed", "sizes"), [("64", {"64"}), ("2000", {"2000"}), ("auto", {"16", "32", "60"})])
def test_a_chunk_size_of_ones_own_picks_the_same(
    typed: str, sizes: set[str], whole: Path, tmp_path: Path, fbench: Callable[..., Ended]
) -> None:
    words = [*TINY, "--methods", ",".join([*ANEW, "incremental"]), "--dtype", "float64", "--chunk-size", typed]
    assert fbench(*words, "--out", tmp_path / "run").code == 0
    assert {row["chunk_size"] for row in where(tmp_path / "run", method="incremental")} == {""}
    for method in ANEW:
        rows = where(tmp_path / "run", method=method)
        assert len({row["chunk_size"] for row in rows}) == 1
        assert {row["chunk_size"] for row in rows} <= sizes
        (agreement,) = [row for row in rows if row["phase"] == "agreement"]
        (usual,) = where(whole, method=method, dtype="float64", dim="12", phase="agreement")
        assert (agreement["same_picks"], agreement["picks"]) == (usual["same_picks"], usual["picks"]) == ("1.0", "3")


def test_scores_have_both_sizes(whole: Path) -> None:
    rows = where(whole, method="score-inverse", dtype="float64", dim="12", phase="score", block="0")
    assert [(row["rows"], row["pass_index"]) for row in rows] == [(r, i) for r in "32" for i in "012"]
    errors = [row["max_rel_error"] for row in where(whole, dtype="float64", dim="12") if row["max_rel_error"]]
    assert len(errors) == 3
    assert all(float(error) < 1e-12 for error in errors)


def test_random_batches_are_drawn_block_by_block(whole: Path) -> None:
    rows = where(whole, method="random", dtype="float64", dim="12")
    assert [(row["block"], row["phase"], row["time_s"]) for row in rows] == [(b, "agreement", "") for b in "01"]
    assert len({row["objective"] for row in rows}) == 2


def test_a_dim_that_the_classes_do_not_divide_is_skipped(whole: Path) -> None:
    rows = where(whole, dim="13")
    assert len(rows) == 16
    assert {row["status"] for row in rows} == {"skipped"}
    assert all("dim 13 is not a multiple of classes 3" in row["reason"] for row in rows)
    assert "## Not measured" in (whole / "summary.md").read_text()
    assert "more (skipped): dim 13" in (whole / "summary.md").read_text()


def test_the_summary(whole: Path) -> None:
    text = (whole / "summary.md").read_text()
    assert "**What a batch takes, and what it is worth: " in text
    assert "**Time by phase: " in text
    assert "**The batched score alone: " in text
    assert "**Agreement and memory: " in text
    assert "times" in text
    assert "The reference is the published order in float64." in text
    assert "](figures/time.png)" in text
    assert "nan" not in text.lower()
    assert (whole / "figures/time.svg").stat().st_size > 1000


def test_a_finished_run_is_rendered_again(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    (copy / "summary.md").unlink()
    ended = fbench(*TINY, "--dim", "12,13", "--out", copy)
    assert ended.code == 0
    assert "Rendering again the finished run" in ended.err
    for name in ("results.csv", "summary.md"):
        assert (copy / name).read_bytes() == (whole / name).read_bytes()


def test_killed_it_goes_on(whole: Path, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    path = tmp_path / "run"
    words = [*TINY, "--dim", "12,13", "--out", str(path)]
    command = [sys.executable, "-c", "from fbench.cli import main; main()", "select", *words]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    end = time.monotonic() + 60
    while committed(path) < 2000 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not json.loads((path / "state.json").read_text())["finished"]:
        before = (path / "results.csv").read_bytes()[: committed(path)]
        ended = fbench(*words)
        assert ended.code == 0
        assert "Taking up the unfinished run" in ended.err
        kept = set(before.decode().splitlines())
        assert kept <= set((path / "results.csv").read_text().splitlines())
    assert deterministic(path) == deterministic(whole)


def committed(path: Path) -> int:
    try:
        return int(json.loads((path / "state.json").read_text())["sizes"]["results"])
    except (OSError, ValueError, KeyError):
        return 0


def test_a_case_that_runs_out_of_memory_is_a_row(tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    words = "--candidates 40 --classes 2 --dim 8,4000000 --batch 2 --labelled 2 --passes 1 --device cpu --threads 1"
    ended = fbench(*words.split(), "--methods", "incremental", "--reference-budget", "0", "--out", tmp_path / "run")
    assert ended.code == 0
    (row,) = where(tmp_path / "run", dim="4000000")
    assert row["status"] == "oom"
    assert "beyond its inputs" in row["reason"]
    assert "What fits" in row["reason"]
    (agreement,) = where(tmp_path / "run", dim="8", phase="agreement")
    assert (agreement["same_picks"], agreement["objective"], agreement["reference"]) == ("", "", "")
    assert "no float64 reference keeps to --reference-budget 0" in (tmp_path / "run/summary.md").read_text()


def test_a_dry_run_says_what_it_would_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fbench: Callable[..., Ended]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    ended = fbench(*TINY, "--dim", "12,13", "--dry-run")
    assert ended.code == 0
    assert "published, a pick" in ended.out
    assert "dim 13 is not a multiple" in ended.out
    assert "32 cases of 2 blocks on cpu; nothing was run." in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_counts_the_chunk_that_was_typed() -> None:
    """In what a way holds beyond logits and features, which is what a case is held to."""
    problem = ways.SelectionProblem(30_000, 10, 320, 20, 6)
    for method in ANEW:
        case = Case("", SUITE.point(method, 30_000, 10, 320, 20, "float32"))
        predicted = {}
        for chunk in (0, 1024, 30_000):
            options = SUITE.restored({"labelled": 6, "reference_budget": 0.0, "chunk_size": chunk})
            predicted[chunk] = SUITE.predict(case, options, Context())["memory"]
            way = replace(ways.parse_way(method), chunk_size=chunk or 1024)
            assert predicted[chunk] == format_bytes(ways.plan_way(problem, way, "float32").growth)
        assert predicted[0] == predicted[1024] != predicted[30_000]


# What it refuses


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--methods incremantal", "unknown --methods 'incremantal'; did you mean 'incremental'?"),
        ("--methods top", "unknown --methods 'top'"),
        ("--methods incremental,", "a method is missing here"),
        ("--methods random,random", "method 'random' stands twice"),
        ("--candidates 0", "0 is too small; a value is at least 1"),
        ("--classes ten", "'t' does not begin a value"),
        ("--dim 320..", "a value is missing here"),
        ("--batch 5-10", "a range is written A..B, not A-B"),
        ("--dtype float16", "--dtype float16: must be float32 or float64, or both as float32,float64"),
        ("--dtype float32,float32", "dtype 'float32' stands twice"),
        ("--labelled -1", "--labelled -1: must be at least 0"),
        ("--regularisation 0", "--regularisation 0: must be"),
        ("--oversample 0.5", "--oversample 0.5: must be at least 1"),
        ("--passes 0", "--passes 0: must be at least 1"),
        ("--extrapolate -1", "--extrapolate -1: must be at least 0"),
        ("--chunk-size 0", "--chunk-size 0: must be auto, or a whole number from 1 to 1,000,000,000"),
        ("--chunk-size -1", "--chunk-size -1: must be auto, or a whole number from 1 to 1,000,000,000"),
        ("--chunk-size 1000000001", "--chunk-size 1000000001: must be auto, or a whole number from 1 to 1,000,000,000"),
        ("--chunk-size abc", "--chunk-size abc: must be auto, or a whole number from 1 to 1,000,000,000"),
        ("--methods factord", "unknown --methods 'factord'; did you mean 'factored'?"),
        ("--reference-budget 1e16", "--reference-budget 1e16: must be at most 1e+15"),
        ("--seed -1", "--seed -1: must be at least 0"),
        ("--dim 321", "nothing can be selected: dim 321 is not a multiple of classes 10"),
        (
            "--batch 5000",
            "nothing can be selected: --batch 5000 is more than the 1900 that --labelled 100 leaves of",
        ),
        ("--jobs 2", "run one at a time"),
    ],
)
def test_bad_values_are_one_message(words: str, message: str, tmp_path: Path, fbench: Callable[..., Ended]) -> None:
    ended = fbench(*words.split(), "--device", "cpu", "--out", tmp_path / "run")
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()
