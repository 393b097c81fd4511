"""A summary on the terminal: three lines, the answers, the main table; the rest on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len

from fbench.harness.contract import Answer, Summary, Table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as RichTable
    from rich.text import Text

_COLOURS = {"yes": "green", "no": "red", "not shown": "yellow", "too few": "yellow", "unreliable": "magenta"}
_EDGE, _GAP = 2, 3
"""Blanks that a table has beside its cells: two at its edges together, three a column but the last, which has two."""


def printed(summary: Summary, width: int, *, details: bool = False) -> Iterator[RenderableType]:
    """What is printed of a summary on a terminal of so many columns; all of it with ``details``.

    A suite that has no lead has all of its tables printed, and its findings after them.
    """
    from rich.text import Text

    for number, line in enumerate(summary.lead):
        yield Text(line, style="bold" if number == 0 else "")
    for answer in summary.answers:
        yield ""
        yield _answer(answer, summary.lead, alone=len(summary.answers) == 1)
    for table in summary.tables if details or not summary.lead else summary.tables[:1]:
        yield ""
        yield rich_table(table, width)
    yield from (Text(f"• {finding}") for finding in summary.findings)
    for part in summary.evidence if details else ():
        yield ""
        yield Text(part.heading, style="bold")
        yield from (Text(f"• {claim}") for claim in part.claims)
        for table in part.tables:
            yield ""
            yield rich_table(table, width)


def _answer(answer: Answer, lead: Sequence[str], *, alone: bool) -> Text:
    """The answer without what one of the first three lines says word for word, right above it on a terminal.

    Of several answers one that would say nothing more is said in full: the lines above may be about another question.
    """
    from rich.text import Text

    new = [text for text in (answer.sentence, answer.advice) if text and text not in lead]
    verdict = (answer.verdict.capitalize(), _COLOURS[answer.verdict])
    if not new and answer.sentence and not alone:
        new = [answer.sentence]
    rest = f". {' '.join(new)}" if new else ", as said above." if answer.reply else "."
    return Text.assemble((answer.question, "bold"), " ", verdict, rest)


def rich_table(table: Table, width: int = 80, elsewhere: str = "in summary.md") -> RichTable:
    """One table for a terminal of so many columns, its first column on the left and the others on the right.

    Columns that do not fit are left out, and the note names them and says where they are; no word is broken where that
    can be.

    Example:
        >>> rich_table(Table("Sizes", ["size"], [["16"], ["32"]])).row_count
        2
    """
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = fitted(table, width, elsewhere)
    grid = RichTable(
        title=escape(shown.title),
        caption=escape(shown.note) or None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    for number, (column, size) in enumerate(zip(shown.columns, _widths(shown, width), strict=True)):
        grid.add_column(escape(column), justify="left" if number == 0 else "right", overflow="fold", width=size)
    for row in shown.rows:
        grid.add_row(*(escape(cell) for cell in row))
    return grid


def fitted(table: Table, width: int, elsewhere: str = "in summary.md") -> Table:
    """The table without the columns that so narrow a terminal has no room for; its note says which these are.

    The ``optional`` ones go first, then the last ones, so that every cell stays in one line.

    Example:
        >>> wide = Table("Arms", ["arm", "accuracy", "seconds"], [["bait", "0.9", "12"]], optional=["seconds"])
        >>> fitted(wide, 20).columns, fitted(wide, 20).note
        (['arm', 'accuracy'], 'Not shown here, but in summary.md: seconds.')
    """
    kept, gone = list(range(len(table.columns))), list[int]()

    def drop(number: int) -> None:
        kept.remove(number)
        gone.append(number)

    for number in [*map(list(table.columns).index, table.optional), *reversed(range(len(table.columns)))]:
        if number in kept and _taken(table, kept, _longest_cell) > width and len(kept) > 2:
            drop(number)
    if not gone:
        return table
    names = ", ".join(table.columns[number] for number in sorted(gone))
    note = " ".join(filter(None, [table.note, f"Not shown here, but {elsewhere}: {names}."]))
    rows = [[row[number] for number in kept] for row in table.rows]
    return replace(table, columns=[table.columns[number] for number in kept], rows=rows, note=note, optional=())


def _widths(table: Table, width: int) -> list[int]:
    """A width for every column: a word at least, whole cells where there is room, the narrowest first."""
    numbers = range(len(table.columns))
    widths = [_longest_word(table, number) for number in numbers]
    for need in (_longest_cell, _longest_text):
        for number in sorted(numbers, key=lambda number: need(table, number) - widths[number]):
            free = width - _EDGE - sum(size + _GAP for size in widths) + 1
            widths[number] += max(0, min(need(table, number) - widths[number], free))
    return widths


def _taken(table: Table, kept: Sequence[int], need: Callable[[Table, int], int]) -> int:
    """The width of a table of these columns."""
    return _EDGE + sum(need(table, number) + _GAP for number in kept) - 1


def _longest_word(table: Table, number: int) -> int:
    return max((cell_len(word) for text in _column(table, number) for word in text.split()), default=1)


def _longest_cell(table: Table, number: int) -> int:
    """Of its cells, and of the words of its name: a name may take several lines."""
    return max(_longest_word(table, number), *(cell_len(row[number]) for row in table.rows), 1)


def _longest_text(table: Table, number: int) -> int:
    return max(1, *map(cell_len, _column(table, number)))


def _column(table: Table, number: int) -> list[str]:
    return [table.columns[number], *(row[number] for row in table.rows)]
