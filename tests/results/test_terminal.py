"""A summary on a terminal: three lines, the answers, one table that fits; all of it on request."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fbench.harness.contract import Answer, Evidence, Summary, Table
from fbench.results.terminal import fitted, printed, rich_table

ARMS = Table("Arms", ["strategy", "95 %", "p"], [["random", "", "0.5"], ["bait", "0.1 to 0.2", ""]], "A note.")
WIDE = Table(
    "Kernels",
    ["kernel", "best chunk", "time", "95 %", "rate"],
    [["published:no-inner", "256", "322 ms", "315 to 325 ms", "188 GFLOP/s"]],
    optional=["rate", "95 %"],
)
SUMMARY = Summary(
    lead=("Use 256.", "Chunk 16 costs 1.5 times as much.", "Nothing else matters."),
    answers=(Answer("Does the size matter?", "yes", "It does, by 1.5 (1.4 to 1.6).", "Use 256."),),
    tables=(ARMS,),
    evidence=(Evidence("Waves", ("No period is found.",), (WIDE,)),),
)


def text_of(*parts, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    for part in parts:
        console.print(part)
    return console.file.getvalue()


def test_the_first_three_lines_are_the_answer():
    lines = text_of(*printed(SUMMARY, 80)).splitlines()
    assert lines[:5] == [*SUMMARY.lead, "", "Does the size matter? Yes. It does, by 1.5 (1.4 to 1.6)."]
    assert "Arms" in "\n".join(lines)


@pytest.mark.parametrize(
    ("lead", "text"),
    [
        (("It is 5.", "", "Take it."), "Is it so? Yes, as said above."),
        (("It is 5.", "", ""), "Is it so? Yes. Take it."),
        ((), "Is it so? Yes. It is 5. Take it."),
    ],
)
def test_nothing_is_said_twice(lead, text):
    answers = [Answer("Is it so?", "yes", "It is 5.", "Take it.")]
    assert list(printed(Summary(lead=lead, answers=answers), 80))[-1].plain == text


def test_of_several_answers_none_leans_on_lines_about_another() -> None:
    answers = [Answer(f"Is {name} so?", "too few", "No seed was finished.", "") for name in "AB"]
    lines = [part.plain for part in printed(Summary(lead=("No seed was finished.",), answers=answers), 80) if part]
    assert lines[1:] == [f"Is {name} so? Too few. No seed was finished." for name in "AB"]


def test_the_evidence_is_printed_on_request():
    assert "Waves" not in text_of(*printed(SUMMARY, 80))
    text = text_of(*printed(SUMMARY, 80, details=True))
    assert text.index("Arms") < text.index("Waves") < text.index("• No period is found.") < text.index("Kernels")


def test_a_suite_without_a_lead_prints_all_tables_and_findings():
    text = text_of(*printed(Summary([ARMS, WIDE], ["One."]), 80))
    assert text.index("Arms") < text.index("Kernels") < text.index("• One.")


def test_every_verdict_has_a_colour():
    for verdict in ("yes", "no", "not shown", "too few", "unreliable"):
        [_, text] = printed(Summary(answers=(Answer("Is it so?", verdict, "It is 5."),)), 80)
        assert text.plain == f"Is it so? {verdict.capitalize()}. It is 5."
        assert len({span.style for span in text.spans}) == 2


def test_every_cell_is_in_the_terminals_table():
    text = text_of(rich_table(ARMS))
    for part in ("Arms", "A note.", *ARMS.columns, *(cell for row in ARMS.rows for cell in row)):
        assert part in text


def test_square_brackets_are_no_markup():
    text = text_of(rich_table(Table("T", ["unit"], [["weights [n, k]"], ["[red]x"]])))
    assert "weights [n, k]" in text
    assert "[red]x" in text


def test_optional_columns_go_first_and_in_their_order():
    assert fitted(WIDE, 200) is WIDE
    assert fitted(WIDE, 66).columns == ["kernel", "best chunk", "time", "95 %"]
    assert fitted(WIDE, 48).columns == ["kernel", "best chunk", "time"]
    assert fitted(WIDE, 48).note == "Not shown here, but in summary.md: 95 %, rate."
    assert fitted(WIDE, 30).columns == ["kernel", "best chunk"]


words = st.text("abc0.±", min_size=1, max_size=12)
cells = st.lists(words, max_size=3).map(" ".join)


@given(st.data(), st.integers(2, 7), st.integers(40, 120))
def test_no_word_is_broken(data, columns, width):
    """Two columns are always shown, and their words are shorter than half of the terminal."""
    rows = data.draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=1, max_size=3))
    table = Table("T", data.draw(st.lists(cells, min_size=columns, max_size=columns)), rows)
    shown = fitted(table, width)
    text = text_of(rich_table(table, width), width=width)
    assert max(map(len, text.splitlines())) <= width
    for cell in [cell for row in shown.rows for cell in row]:
        for word in cell.split():
            assert word in text.split(), (cell, text)


@pytest.mark.parametrize("width", [80, 100])
def test_a_table_takes_no_more_than_the_terminal(width):
    assert max(map(len, text_of(rich_table(WIDE, width), width=width).splitlines())) <= width
