"""A pool that is streamed from its file: seconds and bytes of a selection, beside its arithmetic and its reads.

    python tests/benchmarks/streamed_pool.py FOLDER [N] [H]

A pool of N candidates (a million by default), K = 10 classes and H = 256 features in float32 is written as an .npz to a
temporary folder; its feature vectors are random about K means, its logits those of a linear layer on them. Then what
`fbench pick --pool streamed` does: B = 10, twice as many forward picks, λ = 1, LABELLED labelled, on as many threads as
OMP_NUM_THREADS says. In the same run:

- ``product``: [K·2r, H] @ [H, c] and [c, H] @ [H, K·H], products as a pick and the start make them, at their full rate.
- ``read``: the features once, by parts, and nothing done with them; the kernel is told to forget the file before
  (``posix_fadvise``), which it does, a hypervisor's own cache apart.
- ``checksum``, ``look`` (for values that are not finite), ``fisher``, ``setup``, every ``forward`` pick, ``removals``
  and ``objective``. Before ``fisher``, ``setup`` and every pick the kernel forgets the file once more.

A part's bound is its operations at that rate, and its reads; ``ratio`` is its time over that. ``cpu_s`` is what the
process worked in all its threads: far less than ``time_s`` times threads where others had the machine. Peaks are of the
process: what it holds itself (RssAnon), and with the file's pages (RssFile) that the kernel may have back.

Writes FOLDER/times.csv, FOLDER/memory.csv and FOLDER/environment.json.
"""

from __future__ import annotations

import csv
import json
import mmap
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from fbench.fisher.embeddings import last_layer_embedding
from fbench.fisher.likelihood import check_finite
from fbench.fisher.planning.plan import Shape, StepCounts, plan_selection
from fbench.fisher.selection.bait import Search
from fbench.mapped_arrays import check_stored, mapped_array
from fbench.measure.environment import environment
from fbench.pick.pool_tensors import stored_rows
from fbench.pick.pool_ways import PoolSizes, pool_ways

K, BATCH, OVERSAMPLE, LABELLED = 10, 10, 2.0, 100
PIECE = 100_000


class Peaks:
    """The most that this process held itself, and with pages of files, looked at every ten milliseconds."""

    def __init__(self) -> None:
        self.anonymous = self.resident = 0
        self._ends = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._ends.wait(0.01):
            sizes = held_now()
            self.anonymous = max(self.anonymous, sizes["RssAnon"])
            self.resident = max(self.resident, sizes["VmRSS"])

    def end(self) -> None:
        """Look no more."""
        self._ends.set()


def held_now() -> dict[str, int]:
    """RssAnon, RssFile and VmRSS of this process, in bytes."""
    lines = (line.split(":") for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return {name: 1024 * int(rest.split()[0]) for name, rest in lines if name in ("RssAnon", "RssFile", "VmRSS")}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def write_pool(path: Path, n: int, h: int) -> None:
    """The pool, made by pieces: the file's features are written where they will lie."""
    rng = np.random.default_rng(0)
    means, W = rng.normal(size=(K, h)).astype("f4"), (rng.normal(size=(h, K)) / h**0.5).astype("f4")
    features, logits = np.lib.format.open_memmap(path.with_suffix(".npy"), "w+", "f4", (n, h)), np.empty((n, K), "f4")
    for start in range(0, n, PIECE):
        x = means[rng.integers(K, size=min(PIECE, n - start))]
        features[start : start + len(x)] = x + rng.standard_normal(x.shape, dtype="f4")
        logits[start : start + len(x)] = 3 * features[start : start + len(x)] @ W
    np.savez(path, logits=logits, features=features)
    path.with_suffix(".npy").unlink()


def forget(path: Path, array: np.ndarray[Any, Any]) -> None:
    """Have the kernel drop the file's pages."""
    array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined] # of numpy's memmap: mapped pages stay else
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def product_rate(h: int, rounds: int = 5) -> float:
    """Floating-point operations a second of a pick's product and of the start's, the best of some rounds of each."""
    sides = [(K * 2 * (K - 1), 1456), (4096, K * h)]
    return max(rate_of(torch.randn(m, h), torch.randn(h, c)) for m, c in sides for _ in range(rounds))


def rate_of(left: torch.Tensor, right: torch.Tensor) -> float:
    """Floating-point operations a second of a product that is made as often as takes some tenths of a second."""
    out, operations = left @ right, 2 * left.numel() * right.shape[1]
    times = max(1, int(2e10 / operations))
    return operations * times / timed(lambda: [torch.mm(left, right, out=out) for _ in range(times)])[0]


def read_once(features: torch.Tensor) -> None:
    """All features, by parts."""
    for start in range(0, len(features), 1456):
        features[start : start + 1456]


def selected(path: Path, n: int, h: int) -> tuple[list[dict[str, Any]], float]:
    """Rows of what was timed, and the rate of products."""
    array = mapped_array(path, "features")
    assert array is not None
    features, logits = stored_rows(array), torch.from_numpy(np.load(path)["logits"])
    rows: list[dict[str, Any]] = []

    def part(name: str, work: Callable[[], Any], *, operations: float = 0, reads: int = 1) -> Any:
        forget(path, array)
        worked = time.process_time()
        spent, result = timed(work)
        worked = time.process_time() - worked
        rows.append({"part": name, "time_s": spent, "cpu_s": worked, "operations": operations, "reads": reads})
        print(f"{name}: {spent:.2f} s, of the processor {worked:.2f} s", flush=True)
        return result

    rate = product_rate(h)
    part("read", lambda: read_once(features))
    part("checksum", lambda: check_stored(path, "features"))
    part("look", lambda: check_finite("features", features))
    V = last_layer_embedding(logits, features)
    search = Search(V, BATCH, labelled=range(0, n, n // LABELLED)[:LABELLED], oversample=OVERSAMPLE)
    gram = float(n) * K * (K + 1) * h * (h + 1)
    part("fisher", search.fisher, operations=gram)
    bought = 2.0 * n * h * K * LABELLED * (K - 1)  # what the features make of the labelled rows, for G
    part("setup", search.start, operations=gram + bought)
    for _ in range(search.picks):
        part("forward", lambda: search.forward(steps=1), operations=2.0 * n * h * K * 2 * (K - 1))
    part("removals", search.backward, reads=0)
    chosen = part("objective", search.finish, reads=0)
    print(f"objective {chosen.objective:.4f}, d_eff {chosen.effective_dimension:.1f}, refreshes {chosen.refreshes}")
    return rows, max(rate, product_rate(h))


def main(folder: Path, n: int, h: int) -> None:
    """Measure, write and print."""
    folder.mkdir(parents=True, exist_ok=True)
    about = environment(("cpu",), torch.get_num_threads())
    (folder / "environment.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="streamed-pool") as place:
        path = Path(place) / "pool.npz"
        write_pool(path, n, h)
        small = Path(place) / "small.npz"
        write_pool(small, 4000, h)
        selected(small, 4000, h)  # warm-up: kernels are compiled
        before, peaks = held_now(), Peaks()
        rows, rate = selected(path, n, h)
        peaks.end()
    read_s = next(row["time_s"] for row in rows if row["part"] == "read")
    for row in rows:
        bound = row["operations"] / rate + row["reads"] * read_s
        row["bound_s"], row["ratio"] = bound, row["time_s"] / bound if bound else ""
    sizes = {"n": n, "k": K, "h": h, "picks": int(BATCH * OVERSAMPLE), "threads": torch.get_num_threads()}
    write(folder / "times.csv", [{**sizes, **rounded(row)} for row in rows])
    held = planned(n, h)
    memory = {
        **sizes,
        "planned_bytes": held,
        "peak_anonymous_bytes": peaks.anonymous - before["RssAnon"],
        "peak_resident_bytes": peaks.resident - before["VmRSS"],
        "features_bytes": 4 * n * h,
        "product_flops": round(rate),
    }
    write(folder / "memory.csv", [memory])
    picks = [row for row in rows if row["part"] == "forward"]
    whole = [row for row in rows if row["bound_s"]]
    print(
        f"products {rate / 1e9:.0f} GFLOP/s, one read {read_s:.2f} s; a pick "
        f"{median(p['time_s'] for p in picks):.2f} s, {median(p['ratio'] for p in picks):.2f} of its bound; all passes "
        f"{sum(r['time_s'] for r in whole) / sum(r['bound_s'] for r in whole):.2f} of theirs"
    )
    print({name: f"{value / 2**20:.0f} MiB" for name, value in memory.items() if name.endswith("bytes")})


def planned(n: int, h: int) -> int:
    """What the plan says that streaming holds."""
    counts = StepCounts.of(BATCH, OVERSAMPLE, n - LABELLED, labelled=LABELLED)
    plan = plan_selection(Shape(n, K - 1, K * h, K), counts=counts)
    arrays = {"logits": 4 * n * K, "features": 4 * n * h}
    return pool_ways(PoolSizes(plan, arrays, 4, there=arrays["logits"], large="features", passes=counts.picks + 4))[
        1
    ].held


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers as they are written."""
    return {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()}


def write(path: Path, table: list[dict[str, Any]]) -> None:
    """All rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in [*sys.argv[2:], *("1000000", "256")[len(sys.argv) - 2 :]]))
