"""Imports go one way, and only ``cli`` speaks to the user. DESIGN's table, enforced over every module."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fbench

ROOT = Path(__file__).resolve().parents[1]

BASE = {"errors", "units", "contract"}
RUN = {"runner", "options", "executors", "folder", "history", "progress"}
MAY_IMPORT = {
    "__init__": set(),
    "errors": set(),
    "contract": set(),
    "units": {"errors"},
    "machine": set(),
    "sweep": BASE,
    "registry": BASE,
    "measure": {*BASE, "machine", "sweep", "registry", "measure", "__init__"},
    "fisher": {*BASE, "machine", "sweep", "registry", "fisher"},
    "learning": {*BASE, "machine", "sweep", "registry", "measure", "fisher", "learning"},
    "results": {*BASE, "measure", "results"},
    "suites": {*BASE, "sweep", "registry", "measure", "fisher", "learning", "results"},
    **{part: {*BASE, *RUN, "sweep", "registry", "measure", "results.table", "__init__"} for part in RUN},
    "pool_files": {*BASE, "results.table"},
    "pick": {*BASE, "machine", "fisher", "pool_files"},
    "cli": {*BASE, *RUN, "pick", "sweep", "registry", "measure", "fisher", "learning", "results", "__init__"},
}
"""What each layer may import; ``suites`` describe their summaries by pure functions of ``results``."""

MODULES = [*sorted((ROOT / "fbench").rglob("*.py")), *sorted((ROOT / "suites").glob("*.py"))]


def layer_of(module: str) -> str:
    """``fbench.measure.curves`` is in ``measure``; ``results.table`` alone is the runner's to import."""
    rest = module.split(".")[1:]
    return "__init__" if not rest else "results.table" if rest == ["results", "table"] else rest[0]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("fbench", *parts) if parts[0] == "suites" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.AST) -> set[str]:
    """Every module of fbench that is imported anywhere, functions and type checking included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import: say where it goes"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = {member for member in members if is_module(member)}
            names |= inner | (set() if len(inner) == len(members) else {str(node.module)})
    return {name for name in names if name.split(".")[0] == "fbench"}


def is_module(name: str) -> bool:
    place = name.replace(".", "/").replace("fbench/suites", "suites")
    return (ROOT / f"{place}.py").exists() or (ROOT / place / "__init__.py").exists()


def faults_of(module: str, tree: ast.AST) -> list[str]:
    """The imports of ``module`` that its layer does not allow."""
    layer = layer_of(module)
    allowed = MAY_IMPORT["results" if layer == "results.table" else layer]
    found = {(name, layer_of(name)) for name in imports_of(tree)}
    return sorted(name for name, other in found if other not in allowed and other.split(".")[0] not in allowed)


def at_import(tree: ast.Module) -> set[str]:
    """Top-level packages that importing the module imports: what stands outside functions and TYPE_CHECKING."""
    names: set[str] = set()
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
        waiting += [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
    return names


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path):
    assert faults_of(name_of(path), ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("fbench.fisher.bait", "import fbench.measure.timing", "fbench.measure.timing"),
        ("fbench.fisher.bait", "from fbench import measure", "fbench.measure"),
        ("fbench.fisher.bait", "from fbench.measure import timing", "fbench.measure.timing"),
        ("fbench.measure.curves", "def f():\n    from fbench.fisher import masks", "fbench.fisher.masks"),
        ("fbench.registry", "from fbench.runner import run", "fbench.runner"),
        ("fbench.runner", "from fbench.results.render import markdown", "fbench.results.render"),
        ("fbench.runner", "from fbench.suites import compare", "fbench.suites.compare"),
        ("fbench.results.table", "from fbench.learning.data import Pool", "fbench.learning.data"),
        ("fbench.learning.plan", "if TYPE_CHECKING:\n    from fbench.results import table", "fbench.results.table"),
        ("fbench.suites.compare", "from fbench.cli import out", "fbench.cli"),
        ("fbench.cli", "from fbench.suites import compare", "fbench.suites.compare"),
    ],
)
def test_the_rule_finds(module, line, fault):
    assert faults_of(module, ast.parse(line)) == [fault]


def speech_of(tree: ast.AST) -> set[str]:
    """What only the command line does: printing, exiting, reading what was typed."""
    spoken = {"print", "input", "exit", "quit"}
    dotted = {"sys.exit", "sys.argv", "sys.stdout", "sys.stderr", "sys.stdin", "os._exit", "rich.print"}
    found = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in spoken
    }
    found |= {
        text for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (text := ast.unparse(node)) in dotted
    }
    found |= {"SystemExit" for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "SystemExit"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {n for a in node.names if (n := f"{node.module}.{a.name}") in dotted | {"rich.console.Console"}}
    return found


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "cli.py"], ids=name_of)
def test_only_the_command_line_speaks(path):
    assert speech_of(ast.parse(path.read_text(encoding="utf-8"))) == set()


def test_the_command_line_is_found_speaking():
    """Else the check above would look for nothing."""
    assert {"sys.exit", "sys.argv"} <= speech_of(ast.parse((ROOT / "fbench" / "cli.py").read_text(encoding="utf-8")))
    assert speech_of(ast.parse("print(1)\nraise SystemExit(2)")) == {"print", "SystemExit"}


@pytest.mark.parametrize("path", sorted((ROOT / "fbench" / "fisher").glob("*.py")), ids=name_of)
def test_the_mathematics_has_no_clock_and_no_files(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    packages = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    packages |= {str(n.module).split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not packages & {"time", "datetime", "pathlib", "io", "os", "json", "csv", "logging"}
    assert "open" not in calls


HEAVY = {"torch", "torchvision", "pandas", "matplotlib", "numpy", "scipy", "sklearn"}


@pytest.mark.parametrize("path", sorted((ROOT / "suites").glob("*.py")), ids=name_of)
def test_suites_are_light_to_import(path):
    assert not at_import(ast.parse(path.read_text(encoding="utf-8"))) & HEAVY


def test_what_importing_a_module_imports():
    text = "import a.b\nif TYPE_CHECKING:\n import c\ntry:\n from d import e\nexcept E:\n pass\ndef f():\n import g\n"
    assert at_import(ast.parse(text)) == {"a", "d"}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_fbench_imports_nothing_heavy():
    heavy = sorted({*HEAVY, "typer", "rich"})
    assert run(f"import sys, fbench; dir(fbench); print(set({heavy}) & set(sys.modules))") == "set()"
    assert run(f"import sys, fbench.registry as r; r.SUITES.names(); print(set({heavy}) & set(sys.modules))") == "set()"


FUNCTIONS = {
    *("last_layer_embedding", "dense_embedding", "masked_embedding", "fisher_diagonal"),
    *("top_mask", "random_mask", "trace", "bait_select", "query", "choose_chunk", "load_masks"),
}
TYPES = {"Embedding", "FactoredEmbedding", "DenseEmbedding", "Mask", "MaskKey", "Selection"}


def test_public_names():
    assert set(fbench.__all__) == FUNCTIONS | TYPES | {"__version__"}
    assert len(set(fbench.__all__)) == len(fbench.__all__)
    assert dir(fbench) == sorted(fbench.__all__)
    for name in fbench.__all__:
        assert getattr(fbench, name) is not None
    assert all(callable(getattr(fbench, name)) for name in FUNCTIONS)
    assert all(isinstance(getattr(fbench, name), type) for name in TYPES - {"Embedding"})


def test_what_public_functions_return_is_public():
    for name in FUNCTIONS:
        given = inspect.get_annotations(getattr(fbench, name))["return"]
        arrays = {"tuple", "NDArray", "np", "int64", "float64"}  # what query gives: its callers know no tensors
        assert set(re.findall(r"\w+", given)) <= {*TYPES, "Tensor", "dict", "str", "int", *arrays}


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'fbench' has no attribute 'bait'"):
        _ = fbench.bait
