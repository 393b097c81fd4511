"""Suites without mathematics, for tests of the harness: each value rests on the one before it.

``trap`` names a file whose lines ``SIZE:STEP:HOW`` say where a case comes to grief.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from fbench.harness.contract import Case, Column, Context, Option, Summary, Table, Tables, Unit, typed
from fbench.harness.parsing import union
from fbench.harness.registry import suite

KEY = (Column("size", "int", "", "axis"), Column("step", "int", "", "unit"))
COLUMNS = (*KEY, Column("value", "float", "", "grows by a share of the size a step"))
EXTRA = (*KEY, Column("item", "int", "", "from 0"))


def sizes_of(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def summarise(rows: Tables, options: Options) -> Summary:
    good = [row for row in rows["results"] if row["status"] == "ok"]
    table = Table("Last values", ("size", "value"), [(str(row["size"]), f"{row['value']:.3f}") for row in good[-1:]])
    return Summary(tables=(table,), findings=(f"{len(good)} good rows of {options.steps} steps a case.",))


def spring(trap: str, size: int, step: int) -> None:
    lines = Path(trap).read_text().split() if trap and Path(trap).exists() else []
    for how in [line.split(":")[2] for line in lines if line.startswith(f"{size}:{step}:")]:
        match how:
            case "raise":
                raise ValueError('one, two, "three"\nand a second line')
            case "memory":
                raise MemoryError
            case "cuda":
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            case "exit":
                sys.exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "undeclared":
                raise KeyError("nothing")


@dataclass(frozen=True, kw_only=True)
class Options:
    sizes: Annotated[tuple[int, ...], Option("sizes, comma-separated", parse=sizes_of, axis="size", grows=union)] = (
        typed("3,1,2")
    )
    steps: Annotated[int, Option("units a case", minimum=1, maximum=1000, grows=max)] = 3
    rate: Annotated[float, Option("share of the size", minimum=0)] = 0.1
    trap: Annotated[str, Option("where cases come to grief")] = ""
    pause: Annotated[float, Option("seconds a unit", minimum=0)] = 0.0


class Point(NamedTuple):
    size: int


def toy(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    size, done = case.point.size, context.committed.get("results", ())
    value = done[-1]["value"] if done else 0.0
    for step in range(len(done), options.steps):
        time.sleep(options.pause)
        spring(options.trap, size, step)
        value += size * options.rate / (step + 1)
        extra = [{"size": size, "item": item} for item in range(step + 1)]
        yield Unit(step, [{"size": size, "value": value}], {"extra": extra})


for name, more in {
    "toy": {"units": lambda options: options.steps},
    "toyblocks": {"units": lambda options: options.steps, "schedule": "blocks"},
    "toyopen": {"cost": lambda case, options: case.point.size},
    "toyworker": {"units": lambda options: options.steps, "schedule": "blocks", "executor": "worker"},
}.items():
    suite(name, "Grows", columns=COLUMNS, tables={"extra": EXTRA}, unit="step", summarise=summarise, **more)(toy)
