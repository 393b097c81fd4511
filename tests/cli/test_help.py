"""Help, examples, completions, suggestions, and what scripts read: of every command there is."""

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from merged import REFERENCE, take_apart

from fbench import cli
from fbench.cli.commands import FIXED
from fbench.cli.runs_commands import RUNS_COMMANDS
from fbench.gate import gating
from fbench.gate.verdict import GateReport, GateRow
from fbench.harness import registry
from fbench.pick.columns import PICK_COLUMNS

COMMANDS = [*FIXED, *RUNS_COMMANDS, "diff", "gate", "pick", *registry.SUITES.names()]

ROW = GateRow("a", "same within the margin", 20, 5, 1.0, 0.99, 1.01, 0.01, 0.04, 0.1, 0.1, 0.5)


@pytest.fixture
def call(capsys, registries, showwarning, monkeypatch, tmp_path):
    """Run one command in this process, in a folder with arrays to pick from; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "pool.npz", logits=rng.normal(size=(30, 3)), features=rng.normal(size=(30, 4)))
    (tmp_path / "labelled.txt").write_text("0\n1\n")

    def called(*words):
        code = cli.run([str(word) for word in words])
        return code, *capsys.readouterr()

    return called


def examples_in(text):
    """The lines below ``Examples:``, a command each."""
    return [shlex.split(line)[1:] for line in text.partition("Examples:\n")[2].splitlines() if line.strip()]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_examples_of_a_help_run(call, tmp_path, command, monkeypatch):
    if command in (*RUNS_COMMANDS, "diff"):
        take_apart(tmp_path / "reports")
        (tmp_path / "reports" / "reference").symlink_to(REFERENCE)
    if command == "gate":  # which builds and measures, as tests/gate does
        monkeypatch.setattr(gating, "run_gate", lambda options, *_: GateReport(options.against, "this", 0.03, [ROW]))
    code, out, err = call(*command.split(), "--help")
    assert (code, err) == (0, "")
    examples = examples_in(out)
    assert 1 <= len(examples) <= 4
    assert len({tuple(words) for words in examples}) == len(examples)
    for words in examples:
        assert words[0] == command or not command
        plan = ["--dry-run"] if words[0] in registry.SUITES.names() and "--dry-run" not in words else []
        (tmp_path / "picks.csv").unlink(missing_ok=True)
        code, out, err = call(*words, *plan)
        assert (code, "fbench: warning" in err) == (0, False), (words, err)
        assert out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_has_load(call, command):
    out = call(*command.split(), "--help")[1]
    assert re.search(r"^  --load FILE\.py  ", out, re.MULTILINE)


@pytest.mark.parametrize("before", [True, False])
def test_load_stands_before_the_command_or_behind(call, toy_file, before):
    load = ["--load", toy_file]
    words = [*load, "toy", "--dry-run"] if before else ["toy", "--dry-run", *load]
    code, out, _ = call(*words)
    assert (code, "3 cases" in out) == (0, True)


def test_a_loaded_suite_has_an_example_of_its_own(call, toy_file):
    assert examples_in(call("toy", "--load", toy_file, "--help")[1]) == [["toy", "--dry-run"]]


@pytest.mark.parametrize("name", ["pick", "list", "diff", "gate"])
def test_a_suite_takes_no_commands_name(call, tmp_path, toy_file, name):
    (tmp_path / "mine.py").write_text(toy_file.read_text().replace('"toy": ', f'"{name}": '))
    code, _, err = call("compare", "--dry-run", "--load", tmp_path / "mine.py")
    assert (code, err) == (2, f"fbench: suite '{name}': fbench has a command of this name; rename the suite\n")


def test_without_words_it_shows_its_help(call):
    code, out, err = call()
    assert (code, err) == (2, "")
    assert out == call("--help")[1]
    assert out.startswith("Usage: fbench ")


def test_as_a_module(tmp_path):
    done = subprocess.run([sys.executable, "-m", "fbench", "version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "fbench", "")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("comapre", "No such command 'comapre'. Did you mean 'compare'?"),
        ("zzzz", "No such command 'zzzz'; see fbench --help"),
        ("compare --straegies x", "No such option: --straegies; did you mean '--strategies'?"),
        ("compare --qqqq x", "No such option: --qqqq; see fbench compare --help"),
        ("list --jsno", "No such option: --jsno; did you mean '--json'?"),
        ("list strategy", "unknown kind 'strategy'; did you mean 'strategies'? Known: "),
        ("columns qqqq", "unknown suite 'qqqq'. Known: chunksize, "),
        ("doctor much", "fbench doctor: 'much' is one word too many; see fbench doctor --help"),
        ("pick", "Missing argument 'FEATURES.npz'; see fbench pick --help"),
        ("version --json", "No such option: --json"),
    ],
)
def test_only_what_fits_is_suggested(call, words, line):
    code, out, err = call(*words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"fbench: {line}")


def test_names_for_scripts(call):
    code, out, err = call("list", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    known = [*registry.STRATEGIES.names(), *(family.name for family in registry.STRATEGIES.families())]
    assert [row["name"] for row in rows if row["kind"] == "strategies"] == known
    assert {frozenset(row) for row in rows} == {frozenset(("kind", "name", "description"))}
    assert json.loads(call("list", "models", "--json")[1]) == [row for row in rows if row["kind"] == "models"]
    assert out.isascii()


def test_checks_for_scripts(call):
    code, out, _ = call("doctor", "--json")
    rows = json.loads(out)
    assert code == (2 if any(row["status"] == "missing" for row in rows) else 0)
    assert {frozenset(row) for row in rows} == {frozenset(("name", "status", "detail", "remedy"))}
    assert {row["status"] for row in rows} <= {"ok", "warn", "missing"}


def test_columns_for_scripts(call):
    rows = json.loads(call("columns", "--json")[1])
    assert {frozenset(row) for row in rows} == {frozenset(("command", "table", "name", "type", "unit", "meaning"))}
    assert {row["command"] for row in rows} == {*registry.SUITES.names(), "pick"}
    compare = registry.SUITES.get("compare").all_tables()
    names = [(row["table"], row["name"]) for row in json.loads(call("columns", "compare", "--json")[1])]
    assert names == [(table, column.name) for table, columns in compare.items() for column in columns]


def test_the_columns_of_pick(call, tmp_path):
    code, out, _ = call("columns", "pick")
    assert (code, "pick: picks.csv" in out) == (0, True)
    assert call("pick", "pool.npz", "--batch", 2)[0] == 0
    first = (tmp_path / "picks.csv").read_text().splitlines()[0].split(",")
    assert first == [column.name for column in PICK_COLUMNS] == [row["name"] for row in picks_in(call)]


def picks_in(call):
    return json.loads(call("columns", "pick", "--json")[1])


def completed(line, tmp_path):
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    more = {"_FBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-m", "fbench"]
    done = subprocess.run(command, env={**os.environ, **more}, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("fbench com", ["compare"]),
        ("fbench list --js", ["--json"]),
        ("fbench compare --mask-fr", ["--mask-fraction"]),
        ("fbench compare --model th", ["thin-resnet18"]),
        ("fbench compare --strategies random,bait-t", ["random,bait-top2"]),
        ("fbench compare --preset fish", ["fishermask", "fishermask-large"]),
    ],
)
def test_completions(tmp_path, line, offered):
    assert completed(line, tmp_path) == offered


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_completion_is_installed(tmp_path, option):
    more = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    command = [sys.executable, "-m", "fbench", option, "bash"]
    done = subprocess.run(command, env={**os.environ, **more}, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    installed = tmp_path / ".bash_completions" / "fbench.sh"
    text = done.stdout if option == "--show-completion" else installed.read_text()
    assert "_FBENCH_COMPLETE=complete_bash" in text


def test_a_foreign_text_commands_no_terminal(call, tmp_path):
    evil = "\\x1b[31m[red]x\\x07\\u202e"
    (tmp_path / "mine.py").write_text(
        f'from fbench.registry import strategy\n@strategy("mine", "{evil}")\ndef f(state, size): ...\n'
    )
    code, out, _ = call("list", "strategies", "--load", tmp_path / "mine.py")
    assert code == 0
    assert "[red]x" in out
    assert not set(out) & set("\x1b\x07\u202e")
    code, _, err = call("compare", "--strategies", "\x1b[31m")
    assert (code, "\x1b" in err) == (2, False)
