"""Passes of ``fbench fisher`` to a table, findings and a figure: seconds a sample, and ratios paired by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fbench.harness.contract import Figure, Panel, Row, Series, Summary, Table
from fbench.results import ratios
from fbench.results.ratios import Ratio, factor, geometric, with_interval
from fbench.units import format_bytes, format_seconds

OURS, FLOOR = "batched", "backward"
_NEAR_FLOOR = 1.1
"""Within a tenth of the k−1 plain backward passes there is nothing left to gain."""
_NAMES = {
    "loop": "the published loop",
    "vmap": "torch.func's vmap",
    "backpack": "BackPACK's DiagGGNExact",
    "backward": "k−1 plain backward passes",
}


@dataclass(frozen=True)
class Measured:
    """A case: seconds a sample by block, and what was looked at once."""

    quantity: str
    method: str
    samples: int
    seconds: dict[int, float]
    timed_samples: int
    batch_size: int
    peak_bytes: int | None
    max_rel_error: float | None

    @property
    def typical(self) -> float:
        """Seconds a sample: the geometric mean over blocks."""
        return geometric(self.seconds)


def read_cases(rows: Sequence[Row]) -> list[Measured]:
    """Every case with a timed pass, in the order of the rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] == "ok":
            found.setdefault(row["case"], []).append(row)
    return [_measured(own) for own in found.values() if any(row["phase"] == "pass" for row in own)]


def _measured(rows: Sequence[Row]) -> Measured:
    passes = [row for row in rows if row["phase"] == "pass"]
    first = passes[0]
    return Measured(
        quantity=first["quantity"],
        method=first["method"],
        samples=int(first["samples"]),
        seconds={int(row["block"]): row["time_s"] / row["timed_samples"] for row in passes},
        timed_samples=int(first["timed_samples"]),
        batch_size=int(first["batch_size"]),
        peak_bytes=_once(rows, "memory", "peak_bytes"),
        max_rel_error=_once(rows, "agreement", "max_rel_error"),
    )


def _once(rows: Sequence[Row], phase: str, name: str) -> Any:
    values = [row.get(name) for row in rows if row["phase"] == phase]
    return next((value for value in values if value is not None and not math.isnan(value)), None)


def ratio(slow: Measured, fast: Measured) -> Ratio | None:
    """How many times longer ``slow`` takes, block by block; None without a common block."""
    found = ratios.ratio(slow.seconds, fast.seconds)
    return found if found.n else None


def summary(rows: Sequence[Row], options: Mapping[str, Any]) -> Summary:
    """Everything that ``fbench fisher`` says at the end."""
    cases = read_cases(rows)
    left_out = _left_out(rows)
    if not cases:
        return Summary(
            findings=("No pass was timed, so nothing can be said of times: see the rows' reasons.", *left_out)
        )
    findings = [sentence for own in _groups(cases) for sentence in _findings(own, cases)]
    return Summary((_table(cases, options),), [*findings, *left_out], (_figure(cases, options),))


def _groups(cases: Sequence[Measured]) -> Iterable[dict[str, Measured]]:
    """Cases by method that answer one question: a quantity over so many samples."""
    for key in dict.fromkeys((case.quantity, case.samples) for case in cases):
        yield {case.method: case for case in cases if (case.quantity, case.samples) == key}


def _table(cases: Sequence[Measured], options: Mapping[str, Any]) -> Table:
    rows = []
    for own in _groups(cases):
        for case in own.values():
            against = [_cell(own["loop"], case) if "loop" in own and case.method != "loop" else ""]
            floor = [_cell(case, own[FLOOR]) if FLOOR in own and case.method != FLOOR else ""]
            error = "" if case.max_rel_error is None else f"{case.max_rel_error:.0e}"
            facts = [f"{case.samples:,}", f"{case.batch_size:,}", format_seconds(case.typical)]
            memory = format_bytes(case.peak_bytes)
            rows.append([case.quantity, case.method, *facts, *against, *floor, memory, error])
    columns = ("quantity", "method", "samples", "batch", "a sample", "× faster than loop", "× backward")
    note = (
        f"{options['model']}, {options['classes']} classes, images of {options['size']} × {options['size']}, "
        f"{options['dtype']}. Geometric means over {_blocks(options['passes'])} of one interleaved run, 95 % t "
        "intervals of paired ratios. backward: k−1 plain backward passes, the floor. Memory: peak growth while the "
        "samples timed are worked on, the result included. Error: the largest, to the loop in float64 on the first "
        "samples, over the parameter's largest value (of an embedding: of VᵀV u for random u)."
    )
    return Table("Seconds a sample", (*columns, "memory", "error"), rows, note)


def _cell(slow: Measured, fast: Measured) -> str:
    found = ratio(slow, fast)
    return "" if found is None else with_interval(found)


def _findings(own: Mapping[str, Measured], cases: Sequence[Measured]) -> Iterable[str]:
    """Ours against each other way, then against the floor."""
    ours = own.get(OURS)
    if ours is None:
        return
    sizes = len({case.samples for case in cases})
    what = "The diagonal" if ours.quantity == "diagonal" else "The embedding on the mask"
    where = f"{what} of {ours.samples:,} samples: " if sizes > 1 else f"{what}: "
    yield f"{where}{OURS} takes {format_seconds(ours.typical)} a sample{_compared(own, ours)}."
    floor = ratio(ours, own[FLOOR]) if FLOOR in own else None
    if floor is not None:
        yield f"{where}{OURS} takes {factor(floor.mean)} times its own k−1 plain backward passes{_floor(floor)}."
    if ours.max_rel_error is not None:
        yield f"{where}{OURS} is within {ours.max_rel_error:.0e} of the loop in float64, over the largest value."


def _compared(own: Mapping[str, Measured], ours: Measured) -> str:
    words = []
    for name, case in own.items():
        found = ratio(case, ours) if name not in (OURS, FLOOR) else None
        if found is None:
            continue
        batch = f" at its batch of {case.batch_size:,}" if name == "loop" else ""
        more, times = ("less", found) if found.mean >= 1 else ("more", found.inverse())
        words.append(f"{factor(times.mean)} times {more} than {_NAMES.get(name, name)}{batch}{_interval(times)}")
    return "".join(f", {each}" for each in words)


def _interval(found: Ratio) -> str:
    if math.isnan(found.low):
        return " (one block, which has no interval)"
    return f" (95 % interval {factor(found.low)} to {factor(found.high)}, {_blocks(found.n)})"


def _floor(found: Ratio) -> str:
    if math.isnan(found.low):
        return _interval(found)
    near = f"within {_NEAR_FLOOR} of them"
    if found.high <= _NEAR_FLOOR:
        return f"{_interval(found)}: {near}"
    return f"{_interval(found)}: " + (f"not {near}" if found.low > _NEAR_FLOOR else f"whether {near} is unresolved")


def _blocks(count: int) -> str:
    return f"{count} block" if count == 1 else f"{count} blocks"


def _left_out(rows: Sequence[Row]) -> list[str]:
    """A sentence for every way that was not measured, with its reason."""
    reasons = {(row["quantity"], row["method"]): row["reason"] for row in rows if row["status"] != "ok"}
    return [f"{method} gave no {quantity}: {reason}." for (quantity, method), reason in reasons.items()]


def _figure(cases: Sequence[Measured], options: Mapping[str, Any]) -> Figure:
    """Seconds a sample of every way; along the samples where they were swept, else block by block."""
    swept = len({case.samples for case in cases}) > 1
    draw = _along_samples if swept else _along_blocks
    panels = []
    for quantity in dict.fromkeys(case.quantity for case in cases):
        by_method = {m: [c for c in cases if (c.quantity, c.method) == (quantity, m)] for m in _in_colour_order(cases)}
        series = [draw(method, own) for method, own in by_method.items() if own]
        ticks = [] if swept else sorted({x for each in series for x in each.x})
        label = "samples" if swept else "block of the interleaved run"
        title = "FISH diagonal" if quantity == "diagonal" else f"embedding on {options['weights']:,} weights"
        panels.append(Panel(series, label, "seconds a sample", title, x_ticks=ticks, x_log=swept, y_log=True))
    title = f"Fisher information of {options['model']}, {options['classes']} classes"
    return Figure(
        "seconds_a_sample", title, panels, "every timed pass; slow ways timed on a few samples of their batch"
    )


def _in_colour_order(cases: Sequence[Measured]) -> list[str]:
    """Methods that every panel has first: a method then has one colour in all of them."""
    methods = list(dict.fromkeys(case.method for case in cases))
    panels = {method: {case.quantity for case in cases if case.method == method} for method in methods}
    return sorted(methods, key=lambda method: -len(panels[method]))


def _along_blocks(method: str, cases: Sequence[Measured]) -> Series:
    seconds = cases[0].seconds
    return Series(_label(method, cases), [block + 1 for block in seconds], list(seconds.values()))


def _along_samples(method: str, cases: Sequence[Measured]) -> Series:
    points = [(float(case.samples), value) for case in cases for value in case.seconds.values()]
    return Series(_label(method, cases), [c.samples for c in cases], [c.typical for c in cases], points=points)


def _label(method: str, cases: Sequence[Measured]) -> str:
    """With the time, where there is one."""
    name = {"loop": "loop (published)", "batched": "batched (ours)", "backward": "k−1 backward passes (floor)"}
    time = f", {format_seconds(cases[0].typical)}" if len(cases) == 1 else ""
    return name.get(method, method) + time
