"""What timing costs a sample beyond reading the clock: fbench, pytest-benchmark and torch.utils.benchmark in turn.

    python tests/benchmarks/harness_overhead.py FOLDER [ROUNDS]

Every tool times an empty function, so that whatever the whole call takes by the host's clock is the tool's own. In
each round (20 by default) every tool runs once, in an order shuffled anew. A sample's cost, `per_sample_us`, is the
wall time of the whole call over its samples; `beyond_clock_us` is that less the bare pair of the same round: a loop
that reads the clock twice and does nothing else. Calling the empty function, some 0.03 µs, is charged to all.

- clock: the bare pair itself, 0 beyond by definition.
- fbench meter: `CpuMeter().time`, 10,000 passes.
- fbench measure: `measure()` with one pass of warm-up. It stops when it knows the median, after some thousands of
  samples, so that the looks at the interval, and scipy's, are in the price. (Importing scipy is not.)
- pytest-benchmark: `benchmark.pedantic(f, rounds=2000, iterations=1)` on a fixture made as its plugin (5.3) makes it,
  with the plugin's defaults. That is its way to keep each pass; `benchmark(f)` would loop, and time loops.
- torch timeit: `Timer.timeit(1)`, 500 times: its only public way to time single passes. Each call first runs the
  function twice to warm up, sets torch's threads, and makes a `Measurement`, all of which a sample pays.
- torch blocked: `Timer.blocked_autorange()`, adaptive. It times blocks of many calls, here about a million, and so
  sees no single pass: the two readings of a block are shared by all its calls. What it takes beside the blocks' own
  times, the search for their size above all, is charged to the calls in them, which is the kindest way to count.
  No bare pair is taken off: a block's readings are within its time.

Writes FOLDER/harness_overhead.csv, a row a tool and round, written when the round is over, and FOLDER/environment.json,
and prints medians over rounds with their 95 % intervals.
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import torch
import torch.utils.benchmark
from kept_rows import Row, keep_rows, keep_summary
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.timers import default_timer
from pytest_benchmark.utils import NameWrapper

from fbench.harness.contract import Table
from fbench.measure.medians import median_interval
from fbench.measure.timing import CpuMeter, measure
from fbench.results.render import markdown_table

COLUMNS = ("tool", "round", "samples", "wall_s", "per_sample_us", "beyond_clock_us")
ROUNDS = 20


class Cost(NamedTuple):
    """Samples that a tool took, and the wall time that it took beside the calls that a sample is made of."""

    samples: int
    wall_s: float


def empty(*_: object) -> None:
    """What is timed."""


def wall_s(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e9


def bare_pair(samples: int = 10_000) -> Cost:
    """Two readings and nothing between."""
    clock = time.perf_counter_ns

    def loop() -> None:
        for _ in repeat(None, samples):
            clock()
            clock()

    return Cost(samples, wall_s(loop))


def fbench_meter(samples: int = 10_000) -> Cost:
    """The meter alone."""
    meter = CpuMeter()
    return Cost(samples, wall_s(lambda: meter.time(empty, range(samples))))


def fbench_measure() -> Cost:
    """Warm-up, samples, and looks at the median's interval."""
    taken = []
    spent = wall_s(lambda: taken.append(measure(empty, warm_up_s=0)))
    return Cost(len(taken[0].samples), spent)


def pytest_benchmark(samples: int = 2000) -> Cost:
    """Its fixture, used outside pytest."""
    log = logging.getLogger("pytest_benchmark")
    fixture = BenchmarkFixture(
        SimpleNamespace(name="empty", nodeid="empty"),
        **{"disable_gc": False, "timer": NameWrapper(default_timer), "calibration_precision": 10},
        **{"min_rounds": 5, "min_time": 5e-6, "max_time": 1.0, "precision": None, "confidence": None},
        **{"warmup": False, "warmup_iterations": 100_000, "disabled": False},
        **{"cprofile": False, "cprofile_loops": None, "cprofile_dump": None},
        **{"add_stats": lambda _: None, "logger": log, "warner": log.warning},
    )
    spent = wall_s(lambda: fixture.pedantic(empty, rounds=samples, iterations=1))
    assert fixture.stats.stats.rounds == samples
    return Cost(samples, spent)


def torch_timeit(samples: int = 500) -> Cost:
    """A call of it for each sample."""
    timer = torch_timer()

    def loop() -> None:
        for _ in repeat(None, samples):
            timer.timeit(1)

    return Cost(samples, wall_s(loop))


def torch_blocked() -> Cost:
    """Blocks of calls."""
    timer, taken = torch_timer(), []
    spent = wall_s(lambda: taken.append(timer.blocked_autorange()))
    blocks = taken[0].raw_times
    return Cost(len(blocks) * taken[0].number_per_run, spent - sum(blocks))


def torch_timer() -> torch.utils.benchmark.Timer:
    """As many threads as torch has, so that none need be started."""
    return torch.utils.benchmark.Timer("f()", globals={"f": empty}, num_threads=torch.get_num_threads())


TOOLS: dict[str, Callable[[], Cost]] = {
    "clock": bare_pair,
    "fbench meter": fbench_meter,
    "fbench measure": fbench_measure,
    "pytest-benchmark": pytest_benchmark,
    "torch timeit": torch_timeit,
    "torch blocked": torch_blocked,
}


def turns(rounds: int) -> Iterator[list[Row]]:
    """The rows of each round: every tool once, in a shuffled order."""
    generator = random.Random(0)
    for index in range(rounds):
        order = generator.sample(sorted(TOOLS), len(TOOLS))
        costs = {tool: TOOLS[tool]() for tool in order}
        per_sample = {tool: cost.wall_s / cost.samples * 1e6 for tool, cost in costs.items()}
        clock = {tool: 0.0 if tool == "torch blocked" else per_sample["clock"] for tool in order}
        yield [
            dict(
                zip(COLUMNS, (tool, index, *costs[tool], per_sample[tool], per_sample[tool] - clock[tool]), strict=True)
            )
            for tool in order
        ]


NOTE = "torch's blocks time many calls by one pair of readings: per call, which no other tool here does."


def main(folder: Path, rounds: int = ROUNDS) -> None:
    """Measure, write into ``folder`` and print the medians."""
    for tool in TOOLS.values():
        tool()  # what is imported or compiled at the first use is no cost of a sample
    rows = keep_rows(folder / "harness_overhead.csv", COLUMNS, turns(rounds), threads=torch.get_num_threads())
    beyond = {tool: [float(row["beyond_clock_us"]) for row in rows if row["tool"] == tool] for tool in TOOLS}
    table = Table(
        "What a sample costs",
        ("tool", "µs a sample beyond the clock reads", "95 %"),
        [_line(*each) for each in beyond.items()],
    )
    text = f"{markdown_table(table)}\n\nMedians of {rounds} rounds in shuffled order, on an empty function. {NOTE}\n"
    keep_summary(folder / "summary.md", text)


def _line(tool: str, values: Sequence[float]) -> tuple[str, str, str]:
    found = median_interval(values)
    return tool, f"{found.median:.3f}", f"{found.low:.3f} to {found.high:.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
