"""A summary to Markdown (``summary.md``): the answer first, then the main table and figure, then all that is behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Answer, Evidence, Figure, Summary, Table
from fbench.results.plain import file_stem, markdown_cell, markdown_text
from fbench.units import format_seconds


def markdown(title: str, summary: Summary, notes: Sequence[str] = (), kind: str = "png") -> str:
    """The whole summary; ``notes`` tell how it was measured, and stand before the evidence.

    Figures are links to their files of that ``kind``.

    Example:
        >>> markdown("A run", Summary(findings=["It is fast."])).splitlines()
        ['# A run', '', '- It is fast.']
    """
    parts = [f"# {title}", *map(markdown_text, summary.lead), answer_list(summary.answers), _bullets(summary.findings)]
    parts += [markdown_table(table) for table in summary.tables]
    parts += [_image(figure, kind) for figure in summary.figures]
    parts += (
        ["## How it was measured", *map(markdown_text, notes)] if notes and summary.lead else map(markdown_text, notes)
    )
    parts += [text for part in summary.evidence for text in _evidence(part, kind)]
    return "\n\n".join(filter(None, parts)) + "\n"


def answer_list(answers: Iterable[Answer]) -> str:
    """The answers as a list in Markdown.

    Example:
        >>> answer_list([Answer("Does it matter?", "yes", "It changes 5 % (3 to 7).")])
        '- **Does it matter?** *Yes.* It changes 5 % (3 to 7).'
    """
    return "\n".join(
        f"- **{markdown_text(answer.question)}** *{answer.verdict.capitalize()}.* " + markdown_text(answer.reply)
        for answer in answers
    )


def _bullets(claims: Iterable[str]) -> str:
    return "\n".join(f"- {markdown_text(claim)}" for claim in claims)


def _evidence(part: Evidence, kind: str) -> Iterable[str]:
    yield f"## {markdown_text(part.heading)}"
    yield _bullets(part.claims)
    yield from map(markdown_table, part.tables)
    yield from (_image(figure, kind) for figure in part.figures)


def provenance(environment: Mapping[str, Any], spent_s: float) -> str:
    """Where the numbers come from, and how long they took: an absolute time means nothing without its machine.

    A run of several machines has all their environments under ``machines``.

    Example:
        >>> machine = {"gpus": [], "cpu": "a CPU", "cores_usable": 2, "jobs": 1, "threads": 2, "torch": "2.11"}
        >>> provenance(machine, spent_s=90)
        'Measured in 1 min 30 s on a CPU (2 cores; 1 process of 2 threads; torch 2.11).'
    """
    machines = dict.fromkeys(map(_machine, environment.get("machines") or [environment]))
    return f"Measured in {format_seconds(spent_s)} on {' and on '.join(machines)}."


def _machine(environment: Mapping[str, Any]) -> str:
    cluster = f"; {environment['cluster']}" if environment.get("cluster") else ""
    return (
        f"{devices_of(environment)} ({environment['cores_usable']} cores; "
        f"{_processes(environment['jobs'], environment['threads'])}; torch {environment['torch']}{cluster})"
    )


def _processes(jobs: int, threads: int) -> str:
    return f"{jobs} process{'' if jobs == 1 else 'es'} of {threads} thread{'' if threads == 1 else 's'}"


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


def _image(figure: Figure, kind: str) -> str:
    title = markdown_text(figure.title).replace("[", "\\[").replace("]", "\\]")
    return f"![{title}](figures/{file_stem(figure.name)}.{kind})"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown_cell, cells)) + " |"
