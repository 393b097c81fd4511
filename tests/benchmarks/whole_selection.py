"""A whole selection of a large last layer, phase by phase, beside its arithmetic at the rate of products.

    python tests/benchmarks/whole_selection.py FOLDER [N K H BATCH LABELLED]

One pool (50,000 candidates, 10 classes, 512 features, a batch of 1,000, 100 labelled, if no sizes are given), drawn at
random, in float32, on as many threads as OMP_NUM_THREADS says. Phases are those of ``bait_select``; a refresh is timed
apart from the picks that it interrupts. ``arithmetic_s`` is what the phase's operations take at the rates of square
products of 4,096 rows in float32 and float64, measured before the selection and after it, the faster of both: what
``fbench.fisher.planning.scaling`` counts, with memory as fast as can be.

Writes FOLDER/times.csv, FOLDER/environment.json and FOLDER/summary.md.
"""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from kept_rows import Row, keep_rows, keep_summary

import fbench
from fbench.fisher.planning.plan import Shape, StepCounts
from fbench.fisher.planning.scaling import Rates, scaled_selection
from fbench.fisher.selection.bait import Search

PHASES = {
    "fisher": "fisher",
    "setup": "setup",
    "forward": "forward",
    "refresh": "refresh",
    "setup of removals": "backward",
    "backward": "backward",
    "objective": "objective",
}
"""What a selection calls its phases, and what the model does."""
COLUMNS = ["n", "k", "h", "d", "batch", "labelled", "threads", "phase", "steps", "time_s", "arithmetic_s"]


class Sizes(NamedTuple):
    """Of the pool, and of what is bought."""

    n: int = 50_000
    k: int = 10
    h: int = 512
    batch: int = 1000
    labelled: int = 100


def product_rate(dtype: torch.dtype) -> float:
    """Operations a second of the fastest of three square products."""
    A = torch.randn(4096, 4096, dtype=dtype)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        A @ A
        seconds.append(time.perf_counter() - start)
    return 2 * 4096**3 / min(seconds)


def rates() -> Rates:
    """Of products alone: nothing else takes time."""
    narrow, wide = (product_rate(dtype) for dtype in (torch.float32, torch.float64))
    return Rates(narrow, wide, memory=math.inf, latency_s=0.0, link=math.inf)


class Watch:
    """Seconds by phase, from what a selection tells of its steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.last = time.perf_counter()

    def told(self, phase: str, done: int, total: int) -> None:
        """``done`` of a phase's steps are taken."""
        now = time.perf_counter()
        self.seconds[PHASES[phase]] += now - self.last
        self.last = now


def measured(sizes: Sizes) -> Iterator[list[Row]]:
    """A row a phase."""
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(sizes.n, sizes.k, generator=g)
    V = fbench.last_layer_embedding(logits, torch.randn(sizes.n, sizes.h, generator=g).relu())
    fbench.bait_select(V[:2000], 3, labelled=[0])  # compiles
    before, watch = rates(), Watch()
    search = Search(V, sizes.batch, labelled=range(sizes.labelled), progress=watch.told)
    search.set_up()
    search.forward()
    search.backward()
    chosen = search.finish()
    after = rates()
    fastest = replace(before, narrow=max(before.narrow, after.narrow), wide=max(before.wide, after.wide))
    counts = StepCounts.of(sizes.batch, 2.0, sizes.n - sizes.labelled, labelled=sizes.labelled)
    shape = Shape(V.n, V.rows, V.dim, sizes.k)
    arithmetic = scaled_selection(shape, counts, fastest, refreshes=chosen.refreshes)
    steps = {"forward": counts.picks, "refresh": chosen.refreshes, "backward": counts.removals}
    where = {**sizes._asdict(), "d": V.dim, "threads": torch.get_num_threads()}
    yield [
        {
            **where,
            "phase": phase,
            "steps": steps.get(phase, 1),
            "time_s": f"{watch.seconds[phase]:.3f}",
            "arithmetic_s": f"{time_of.all_s:.3f}",
        }
        for phase, time_of in arithmetic.items()
    ]


def summary_of(rows: list[Row]) -> str:
    """Seconds and arithmetic by phase, and of all."""
    first = rows[0]
    names = ", ".join(f"{letter} = {int(first[name]):,}" for letter, name in SHOWN.items())
    lines = [f"# A whole selection: {names}, {first['threads']} threads, float32", ""]
    lines += ["| phase | steps | seconds | arithmetic at the rate of products | × |", "| --- | --- | --- | --- | --- |"]
    sums = [sum(float(row[name]) for row in rows) for name in ("time_s", "arithmetic_s")]
    parts = [(row["phase"], row["steps"], float(row["time_s"]), float(row["arithmetic_s"])) for row in rows]
    for phase, steps, taken, least in [*parts, ("in all", "", *sums)]:
        lines.append(f"| {phase} | {steps} | {taken:.1f} | {least:.1f} | {taken / least if least else 0:.2f} |")
    return "\n".join(lines) + "\n"


SHOWN = {"n": "n", "k": "k", "h": "h", "d": "d", "B": "batch", "n_L": "labelled"}

if __name__ == "__main__":
    folder, *typed = sys.argv[1:]
    rows = measured(Sizes(*map(int, typed)))
    kept = keep_rows(Path(folder) / "times.csv", COLUMNS, rows, threads=torch.get_num_threads())
    keep_summary(Path(folder) / "summary.md", summary_of(kept))
