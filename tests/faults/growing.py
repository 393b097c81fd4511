"""A small suite that can grow, for tests that damage its runs: side rows, a figure, traps, values resting on values.

``trap`` names a file of lines ``SIZE:STEP``: these units fail. It and ``pause`` change no numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from fbench.harness.contract import (
    Case,
    Column,
    Context,
    Figure,
    Option,
    Panel,
    Series,
    Summary,
    Tables,
    Unit,
    typed,
)
from fbench.harness.registry import suite

KEY = (Column("size", "int", "", "axis"), Column("step", "int", "", "unit"))


def sizes_of(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def union(before: tuple[int, ...], now: tuple[int, ...]) -> tuple[int, ...]:
    return (*before, *(size for size in now if size not in before))


@dataclass(frozen=True, kw_only=True)
class Options:
    sizes: Annotated[tuple[int, ...], Option("sizes", parse=sizes_of, axis="size", grows=union)] = typed("3,1")
    steps: Annotated[int, Option("units a case", minimum=1, maximum=1000, grows=max)] = 2
    rate: Annotated[float, Option("share of the size", minimum=0)] = 0.1
    trap: Annotated[str, Option("units that fail", recorded=True)] = ""
    pause: Annotated[float, Option("seconds a unit", minimum=0, recorded=True)] = 0.0


class Point(NamedTuple):
    size: int


def summarise(rows: Tables, options: Options) -> Summary:
    good = [row for row in rows["results"] if row["status"] == "ok"]
    line = Series("value", [row["step"] for row in good], [row["value"] for row in good])
    figure = Figure("growth", "Growth", [Panel([line], "step", "value")])
    return Summary(findings=(f"{len(good)} good rows of {options.steps} steps a case.",), figures=(figure,))


@suite(
    "growing",
    "Grows",
    columns=(*KEY, Column("value", "float", "", "rests on the step before")),
    tables={"extra": (*KEY, Column("item", "int", "", "from 0"), Column("label", "str", "", "with a comma and an ä"))},
    unit="step",
    units=lambda options: options.steps,
    summarise=summarise,
)
def measure(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    size, done = case.point.size, context.committed.get("results", ())
    value = done[-1]["value"] if done else 0.0
    for step in range(context.done, options.steps):
        time.sleep(options.pause)
        if options.trap and f"{size}:{step}" in Path(options.trap).read_text().split():
            raise ValueError("a trap")
        value += size * options.rate / (step + 1)
        extra = [{"size": size, "item": item, "label": f"ä, {item}"} for item in range(step + 1)]
        yield Unit(step, [{"size": size, "value": value}], {"extra": extra})
