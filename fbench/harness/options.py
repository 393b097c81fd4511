"""From what was typed to what will run: presets, bounds, parsing, devices, threads and jobs; and that as a plan."""

from __future__ import annotations

import math
import os
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from fbench.errors import UsageError, shorten
from fbench.harness import accept, forecast
from fbench.harness.cluster import Cluster, Node, cluster_at
from fbench.harness.contract import Case, Context
from fbench.harness.parsing import FIGURE_WIDTH, JOBS, THREADS, one_of
from fbench.harness.placing import Terms
from fbench.harness.ray_executor import cpus_beside, room_for
from fbench.harness.registry import PRESETS
from fbench.harness.runner import Settings
from fbench.harness.suite import Parameter, Suite, flag_of, spell
from fbench.measure.devices import parse_devices, visible_gpus

_MOST_JOBS = 4
"""Each process holds its own copy of the data; more than a few would fill a laptop."""

FIGURE_INCHES = Parameter("figure_width", float, 0.0, FIGURE_WIDTH)
RUN_NUMBERS = (
    Parameter("threads", int, 0, THREADS),
    Parameter("jobs", int, 0, JOBS),
    FIGURE_INCHES,
)
"""The options of a run that are numbers, whatever the suite."""

_MANY = 20
"""More cases than these are told together in a plan, where their costs are equal."""
_LONG = 32
"""A plan's text of more letters than this stands below its case: it is a sentence, and may take several lines."""


def apply_preset(suite: Suite, typed: Mapping[str, Any], by_hand: Set[str]) -> dict[str, Any]:
    """The typed options, the preset's values in place of defaults; the options typed ``by_hand`` win.

    Raises:
        UsageError: the preset is another suite's, or has no short form.
        UnknownNameError: there is no such preset.
    """
    return {**typed, **{name: value for name, value in preset_options(suite, typed).items() if name not in by_hand}}


def preset_options(suite: Suite, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What the preset that was typed gives, in its short form if that was asked for; nothing without one.

    Raises:
        UsageError: as ``apply_preset``.
        UnknownNameError: there is no such preset.
    """
    if not typed["preset"]:
        if typed["quick"]:
            raise UsageError("--quick is the short form of a preset; give --preset NAME beside it, or fewer --seeds")
        return {}
    preset = PRESETS.get(typed["preset"])
    if preset.suite != suite.name:
        raise UsageError(f"--preset {preset.name} is for `fbench {preset.suite}`, not `fbench {suite.name}`")
    if typed["quick"] and not preset.quick:
        raise UsageError(f"--quick: preset {preset.name} has no short form; give it fewer --seeds or --rounds")
    return {**preset.options, **(preset.quick if typed["quick"] else {})}


def read_numbers(suite: Suite, typed: Mapping[str, Any]) -> dict[str, Any]:
    """The typed options with numbers where numbers belong, within their bounds.

    Raises:
        UsageError: a text that is no number, or no whole one; a number out of bounds.
    """
    numbers = {p.name: p for p in (*suite.parameters, *RUN_NUMBERS) if p.type in (int, float)}
    return {name: numbers[name].read(value) if name in numbers else value for name, value in typed.items()}


def check_together(suite: Suite, typed: Mapping[str, Any], by_hand: Set[str]) -> None:
    """Refuse two options typed ``by_hand`` of which one stands in the place of the other.

    Raises:
        UsageError: both, as they were typed.
    """
    for parameter in suite.parameters:
        excludes = parameter.option.excludes
        if parameter.name not in by_hand or excludes is None:
            continue
        for other in excludes(parameter.read(typed[parameter.name])):
            if other in by_hand and typed[other]:
                pair = [f"{flag_of(name)} {typed[name]}" for name in (parameter.name, other)]
                raise UsageError(f"{' and '.join(pair)}: give one of them")


def resolve_options(suite: Suite, typed: Mapping[str, Any], context: Context) -> Any:
    """The suite's options, checked, parsed and with nothing automatic left, for a run on the context's devices.

    Raises:
        UsageError: a value out of bounds, or one that its parser or the suite refuses.
    """
    for table, columns in suite.all_tables().items():
        if suite.unit not in {column.name for column in columns}:
            raise UsageError(
                f"suite {suite.name}: table {table} lacks Column({suite.unit!r}, 'int', …), its unit's number"
            )
    resolved = suite.resolve(suite.typed(**typed), context)
    accept.check_grid(suite, resolved)
    return resolved


def settings(suite: Suite, typed: Mapping[str, Any], loads: tuple[Path, ...]) -> Settings:
    """How to run.

    Raises:
        UsageError: jobs where cases run one at a time; a cluster that does not answer, or is too small.
        DeviceError: a device that is not there.
    """
    devices = parse_devices(typed["device"], typed["gpus"] or None)
    cluster = _cluster(typed["executor"], typed["address"], devices)
    threads, jobs = _share_cores(suite, devices, typed["threads"], typed["jobs"], cluster)
    return Settings(
        terms=terms(typed),
        retry=typed["retry"],
        devices=devices,
        threads=threads,
        jobs=jobs,
        loads=loads,
        cluster=cluster,
    )


def terms(typed: Mapping[str, Any]) -> Terms:
    """On which terms a folder may be used."""
    out = Path(typed["out"]) if typed["out"] else None
    return Terms(out, fresh=typed["fresh"], overwrite=typed["overwrite"], accept_version=typed["accept_version"])


def _cluster(executor: str, address: str, devices: tuple[str, ...]) -> Cluster | None:
    """Where Ray is to run the cases; None where they stay with this program."""
    if one_of("--executor", "local", "ray")(executor) == "local":
        if address:
            raise UsageError(f"--address {shorten(address)}: is of a cluster of Ray; give --executor ray beside it")
        return None
    gpus = [device for device in devices if device != "cpu"]
    if gpus != [f"cuda:{i}" for i in range(len(gpus))]:
        raise UsageError(
            f"--executor ray: Ray chooses which GPUs, not {'+'.join(devices)}; "
            "give --device cuda, or as many of cuda:0,cuda:1,… as a case is to have"
        )
    return cluster_at(address, Node(_cores(), len(gpus) and visible_gpus().count))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share_cores(
    suite: Suite, devices: tuple[str, ...], threads: int, jobs: int, cluster: Cluster | None
) -> tuple[int, int]:
    """(threads a process, processes): small networks gain more from a second process than from a second thread.

    Cases that are timed, or that share a GPU, run one at a time: side by side they would time each other. On a cluster
    others get GPUs of their own. There is one number of threads for here and there, so that rows are the same.
    """
    cores, timed = _cores(), suite.executor != "inline"
    alone = timed or any(device != "cpu" for device in devices)
    if jobs > 1 and (timed if cluster else alone):
        raise UsageError(
            f"--jobs {jobs}: cases of `fbench {suite.name}` on {'+'.join(devices)} run one at a time; leave it out"
        )
    here = 1 if alone else jobs or max(1, min(cores // (threads or 1), _MOST_JOBS))
    if cluster is not None and alone and not timed:
        threads = threads or cpus_beside(suite, devices, cluster)
    threads = threads or max(1, cores // here)
    if cluster is not None:
        lanes = room_for(suite, devices, threads, cluster)
        return threads, 1 if timed else jobs or lanes
    if threads * here > cores:
        warnings.warn(f"{here} processes of {threads} threads on {cores} cores: timings will be poor", stacklevel=2)
    return threads, here


def plan_lines(suite: Suite, options: Any, settings: Settings, width: int) -> list[str]:
    """Every case with what it will cost, the settings, the time and how many cases there are.

    Lines are of at most ``width`` letters: a table where it fits, else a few lines a case. What all cases have in
    common is said once.
    """
    cases, context = suite.grid(options), Context(devices=settings.devices, threads=settings.threads)
    costs = [suite.predict(case, options, context) if suite.predict else {} for case in cases]
    common = _common(cases)
    points = [{a: value for a, value in case.point._asdict().items() if a not in common} for case in cases]
    alike = _alike(points, costs) if len(cases) > _MANY else [(spell(point), i) for i, point in enumerate(points)]
    ids, costs = [name for name, _ in alike], [costs[i] for _, i in alike]
    first = _wrapped(f"In every case: {spell(common)}", width) if common else []
    units = suite.units(options)
    length = f" of {units} {suite.unit}s" if units else ""
    where, cluster = "+".join(settings.devices), "" if settings.cluster is None else f", {settings.cluster}"
    how = {"--device": where, "--threads": str(settings.threads), "--jobs": str(settings.jobs)}
    last = f"{len(cases)} case{'' if len(cases) == 1 else 's'}{length} on {where}{cluster}; nothing was run."
    whole = [
        *forecast.setting_lines(suite, options, how),
        forecast.memory_line(suite, options, settings, cases),
        forecast.time_line(suite, options, settings, cases),
    ]
    told = [line for text in whole for line in _wrapped(text, width)]
    return [*first, *_costs(ids, costs, width), *told, last]


def _alike(points: Sequence[Mapping[str, Any]], costs: Sequence[Mapping[str, str]]) -> list[tuple[str, int]]:
    """Cases of equal cost in one name, where they are all that some values span; with the place of the first."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for place, cost in enumerate(costs):
        groups.setdefault(tuple(cost.items()), []).append(place)
    named = []
    for places in groups.values():
        values: dict[str, list[str]] = {axis: [] for axis in points[places[0]]}
        for place in places:
            for axis, value in points[place].items():
                text = "" if value is None else spell({"": value})[1:]
                values[axis] += [] if text in values[axis] else [text]
        if math.prod(map(len, values.values())) == len(places):
            name = " ".join(f"{axis}={','.join(texts)}" for axis, texts in values.items() if texts != [""])
            count = f" ({len(places)} cases of this cost each)" if len(places) > 1 else ""
            named.append((name + count, places[0]))
        else:
            named += [(spell(points[place]), place) for place in places]
    return sorted(named, key=lambda pair: pair[1])


def _common(cases: Sequence[Case[Any]]) -> dict[str, Any]:
    """The coordinates that several cases all share; a case alone is shown as it is."""
    if len(cases) < 2:
        return {}
    points = [case.point._asdict() for case in cases]
    return {axis: value for axis, value in points[0].items() if all(point[axis] == value for point in points)}


def _costs(ids: Sequence[str], costs: Sequence[Mapping[str, str]], width: int) -> Iterator[str]:
    """The cases and their costs; a cost that is empty for all of them is left out."""
    names = dict.fromkeys(name for cost in costs for name in cost)
    widest = {name: max(len(cost.get(name, "")) for cost in costs) for name in names}
    short = [name for name in names if 0 < widest[name] <= _LONG]
    title, *rows = _aligned(
        ["case", *short], *([i, *(c.get(n, "") for n in short)] for i, c in zip(ids, costs, strict=True))
    )
    table = max(map(len, (title, *rows))) <= width
    if table:
        yield title
    for row, name, cost in zip(rows, ids, costs, strict=True):
        yield from [row] if table else _block(name, {n: (cost.get(n, ""), widest[n]) for n in short}, width)
        for long in (name for name in names if widest[name] > _LONG and cost.get(name)):
            yield from _wrapped(f"{long}: {cost[long]}", width, "  ")


def _aligned(*rows: Sequence[str]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _block(case: str, cells: Mapping[str, tuple[str, int]], width: int) -> Iterator[str]:
    """A case, and below it every cost with its name; of equal places in all blocks, so that they compare downwards."""
    yield from _wrapped(case, width)
    lines = [""]
    for name, (value, widest) in cells.items():
        cell = "  " + (f"{name} {value}" if value else "").ljust(len(name) + 1 + widest)
        if lines[-1] and len(lines[-1]) + len(cell) > width:
            lines.append("")
        lines[-1] += cell
    yield from (line.rstrip() for line in lines if line.strip())


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """The text in lines, those after the first set in by two more."""
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
