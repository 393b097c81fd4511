"""A pool that is streamed: the same picks from the file, in less memory, and in words what either way costs."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pick_words import typed_for

from fbench import cli
from fbench.cli import console
from fbench.errors import TooLargeError
from fbench.fisher.planning import fitting
from fbench.fisher.planning.plan import Shape, plan_selection
from fbench.pick import picking, pool_tensors
from fbench.pick.picking import Pick, read_pick
from fbench.pick.pool_ways import PoolChoice, PoolSizes, PoolWay, pool_ways

N, K, H = 500, 4, 9
RNG = np.random.default_rng(3)
LOGITS, FEATURES = 2 * RNG.normal(size=(N, K)).astype("f4"), RNG.normal(size=(N, H)).astype("f4")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], showwarning: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Run ``fbench pick`` on pool.npz in a folder of its own; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.out, "width", 1000)
    np.savez("pool.npz", logits=LOGITS, features=FEATURES, labelled=[5, 0, 77, 31])

    def called(*arguments: Any, pool: str = "pool.npz") -> tuple[int, str, str]:
        code = cli.run(["pick", pool, "--batch", "6", *map(str, arguments)])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return called


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def pick_of(pool: str = "pool.npz", **typed: str) -> Pick:
    pick = read_pick(Path(pool), typed_for(6, **typed), ("cpu",))
    assert isinstance(pick, Pick)
    return pick


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Says how many bytes are free."""

    def set_free(size: int | None) -> None:
        for module in (picking, fitting):
            monkeypatch.setattr(module, "free_bytes", lambda device: size)

    return set_free


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["exact", "top2", "binary", "pca:5", "diagonal"])
def test_streamed_picks_are_those_in_memory(call: Call, method: str, dtype: str) -> None:
    for way in ("memory", "streamed"):
        assert call("--method", method, "--dtype", dtype, "--pool", way, "--out", f"{way}.csv")[0] == 0
    assert rows("streamed.csv") == rows("memory.csv")
    assert len(rows("memory.csv")) == 6


def test_an_embedding_is_streamed(call: Call) -> None:
    np.savez("own.npz", embedding=RNG.normal(size=(N, 2, 5)))
    for way in ("memory", "streamed"):
        code, out, _ = call("--pool", way, "--out", f"{way}.csv", pool="own.npz")
        assert (code, "Streamed it holds" in out) == (0, True)
    assert rows("streamed.csv") == rows("memory.csv")
    assert "reads embedding 16 times, 625 KiB in all" in out


def test_streaming_never_reads_the_array_whole(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_tensors, "read_pool", lambda *_: pytest.fail("all was read"))
    assert call("--pool", "streamed")[0] == 0


def test_what_either_way_holds_is_said(call: Call) -> None:
    code, out, _ = call("--dry-run")
    assert code == 0
    memory, streamed = pick_of().choice.ways  # type: ignore[union-attr]
    rows_made, growth = 4 * N * (K - 1) * K, pick_of().plans["cpu"].growth
    assert memory.held == LOGITS.nbytes + FEATURES.nbytes + rows_made + growth
    assert streamed.held == memory.held  # of so few candidates all features are one part
    assert (memory.there, memory.needed) == (LOGITS.nbytes, int(1.15 * memory.held) - LOGITS.nbytes)
    assert re.search(
        r"^In memory it holds [0-9.]+ KiB \(logits 7.81 KiB, features 17.6 KiB, rows in logit space 23.4 KiB, the "
        r"selection [0-9.]+ KiB\), [0-9.]+ KiB with 15 % to spare, and reads the file once\.$",
        out,
        re.MULTILINE,
    )
    assert "features, a part at a time 17.6 KiB, rows in logit space 23.4 KiB" in out
    assert "to spare, and reads features 16 times, 281 KiB in all, and once more for every refresh.\n" in out
    assert "It is read into memory: it fits there.\n" in out
    assert "It is read into memory: --pool memory says so.\n" in call("--dry-run", "--pool", "memory")[1]
    assert "It is streamed: --pool streamed says so.\n" in call("--dry-run", "--pool", "streamed")[1]


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1), ("float64", 2)])
def test_ways_of_a_large_pool(dtype: str, factor: int) -> None:
    """The bytes of both, written down here once more."""
    n, k, h = 10**6, 10, 2048
    plan = plan_selection(Shape(n, k - 1, k * h, k), dtype=dtype)
    arrays = {"logits": 4 * n * k, "features": 4 * n * h}
    memory, streamed = pool_ways(PoolSizes(plan, arrays, 4, there=4 * n * k, large="features", passes=24))
    rows_made, selection = 4 * n * (k - 1) * k, plan.phases[plan.phase].bytes
    wide = 8 * n * (k - 1) * k if dtype == "float64" else 0
    assert memory.held == 4 * n * (k + h) + rows_made + selection + wide + (8 * n * h if wide else 0)
    assert streamed.held == 4 * n * k + factor * 4 * 2**22 + rows_made + selection + wide
    assert streamed.needed == int(1.15 * streamed.held) - 4 * n * k
    assert (memory.reads, memory.read_bytes) == (1, 4 * n * h)
    assert (streamed.reads, streamed.read_bytes) == (24, 24 * 4 * n * h)


def test_auto_takes_the_first_that_fits() -> None:
    ways = PoolWay("memory", {"a": 1000}, 0, 1, 9), PoolWay("streamed", {"a": 100}, 20, 3, 27)
    assert (ways[0].needed, ways[1].needed) == (1150, 94)

    def taken(free: int | None, asked: str = "auto", obstacle: str = "") -> str:
        return PoolChoice(ways, "features", obstacle, asked, free).way.name

    assert [taken(free) for free in (None, 1150, 1149, 10)] == ["memory", "memory", "streamed", "streamed"]
    assert (taken(10, obstacle="no"), taken(10, "memory"), taken(9999, "streamed")) == ("memory", "memory", "streamed")


def large(n: int = 60_000, h: int = 300) -> None:
    """A pool whose features are most of what it takes: 69 MiB."""
    np.savez("large.npz", logits=np.zeros((n, 2), "f4"), features=RNG.normal(size=(n, h)).astype("f4"))


def test_what_does_not_fit_in_memory_is_streamed(call: Call, free: Callable[[int | None], None]) -> None:
    large()
    memory, streamed = pick_of("large.npz").choice.ways  # type: ignore[union-attr]
    free(memory.needed - 1)
    code, out, _ = call("--dry-run", pool="large.npz")
    assert code == 0
    assert "It is streamed: in memory it does not fit.\nOn cpu it fits.\n" in out
    free(memory.needed)
    assert "It is read into memory: it fits there.\n" in call("--dry-run", pool="large.npz")[1]
    free(None)
    assert "It is read into memory: it fits there.\n" in call("--dry-run", pool="large.npz")[1]
    free(memory.needed - 1)
    code, out, _ = call("--dry-run", "--pool", "memory", pool="large.npz")
    assert "On cpu it does not fit. What does:\n  --pool streamed: the same picks, " in out
    code, _, err = call("--pool", "memory", pool="large.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert re.fullmatch(
        r"fbench: large.npz: in memory it would hold [0-9.]+ MiB; with 15 % to spare [0-9.]+ MiB more are needed, and "
        r"[0-9.]+ MiB are free on cpu. --pool streamed holds [0-9.]+ MiB, and fits\n",
        err,
    )
    free(streamed.needed - 1)
    code, _, err = call(pool="large.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "fbench: large.npz: streamed it would hold" in err
    assert ". What fits: " in err
    free(10)
    assert call(pool="large.npz")[2].startswith("fbench: the selection needs ")  # its matrices, however it is read


def test_other_arrays_than_these_are_read_and_why_is_said(call: Call) -> None:
    saved: dict[str, dict[str, Any]] = {
        "columns": {"features": np.asfortranarray(FEATURES)},
        "half": {"features": FEATURES.astype("f2")},
        "foreign": {"features": FEATURES.astype(">f4")},
    }
    for name, arrays in saved.items():
        np.savez(f"{name}.npz", **{"logits": LOGITS, **arrays})
    np.savez_compressed("packed.npz", logits=LOGITS, features=FEATURES)
    for name, reason in [
        ("packed", "features are compressed; numpy.savez stores them as they are"),
        ("columns", "features are stored column by column; save numpy.ascontiguousarray of them"),
        ("half", "features are float16; save them as float32 or float64"),
        ("foreign", "features are float32 of another machine's byte order; save them as float32 or float64"),
    ]:
        code, out, _ = call("--out", f"{name}.csv", pool=f"{name}.npz")
        assert (code, f"It cannot be streamed: {name}.npz: {reason}.\n" in out) == (0, True)
        assert "Streamed it holds" not in out
        code, _, err = call("--pool", "streamed", pool=f"{name}.npz")
        assert (code, err.splitlines()[-1]) == (2, f"fbench: --pool streamed: {name}.npz: {reason}")
    assert rows("packed.csv")


def test_mistakes(call: Call) -> None:
    for typed, message in [
        (["--pool", "disk"], "unknown --pool 'disk'"),
        (["--pool", "streamed", "--device", "cpu,cpu"], "--pool streamed works on one CPU, and --device is cpu,cpu"),
        (
            ["--pool", "streamed", "--strategy", "badge"],
            "--pool streamed is BAIT's; leave it out with",
        ),
    ]:
        code, _, err = call(*typed)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
    assert not Path("picks.csv").exists()
    code, out, _ = call("--device", "cpu,cpu")
    assert (code, "In memory it holds" in out) == (0, False)


@pytest.mark.parametrize("way", ["memory", "streamed"])
def test_a_damaged_file_is_refused_on_either_way(call: Call, way: str) -> None:
    features = np.tile(FEATURES, (9, 1))
    np.savez("damaged.npz", logits=np.tile(LOGITS, (9, 1)), features=features)
    data = bytearray(Path("damaged.npz").read_bytes())
    data[data.index(features.tobytes()) + 90_000] ^= 1
    Path("damaged.npz").write_bytes(data)
    code, _, err = call("--pool", way, pool="damaged.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "damaged.npz: is damaged, or not what its name says: Bad CRC-32 for file 'features.npy'" in err
    assert not Path("picks.csv").exists()


@pytest.mark.parametrize("way", ["memory", "streamed"])
def test_features_that_are_not_finite_are_refused_on_either_way(call: Call, way: str) -> None:
    features = FEATURES.copy()
    features[491, 2] = np.nan
    np.savez("nan.npz", logits=LOGITS, features=features)
    code, _, err = call("--pool", way, pool="nan.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "nan.npz: features[491, 2] is nan; every value must be finite" in err


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from fbench import cli
from fbench.pick.picking import read_pick
from pick_words import typed_for

torch.set_num_threads(1)
np.savez("tiny.npz", logits=np.zeros((3000, 2), "f4"), features=np.ones((3000, 300), "f4"))
for way in ("memory", "streamed"):
    assert cli.run(["pick", "tiny.npz", "--batch", "6", "--out", f"{way}.csv", "--pool", way]) == 0
sizes = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
now = 1024 * int(sizes["VmData"].split()[0])
streamed = read_pick(Path("large.npz"), typed_for(6, pool="streamed"), ("cpu",)).choice.way
most = now + streamed.needed + 8 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
sys.exit(cli.run(["pick", "large.npz", "--batch", "6", "--pool", sys.argv[1]]))
"""
"""What may be had from then on is what the plan says of streaming; what is mapped read-only counts for nothing."""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of data are Linux's")
@pytest.mark.parametrize(("way", "code"), [("streamed", 0), ("memory", 2)])
def test_streaming_holds_no_more_than_its_plan_says(
    way: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    large(120_000)
    memory, streamed = pick_of("large.npz").choice.ways  # type: ignore[union-attr]
    assert memory.held > 2 * streamed.needed  # else the limit would tell nothing
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, way],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, ended.stderr
    assert ("memory" in ended.stderr) == (way == "memory")


def test_a_refusal_is_raised_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_selection(Shape(n=100, rows=1, dim=8, classes=1))
    ways = PoolWay("memory", {"features": 10**6}, 0, 1, 9), PoolWay("streamed", {"features": 10**6}, 0, 1, 9)
    choice = PoolChoice(ways, "features", "", "auto", 10**6)
    with pytest.raises(TooLargeError, match=r"^a.npz: streamed it would hold .* What fits: diagonal \("):
        choice.check(plan, "a.npz")
    PoolChoice(ways, "features", "", "auto", None).check(plan, "a.npz")
