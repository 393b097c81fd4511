"""Names say what they hold, and each means one thing: over every function and every public name of the sources."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*sorted((ROOT / "fbench").rglob("*.py")), *sorted((ROOT / "suites").rglob("*.py"))]
TREES = {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}

VAGUE = {"found", "own", "each", "given", "said"}
"""Names that tell a reader nothing of what they hold."""
ROLES = {
    *("Options", "Point", "COLUMNS"),
    *("measure", "resolve", "points", "predict", "expect", "run"),
    *("finish", "finds_limit", "is_wrong", "summarise", "summary", "findings", "figures"),
}
"""What every suite's room has by design, in the module of that name or in its declaration."""
TWO_LANGUAGES = {"absorb"}
"""Operations that stand twice because they are compiled twice: by numba for a CPU, by Triton for a GPU."""


def names_in(function: ast.AST) -> set[str]:
    """Every variable, parameter and attribute of a function."""
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return names | {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def public_names(tree: ast.Module) -> Iterator[str]:
    """What a module defines at its top level, imports left out."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def test_names_say_what_they_hold():
    vague = [
        f"{path}:{function.lineno} {function.name}: {', '.join(sorted(names_in(function) & VAGUE))}"
        for path, tree in TREES.items()
        for function in functions_of(tree)
        if names_in(function) & VAGUE
    ]
    assert vague == []


def test_a_public_name_means_one_thing():
    homes: dict[str, list[str]] = defaultdict(list)
    for path, tree in TREES.items():
        for name in set(public_names(tree)) - ROLES - TWO_LANGUAGES:
            homes[name].append(str(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_what_the_checks_see():
    tree = ast.parse("A = 1\nB: int = 2\n_c = 3\ndef f(given):\n    return given.each\nclass D: ...\nimport e")
    assert sorted(public_names(tree)) == ["A", "B", "D", "f"]
    assert names_in(next(functions_of(tree))) & VAGUE == {"given", "each"}


def test_the_version_of_the_citation():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
