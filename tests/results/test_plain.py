"""Text from elsewhere stays text: on a terminal, in Markdown, in a CSV, in a figure, as a file's name."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from fbench.harness.contract import Column, Figure, Panel, Series, Summary, Table, mathematics
from fbench.results import figures, render, table
from fbench.results.plain import as_drawn, csv_text, file_stem, markdown_cell, markdown_text, text_of_csv, visible

NASTY = "\x1b]0;title\x07\x1b[31m\u202eevil\x9b2J\x7f\x00"
FORMULA = re.compile(r"\s*[=+\-@]")


@given(some.text())
@example(NASTY)
def test_nothing_commands_a_terminal(text):
    shown = visible(text)
    assert len(shown) == len(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert visible(shown) == shown


def test_letters_stay_as_they_are():
    text = "Čech's λ ≤ 1 µs, 漢字, עברית — “quoted” 🙂"
    assert visible(text) == text


@given(some.text(some.characters(codec="utf-8")))
@example("=cmd|' /C calc'!A0")
@example("\t=x")
@example("'=x")
@example("''@x")
@example("'tis")
@example("-1")
def test_a_cell_reads_back_exactly_and_is_no_formula(text):
    cell = csv_text(text)
    assert text_of_csv(cell) == text
    assert not FORMULA.match(cell)
    assert cell == text or FORMULA.match(text.lstrip("'"))


@given(some.text(some.characters(codec="utf-8"), min_size=1))
@example("@SUM(1+1)*cmd|' /C calc'!A0")
@example('a\rb\n,"')
def test_a_row_reads_back_through_a_file(tmp_path_factory, text):
    columns = [Column("reason", "str", "", "")]
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text(table.header(columns) + table.lines(columns, [{"reason": text}]), encoding="utf-8", newline="")
    assert table.read(path, columns) == [{"reason": text}]
    [[cell]] = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))[1:] or [[""]]
    assert not FORMULA.match(cell)


def test_halves_of_letters_are_written_as_their_codes():
    assert table.lines([Column("reason", "str", "", "")], [{"reason": "a\udcff"}]) == "a\\udcff\n"


def test_numbers_are_no_formulas():
    assert (
        table.lines([Column("x", "float", "", ""), Column("y", "int", "", "")], [{"x": -1.5, "y": -2}]) == "-1.5,-2\n"
    )


@given(some.text(max_size=30))
@example("a|b\\|c")
@example("<script>alert(1)</script>\n\n# title")
def test_a_cell_of_markdown_is_one_cell(text):
    cell = markdown_cell(text)
    assert "\n" not in cell
    assert not re.search(r"<[A-Za-z/!?]", cell)
    assert all(len(found[1]) % 2 for found in re.finditer(r"(\\*)\|", cell))


def test_sentences_keep_what_is_no_html():
    assert markdown_text("p < 0.05, `--retry`, a < b > c") == "p < 0.05, `--retry`, a < b > c"


def test_a_summary_in_markdown_has_no_foreign_html():
    figure = Figure("../../x", "]<img src=x>(http://a)", [])
    rows = Table("<b>", ["<i>a|b"], [["<script>\nx"]], "<u>")
    text = render.markdown("run", Summary([rows], ["<a href=x>\n# no title"], [figure]), ["<p>"])
    assert not re.search(r"<[A-Za-z/!?]", text)
    assert text.count("\n#") == 0
    assert "](figures/x.png)" in text


@given(some.text())
@example("../../etc/passwd")
@example("a\0b")
@example("x" * 5000)
@example("")
@example("..")
def test_a_files_name_is_in_its_folder(text):
    stem = file_stem(text)
    assert re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]{0,99}", stem)
    assert file_stem(stem) == stem


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_a_figure_of_odd_texts_is_drawn(tmp_path):
    odd = r"$5 \foo and $6 ^ _ {" + NASTY
    panel = Panel([Series(odd, [1, 2], [1, 2]), Series("b", [1, 2], [2, 1], like=odd)], odd, odd, odd, marks=[(1, odd)])
    paths = figures.draw(Figure("../../out/of here", odd, [panel], odd), tmp_path / "figures")
    assert [path.parent for path in paths] == [tmp_path / "figures"] * 2
    assert all(path.stat().st_size > 1000 for path in paths)
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_dollars_are_dollars_and_formulas_are_marked():
    from matplotlib import cbook

    assert not cbook.is_math_text(as_drawn("$5 and $6"))
    assert not cbook.is_math_text(as_drawn(r"\$5 and $6$ of \$"))
    assert as_drawn(mathematics("F_j")) == "$F_j$"
    panel = as_drawn(Panel([], mathematics("F_j"), "$", x_names=("$a", "b")))
    assert (panel.x_label, panel.y_label, panel.x_names) == ("$F_j$", r"\$", (r"\$a", "b"))
