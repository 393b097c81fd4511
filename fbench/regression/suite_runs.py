"""Runs of fbench's suites, and of users' own: what their rows hold that can be compared, told by their columns.

Times: ``time_s`` by case and block. Beside them a control, where a table has ``control_s`` by case and block. Accuracy:
``strategy``, ``seed``, ``labels`` and ``accuracy``. Memory: ``peak_bytes`` over ``baseline_bytes`` by case and round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from fbench.errors import InputError, NothingComparableError
from fbench.harness.contract import Row
from fbench.harness.suite import values_of
from fbench.measure.curves import aulc
from fbench.regression.measured import Areas, MeasuredRun, Peaks
from fbench.regression.timings import Timings, timings_of
from fbench.results.render import devices_of
from fbench.runs.machines import machines_of
from fbench.runs.reading import Reading, read_folder

_MARGIN = 0.005
"""Of an area, where the run's options name none."""
_SETTING = ("dataset", "lambda")
_OWN = "fbench"
"""The one library whose version may differ: it is what is compared."""


def read_suite_run(path: Path) -> MeasuredRun:
    """A run's folder, finished or not.

    Raises:
        FolderError: it is damaged, or holds no run.
        UsageError: its suite is not registered.
        NothingComparableError: none of its rows is of a kind that can be compared.
    """
    reading = read_folder(path)
    columns = {column.name for column in reading.columns["results"]}
    rows = [row for row in reading.rows["results"] if row["status"] == "ok"]
    timings = _timings(reading, rows) if {"time_s", "block"} <= columns else {}
    areas = _areas(rows) if {"strategy", "seed", "labels", "accuracy"} <= columns else {}
    peaks = _peaks(rows) if {"round", "peak_bytes", "baseline_bytes"} <= columns else {}
    if not (timings or areas or peaks):
        raise NothingComparableError(
            f"{path}, a run of fbench {reading.suite.name}, has no times by block, no accuracies by seed and no peaks "
            "by round: there is nothing to compare"
        )
    environment = machines_of(reading.environment)[-1]
    margin = getattr(reading.options, "margin", _MARGIN)
    return MeasuredRun(
        path=path,
        kind=f"fbench {reading.suite.name}",
        when=str(reading.environment.get("started") or environment.get("started") or path.name[:15]),
        commit=str(environment.get("commit") or ""),
        facts={**_machine(reading, environment), **_options(reading)},
        noted={"kernel": str(environment.get("kernel", ""))},
        settings=_labels(rows) if areas else {},
        timings=timings,
        areas=areas,
        margin=float(margin) if areas and isinstance(margin, float) else _MARGIN if areas else 0.0,
        peaks=peaks,
        notes=tuple(_notes(reading, environment)),
    )


def _machine(reading: Reading, environment: Mapping[str, Any]) -> dict[str, str]:
    """What times depend on beside the code."""
    facts = {
        "processor": devices_of({"gpus": [], "cpu": environment.get("cpu")}),
        "processors": str(environment.get("cores_usable")),
        "GPUs": ", ".join(gpu["name"] for gpu in environment.get("gpus") or ()) or "none",
        "devices": "+".join(reading.identity["devices"]),
        "threads": str(reading.identity["threads"]),
        "processes": str(environment.get("jobs")),
        "Python": ".".join(str(environment.get("python")).split(".")[:2]),
    }
    versions = {name: str(version) for name, version in (environment.get("versions") or {}).items() if name != _OWN}
    return facts | versions


def _options(reading: Reading) -> dict[str, str]:
    """Options that change numbers, but those that span the grid or only ask for more of them."""
    values = values_of(reading.options)
    return {
        f"--{parameter.name.replace('_', '-')}": parameter.spelled(values[parameter.name])
        for parameter in reading.suite.parameters
        if not (parameter.option.axis or parameter.option.recorded or parameter.option.grows)
        and values[parameter.name] is not None
    }


def _labels(rows: Sequence[Row]) -> dict[str, str]:
    """The span of every strategy's curves, on which their areas depend."""
    labels: dict[str, list[int]] = defaultdict(list)
    for name, row in _by_arm(rows):
        labels[name].append(row["labels"])
    return {name: f"labels {min(counts)} to {max(counts)}" for name, counts in labels.items()}


def _by_arm(rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    """Every row with its strategy, and what of its setting differs within the run."""
    several = [name for name in _SETTING if len({row.get(name) for row in rows} - {None}) > 1]
    for row in rows:
        setting = [f"{name}={row[name]}" for name in several if row[name] is not None]
        yield " ".join([row["strategy"], *setting]), row


def _notes(reading: Reading, environment: Mapping[str, Any]) -> Iterator[str]:
    yield from reading.notes
    if not reading.state.finished:
        yield f"{reading.path} is unfinished: what is there is compared"
    if environment.get("dirty"):
        yield f"{reading.path}: the working tree had changes that no commit has"
    if len(machines_of(reading.environment)) > 1:
        yield f"{reading.path} was measured on several machines, of which the last one is compared"


def _timings(reading: Reading, rows: Iterable[Row]) -> dict[str, Timings]:
    """By case and phase: a block is one value, the median of its passes, and has a control where one was timed."""
    blocks: dict[str, dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["time_s"] is not None and row["time_s"] > 0:
            phase = row.get("phase") or ""
            name = row["case"] if not phase or f"phase={phase}" in row["case"] else f"{row['case']} phase={phase}"
            blocks[name][row["case"], row["block"]].append(row["time_s"])
    controls = _controls(reading)
    return {
        name: timings_of(
            name,
            [median(times) for times in by_block.values()],
            [controls[key] for key in by_block] if by_block.keys() <= controls.keys() else (),
        )
        for name, by_block in blocks.items()
    }


def _controls(reading: Reading) -> dict[tuple[str, int], float]:
    """Seconds of the control by case and block, of the first table that has them."""
    for name, columns in reading.columns.items():
        if {"case", "block", "control_s"} <= {column.name for column in columns} and name != "results":
            rows = reading.rows[name]
            return {(row["case"], row["block"]): row["control_s"] for row in rows if row["control_s"]}
    return {}


def _areas(rows: Sequence[Row]) -> Areas:
    """The area under every seed's curve by strategy and setting; a curve of one round has no area."""
    curves: dict[str, dict[int, dict[int, tuple[int, float]]]] = defaultdict(lambda: defaultdict(dict))
    for name, row in _by_arm(rows):
        if row["accuracy"] is not None:
            curves[name][row["seed"]][row["round"]] = row["labels"], row["accuracy"]
    return {
        name: {seed: area for seed, curve in by_seed.items() if (area := _area(curve)) is not None}
        for name, by_seed in curves.items()
    }


def _area(curve: Mapping[int, tuple[int, float]]) -> float | None:
    labels, accuracy = zip(*(curve[number] for number in sorted(curve)), strict=True)
    try:
        return float(aulc(labels, accuracy))
    except InputError:
        return None


def _peaks(rows: Iterable[Row]) -> Peaks:
    """What a case grew by at the peak of every round, by the quantity that predictions are of."""
    growth: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row.get("predicted_bytes") is None or row["peak_bytes"] is None or row["baseline_bytes"] is None:
            continue
        name = f"{row['case']} device={row['device']}"
        grown = float(row["peak_bytes"] - row["baseline_bytes"])
        growth[name][row["round"]] = max(growth[name].get(row["round"], 0.0), grown)
    return growth
