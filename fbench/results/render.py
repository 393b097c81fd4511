"""A summary to Markdown (``summary.md``) and to rich tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fbench.harness.contract import Figure, Summary, Table
from fbench.results.plain import file_stem, markdown_cell, markdown_text
from fbench.units import format_seconds

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def markdown(title: str, summary: Summary, notes: Sequence[str] = ()) -> str:
    """The whole summary: findings first, then tables, then figures.

    Example:
        >>> markdown("A run", Summary(findings=["It is fast."])).splitlines()
        ['# A run', '', '- It is fast.']
    """
    parts = [f"# {title}"]
    if summary.findings:
        parts.append("\n".join(f"- {markdown_text(finding)}" for finding in summary.findings))
    parts += [markdown_table(table) for table in summary.tables]
    parts += [_image(figure) for figure in summary.figures]
    parts += map(markdown_text, notes)
    return "\n\n".join(parts) + "\n"


def provenance(environment: Mapping[str, Any], spent_s: float) -> str:
    """Where the numbers come from, and how long they took: an absolute time means nothing without its machine.

    A merged run's environment holds those of all its ``machines``.

    Example:
        >>> machine = {"gpus": [], "cpu": "a CPU", "cores_usable": 2, "jobs": 1, "threads": 2, "torch": "2.11"}
        >>> provenance(machine, spent_s=90)
        'Measured in 1 min 30 s on a CPU (2 cores; 1 × 2 threads; torch 2.11).'
    """
    machines = dict.fromkeys(map(_machine, environment.get("machines") or [environment]))
    return f"Measured in {format_seconds(spent_s)} on {' and on '.join(machines)}."


def _machine(environment: Mapping[str, Any]) -> str:
    return (
        f"{devices_of(environment)} ({environment['cores_usable']} cores; "
        f"{environment['jobs']} × {environment['threads']} threads; torch {environment['torch']})"
    )


def devices_of(environment: Mapping[str, Any]) -> str:
    """What was measured on: the GPUs, or else the CPU.

    Example:
        >>> devices_of({"gpus": [], "cpu": "a CPU"})
        'a CPU'
    """
    return ", ".join([gpu["name"] for gpu in environment["gpus"]] or [environment["cpu"] or "unknown CPU"])


def markdown_table(table: Table) -> str:
    """One table in Markdown, its title above and its note below.

    Example:
        >>> markdown_table(Table("Sizes", ["size", "time"], [["16", "1 ms"]])).splitlines()
        ['**Sizes**', '', '| size | time |', '| --- | --- |', '| 16 | 1 ms |']
    """
    lines = [_row(table.columns), _row(["---"] * len(table.columns)), *(_row(row) for row in table.rows)]
    text = f"**{markdown_text(table.title)}**\n\n" + "\n".join(lines)
    return f"{text}\n\n{markdown_text(table.note)}" if table.note else text


def rich_table(table: Table) -> RichTable:
    """One table for the terminal, its first column on the left and the others on the right.

    Example:
        >>> rich_table(Table("Sizes", ["size"], [["16"], ["32"]])).row_count
        2
    """
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table as RichTable

    grid = RichTable(
        title=escape(table.title),
        caption=escape(table.note) or None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    for number, column in enumerate(table.columns):
        grid.add_column(
            escape(column), justify="left" if number == 0 else "right", overflow="fold", no_wrap=number == 0
        )
    for row in table.rows:
        grid.add_row(*(escape(cell) for cell in row))
    return grid


def _image(figure: Figure) -> str:
    title = markdown_text(figure.title).replace("[", "\\[").replace("]", "\\]")
    return f"![{title}](figures/{file_stem(figure.name)}.png)"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown_cell, cells)) + " |"
