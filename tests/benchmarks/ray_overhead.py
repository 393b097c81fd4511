"""What `--executor ray` adds to a comparison beside the local executor, beyond Ray's own start.

    python tests/benchmarks/ray_overhead.py FOLDER [PAIRS] [SEEDS …]

A comparison of the digits with `--jobs 2` of one thread each is run by either executor in turn, as a command of its
own: in each pair (4 by default) the one that is first is the one that was second before. Every number of seeds (8 and
24 by default) makes a longer comparison of the same cases, with pairs of its own: what is paid once a command is a
smaller share of it. Ray begins on this machine
(no `--address`). `wall_s` is what the whole command takes by the clock. `cpu_s` is what the command and all processes
below it took of the CPUs: user and system seconds, read from `/proc` every half second, each process by its last
reading, so that Ray's servers, which nobody waits for, count too; what a process did after its last reading is left out
(half a second at most). `others_s` is what all else on the machine took of its CPUs meanwhile: where that is
much, the clock says little. `results` is the SHA-256 of the rows without times, which must be one and the same.

`start` rows are `ray.init` as fbench calls it and `ray.shutdown`, alone, in a process of its own: once a pair.

Differences and ratios are paired, Ray's to local's: medians with the range of the pairs, since these are too few for an
interval of 95 %. The share beyond Ray's start takes off the median of the `start` rows.

Writes FOLDER/ray_overhead.csv, a row a command, FOLDER/ray_overhead_environment.json, and FOLDER/ray_overhead.md, which
is printed too.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psutil
from kept_rows import Row, keep_rows, keep_summary

from fbench.harness.contract import Table
from fbench.results.render import markdown_table

COLUMNS = ("seeds", "pair", "place", "what", "wall_s", "cpu_s", "others_s", "results")
PAIRS, SEEDS = 4, (8, 24)
WORDS = ("compare", "--rounds", "5", "--jobs", "2", "--threads", "1", "--device", "cpu")
PROGRAM = "import sys; from fbench.cli import run; sys.exit(run(sys.argv[1:]))"
BARE = (
    "import os, psutil; from fbench.harness.cluster import joined\n"
    "with joined('', os.cpu_count()) as ray: assert ray.is_initialized()"
)
TIMES = ("train_s", "select_s")
EVERY_S = 0.5
_NAMES = {"wall_s": "by the clock", "cpu_s": "of the CPUs"}


class Spent(NamedTuple):
    """Seconds that a command took by the clock and, with all that it began, of the CPUs; and all else of these."""

    wall_s: float
    cpu_s: float
    others_s: float


def measured(command: Sequence[str], folder: Path) -> Spent:
    """What a command takes."""
    seen: dict[tuple[int, float], float] = {}
    start, busy_s = perf_counter(), _busy_s()
    with subprocess.Popen(
        [sys.executable, "-c", *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        above = psutil.Process(program.pid)
        while program.poll() is None:
            seen |= _readings(above)
            try:
                program.wait(EVERY_S)
            except subprocess.TimeoutExpired:
                continue
    if program.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {program.returncode}")
    cpu_s = sum(seen.values())
    return Spent(perf_counter() - start, cpu_s, _busy_s() - busy_s - cpu_s)


def _busy_s() -> float:
    """Seconds that the machine's CPUs have worked, for whomever."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def _readings(above: psutil.Process) -> dict[tuple[int, float], float]:
    """CPU seconds of a process and all below it, by what it is known by; what ended meanwhile is left out."""
    readings = {}
    try:
        family = [above, *above.children(recursive=True)]
    except psutil.NoSuchProcess:
        return {}
    for process in family:
        try:
            times = process.cpu_times()
            readings[process.pid, process.create_time()] = times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return readings


def digest(folder: Path) -> str:
    """The SHA-256 of a run's rows, times left out."""
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def pairs(count: int, seeds: Sequence[int]) -> Iterator[list[Row]]:
    """A pair's rows: both executors, and Ray's start."""
    for many, pair in itertools.product(seeds, range(count)):
        rows = list[Row]()
        for place, executor in enumerate(("local", "ray") if pair % 2 == 0 else ("ray", "local")):
            with tempfile.TemporaryDirectory() as home:
                words = [*WORDS, "--seeds", str(many), "--executor", executor, "--out", "run"]
                spent = measured([PROGRAM, *words], Path(home))
                rows.append(_row(many, pair, place, executor, *spent, digest(Path(home) / "run")))
        with tempfile.TemporaryDirectory() as home:
            rows.append(_row(many, pair, 2, "start", *_start(Path(home)), ""))
        yield rows


def _start(folder: Path) -> Spent:
    """Ray's start and end, without what importing fbench takes, which both executors pay."""
    whole, without = measured([BARE], folder), measured([BARE.partition("\n")[0]], folder)
    return Spent(whole.wall_s - without.wall_s, whole.cpu_s - without.cpu_s, whole.others_s)


def _row(*cells: object) -> Row:
    return dict(zip(COLUMNS, cells, strict=True))


def summary(rows: Sequence[Row]) -> str:
    """What Ray adds, with and without its start, for each number of seeds, and what it adds to a second more."""
    by_seeds = {
        seeds: [row for row in rows if row["seeds"] == seeds] for seeds in dict.fromkeys(r["seeds"] for r in rows)
    }
    shortest, longest = min(by_seeds, key=int), max(by_seeds, key=int)
    parts = [_section(rows) for rows in by_seeds.values()]
    if shortest != longest:
        parts.append(f"From {shortest} to {longest} seeds, means: {_further(by_seeds[shortest], by_seeds[longest])}.\n")
    return "\n".join(parts)


def _further(short: Sequence[Row], long: Sequence[Row]) -> str:
    """What a comparison takes more where it is longer: Ray's start, and whatever else is paid once, is in neither."""
    texts = []
    for column, name in _NAMES.items():
        local, ray = (_mean(column, what, long) - _mean(column, what, short) for what in ("local", "ray"))
        texts.append(f"{local:.1f} s more of local, {ray:.1f} s of ray, {100 * (ray / local - 1):+.1f} %, {name}")
    return "; ".join(texts)


def _mean(column: str, what: str, rows: Sequence[Row]) -> float:
    return statistics.mean(float(row[column]) for row in rows if row["what"] == what)


def _section(rows: Sequence[Row]) -> str:
    seeds = rows[0]["seeds"]
    lines = [line for column in ("wall_s", "cpu_s") for line in _lines(column, rows)]
    title = f"What --executor ray adds to {seeds} seeds"
    table = Table(title, ("", "local", "ray", "more, median of pairs", "of pairs"), lines)
    digests = {row["results"] for row in rows if row["results"]}
    same = "Rows of both are the same." if len(digests) == 1 else "ROWS DIFFER."
    count, runs = len({row["pair"] for row in rows}), [row for row in rows if row["what"] != "start"]
    shares = [100 * float(row["others_s"]) / float(row["cpu_s"]) for row in runs]
    busy = f"Other work took {min(shares):.0f} to {max(shares):.0f} % of what a command took of the CPUs meanwhile."
    words = " ".join([*WORDS, "--seeds", str(seeds)])
    return f"{markdown_table(table)}\n\n{count} pairs of `fbench {words}`, taking turns. {same} {busy}\n"


def _lines(column: str, rows: Sequence[Row]) -> list[tuple[str, str, str, str, str]]:
    local, ray, start = (
        [float(row[column]) for row in rows if row["what"] == what] for what in ("local", "ray", "start")
    )
    start_s = statistics.median(start)
    name = _NAMES[column]
    levels = tuple(f"{statistics.median(values):.1f} s" for values in (local, ray))
    whole, beyond = ([100 * ((b - off) / a - 1) for a, b in zip(local, ray, strict=True)] for off in (0.0, start_s))
    alone = (
        f"Ray's start and end alone, {name}",
        "",
        f"{start_s:.1f} s",
        "",
        f"{min(start):.1f} to {max(start):.1f} s",
    )
    return [
        (f"the command, {name}", *levels, *_shares(whole)),
        alone,
        (f"beyond Ray's start, {name}", levels[0], f"{statistics.median(ray) - start_s:.1f} s", *_shares(beyond)),
    ]


def _shares(values: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(values):+.1f} %", f"{min(values):+.1f} to {max(values):+.1f} %"


def main(folder: Path, count: int = PAIRS, *seeds: int) -> None:
    """Measure, write into ``folder`` and print what Ray adds."""
    rows = keep_rows(
        folder / "ray_overhead.csv", COLUMNS, pairs(count, seeds or SEEDS), about="ray_overhead_environment"
    )
    keep_summary(folder / "ray_overhead.md", summary(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
