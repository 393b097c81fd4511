"""Suites that grow, without mathematics: what a study's runs are opened, listed and merged by.

``shift`` changes values and is said to change none, as two machines that don't agree.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fbench.harness.contract import Case, Column, Context, Figure, Option, Panel, Series, Summary, Table, Unit, typed
from fbench.harness.parsing import union
from fbench.harness.registry import suite

COLUMNS = (
    Column("size", "int", "", "axis"),
    Column("step", "int", "", "unit"),
    Column("value", "float", "", "size times steps"),
    Column("even", "bool", "", "whether the step is"),
    Column("note", "str", "", "at even steps"),
    Column("time_s", "float", "s", "when"),
)
ITEMS = (Column("step", "int", "", "unit"), Column("item", "int", "", "from 0"))


def sizes_of(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in str(text).split(","))


@dataclass(frozen=True, kw_only=True)
class Options:
    sizes: Annotated[tuple[int, ...], Option("sizes", parse=sizes_of, axis="size", grows=union)] = typed("1,2")
    steps: Annotated[int, Option("units a case", minimum=1, grows=max)] = 2
    rate: Annotated[float, Option("of the value", minimum=0)] = 1.0
    shift: Annotated[float, Option("added to every value", recorded=True)] = 0.0
    fails: Annotated[int, Option("step that fails", recorded=True)] = -1
    pause: Annotated[float, Option("seconds a step", recorded=True)] = 0.0


class Point(NamedTuple):
    size: int


def summarise(tables: dict, options: Options) -> Summary:
    rows = [row for row in tables["results"] if row["status"] == "ok"]
    last = max(row["step"] for row in rows)
    if last == 0:
        raise ValueError("one step says nothing")
    table = Table("Values_%", ("size", "value & more"), [(str(r["size"]), f"{r['value']} ± λ") for r in rows])
    panel = Panel([Series("v", [r["step"] for r in rows], [r["value"] for r in rows])], "step", "value")
    return Summary((table,), [f"{len(rows)} rows up to step {last}."], [Figure("values", "Values by step", [panel])])


def grow(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    for step in range(context.done, options.steps):
        time.sleep(options.pause)
        if step == options.fails:
            raise ValueError("it fails here")
        row = {"size": case.point.size, "value": options.rate * case.point.size * step + options.shift}
        row |= {"even": step % 2 == 0, "note": "even" if step % 2 == 0 else None, "time_s": time.perf_counter()}
        yield Unit(step, [row], {"items": [{"item": item} for item in range(step)]})


for name, more in {
    "growing": {"units": lambda options: options.steps},
    "growopen": {},
}.items():
    suite(name, "Grows", columns=COLUMNS, tables={"items": ITEMS}, unit="step", summarise=summarise, **more)(grow)
