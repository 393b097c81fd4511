"""A summary to Markdown (``summary.md``) and to rich tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fbench.contract import Summary, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def markdown(title: str, summary: Summary, notes: Sequence[str] = ()) -> str:
    """The whole summary: findings first, then tables, then figures."""
    parts = [f"# {title}"]
    if summary.findings:
        parts.append("\n".join(f"- {finding}" for finding in summary.findings))
    parts += [markdown_table(table) for table in summary.tables]
    parts += [f"![{figure.title}](figures/{figure.name}.png)" for figure in summary.figures]
    parts += notes
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """One table, its title above and its note below."""
    lines = [_row(table.columns), _row(["---"] * len(table.columns)), *(_row(row) for row in table.rows)]
    text = f"**{table.title}**\n\n" + "\n".join(lines)
    return f"{text}\n\n{table.note}" if table.note else text


def rich_table(table: Table) -> RichTable:
    """One table for the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    grid = RichTable(
        title=table.title,
        caption=table.note or None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    for number, column in enumerate(table.columns):
        grid.add_column(column, justify="left" if number == 0 else "right", overflow="fold", no_wrap=number == 0)
    for row in table.rows:
        grid.add_row(*row)
    return grid


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
