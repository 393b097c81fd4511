"""What a memory sampler costs the trace kernel that it runs beside: `fused`, with the sampler reading and without.

    python tests/benchmarks/sampler_cost.py FOLDER [PAIRS] [PERIOD_S]

In each pair (60 by default) the kernel is timed in two blocks of half a second, one while a sampler reads this
process's resident memory at its default period (or PERIOD_S), one while it waits; which comes first is drawn. The
sampler's process is there in both, so that only its reading differs. torch has as many threads as it takes by itself:
where no core is to spare, readings come out of the kernel's time.

Ratios are paired, with over without, and their 95 % interval is t on logarithms. They are given of the blocks' mean
pass, in which every interruption counts, and of their median pass, which forgives those that hit fewer than half of the
passes, the sampler's and other people's alike.

Writes FOLDER/sampler_cost.csv, a row a block, written when the pair is over, FOLDER/environment.json, and
FOLDER/summary.md, which is printed too.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from kept_rows import Row, keep_rows, keep_summary

import fbench
from fbench.fisher.selection.trace import prepare_kernel
from fbench.harness.contract import Table
from fbench.measure.memory.readers import RssReader
from fbench.measure.memory.sampler import PERIOD_S, Sampler
from fbench.measure.statistics import mean_interval
from fbench.measure.timing import CpuMeter, Pass
from fbench.results.render import markdown_table

COLUMNS = ("pair", "place", "sampler", "passes", "mean_s", "median_s", "period_s", "rate_hz", "missed")
PAIRS = 60
BLOCK_S = 0.5
CANDIDATES, CLASSES, FEATURES = 128, 10, 32


def kernel() -> Pass:
    """One chunk of candidates scored: k − 1 = 9 rows, d = 320, float32."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(CANDIDATES, CLASSES, generator=generator)
    V = fbench.last_layer_embedding(logits, torch.randn(CANDIDATES, FEATURES, generator=generator))
    F = V.gram() / V.n
    fused, prepared = prepare_kernel("fused", V, torch.linalg.inv(F + torch.eye(len(F))), F)
    return lambda _: fused.run(prepared, slice(0, CANDIDATES), True)


def block(run: Pass, passes: int) -> Row:
    """Passes back to back."""
    seconds = CpuMeter().time(run, range(passes)).seconds
    return {"passes": passes, "mean_s": statistics.fmean(seconds), "median_s": statistics.median(seconds)}


def beside(sampler: Sampler, measure: Callable[[], Row]) -> Row:
    """A block while the sampler reads."""
    sampler.start()
    row = measure()
    found = sampler.stop()
    if found.fault:
        raise RuntimeError(found.fault)
    return {**row, "period_s": found.period_s, "rate_hz": found.rate_hz(), "missed": found.missed}


def pairs(count: int, period_s: float) -> Iterator[list[Row]]:
    """Both blocks of each pair, in the order run."""
    run, order = kernel(), random.Random(0)
    sampler = Sampler(partial(RssReader, os.getpid()), period_s)
    sampler.start()
    sampler.stop()
    measure = partial(block, run, passes_in(BLOCK_S, run))
    try:
        for pair in range(count):
            with_first = order.random() < 0.5
            rows = list[Row]()
            for place, running in enumerate((with_first, not with_first)):
                row = beside(sampler, measure) if running else measure()
                rows.append({"pair": pair, "place": place, "sampler": running, **row})
            yield rows
    finally:
        sampler.close()


def passes_in(seconds: float, run: Pass) -> int:
    """How many passes take so long, warmed up by as many."""
    passes, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        run(passes)
        passes += 1
    return passes


def main(folder: Path, count: int = PAIRS, period_s: float = PERIOD_S) -> None:
    """Measure, write into ``folder`` and print the ratios."""
    turns = pairs(count, period_s)
    rows = keep_rows(folder / "sampler_cost.csv", COLUMNS, turns, threads=torch.get_num_threads())
    keep_summary(folder / "summary.md", summary(rows))


def summary(rows: Sequence[Row]) -> str:
    """The ratios with their intervals, and how the sampler did."""
    with_it, without = ([row for row in rows if row["sampler"] is on] for on in (True, False))
    lines = [_line(of, column, with_it, without) for of, column in (("mean", "mean_s"), ("median", "median_s"))]
    table = Table("What the sampler costs", ("pass of a block", "without", "with/without", "95 %"), lines)
    rate = statistics.median(float(str(row["rate_hz"])) for row in with_it)
    missed = sum(int(str(row["missed"])) for row in with_it)
    asked = 1 / float(str(with_it[0]["period_s"]))
    did = f"it was asked for {asked:.0f} Hz, reached {rate:.1f} Hz (median) and missed {missed} periods in all"
    return (
        f"{markdown_table(table)}\n\n{len(with_it)} pairs, order drawn, {torch.get_num_threads()} threads on "
        f"{os.cpu_count()} cores; {did}.\n"
    )


def _line(of: str, column: str, with_it: Sequence[Row], without: Sequence[Row]) -> tuple[str, str, str, str]:
    both = [[float(str(row[column])) for row in rows] for rows in (with_it, without)]
    found = mean_interval([math.log(ours / bare) for ours, bare in zip(*both, strict=True)])
    ratio, low, high = (math.exp(value) for value in (found.mean, found.low, found.high))
    return of, f"{statistics.median(both[1]) * 1e3:.3f} ms", f"{ratio:.4f}", f"{low:.4f} to {high:.4f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]), *map(float, sys.argv[3:4]))
