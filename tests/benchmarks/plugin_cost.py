"""What the gate's ``benchmark`` costs a sample, beside pytest-benchmark's own: an empty function, in turn.

    python tests/benchmarks/plugin_cost.py FOLDER [PAIRS]

In each pair (200 by default) either fixture times 1,000 rounds of one call, and 1,000 rounds of 100, by ``pedantic``;
which comes first is drawn. ``timed_s`` is the median of what a fixture reports for a call: all that it adds to what is
timed. ``wall_s`` is what a round takes in all: what it costs to take a sample.

Differences are paired, ours less pytest-benchmark's, and given by the Hodges–Lehmann middle with its 95 % interval.

Writes FOLDER/plugin_cost.csv, a row a fixture and pair, FOLDER/environment.json, and FOLDER/summary.md, which is
printed too.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

from kept_rows import Row, keep_rows, keep_summary
from pytest_benchmark.fixture import BenchmarkFixture

from fbench.gate.bench_server import GateFixture
from fbench.harness.contract import Table
from fbench.measure.signed_ranks import hodges_lehmann
from fbench.results.render import markdown_table

COLUMNS = ("pair", "place", "fixture", "iterations", "rounds", "timed_s", "wall_s")
PAIRS, ROUNDS = 200, 1000
ITERATIONS = (1, 100)
FIXTURES = ("gate", "pytest-benchmark")


class _Node(SimpleNamespace):
    """As much of a test as the fixtures ask for."""

    name, nodeid = "empty", "empty"

    def get_closest_marker(self, name: str) -> None:
        return None


def nothing() -> None:
    """What is timed."""


def timed_by_gate(iterations: int) -> tuple[list[float], float]:
    """Seconds of a call, a round each, and of all rounds."""
    fixture = GateFixture(_Node(), ROUNDS, 1)
    start = perf_counter()
    fixture.pedantic(nothing, rounds=ROUNDS, iterations=iterations)
    return fixture.seconds, perf_counter() - start


def timed_by_pytest_benchmark(iterations: int) -> tuple[list[float], float]:
    """The same of its fixture, with its default options."""
    names = ("min_rounds", "min_time", "max_time", "precision", "confidence", "warmup", "warmup_iterations")
    fixture = BenchmarkFixture(
        _Node(),
        disable_gc=False,
        timer=SimpleNamespace(target=perf_counter),
        calibration_precision=10,
        add_stats=lambda stats: None,
        logger=None,
        warner=None,
        disabled=False,
        cprofile=False,
        cprofile_loops=None,
        cprofile_dump=None,
        **dict.fromkeys(names, 0),
    )
    start = perf_counter()
    fixture.pedantic(nothing, rounds=ROUNDS, iterations=iterations)
    taken = perf_counter() - start
    return list(fixture.stats.stats.data), taken


def pairs(count: int) -> Iterator[list[Row]]:
    """Both fixtures' rows of each pair, in the order run; one pair before them is not kept."""
    order = random.Random(0)
    timed = {"gate": timed_by_gate, "pytest-benchmark": timed_by_pytest_benchmark}
    for pair in range(-1, count):
        rows = list[Row]()
        for iterations in ITERATIONS:
            for place, name in enumerate(order.sample(FIXTURES, 2)):
                seconds, wall = timed[name](iterations)
                numbers = (pair, place, name, iterations, len(seconds), statistics.median(seconds), wall / ROUNDS)
                rows.append(dict(zip(COLUMNS, numbers, strict=True)))
        if pair >= 0:
            yield rows


def main(folder: Path, count: int = PAIRS) -> None:
    """Measure, write into ``folder`` and print the differences."""
    rows = keep_rows(folder / "plugin_cost.csv", COLUMNS, pairs(count))
    keep_summary(folder / "summary.md", summary(rows))


def summary(rows: Sequence[Row]) -> str:
    """The differences with their intervals."""
    lines = [
        _line(f"{of}, {iterations} call{'s' * (iterations > 1)} a round", column, iterations, rows)
        for iterations in ITERATIONS
        for of, column in (("reported for an empty call", "timed_s"), ("a round in all", "wall_s"))
    ]
    table = Table("What a sample costs", ("", *FIXTURES, "gate less pytest-benchmark", "95 %"), lines)
    count = len({row["pair"] for row in rows})
    return f"{markdown_table(table)}\n\n{count} pairs of {ROUNDS:,} rounds each, order drawn.\n"


def _line(of: str, column: str, iterations: int, rows: Sequence[Row]) -> tuple[str, str, str, str, str]:
    ours, theirs = (
        [float(row[column]) for row in rows if row["fixture"] == name and row["iterations"] == iterations]
        for name in FIXTURES
    )
    middle = hodges_lehmann([1e6 * (a - b) for a, b in zip(ours, theirs, strict=True)])
    levels = (f"{1e6 * statistics.median(seconds):.3f} µs" for seconds in (ours, theirs))
    return (of, *levels, f"{middle.value:+.3f} µs", f"{middle.low:+.3f} to {middle.high:+.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
