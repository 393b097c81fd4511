"""The commands that are not a suite: list, doctor, columns, version, and ``pick``."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table as RichTable

from fbench.cli.console import USAGE, out, show_warning
from fbench.cli.fixed import Fixed
from fbench.cli.progress import PickProgress
from fbench.errors import UnknownNameError
from fbench.harness import registry
from fbench.harness.contract import Column
from fbench.harness.parsing import THREADS, read_number
from fbench.harness.suite import flag_of

if TYPE_CHECKING:
    from fbench.pick.baseline_picking import BaselinePick
    from fbench.pick.picking import Pick


def _print_json(rows: Sequence[Mapping[str, Any]]) -> None:
    """A list of objects of texts, in ASCII: nothing in it commands a terminal, or cannot be written."""
    out.print(json.dumps(rows, indent=1), markup=False, soft_wrap=True)


def version(word: str, as_json: bool) -> int:
    """The version of fbench."""
    import fbench

    out.print(f"fbench {fbench.__version__}")
    return 0


def list_names(kind: str, as_json: bool) -> int:
    """What can be named: suites, kernels, strategies, datasets, models, presets; all of them, or of one kind."""
    if kind and kind not in registry.REGISTRIES:
        raise UnknownNameError("kind", kind, registry.REGISTRIES)
    kinds = [kind] if kind else list(registry.REGISTRIES)
    rows = [
        {"kind": title, "name": value.name, "description": value.description}
        for title in kinds
        for value in (*registry.REGISTRIES[title], *registry.REGISTRIES[title].families())
    ]
    for title in kinds:
        for point, reason in registry.REGISTRIES[title].broken.items():
            show_warning(f"{title} of {point} could not be loaded: {reason}")
    presets = list(registry.PRESETS) if kind == "presets" else []
    if as_json:
        _print_json([row | _values_of(preset) for row, preset in zip(rows, presets, strict=True)] if presets else rows)
        return 0
    grid = RichTable("kind", "name", "", box=None)
    for row in rows:
        grid.add_row(*map(escape, row.values()))
    out.print(grid)
    for preset in presets:
        _print_preset(preset)
    return 0


def _values_of(preset: registry.Preset) -> dict[str, Any]:
    return {"suite": preset.suite, "options": preset.options, "quick": preset.quick, "chosen": preset.chosen}


def _print_preset(preset: registry.Preset) -> None:
    """A preset's values, those of its short form, and why what the source leaves open is as it is."""
    short = ["with --quick"] if preset.quick else []
    grid = RichTable("option", "value", *short, "left open by the source: why so", box=None)
    for name, value in preset.options.items():
        quick = [str(preset.quick.get(name, ""))] if short else []
        grid.add_row(flag_of(name), *map(escape, [str(value), *quick, preset.chosen.get(name, "")]))
    out.print("", f"{preset.name}, of fbench {preset.suite}", grid, sep="\n")


def doctor(word: str, as_json: bool) -> int:
    """What this machine can run, and what to do about what it cannot. Exits with 2 where something is missing."""
    from fbench.measure.doctor import checks

    marks = {"ok": "[green]ok[/]", "warn": "[yellow]limited[/]", "missing": "[red]missing[/]"}
    results = checks()
    if as_json:
        _print_json([dataclasses.asdict(check) for check in results])
    else:
        grid = RichTable("", "check", "found", "what to do", box=None)
        for check in results:
            grid.add_row(marks[check.status], check.name, escape(check.detail), escape(check.remedy))
        out.print(grid)
    return USAGE if any(check.status == "missing" for check in results) else 0


def columns(command: str, as_json: bool) -> int:
    """Every column that a suite writes, or `pick`: its type, unit and meaning."""
    tables = list(_tables(command))
    if as_json:
        _print_json(
            [
                {"command": name, "table": table, **dataclasses.asdict(column)}
                for name, table, declared in tables
                for column in declared
            ]
        )
        return 0
    for name, table, declared in tables:
        title = f"{name}: {table}.csv"
        grid = RichTable("column", "type", "unit", "meaning", box=None, title=title, title_justify="left")
        for column in declared:
            grid.add_row(column.name, column.type, escape(column.unit), escape(column.meaning))
        out.print(grid, "")
    return 0


def _tables(command: str) -> Iterator[tuple[str, str, Sequence[Column]]]:
    """Command, table and columns of every table that a command writes, or all do."""
    if command and command != "pick" and command not in registry.SUITES.names():
        raise UnknownNameError("suite", command, [*registry.SUITES.names(), "pick"])
    for suite in registry.SUITES:
        if command in ("", suite.name):
            yield from ((suite.name, table, declared) for table, declared in suite.all_tables().items())
    if command in ("", "pick"):
        from fbench.pick.columns import PICK_COLUMNS

        yield "pick", "picks", PICK_COLUMNS


FIXED = {
    "list": Fixed(
        list_names,
        ("fbench list", "fbench list strategies", "fbench list models --json"),
        "[suites|kernels|strategies|datasets|models|presets]",
        "print a JSON list of objects with kind, name and description",
    ),
    "doctor": Fixed(
        doctor,
        ("fbench doctor", "fbench doctor --json"),
        json="print a JSON list of objects with name, status (ok, warn or missing), detail and remedy",
    ),
    "columns": Fixed(
        columns,
        ("fbench columns compare", "fbench columns pick", "fbench columns --json"),
        "[SUITE|pick]",
        "print a JSON list of objects with command, table, name, type, unit and meaning",
    ),
    "version": Fixed(version, ("fbench version",)),
}
"""Commands that take at most a word."""

PICK_EXAMPLES = (
    "fbench pick pool.npz --batch 10",
    "fbench pick pool.npz --batch 10 --labelled labelled.txt --out batch.csv",
    "fbench pick pool.npz --batch 10 --method top2 --dry-run",
    "fbench pick pool.npz --batch 10 --strategy badge --seed 1",
)
"""Of a pool.npz that holds logits [n, k] and features [n, h], or an embedding [n, k, d]."""


def pick(features: str, **typed: Any) -> int:
    """The batch that BAIT, or another strategy, would buy: your own logits and features in, picks.csv out."""
    from fbench.measure.devices import parse_devices
    from fbench.pick.launch import launch_of
    from fbench.pick.picking import read_pick
    from fbench.pick.sharded_picking import read_sharded_pick

    threads = read_number("--threads", typed["threads"], int, THREADS)
    launch = launch_of(os.environ)
    devices = parse_devices(typed["device"], typed["gpus"] or None)
    if launch.count > 1:
        picked = read_sharded_pick(Path(features), typed, devices, launch)
    else:
        picked = read_pick(Path(features), typed, devices)
    if launch.rank:  # the first of torchrun's processes speaks for all
        return 0 if typed["dry_run"] else _pick_silently(picked, threads)
    for note in picked.asked.pool.notes:
        show_warning(note)
    for line in picked.plan_lines():
        out.print(line, markup=False)
    if typed["dry_run"]:
        for line in [*picked.fitting_lines(), "Nothing was picked."]:
            out.print(line, markup=False)
        return 0
    _use_threads(threads)
    with PickProgress() as progress:
        done = picked.run(progress.took)
    for sentence in done.sentences:
        out.print(sentence, markup=False)
    return 0


def _pick_silently(picked: Pick | BaselinePick, threads: int) -> int:
    _use_threads(threads)
    picked.run(lambda phase, done, total: None)
    return 0


def _use_threads(threads: int) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)
