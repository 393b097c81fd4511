"""Learning curves of others, as files: strategy, seed, labels and the metric, a row a point. Read, checked, and kept.

The run keeps their rows in ``curves.csv``, beside the first round of its first case, so that it can be shown again
without the files.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fbench.errors import DataError, UsageError, shorten
from fbench.harness.contract import Column, Row
from fbench.learning.arm_options import ARM_KEY
from fbench.learning.named_files import FileRow, file_rows, names_in_run, path_of, pin_files, whole_cell
from fbench.learning.seed_groups import every_seed

from .metrics import METRICS
from .options import Options
from .settings import ComparePoint, points, settings_of

_OPTION = "--curves"
CURVE_ROWS = (
    *ARM_KEY[:2],
    Column("round", "int", "", "0: read with the first round of the first case"),
    Column("labels", "int", "samples", "labelled when the network was trained"),
    Column("value", "float", "", "of the run's --metric"),
    Column("source", "str", "", "the file"),
)
"""Columns of ``curves.csv``: curves of others that the run was compared with; seeds are the files'."""

SeedCurves = Mapping[int, Mapping[int, float]]
"""A strategy's values by seed and labels, these ascending."""


class CurveFile(NamedTuple):
    """A file's curves by what the run calls its strategies; ``where`` begins a message about it."""

    where: str
    curves: Mapping[str, SeedCurves]


@functools.lru_cache(maxsize=8)
def read_curve_file(text: str, metric: str) -> CurveFile:
    """What ``[NAME=]FILE`` holds of a metric, read once a process; pinned, it is the file that was pinned.

    Raises:
        DataError: no such file or another one, a column or all rows missing, a value that the metric cannot have, a
            point that stands twice, a seed with one point.
    """
    where, column = f"{_OPTION} {path_of(text)}", metric.replace("-", "_")
    rows = file_rows(_OPTION, text, ("strategy", "seed", "labels", column))
    names = names_in_run(_OPTION, text, list(dict.fromkeys(row.cells["strategy"] for row in rows)))
    points: dict[str, dict[int, dict[int, float]]] = {}
    for row in rows:
        seed, labels = whole_cell(where, row, "seed"), whole_cell(where, row, "labels", least=1)
        curve = points.setdefault(names[row.cells["strategy"]], {}).setdefault(seed, {})
        if labels in curve:
            name = row.cells["strategy"]
            raise DataError(
                f"{where}, line {row.line}: {labels:,} labels stand twice for strategy {name!r}, seed {seed}; keep one"
            )
        curve[labels] = _value(where, row, column, metric)
    for name, seeds in points.items():
        for seed, curve in seeds.items():
            if len(curve) < 2:
                raise DataError(
                    f"{where}: strategy {name!r}, seed {seed} has one label count, which is no curve; give two or more"
                )
    ordered = {name: {s: dict(sorted(c.items())) for s, c in sorted(seeds.items())} for name, seeds in points.items()}
    return CurveFile(where, ordered)


def _value(where: str, row: FileRow, column: str, metric: str) -> float:
    """A value that the metric can have."""
    text, most = row.cells[column].strip(), METRICS[metric].most
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}, line {row.line}: {column} {shorten(text)!r} is no number; leave such a seed out")
    if value < 0 or (most is not None and value > most):
        rule = "must be 0 or more" if most is None else f"must lie between 0 and {most:g}: a share, no per cent"
        raise DataError(f"{where}, line {row.line}: {column} {shorten(text)} {rule}")
    return value


def check_imports(options: Options) -> None:
    """Refuse files of others in a run of several settings: what they hold was measured at one.

    Raises:
        UsageError: picks beside several data sets, or curves beside several data sets or λ.
    """
    if options.replay and "," in options.dataset:
        raise UsageError("--replay: the picks are of one data set; give one --dataset, or leave it out")
    if options.curves and len(settings_of(options)) > 1:
        raise UsageError(
            "--curves stands beside one data set at one λ; give one --dataset and one --regularisation, or leave it out"
        )


def resolve_curves(options: Options) -> Options:
    """The options with the files pinned, and the names of their strategies.

    Raises:
        UsageError: files that cannot be compared with the run, or pairs without curves.
    """
    if not options.curves:
        if options.paired_curves:
            raise UsageError("--paired-curves without --curves pairs nothing; leave it out, or name a file")
        return options
    files = pin_files(_OPTION, options.curves)
    taken = dict.fromkeys(options.strategies, "the run")
    for text in files:
        file = read_curve_file(text, options.metric)
        for name, seeds in file.curves.items():
            if name in taken:
                raise DataError(
                    f"{file.where}: has the strategy {name!r}, as {taken[name]} has; call it otherwise by "
                    f"{_OPTION} mine={path_of(text)}"
                )
            taken[name] = path_of(text)
            _check_labels(file.where, name, seeds, options)
    imported = [name for name in taken if name not in options.strategies]
    return replace(options, curves=files, imported=", ".join(imported))


def run_labels(options: Options) -> list[int]:
    """The labels of the run's rounds."""
    return [options.start + index * options.batch for index in range(options.rounds + 1)]


def _check_labels(where: str, name: str, seeds: SeedCurves, options: Options) -> None:
    """Refuse curves that have too little in common with the run's rounds and, to be paired, its seeds."""
    grid = run_labels(options)
    low, high = max(min(curve) for curve in seeds.values()), min(max(curve) for curve in seeds.values())
    span = f"{low:,} to {high:,}" if low <= high else "none that all of its seeds have"
    if sum(low <= labels <= high for labels in grid) < 2:
        raise DataError(
            f"{where}: strategy {name!r} shares fewer than two label counts with the run: its curves have {span}, the "
            f"rounds {grid[0]:,} to {grid[-1]:,}; choose --start, --batch and --rounds to meet it"
        )
    if not options.paired_curves:
        return
    missing = [seed for seed in every_seed(options.seeds) if seed not in seeds]
    if missing:
        raise DataError(
            f"{where}: strategy {name!r} has no seed {missing[0]}, so it cannot be paired; ask other --seeds, or leave "
            "--paired-curves out"
        )
    if low > grid[0] or high < grid[-1]:
        raise DataError(
            f"{where}: strategy {name!r} has {span} labels, and pairs need all of the rounds' {grid[0]:,} to "
            f"{grid[-1]:,}; ask fewer rounds, or leave --paired-curves out"
        )


def carried_rows(point: ComparePoint, options: Options) -> list[Row]:
    """The rows of ``curves.csv`` that go with a case: all of them with the first, none with the others."""
    if not options.curves or point != points(options)[0]:
        return []
    return [
        {"strategy": name, "seed": seed, "labels": labels, "value": value, "source": path_of(text)}
        for text in options.curves
        for name, seeds in read_curve_file(text, options.metric).curves.items()
        for seed, curve in seeds.items()
        for labels, value in curve.items()
    ]


def kept_curves(rows: Sequence[Row]) -> dict[str, dict[int, dict[int, float]]]:
    """The rows of ``curves.csv`` as values by strategy, seed and labels.

    Example:
        >>> kept_curves([{"strategy": "theirs", "seed": 0, "labels": 20, "value": 0.5}])
        {'theirs': {0: {20: 0.5}}}
    """
    curves: dict[str, dict[int, dict[int, float]]] = {}
    for row in rows:
        curves.setdefault(row["strategy"], {}).setdefault(row["seed"], {})[row["labels"]] = row["value"]
    return curves
