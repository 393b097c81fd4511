"""``fbench chunksize`` as it is typed: what it writes and says, how it goes on, and what becomes of faulty kernels."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Ended, finished, table

from fbench import cli
from fbench.harness import registry


def words_of(text: str) -> list[str]:
    return text.split()


SMALL = words_of(
    "--candidates 40 --classes 3 --dim 12 --sizes 8..40 --max-time 300 --precision 1 --threads 1 "
    "--kernels published:no-inner,incremental"
)
COMMAND = [sys.executable, "-c", "from fbench.cli import main; main()", "chunksize"]
SUITE = registry.SUITES.get("chunksize")

FAULTY = """
from fbench.harness.registry import KERNELS, Kernel

def prepare(embedding, inverse, fisher, sign):
    return embedding

def count(n, rows, d, *_, **__):
    return n * rows * d

GIVES = {
    "one-number": lambda V, part, inner: V.dense().sum(),
    "nan": lambda V, part, inner: V[part].dense().sum((1, 2)) * float("nan"),
    "listed": lambda V, part, inner: [0.0] * (part.stop - part.start),
    "raises": lambda V, part, inner: 1 / 0,
    "exhausts": lambda V, part, inner: V.dense().new_empty(2**55),
    "wrong": lambda V, part, inner: V[part].dense().sum((1, 2)),
}
for name, run in GIVES.items():
    KERNELS.add(Kernel(name, "comes to grief", prepare, run, count, count))
"""


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str], registries: Any) -> Callable[..., Ended]:
    """Run ``fbench chunksize`` in this process; its cases run in their worker."""

    def run(*words: Any) -> Ended:
        capfd.readouterr()
        code = cli.run(["chunksize", *(str(word) for word in words)])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, on two shards and on one."""
    return finished(tmp_path_factory.mktemp("chunksize") / "run", "chunksize", *SMALL, "--device", "cpu,cpu")


def test_every_file_is_there(whole: Path) -> None:
    figures = {path.name for path in (whole / "figures").iterdir()}
    assert {"time_by_chunk.svg", "time_by_chunk.png", "prediction_errors.svg", "prediction_errors.png"} <= figures
    assert {"results.csv", "points.csv", "conditions.csv", "summary.md", "environment.json"} <= {
        path.name for path in whole.iterdir()
    }


def test_tables_have_the_columns_that_were_declared(whole: Path) -> None:
    for name, columns in SUITE.all_tables().items():
        assert list(table(whole, name)[0]) == [column.name for column in columns]


def test_sizes_above_the_pool_are_clamped_and_said(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ended = fbench(
            *SMALL, "--sizes", "8..64", "--kernels", "factored", "--device", "cpu", "--out", tmp_path / "run"
        )
    assert ended.code == 0
    assert "--sizes: 64 (1 value) above the 40 candidates that there are to a chunk: clamped to 40" in " ".join(
        ended.err.split()
    )
    sweep = {int(row["chunk_size"]) for row in table(tmp_path / "run") if row["phase"] == "sweep"}
    assert sweep == {8, 16, 32, 40}


def test_every_pass_is_held_to_float64(whole: Path) -> None:
    timed = [row for row in table(whole) if row["phase"] in ("sweep", "single")]
    assert timed
    assert all(float(row["max_rel_error"]) < 1e-4 and float(row["time_s"]) > 0 for row in timed)
    memory = [row for row in table(whole) if row["phase"] == "memory"]
    assert {row["block"] for row in memory} == {"0"}
    assert all(row["time_s"] == "" for row in memory)


def test_single_chunks_are_cases_of_their_own_and_predict(whole: Path) -> None:
    """Two shards of 20: τ(8), τ(16), τ(20) and the remainders 4; alone 40 = 5·8, 2·16 + 8, 32 + 8, 40."""
    rows = table(whole)
    single = [row for row in rows if row["phase"] == "single"]
    assert {int(row["chunk_size"]) for row in single} == {4, 8, 16, 20, 32, 40}
    assert all(row["candidates"] == row["chunk_size"] and row["chunks"] == "1" for row in single)
    tau = {
        (row["kernel"], row["gpus"], int(row["chunk_size"])): float(row["median_s"])
        for row in table(whole, "points")
        if row["phase"] == "single"
    }
    swept = [row for row in table(whole, "points") if row["phase"] == "sweep"]
    assert len(swept) == 2 * 2 * 4
    for row in swept:
        n, c = -(-40 // int(row["gpus"])), int(row["chunk_size"])
        kernel = row["kernel"], row["gpus"]
        parts = [tau[*kernel, min(c, n)]] * (n // min(c, n)) + ([tau[*kernel, n % c]] if n % min(c, n) else [])
        assert float(row["predicted_s"]) == pytest.approx(math.fsum(parts), rel=1e-9)


def test_a_point_is_told_with_its_intervals(whole: Path) -> None:
    for row in table(whole, "points"):
        if row["low_s"]:
            low, median, high = (float(row[name]) for name in ("low_s", "median_s", "high_s"))
            assert low <= median <= high
            assert float(row["repeat_low_s"]) <= median <= float(row["repeat_high_s"])
        assert row["converged"] in ("true", "false")


def test_every_unit_has_its_control(whole: Path) -> None:
    units = {(row["case"], row["block"]) for row in table(whole)}
    conditions = table(whole, "conditions")
    assert {(row["case"], row["block"]) for row in conditions} == units
    assert len(conditions) == len(units)
    assert all(float(row["control_s"]) > 0 for row in conditions)


def test_every_unit_has_its_time(whole: Path) -> None:
    units = {(row["case"], row["block"]) for row in table(whole)}
    times = table(whole, "times")
    assert {(row["case"], row["block"]) for row in times} == units
    starts = [(row["case"], int(row["block"]), float(row["started_at_s"])) for row in times]
    assert sorted(starts) == sorted(starts, key=lambda start: (start[0], start[2]))
    assert all(0 < time.time() - start < 86400 for _, _, start in starts)
    assert all(float(row["took_s"]) > 0 for row in times)
    assert "The blocks of a case began " in (whole / "summary.md").read_text()


def test_two_shards_are_compared_with_one(whole: Path) -> None:
    assert {(row["device"], row["gpus"]) for row in table(whole)} == {("cpu+cpu", "2"), ("cpu", "1")}
    summary = (whole / "summary.md").read_text()
    assert "on 2 devices has an efficiency" in summary


def test_the_summary_answers(whole: Path) -> None:
    summary = (whole / "summary.md").read_text()
    for words in ("Does the chunk size matter?", "a period needs 32", "Chunk of every kernel", "float64"):
        assert words in summary


def test_a_finished_run_is_rendered_again(fbench: Callable[..., Ended], whole: Path) -> None:
    before = {name: (whole / name).read_bytes() for name in ("results.csv", "points.csv", "summary.md")}
    ended = fbench(*SMALL, "--device", "cpu,cpu", "--out", whole)
    assert ended.code == 0
    assert "Rendering again the finished run" in ended.err
    assert {name: (whole / name).read_bytes() for name in before} == before


FAULTS = {
    "one-number": ("failed", r"kernel 'one-number' gave shape \[\] for a chunk of 8 candidates; it must give \[8\]"),
    "nan": ("failed", r"kernel 'nan' gave NaN or infinity for (8|40) of (8|40) candidates"),
    "listed": ("failed", "kernel 'listed' gave a list; it must give a torch.Tensor"),
    "raises": ("failed", r"mine.py:14: run of kernel 'raises' raised ZeroDivisionError: division by zero"),
    "exhausts": ("oom", r"mine.py:15: run of kernel 'exhausts' raised RuntimeError: "),
}


def test_a_faulty_kernel_is_a_row_and_the_sweep_goes_on(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FAULTY)
    out = tmp_path / "run"
    words = ["--load", tmp_path / "mine.py", *SMALL, "--sizes", 8, "--kernels", ",".join(["fused", *FAULTS])]
    ended = fbench(*words, "--device", "cpu", "--out", out)
    assert ended.code == 1
    for name, (status, reason) in FAULTS.items():
        rows = [row for row in table(out) if row["kernel"] == name]
        assert {row["status"] for row in rows} == {status}
        assert all(re.search(reason, row["reason"]) for row in rows)
        assert name in (out / "summary.md").read_text()
    assert {row["status"] for row in table(out) if row["kernel"] == "fused"} == {"ok"}
    assert "Traceback" not in ended.err


def test_a_kernel_of_wrong_scores_is_told_of_and_spoils_no_other(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    """It writes into all that it is given, besides."""
    writes = """
        def spoil(embedding, inverse, fisher, sign):
            for matrix in (embedding.values, inverse, fisher):
                matrix.zero_()
            return embedding
        KERNELS.add(Kernel("spoils", "writes zeros into all it is given", spoil, GIVES["wrong"], count, count))
    """
    (tmp_path / "mine.py").write_text(FAULTY + textwrap.dedent(writes))
    words = ["--load", tmp_path / "mine.py", *SMALL, "--sizes", 8, "--kernels", "spoils,fused", "--device", "cpu"]
    ended = fbench(*words, "--dtype", "float64", "--out", tmp_path / "run")
    assert ended.code == 1
    assert "another question" in ended.out.replace("\n", " ")
    errors = [(row["kernel"], float(row["max_rel_error"])) for row in table(tmp_path / "run") if row["max_rel_error"]]
    assert max(error for kernel, error in errors if kernel == "fused") < 1e-9
    assert min(error for kernel, error in errors if kernel == "spoils") > 0.1


def test_factored_is_skipped_where_classes_do_not_divide_dim(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    out = tmp_path / "run"
    kernels = ["--kernels", "published:no-inner,factored,incremental"]
    ended = fbench(*SMALL, *kernels, "--dim", 13, "--sizes", 8, "--device", "cpu", "--out", out)
    assert ended.code == 0
    skipped = [row for row in table(out) if row["status"] == "skipped"]
    assert {row["kernel"] for row in skipped} == {"factored"}
    assert {row["reason"] for row in skipped} == {
        "factored needs dim = classes × features, and 13 is not a multiple of 3"
    }
    assert {row["kernel"] for row in table(out) if row["status"] == "ok"} == {"published:no-inner", "incremental"}


def test_the_plan_says_what_a_point_may_take(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench(*SMALL, "--device", "cpu", "--dry-run", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "16 cases on cpu; nothing was run." in ended.out
    assert not (tmp_path / "run").exists()


def test_what_had_no_time_says_so(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    """The worker alone takes longer to begin: the time counts from the beginning of the measuring."""
    ended = fbench(*SMALL, "--max-time", "0.01", "--device", "cpu", "--out", tmp_path / "run")
    assert ended.code == 4
    assert "--max-time 0.01 was spent before its first block; give more, or fewer --sizes or --kernels" in ended.err
    assert {row["status"] for row in table(tmp_path / "run")} == {"skipped"}


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """Killed after some blocks, taken up by the same command: no committed row is lost or measured again."""
    out = tmp_path / "run"
    command = [*COMMAND, *SMALL, "--device", "cpu", "--precision", "0.0001"]
    command += ["--max-time", "5", "--kernels", "fused", "--sizes", "8,16", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((out / "results.csv").exists() and len(table(out)) > 30):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    size = json.loads((out / "state.json").read_text())["sizes"]["results"]
    committed = (out / "results.csv").read_bytes()[:size].decode().splitlines()[1:]
    assert subprocess.run(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode == 0
    times = {(row["case"], row["block"], row["pass_index"], row["time_s"]) for row in table(out)}
    columns = [column.name for column in SUITE.columns]
    at = [columns.index(name) for name in ("case", "block", "pass_index", "time_s")]
    assert len(committed) > 20
    assert {tuple(line.split(",")[i] for i in at) for line in committed} <= times
    blocks: dict[str, set[int]] = {}
    for row in table(out):
        blocks.setdefault(row["case"], set()).add(int(row["block"]))
    assert all(numbers == set(range(len(numbers))) for numbers in blocks.values())
