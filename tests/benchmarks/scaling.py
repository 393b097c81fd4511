"""A selection of fixed size over 1, 2 and 4 ranks: seconds of every phase, what messages take, what was predicted.

    python tests/benchmarks/scaling.py FOLDER [ROUNDS]

Every rank is a process of one thread, begun as torchrun begins it, over gloo. In every round (3 by default) and for
every size each number of ranks runs once, one after the other. Before its selection each rank measures, while the
others do the same, the rates that ``fbench.fisher.planning.scaling`` predicts from. A phase lasts as long as in the
rank that takes longest; ``messages_s`` is what the rank that waited least spent in messages, ``waiting_s`` what the one
that waited longest did. With one rank there is no group: it is ``bait_select`` on the whole pool.

Writes FOLDER/times.csv, a row a phase beside the rates of its run, FOLDER/environment.json and FOLDER/summary.md.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from kept_rows import Row, keep_rows, keep_summary

import fbench
from fbench.fisher.planning.plan import Shape, StepCounts
from fbench.fisher.planning.scaling import Rates, scaled_selection
from fbench.fisher.selection.bait import Search
from fbench.fisher.selection.ranks import Ranks
from fbench.fisher.selection.sharded_pool import ShardedPool

RANKS = (1, 2, 4)


class Problem(NamedTuple):
    """A pool's sizes, and what is bought of it."""

    n: int
    k: int
    h: int
    labelled: int
    batch: int


SIZES = {"small d": Problem(40_000, 10, 64, 100, 50), "large d": Problem(20_000, 10, 256, 400, 25)}


def share_of(problem: Problem, rank: int, count: int) -> fbench.Embedding:
    """A rank's candidates, drawn from a generator of its own for each block of a quarter of the pool."""
    blocks = []
    for block in range(4 * rank // count, 4 * (rank + 1) // count):
        g = torch.Generator().manual_seed(block)
        size = problem.n // 4
        logits, features = torch.randn(size, problem.k, generator=g), torch.randn(size, problem.h, generator=g)
        blocks.append((logits, features.relu()))
    logits, features = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return fbench.last_layer_embedding(logits, features)


def rates_of(ranks: Ranks | None) -> Rates:
    """This rank's, as the median of several calls: the fastest may be one that had a processor for itself."""

    def typical_s(work: Callable[[], Any]) -> float:
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return median(seconds)

    narrow, wide = (torch.randn(1024, 1024, dtype=dtype) for dtype in (torch.float32, torch.float64))
    vector = torch.zeros(1 << 24)
    latency, link = 0.0, float("inf")
    if ranks:
        few, many = torch.zeros(5, dtype=torch.float64), torch.zeros(1 << 20)
        latency = typical_s(lambda: [ranks.sent(few, 0) for _ in range(20)]) / 20
        link = 4 * (1 << 20) / typical_s(lambda: ranks.sent(many, 0))
    return Rates(
        narrow=2 * 1024**3 / typical_s(lambda: narrow @ narrow),
        wide=2 * 1024**3 / typical_s(lambda: wide @ wide),
        memory=2 * 4 * (1 << 24) / typical_s(lambda: vector.add_(1)),
        latency_s=latency,
        link=link,
    )


class TimedRanks(Ranks):
    """Ranks that count the seconds spent in messages, waiting for others among them."""

    spent = 0.0

    def _counted(self, call: Any, *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self.spent += time.perf_counter() - start

    def summed(self, part: torch.Tensor) -> torch.Tensor:
        return self._counted(super().summed, part)

    def gathered(self, part: torch.Tensor) -> torch.Tensor:
        return self._counted(super().gathered, part)

    def sent(self, values: torch.Tensor, owner: int) -> torch.Tensor:
        return self._counted(super().sent, values, owner)


def one_rank(problem: Problem) -> dict[str, Any]:
    """What a rank has to tell: its rates, and by phase its seconds and those spent in messages."""
    torch.set_num_threads(1)
    rank, count = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    ranks = None
    if count > 1:
        dist.init_process_group("gloo")
        ranks = TimedRanks()
    here = share_of(problem, rank, count)
    fbench.bait_select(here[:2000], 3, labelled=[0])  # compiles, and wakes the processor
    rates = rates_of(ranks)
    pool: Any = here if ranks is None else ShardedPool(here, ranks)
    labelled = list(range(0, problem.n, problem.n // problem.labelled))[: problem.labelled]
    seconds: dict[str, float] = {}
    messages: dict[str, float] = {}

    search = Search(pool, problem.batch, labelled=labelled)
    phases = {
        "fisher": search.fisher,
        "setup": search.start,
        "forward": search.forward,
        "refresh": search.refresh,
        "backward": search.backward,
        "objective": search.finish,
    }
    for phase, run in phases.items():
        if ranks:
            dist.barrier()
        before, start = ranks.spent if ranks else 0.0, time.perf_counter()
        result = run()
        seconds[phase], messages[phase] = time.perf_counter() - start, (ranks.spent if ranks else 0.0) - before
    told = {"rates": asdict(rates), "seconds": seconds, "messages": messages}
    told["indices"], told["refreshes"] = result.indices.tolist(), result.refreshes
    if ranks:
        dist.destroy_process_group()
    return told


def ran(size: str, count: int) -> list[dict[str, Any]]:
    """What ``count`` ranks tell of one selection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--rank", size], env={**os.environ, **group, "RANK": str(rank)}, stdout=-1
        )
        for rank in range(count)
    ]
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]


def rows_of(size: str, count: int, told: list[dict[str, Any]]) -> list[Row]:
    """A row a phase; predicted by the rates of the slowest rank, on which all others wait."""
    problem = SIZES[size]
    rates = Rates(
        *(min(t["rates"][name] for t in told) for name in ("narrow", "wide", "memory")),
        latency_s=max(t["rates"]["latency_s"] for t in told),
        link=min(t["rates"]["link"] for t in told),
    )
    counts = StepCounts.of(problem.batch, 2.0, problem.n - problem.labelled, labelled=problem.labelled)
    shape = Shape(problem.n, problem.k - 1, problem.k * problem.h, problem.k)
    where = {"size": size, **problem._asdict(), "d": shape.dim, "ranks": count}
    rows = []
    for phase, expected in scaled_selection(shape, counts, rates, ranks=count).items():
        waited = [t["messages"][phase] for t in told]
        seconds = {
            "time_s": max(t["seconds"][phase] for t in told),
            "messages_s": min(waited),
            "waiting_s": max(waited),
            "predicted_s": expected.all_s,
            "predicted_messages_s": expected.messages_s,
        }
        kept = {name: f"{value:.5f}" for name, value in seconds.items()}
        rows.append({**where, "phase": phase, **kept, **{name: f"{rate:.4g}" for name, rate in asdict(rates).items()}})
    return rows


def measured(rounds: int) -> Iterator[list[Row]]:
    """The rows of one selection after the other; batches that differ between numbers of ranks are a fault."""
    for block in range(rounds):
        for size in SIZES:
            batches = set()
            for count in RANKS:
                told = ran(size, count)
                batches |= {tuple(t["indices"]) for t in told}
                rows = [{"round": block, **row} for row in rows_of(size, count, told)]
                print(block, size, count, {row["phase"]: row["time_s"] for row in rows}, flush=True)
                yield rows
            assert len(batches) == 1, f"{size}: {len(batches)} different batches"


def summary_of(rows: list[Row]) -> str:
    """What the rows say, a line a size and number of ranks: medians over rounds."""
    lines = ["# One selection over several ranks", ""]
    lines.append("| size | ranks | seconds | of them messages, at least | speed-up | predicted over measured |")
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for size, problem in SIZES.items():
        alone = 0.0
        for count in RANKS:
            some = [row for row in rows if (row["size"], row["ranks"]) == (size, count)]
            sums = {
                b: [_sum(some, b, name) for name in ("time_s", "messages_s", "predicted_s")] for b in rounds_of(rows)
            }
            whole, messages = (median(sums[b][i] for b in sums) for i in (0, 1))
            missed = median(predicted / taken for taken, _, predicted in sums.values())
            alone = alone or whole
            sizes = f"n = {problem.n:,}, k = {problem.k}, h = {problem.h}, B = {problem.batch}"
            share = f"{100 * messages / whole:.0f} %"
            lines.append(f"| {sizes} | {count} | {whole:.2f} | {share} | {alone / whole:.2f} | {missed:.2f} |")
    cores = os.cpu_count()
    lines += ["", f"Processes of one thread each on {cores} cores: more ranks than cores share them."]
    return "\n".join(lines) + "\n"


def _sum(rows: list[Row], block: int, name: str) -> float:
    return sum(float(row[name]) for row in rows if row["round"] == block)


def rounds_of(rows: list[Row]) -> list[int]:
    """The rounds that there are."""
    return sorted({row["round"] for row in rows})


COLUMNS = [
    *("round", "size", *Problem._fields, "d", "ranks", "phase", "time_s", "messages_s", "waiting_s"),
    *("predicted_s", "predicted_messages_s", *(field.name for field in fields(Rates))),
]

if __name__ == "__main__":
    if sys.argv[1] == "--rank":
        print(json.dumps(one_rank(SIZES[sys.argv[2]])))
    else:
        kept = keep_rows(Path(sys.argv[1]) / "times.csv", COLUMNS, measured(int([*sys.argv, "3"][2])))
        keep_summary(Path(sys.argv[1]) / "summary.md", summary_of(kept))
