"""BAIT on all the weights of a network: seconds of the Gram matrix, beside those of products, and of a selection.

    python tests/benchmarks/full_rows.py FOLDER [ROUNDS]

One small network of the digits, trained on LABELLED of their pool's images; then, in every round (3 by default), on as
many threads as OMP_NUM_THREADS says:

- ``gram``: ``network_gram``, K [N, N] in float32.
- ``product``: V Vᵀ whole, V [N, d] drawn at random, by one call of torch's; half of it is what a symmetric product
  would take at that rate.
- the phases of ``bait_select_rows`` with B = 20 and twice as many forward picks, at λ = 1, by its own progress.

Writes FOLDER/times.csv and FOLDER/environment.json.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fbench.fisher.row_gram import network_gram
from fbench.fisher.selection.row_space import bait_select_rows
from fbench.harness.registry import MODELS
from fbench.learning.data import Pool, digits, split
from fbench.learning.recipe import Recipe
from fbench.learning.training import train_block
from fbench.measure.environment import environment

LABELLED, BATCH = 100, 20


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def trained(pool: Pool) -> torch.nn.Module:
    """The small network on the first images of the pool."""
    few = ([pool.images[:LABELLED]], [pool.targets[:LABELLED]])
    return train_block(MODELS.get("small"), *few, [0], classes=pool.classes, recipe=Recipe(epochs=50))[0]


def phases(K: torch.Tensor, rows: int, dim: int) -> dict[str, float]:
    """Seconds of every phase of a selection."""
    spent: dict[str, float] = defaultdict(float)
    last = time.perf_counter()

    def told(phase: str, done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        spent[phase] += now - last
        last = now

    chosen = bait_select_rows(K, rows, BATCH, labelled=range(LABELLED), dim=dim, progress=told)
    print(f"d_eff {chosen.effective_dimension:.2f}, objective {chosen.objective:.4f}, refreshes {chosen.refreshes}")
    return dict(spent)


def main(folder: Path, rounds: int) -> None:
    """Measure, write and print."""
    pool = split(digits(None, False), 0)
    network = trained(pool)
    n, rows, d = len(pool.images), pool.classes - 1, sum(p.numel() for p in network.parameters())
    sizes = {"n": n, "rows": rows, "N": n * rows, "d": d, "labelled": LABELLED, "picks": 2 * BATCH}
    V = torch.randn(n * rows, d, generator=torch.Generator().manual_seed(0))
    network_gram(network, pool.images[:100])  # warm-up
    folder.mkdir(parents=True, exist_ok=True)
    about = environment(("cpu",), torch.get_num_threads())
    (folder / "environment.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    table: list[dict[str, Any]] = []
    for block in range(rounds):
        gram_s, K = timed(lambda: network_gram(network, pool.images))
        spent = phases(K, rows, d)
        del K
        product_s = timed(lambda: V @ V.T)[0]
        parts = {"gram": gram_s, **spent, "in all": gram_s + sum(spent.values()), "product": product_s}
        print({part: round(seconds, 2) for part, seconds in parts.items()}, f"{gram_s / (product_s / 2):.2f} of half")
        where = {**sizes, "threads": torch.get_num_threads(), "round": block}
        table += [{**where, "part": part, "time_s": f"{seconds:.4f}"} for part, seconds in parts.items()]
        write(folder / "times.csv", table)
    gram_s, product_s, all_s = (
        median(float(row["time_s"]) for row in table if row["part"] == part) for part in ("gram", "product", "in all")
    )
    print(f"medians: in all {all_s:.1f} s; gram {gram_s:.1f} s, {2 * gram_s / product_s:.2f} of half a product")


def write(path: Path, table: list[dict[str, Any]]) -> None:
    """All rows so far."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
