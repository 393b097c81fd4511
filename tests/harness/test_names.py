"""Names: what can be one, and what a plug-in that gives another is told."""

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from fbench.errors import UsageError
from fbench.harness import registry
from fbench.harness.contract import Column
from fbench.harness.names import LONGEST_NAME, check_column, check_name
from fbench.harness.registry import Strategy
from fbench.learning.arm_options import ArmOptions

NO_NAMES = ["", " ", "a b", "a,b", "a\nb", "a\x1b[31m", "=cmd|x", "+a", "-a", "@a", "../a", "a/b", "a\\b", "a\0", "a=b"]
NO_NAMES += ["[red]a", "<script>", "a`b", "$a", "λ", "a" * (LONGEST_NAME + 1), "a:b", "a|b", "\u202ea", None, 7]


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_what_cannot_be_a_name_is_refused(registries, name):
    with pytest.raises(UsageError, match=r"^strategy .*: a name must be of 1 to 64 letters .*; rename it$") as caught:
        registries["strategies"].add(Strategy(name, "", lambda state, size: None))
    assert len(str(caught.value)) < 250
    assert str(caught.value).isascii() or "…" in str(caught.value)


@pytest.mark.parametrize("name", ["a", "A9", "bait+fish", "thin-resnet18", "v1.2_b", "a" * LONGEST_NAME])
def test_what_can_be_a_name(name):
    check_name("strategy", name)


def test_every_name_that_comes_with_fbench_is_one():
    for kind, values in registry.REGISTRIES.items():
        for name in values.names():
            check_name(kind, name)


@given(some.text())
@example("a\n")
def test_a_name_stands_anywhere(text):
    """In a list with commas, a path, a table's cell, a case's id: each gives it back."""
    try:
        check_name("thing", text)
    except UsageError:
        return
    assert f"{text},b".split(",") == [text, "b"]
    assert text.split() == [text]
    assert not set(text) & set("/\\=|`$<>[]*\"'") or text == ""
    assert text[0] not in "=+-@."


@pytest.mark.parametrize("name", ["", "a b", "../a", "a.b", "9a", "=a", "é", "a" * 65])
@pytest.mark.parametrize("what", ["table", "column"])
def test_columns_and_tables_have_names_too(registries, name, what):
    columns = [Column(name if what == "column" else "step", "int", "", "")]
    more = {"tables": {name: []}} if what == "table" else {}

    def measure(case, options, context): ...

    measure.__annotations__ = {"options": ArmOptions}
    with pytest.raises(UsageError, match=rf"^suite odd.*: {what}|{what} .*: a name must be of"):
        registry.suite("odd", "", columns=columns, unit="step", summarise=measure, points=measure, **more)(measure)
    with pytest.raises(UsageError, match="no digit first"):
        check_column(what, name)


def test_a_loaded_file_is_told(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from fbench.registry import strategy\n@strategy('=cmd|/c calc', '')\ndef f(state, size): ...\n")
    done = subprocess.run([sys.executable, "-m", "fbench", "list", "--load", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fbench: strategy '=cmd|/c calc': a name must be of 1 to 64 letters (a to z), digits")
    assert done.stderr.count("\n") == 1
