"""Passes of ``fbench fisher`` to a table, findings and a figure: seconds a sample, and ratios paired by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from fbench.harness.contract import Figure, Panel, Row, Series, Summary, Table
from fbench.results.ratios import Ratio, factor, ratio, with_interval
from fbench.units import format_bytes, format_seconds

from .options import Options
from .rows import MeasuredMethod, read_methods, read_reasons

OURS, LOOP, FLOOR = "batched", "loop", "backward"
_NEAR_FLOOR = 1.1
"""Within a tenth of the k−1 plain backward passes there is nothing left to gain."""
_NAMES = {
    "loop": "the published loop",
    "vmap": "torch.func's vmap",
    "backpack": "BackPACK's DiagGGNExact",
    "backward": "k−1 plain backward passes",
}


def times_longer(slow: MeasuredMethod, fast: MeasuredMethod) -> Ratio | None:
    """How many times longer ``slow`` takes, paired by block; None without a common block."""
    times = ratio(slow.seconds, fast.seconds)
    return times if times.n else None


def summary(rows: Sequence[Row], options: Options) -> Summary:
    """Everything that ``fbench fisher`` says at the end."""
    cases = read_methods(rows)
    left_out = _left_out(rows)
    if not cases:
        return Summary(
            findings=("No pass was timed, so nothing can be said of times: see the rows' reasons.", *left_out)
        )
    findings = [sentence for by_method in _groups(cases) for sentence in _findings(by_method, cases)]
    return Summary((_table(cases, options),), [*findings, *left_out], (_figure(cases, options),))


def _groups(cases: Sequence[MeasuredMethod]) -> Iterator[dict[str, MeasuredMethod]]:
    """Yield the cases by method of every quantity and number of samples."""
    for key in dict.fromkeys((case.quantity, case.samples) for case in cases):
        yield {case.method: case for case in cases if (case.quantity, case.samples) == key}


def _table(cases: Sequence[MeasuredMethod], options: Options) -> Table:
    """One row a case: its seconds a sample, its ratios to the loop and to the floor, its memory and its error."""
    rows = []
    for by_method in _groups(cases):
        rows += [_row(case, by_method.get(LOOP), by_method.get(FLOOR)) for case in by_method.values()]
    columns = ("quantity", "method", "samples", "batch", "a sample", "× faster than loop", "× backward")
    note = (
        f"{options.model}, {options.classes} classes, images of {options.size} × {options.size}, "
        f"{options.dtype}. Geometric means over {_blocks(options.passes)} of one interleaved run, 95 % t "
        "intervals of paired ratios. backward: k−1 plain backward passes, the floor. Memory: peak growth while the "
        "samples timed are worked on, the result included. Error: the largest, to the loop in float64 on the first "
        "samples, over the parameter's largest value (of an embedding: of VᵀV u for random u)."
    )
    return Table("Seconds a sample", (*columns, "memory", "error"), rows, note)


def _row(case: MeasuredMethod, loop: MeasuredMethod | None, floor: MeasuredMethod | None) -> list[str]:
    facts = [f"{case.samples:,}", f"{case.batch_size:,}", format_seconds(case.typical)]
    ratios = [_cell(loop, case), _cell(case, floor)]
    error = "" if case.max_rel_error is None else f"{case.max_rel_error:.0e}"
    return [case.quantity, case.method, *facts, *ratios, format_bytes(case.peak_bytes), error]


def _cell(slow: MeasuredMethod | None, fast: MeasuredMethod | None) -> str:
    """How many times longer ``slow`` takes; empty where one was not measured, and for a method beside itself."""
    if slow is None or fast is None or slow is fast:
        return ""
    times = times_longer(slow, fast)
    return "" if times is None else with_interval(times)


def _findings(by_method: Mapping[str, MeasuredMethod], cases: Sequence[MeasuredMethod]) -> Iterator[str]:
    """Yield sentences on ours: against each other way, against the floor, and how exact it is."""
    ours = by_method.get(OURS)
    if ours is None:
        return
    sizes = len({case.samples for case in cases})
    what = "The diagonal" if ours.quantity == "diagonal" else "The embedding on the mask"
    where = f"{what} of {ours.samples:,} samples: " if sizes > 1 else f"{what}: "
    yield f"{where}{OURS} takes {format_seconds(ours.typical)} a sample{_compared(by_method, ours)}."
    floor = times_longer(ours, by_method[FLOOR]) if FLOOR in by_method else None
    if floor is not None:
        yield f"{where}{OURS} takes {factor(floor.mean)} times its own k−1 plain backward passes{_floor(floor)}."
    if ours.max_rel_error is not None:
        yield f"{where}{OURS} is within {ours.max_rel_error:.0e} of the loop in float64, over the largest value."


def _compared(by_method: Mapping[str, MeasuredMethod], ours: MeasuredMethod) -> str:
    """A clause for every other way but the floor: how many times less, or more, ours takes."""
    clauses = []
    for name, case in by_method.items():
        ratio_to_ours = times_longer(case, ours) if name not in (OURS, FLOOR) else None
        if ratio_to_ours is None:
            continue
        batch = f" at its batch of {case.batch_size:,}" if name == LOOP else ""
        more, times = ("less", ratio_to_ours) if ratio_to_ours.mean >= 1 else ("more", ratio_to_ours.inverse())
        clauses.append(f", {factor(times.mean)} times {more} than {_NAMES.get(name, name)}{batch}{_interval(times)}")
    return "".join(clauses)


def _interval(times: Ratio) -> str:
    if math.isnan(times.low):
        return " (one block, which has no interval)"
    return f" (95 % interval {factor(times.low)} to {factor(times.high)}, {_blocks(times.n)})"


def _floor(times: Ratio) -> str:
    """The interval of ours over the floor, and whether it says that ours is near the floor."""
    if math.isnan(times.low):
        return _interval(times)
    near = f"within {_NEAR_FLOOR} of them"
    if times.high <= _NEAR_FLOOR:
        return f"{_interval(times)}: {near}"
    return f"{_interval(times)}: " + (f"not {near}" if times.low > _NEAR_FLOOR else f"whether {near} is unresolved")


def _blocks(count: int) -> str:
    return f"{count} block" if count == 1 else f"{count} blocks"


def _left_out(rows: Sequence[Row]) -> list[str]:
    """A sentence for every way that was not measured, with its reason."""
    return [f"{method} gave no {quantity}: {reason}." for (quantity, method), reason in read_reasons(rows).items()]


def _figure(cases: Sequence[MeasuredMethod], options: Options) -> Figure:
    """Draw seconds a sample of every way: along the samples where they were swept, else block by block."""
    panels = [_panel(quantity, cases, options) for quantity in dict.fromkeys(case.quantity for case in cases)]
    title = f"Fisher information of {options.model}, {options.classes} classes"
    return Figure(
        "seconds_a_sample", title, panels, "every timed pass; slow ways timed on a few samples of their batch"
    )


def _panel(quantity: str, cases: Sequence[MeasuredMethod], options: Options) -> Panel:
    swept = len({case.samples for case in cases}) > 1
    draw = _along_samples if swept else _along_blocks
    by_method = {m: [c for c in cases if (c.quantity, c.method) == (quantity, m)] for m in _in_colour_order(cases)}
    series = [draw(method, points) for method, points in by_method.items() if points]
    ticks = [] if swept else sorted({x for line in series for x in line.x})
    label = "samples" if swept else "block of the interleaved run"
    title = "FISH diagonal" if quantity == "diagonal" else f"embedding on {options.weights:,} weights"
    return Panel(series, label, "seconds a sample", title, x_ticks=ticks, x_log=swept, y_log=True)


def _in_colour_order(cases: Sequence[MeasuredMethod]) -> list[str]:
    """The methods, those that every panel has first: a method then has one colour in all of them."""
    methods = list(dict.fromkeys(case.method for case in cases))
    panels = {method: {case.quantity for case in cases if case.method == method} for method in methods}
    return sorted(methods, key=lambda method: -len(panels[method]))


def _along_blocks(method: str, cases: Sequence[MeasuredMethod]) -> Series:
    seconds = cases[0].seconds
    return Series(_label(method, cases), [block + 1 for block in seconds], list(seconds.values()))


def _along_samples(method: str, cases: Sequence[MeasuredMethod]) -> Series:
    points = [(float(case.samples), value) for case in cases for value in case.seconds.values()]
    return Series(_label(method, cases), [c.samples for c in cases], [c.typical for c in cases], points=points)


def _label(method: str, cases: Sequence[MeasuredMethod]) -> str:
    """The method's name in the legend, with its seconds a sample where there is one case."""
    name = {"loop": "loop (published)", "batched": "batched (ours)", "backward": "k−1 backward passes (floor)"}
    time = f", {format_seconds(cases[0].typical)}" if len(cases) == 1 else ""
    return name.get(method, method) + time
