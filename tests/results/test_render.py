"""A summary as Markdown and as terminal tables."""

from __future__ import annotations

import io

from rich.console import Console

from fbench.harness.contract import Figure, Summary, Table
from fbench.results.render import markdown, markdown_table, rich_table

TABLE = Table("Arms", ["strategy", "95 %", "p"], [["random", "", "0.5"], ["bait", "0.1 to 0.2", ""]], "A note.")


def test_a_markdown_table_has_a_title_a_rule_and_a_note() -> None:
    assert markdown_table(TABLE).split("\n") == [
        "**Arms**",
        "",
        "| strategy | 95 % | p |",
        "| --- | --- | --- |",
        "| random |  | 0.5 |",
        "| bait | 0.1 to 0.2 |  |",
        "",
        "A note.",
    ]


def test_a_table_without_a_note_ends_with_its_last_row() -> None:
    assert markdown_table(Table("T", ["a"], [["1"]])).endswith("| 1 |")


def test_pipes_are_escaped() -> None:
    lines = markdown_table(Table("T", ["a|b", "c"], [["p(y|x)", "|"]])).split("\n")
    assert lines[2:] == ["| a\\|b | c |", "| --- | --- |", "| p(y\\|x) | \\| |"]
    assert {line.replace("\\|", "").count("|") for line in lines[2:]} == {3}


def test_findings_come_before_tables_and_tables_before_figures() -> None:
    text = markdown("fbench x", Summary([TABLE, TABLE], ["One.", "Two."], [Figure("curve", "Curves", [])]), ["Last."])
    places = [text.index(part) for part in ("# fbench x", "- One.\n- Two.", "**Arms**", "![Curves]", "Last.")]
    assert places == sorted(places)
    assert "![Curves](figures/curve.png)" in text
    assert text.count("**Arms**") == 2
    assert text.endswith("Last.\n")
    assert "\n\n\n" not in text


def test_a_summary_of_findings_alone() -> None:
    assert markdown("t", Summary(findings=["Nothing."])) == "# t\n\n- Nothing.\n"
    assert markdown("t", Summary()) == "# t\n"


def test_every_cell_is_in_the_terminals_table() -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(rich_table(TABLE))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("Arms", "A note.", *TABLE.columns, *(cell for row in TABLE.rows for cell in row)):
        assert part in text


def test_square_brackets_are_no_markup() -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(rich_table(Table("T", ["unit"], [["weights [n, k]"], ["[red]x"]])))
    assert "weights [n, k]" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]x" in console.file.getvalue()  # type: ignore[attr-defined]
