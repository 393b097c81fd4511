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

BASE = {"errors", "units", "harness.contract"}
GUARDED = {*BASE, "harness.guard"}
_DECLARED = (
    "disk",
    "global_state",
    "inputs",
    "lifeline",
    "names",
    "parsing",
    "publish",
    "registry",
    "streams",
    "suite",
    "sweep",
)
DECLARED = {*GUARDED, *(f"harness.{name}" for name in _DECLARED)}
MAY_IMPORT = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "units": {"errors"},
    "machine": set(),
    "array_headers": {"errors", "units", "machine", "harness.inputs"},
    "mapped_arrays": {"errors", "array_headers"},
    "stored_samples": set(),
    "registry": {"harness.registry", "harness.suite"},
    "contract": {"harness.contract", "harness.sweep"},
    "harness.contract": {"errors", "units"},
    "harness.guard": {"errors"},
    "harness.global_state": set(),
    "harness.sweep": BASE,
    "harness.names": BASE,
    "harness.suite": {*GUARDED, "harness.names", "harness.parsing"},
    "harness.registry": {*GUARDED, "harness.global_state", "harness.inputs", "harness.names", "harness.suite"},
    "harness.parsing": {*BASE, "harness.sweep"},
    "harness.streams": set(),
    "harness.lifeline": set(),
    "harness.disk": {"errors"},
    "harness.publish": {"harness.disk"},
    "harness.inputs": {"errors"},
    "measure": {*DECLARED, "__init__", "machine", "measure"},
    "fisher": {*DECLARED, "machine", "fisher"},
    "acquisition": {*BASE, "fisher", "acquisition"},
    "learning": {
        *DECLARED,
        "array_headers",
        "mapped_arrays",
        "stored_samples",
        "machine",
        "measure",
        "fisher",
        "acquisition",
        "learning",
    },
    "results": {*BASE, "measure", "results"},
    "harness": {*DECLARED, "machine", "harness", "measure", "results.table", "__init__"},
    "pick": {
        *DECLARED,
        "array_headers",
        "mapped_arrays",
        "stored_samples",
        "machine",
        "measure",
        "fisher",
        "acquisition",
        "results.table",
        "pick",
    },
    "suites": {*DECLARED, "machine", "measure", "fisher", "acquisition", "learning", "results", "pick"},
    "runs": {*DECLARED, "harness", "measure", "results", "runs"},
    "regression": {*DECLARED, "measure", "results", "runs", "regression"},
    "gate": {*DECLARED, "measure", "results", "regression", "gate"},
    "cli": {
        *DECLARED,
        *("harness", "runs", "pick", "measure", "fisher", "learning", "results", "regression", "gate"),
        "__init__",
        "cli",
    },
}
"""What each layer may import. Thirteen files of ``harness`` are layers of their own: everything may import them;
``registry`` and ``contract`` at the root are doors for users' files, and nothing of ours goes through."""

BETWEEN_SUITES = {("compare", "drift")}
"""Suites do not import each other, but ``compare --drift`` shows what ``drift`` shows, of its own arms."""

PATHS = [*sorted((ROOT / "fbench").rglob("*.py")), *sorted((ROOT / "suites").rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("fbench", *parts) if parts[0] == "suites" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PATHS}


def layer_of(module: str) -> str:
    """``fbench.measure.curves`` is in ``measure``; some files are layers of their own."""
    parts = module.split(".")[1:]
    whole = ".".join(parts)
    if whole == "results.table" or whole in MAY_IMPORT:
        return whole
    return parts[0] if parts else "__init__"


def suite_of(module: str) -> str:
    """The suite that a module belongs to; empty for what belongs to none."""
    parts = module.split(".")
    return parts[2] if parts[1:2] == ["suites"] and len(parts) > 2 else ""


def imports_of(module: str, tree: ast.AST) -> set[str]:
    """Every module of fbench that ``module`` imports anywhere, functions and type checking included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            home = absolute(module, node)
            members = {f"{home}.{alias.name}" for alias in node.names}
            inner = members & MODULES.keys()
            names |= inner | (set() if len(inner) == len(members) else {home})
    return {name for name in names if name.split(".")[0] == "fbench"}


def absolute(module: str, node: ast.ImportFrom) -> str:
    """Where an import leads. Relative ones are the suites' own: a type checker knows no ``fbench.suites``."""
    if not node.level:
        return str(node.module)
    assert suite_of(module), f"{module}: relative import: say where it goes"
    package = module.split(".") if MODULES[module].stem == "__init__" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def faults_of(module: str, tree: ast.AST) -> list[str]:
    """The imports of ``module`` that its layer does not allow."""
    layer = layer_of(module)
    allowed = MAY_IMPORT["results" if layer == "results.table" else layer]
    faults = [name for name in imports_of(module, tree) if not is_allowed(module, name, allowed)]
    return sorted(faults)


def is_allowed(module: str, name: str, allowed: set[str]) -> bool:
    suites = suite_of(module), suite_of(name)
    if suites[0] and suites[1]:
        return suites[0] == suites[1] or suites in BETWEEN_SUITES
    layer = layer_of(name)
    return layer in allowed or (layer == "results.table" and "results" in allowed)


def circle_in(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other, the shortest way round from the first of them; none if there is no circle."""
    for start in sorted(imports):
        came_from: dict[str, str] = {}
        waiting = [start]
        while waiting:
            module = waiting.pop(0)
            for name in sorted(imports.get(module, ())):
                if name == start:
                    way = [module]
                    while way[-1] != start:
                        way.append(came_from[way[-1]])
                    return way[::-1]
                if name not in came_from:
                    came_from[name] = module
                    waiting.append(name)
    return []


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


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    assert faults_of(module, ast.parse(MODULES[module].read_text(encoding="utf-8"))) == []


def test_no_two_files_import_each_other():
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
    assert circle_in({module: imports_of(module, tree) for module, tree in trees.items()}) == []


@pytest.mark.parametrize(
    ("imports", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"d", "b"}, "d": set()}, ["b", "c"]),
        ({"a": {"a"}}, ["a"]),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": {"a"}}, ["a", "b", "d"]),
    ],
)
def test_a_circle_is_found(imports, circle):
    assert circle_in(imports) == circle


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("fbench.fisher.selection.bait", "import fbench.measure.timing", "fbench.measure.timing"),
        ("fbench.fisher.selection.bait", "from fbench import measure", "fbench.measure"),
        ("fbench.fisher.selection.bait", "from fbench.measure import timing", "fbench.measure.timing"),
        ("fbench.measure.curves", "def f():\n    from fbench.fisher import masks", "fbench.fisher.masks"),
        ("fbench.harness.registry", "from fbench.harness.runner import run", "fbench.harness.runner"),
        ("fbench.harness.runner", "from fbench.results.render import markdown", "fbench.results.render"),
        ("fbench.harness.runner", "from fbench.suites import compare", "fbench.suites.compare"),
        ("fbench.results.table", "from fbench.learning.data import Pool", "fbench.learning.data"),
        ("fbench.learning.arms", "if TYPE_CHECKING:\n    from fbench.results import table", "fbench.results.table"),
        ("fbench.suites.compare", "from fbench.cli import out", "fbench.cli"),
        ("fbench.cli", "from fbench.suites import compare", "fbench.suites.compare"),
        ("fbench.harness.contract", "from fbench.harness.registry import suite", "fbench.harness.registry"),
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


@pytest.mark.parametrize("path", [path for module, path in MODULES.items() if layer_of(module) != "cli"], ids=name_of)
def test_only_the_command_line_speaks(path):
    assert speech_of(ast.parse(path.read_text(encoding="utf-8"))) == set()


def test_the_command_line_is_found_speaking():
    """Else the check above would look for nothing."""
    program = MODULES["fbench.cli"].read_text(encoding="utf-8")
    assert {"sys.exit", "sys.argv"} <= speech_of(ast.parse(program))
    assert speech_of(ast.parse("print(1)\nraise SystemExit(2)")) == {"print", "SystemExit"}


PURE = [path for room in ("fisher", "acquisition") for path in sorted((ROOT / "fbench" / room).rglob("*.py"))]


@pytest.mark.parametrize("path", PURE, ids=name_of)
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
    assert (
        run(f"import sys, fbench.harness.registry as r; r.SUITES.names(); print(set({heavy}) & set(sys.modules))")
        == "set()"
    )


FUNCTIONS = {
    *("last_layer_embedding", "dense_embedding", "masked_embedding", "fisher_diagonal"),
    *("top_mask", "random_mask", "trace", "bait_select", "query", "choose_chunk", "load_masks"),
    *("open_run", "merge_runs", "run", "sharded_pool"),
}
TYPES = {"Embedding", "FactoredEmbedding", "DenseEmbedding", "Mask", "MaskKey", "Run", "Selection", "ShardedPool"}


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
