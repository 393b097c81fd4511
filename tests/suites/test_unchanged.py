"""One small run of every suite gives the rows that it gave before the suites had rooms of their own.

The rows in ``before/`` were recorded once, by ``python tests/suites/test_unchanged.py``, from the last commit of the
old layout, and are compared column by column: all that is neither a time nor a size in memory. Tables and
columns that came later are not looked at.
"""

from __future__ import annotations

import csv
import json
import math
import tempfile
from pathlib import Path

import pytest
import torch
from command import finished, table

from fbench.measure.environment import cpu_model

BEFORE = Path(__file__).with_name("before")
MADE_WITH = BEFORE / "made_with.json"
HOW = ("--device", "cpu", "--threads", "1", "--jobs", "1")
FEW_LABELS = ("--rounds", "1", "--seeds", "2", "--epochs", "2", "--pool", "150", "--test", "60")
RUNS = {
    "chunksize": "--candidates 40 --classes 3 --dim 12 --sizes 8,16 --kernels fused,factored,incremental:no-inner "
    "--max-time 300 --precision 1",
    "select": "--candidates 60 --classes 3 --dim 12 --batch 4 --labelled 6 "
    "--methods incremental,published,binary,random --dtype float64 --passes 1",
    "fisher": "--model small --size 8 --channels 1 --samples 6 --weights 400 --methods loop,vmap,batched --passes 1 "
    "--dtype float64",
    "memory": "--methods incremental,incremental:mask --candidates 60 --classes 3 --features 4 --batch 4 --labelled 6 "
    "--fisher-samples 6 --image 1x8x8 --rounds 2 --memory-budget 1GiB",
    "compare": " ".join([*FEW_LABELS, "--batch 5 --fisher-samples 20 --drift"]),
    "drift": " ".join([*FEW_LABELS, "--model small --batch 30 --start 40 --fractions 0.05 --redraws 1"]),
}
MEASURED_TABLES = {"conditions", "times", "timeline", "readers"}
MEASURED = {"block", "pass_index", "pass", "converged", "max_rel_error", "flops_per_s", "gemm_share", "samples_timed"}
CHUNKSIZE_COUNTS = {"samples"}
"""Passes that fitted into the time."""


def is_measured(suite: str, column: str) -> bool:
    """Whether a column of a suite holds what another run on the same machine would not give."""
    counted = suite == "chunksize" and column in CHUNKSIZE_COUNTS
    size = column.endswith("bytes") and column != "predicted_bytes" and (suite, column) != ("chunksize", "bytes")
    return column in MEASURED or column.endswith("_s") or size or counted


def lasting(suite: str, folder: Path) -> dict[str, list[dict[str, str]]]:
    """Distinct rows of every table without what is measured, in their order: as many blocks as there was time for."""
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        if path.stem in MEASURED_TABLES:
            continue
        rows = [{k: v for k, v in row.items() if not is_measured(suite, k)} for row in table(folder, path.stem)]
        tables[path.stem] = list({tuple(row.items()): row for row in rows}.values())
    return tables


def small_run(suite: str, folder: Path) -> Path:
    return finished(folder, suite, *RUNS[suite].split(), *(HOW if suite in ("compare", "drift") else HOW[:4]))


def alike(before: str, after: str) -> bool:
    """The same text, or the same number to nine digits."""
    if before == after:
        return True
    try:
        return math.isclose(float(before), float(after), rel_tol=1e-9, abs_tol=1e-12)
    except ValueError:
        return False


@pytest.mark.parametrize("suite", RUNS)
def test_rows_are_what_they_were(suite, tmp_path):
    after = lasting(suite, small_run(suite, tmp_path / suite))
    before = {path.stem: table(BEFORE / suite, path.stem) for path in sorted((BEFORE / suite).glob("*.csv"))}
    assert after.keys() >= before.keys()
    same_machine = json.loads(MADE_WITH.read_text()) == made_with()  # another one may round otherwise
    for name, rows in before.items():
        assert len(after[name]) == len(rows)
        for was, now in zip(rows, after[name], strict=True):
            assert list(was) == [column for column in now if column in was]
            unlike = {k: (v, now[k]) for k, v in was.items() if (same_machine or k == "case") and not alike(v, now[k])}
            assert unlike == {}, name


def made_with() -> dict[str, str | None]:
    """What a sum's last digits depend on; virtual machines give processors of several generations one name."""
    return {"torch": torch.__version__, "cpu": cpu_model(), "instructions": torch.backends.cpu.get_cpu_capability()}


def record(suite: str) -> None:
    """Write the rows that later runs are held to."""
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in lasting(suite, small_run(suite, Path(folder) / suite)).items():
            path = BEFORE / suite / f"{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    for each in RUNS:
        record(each)
    MADE_WITH.write_text(json.dumps(made_with()) + "\n")
