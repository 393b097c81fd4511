"""What every suite's summary is held to: the answer first, in few plain words, in tables and figures that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fbench.harness.contract import Figure, Summary, Table
from fbench.results.terminal import fitted

WORDS = re.compile(r"\S*\w\S*")
"""A word; signs that stand alone, as ± and ×, are none."""
SENTENCE, ADVICE, CLAIM = 30, 20, 40
HYPHEN_FOR_MINUS = re.compile(r"(?<![\w.)])-(?=\d)")


def faults(summary: Summary) -> list[str]:
    """What is wrong with a summary, a line each; none of one that keeps the contract."""
    return [*_lead(summary), *_answers(summary), *_claims(summary), *_tables(summary), *_figures(summary)]


def words(text: str) -> int:
    return len(WORDS.findall(text))


def _long(what: str, text: str, most: int) -> Iterator[str]:
    if words(text) > most:
        yield f"{what} has {words(text)} words, more than {most}: {text}"
    if HYPHEN_FOR_MINUS.search(text):
        yield f"{what} has a hyphen for a minus sign: {text}"
    if "nan" in re.findall(r"\w+", text) or "n/a" in text:
        yield f"{what} has a number that is none: {text}"


def _lead(summary: Summary) -> Iterator[str]:
    if len(summary.lead) != 3:
        yield f"the lead has {len(summary.lead)} lines: it has what was found, its numbers, what to do"
    for line, most in zip(summary.lead, (SENTENCE, SENTENCE, ADVICE), strict=False):
        yield from _long("a line of the lead", line, most)


def _answers(summary: Summary) -> Iterator[str]:
    if not summary.answers:
        yield "no question is answered"
    for answer in summary.answers:
        if not answer.question.endswith("?"):
            yield f"no question: {answer.question}"
        yield from _long("a question", answer.question, SENTENCE)
        yield from _long("an answer", answer.sentence, SENTENCE)
        yield from _long("an advice", answer.advice, ADVICE)


def _claims(summary: Summary) -> Iterator[str]:
    for claim in [*summary.findings, *(claim for part in summary.evidence for claim in part.claims)]:
        yield from _long("a claim", claim, CLAIM)


def _tables(summary: Summary) -> Iterator[str]:
    if len(summary.tables) != 1:
        yield f"{len(summary.tables)} main tables: there is one, others are evidence"
    for table in summary.all_tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    shown = fitted(table, 80)
    if len(shown.columns) < min(3, len(table.columns)):
        yield f"table {table.title!r} shows {len(shown.columns)} of {len(table.columns)} columns on 80"
    strange = [name for name in table.optional if name not in table.columns]
    if strange:
        yield f"table {table.title!r} has no column {strange[0]!r}"
    for cell in [cell for row in table.rows for cell in row]:
        if HYPHEN_FOR_MINUS.search(cell):
            yield f"table {table.title!r} has a hyphen for a minus sign: {cell}"
        if cell in ("nan", "n/a", "inf"):
            yield f"table {table.title!r} has a cell {cell!r}: leave it empty"


def _figures(summary: Summary) -> Iterator[str]:
    if len(summary.figures) > 1:
        yield f"{len(summary.figures)} main figures: there is one, others are evidence"
    for figure in summary.all_figures:
        yield from _figure(figure)


def _figure(figure: Figure) -> Iterator[str]:
    for panel in figure.panels:
        if panel.x_label.split(",")[0].strip() in ("block", "blocks"):
            yield f"figure {figure.name!r} is drawn by block"
        if "accuracy" in panel.y_label and "difference" not in panel.y_label and panel.y_most != 1:
            yield f"figure {figure.name!r} has an axis of accuracy that may exceed 1: y_most=1"
