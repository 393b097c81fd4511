"""A summary as Markdown."""

from __future__ import annotations

from fbench.harness.contract import Answer, Evidence, Figure, Summary, Table
from fbench.results.render import markdown, markdown_table

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


def test_the_lead_and_the_answers_come_first_and_the_evidence_last() -> None:
    answer = Answer("Does it matter?", "not shown", "It changes 1 % (−2 to 4).", "Take any.")
    part = Evidence("Waves", ["None."], [TABLE], [Figure("wave", "A wave", [])])
    summary = Summary(
        [TABLE], (), [Figure("curve", "Curves", [])], ["Use 256.", "It costs 5.", "Go on."], [answer], [part]
    )
    text = markdown("fbench x", summary, ["By `fbench x`."])
    places = [
        text.index(part)
        for part in (
            "# fbench x\n\nUse 256.\n\nIt costs 5.\n\nGo on.\n\n- **Does it matter?** *Not shown.* It",
            "**Arms**",
            "![Curves]",
            "## How it was measured\n\nBy `fbench x`.",
            "## Waves\n\n- None.\n\n**Arms**",
            "![A wave](figures/wave.png)",
        )
    ]
    assert places == sorted(places)
    assert "\n\n\n" not in text


def test_figures_are_links_to_the_files_that_were_written() -> None:
    summary = Summary(
        figures=[Figure("curve", "Curves", [])], evidence=[Evidence("Waves", figures=[Figure("w", "W", [])])]
    )
    text = markdown("t", summary, kind="pdf")
    assert ("figures/curve.pdf" in text, "figures/w.pdf" in text, ".png" in text) == (True, True, False)
