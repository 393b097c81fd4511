"""The commands that are not a suite: list, doctor, columns, version, and ``pick``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table as RichTable

from fbench.cli.console import USAGE, out, show_warning
from fbench.cli.progress import PickProgress
from fbench.errors import UnknownNameError, UsageError
from fbench.harness import registry
from fbench.harness.parsing import THREADS, read_number


def _word(command: str, words: list[str], most: int = 1) -> str:
    """The one word that a fixed command may take."""
    if len(words) > most:
        raise UsageError(f"fbench {command}: {words[most]!r} is one word too many; see fbench {command} --help")
    return words[0] if words else ""


def version(words: list[str]) -> int:
    """The version of fbench."""
    import fbench

    _word("version", words, most=0)
    out.print(f"fbench {fbench.__version__}")
    return 0


def list_names(words: list[str]) -> int:
    """What can be named: fbench list [suites|kernels|strategies|datasets|models|presets]."""
    kind = _word("list", words)
    if kind and kind not in registry.REGISTRIES:
        raise UnknownNameError("kind", kind, registry.REGISTRIES)
    grid = RichTable("kind", "name", "", box=None)
    for title in [kind] if kind else registry.REGISTRIES:
        named = registry.REGISTRIES[title]
        for value in named:
            grid.add_row(title, value.name, escape(value.description))
        for point, reason in named.broken.items():
            show_warning(f"{title} of {point} could not be loaded: {reason}")
    out.print(grid)
    return 0


def doctor(words: list[str]) -> int:
    """What this machine can run, and what to do about what it cannot."""
    _word("doctor", words, most=0)
    from fbench.measure.doctor import checks

    marks = {"ok": "[green]ok[/]", "warn": "[yellow]limited[/]", "missing": "[red]missing[/]"}
    grid = RichTable("", "check", "found", "what to do", box=None)
    results = checks()
    for check in results:
        grid.add_row(marks[check.status], check.name, escape(check.detail), escape(check.remedy))
    out.print(grid)
    return USAGE if any(check.status == "missing" for check in results) else 0


def columns(words: list[str]) -> int:
    """Every column that a suite writes, its type, unit and meaning: fbench columns [SUITE]."""
    suite = _word("columns", words)
    for chosen in [registry.SUITES.get(suite)] if suite else registry.SUITES:
        for name, declared in chosen.all_tables().items():
            grid = RichTable(
                "column",
                "type",
                "unit",
                "meaning",
                box=None,
                title=f"{chosen.name}: {name}.csv",
                title_justify="left",
            )
            for column in declared:
                grid.add_row(column.name, column.type, column.unit, escape(column.meaning))
            out.print(grid, "")
    return 0


FIXED = {"list": list_names, "doctor": doctor, "columns": columns, "version": version}
"""Commands that take at most a word."""


def pick(features: str, **typed: Any) -> int:
    """The batch that BAIT would buy from your own arrays: logits and features in, picks.csv out."""
    from fbench.measure.devices import parse_devices
    from fbench.pick import picking

    threads = read_number("--threads", typed["threads"], int, THREADS)
    asked = picking.read_pick(Path(features), typed, parse_devices(typed["device"], typed["gpus"] or None))
    for note in asked.pool.notes:
        show_warning(note)
    for line in picking.pick_plan_lines(asked):
        out.print(line, markup=False)
    if typed["dry_run"]:
        for line in [*picking.pick_fitting_lines(asked), "Nothing was picked."]:
            out.print(line, markup=False)
        return 0
    if threads:
        import torch

        torch.set_num_threads(threads)
    with PickProgress() as progress:
        done = picking.run_pick(asked, progress.took)
    for sentence in done.sentences:
        out.print(sentence, markup=False)
    return 0
