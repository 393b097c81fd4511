"""Named things: how they are declared, found, refused, and what is said of those that are broken."""

import random
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import pytest
import torch

from fbench.errors import UnknownNameError, UsageError
from fbench.harness import registry
from fbench.harness import suite as suites
from fbench.harness.contract import Column
from fbench.harness.registry import Registry, Strategy

COLUMNS = (Column("value", "float", "", "any"),)


def test_case_ids_are_distinct():
    """What is on disk is known by them."""
    from fbench.suites import compare

    suite = registry.SUITES.get("compare")
    assert compare.measure is suite.measure
    ids = [case.id for case in suite.grid(suite.typed(strategies="random,bait", seeds=19, model="small"))]
    assert len(ids) == len(set(ids)) >= 6


@pytest.mark.parametrize("kind", sorted(registry.REGISTRIES))
def test_a_name_taken_twice_is_refused(registries, kind):
    found = registries[kind]
    found.add(SimpleNamespace(name="twice", description=""))
    with pytest.raises(UsageError, match=f"{found.kind} 'twice' is registered twice; rename one of them"):
        found.add(SimpleNamespace(name="twice", description="another"))
    assert found.get("twice").description == ""


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown strategy 'biat'; did you mean 'bait'") as caught:
        registry.STRATEGIES.get("biat")
    known = {*registry.STRATEGIES.names(), "skactiveml:NAME", "bait+NAME@D"}
    assert str(caught.value).endswith("Known: " + ", ".join(sorted(known)))
    with pytest.raises(UnknownNameError, match=r"unknown data set 'zzz'\. Known: .*cifar10, .*digits"):
        registry.DATASETS.get("zzz")
    with pytest.raises(UnknownNameError, match=r"unknown thing 'a'\. Known: none"):
        Registry("thing").get("a")


def test_names_are_sorted():
    things: Registry[Strategy] = Registry("thing")
    for name in ("b", "a", "c"):
        things.add(Strategy(name, "", lambda state, size: None))
    assert things.names() == ["a", "b", "c"]
    assert [each.name for each in things] == ["a", "b", "c"]


def test_what_comes_with_fbench():
    names = {kind: found.names() for kind, found in registry.REGISTRIES.items()}
    assert "compare" in names["suites"]
    assert {"random", "bait", "bait+fish", "bait+random-mask"} <= set(names["strategies"])
    assert {"digits", "cifar10"} <= set(names["datasets"])
    assert {"small", "thin-resnet18", "resnet18"} <= set(names["models"])
    assert all(value.description for found in registry.REGISTRIES.values() for value in found)
    assert not any(found.broken for found in registry.REGISTRIES.values())


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Puts modules of other people on the path, and entry points to them."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(**files):
        points = []
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
            points.append(EntryPoint(name, name, "group"))
        monkeypatch.setattr(registry, "_entry_points", lambda: EntryPoints(points))
        return Registry("thing", "group")

    yield put
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_a_broken_plug_in_does_not_take_the_others_down(plug_in):
    good = "import things_of_others as t; from types import SimpleNamespace as S; t.T.add(S(name='x', description=''))"
    things = plug_in(bad_one="1 / 0", no_python="def", no_import="import nowhere_to_be_found", good_one=good)
    sys.modules["things_of_others"] = SimpleNamespace(T=things)
    try:
        assert things.names() == ["x"]
    finally:
        del sys.modules["things_of_others"]
    assert things.broken["bad_one"] == "ZeroDivisionError: division by zero"
    assert things.broken["no_python"].startswith("SyntaxError: ")
    assert things.broken["no_import"] == "ModuleNotFoundError: No module named 'nowhere_to_be_found'"
    assert set(things.broken) == {"bad_one", "no_python", "no_import"}


def test_a_name_that_a_broken_plug_in_may_have(plug_in):
    things = plug_in(bad_four="import sys; sys.exit(3)")
    with pytest.raises(
        UnknownNameError, match=r"unknown thing 'mine'\. Known: none; bad_four could not be loaded: Sys"
    ):
        things.get("mine")


def test_plug_ins_are_looked_for_once_and_late(plug_in, monkeypatch):
    things = plug_in(bad_two="1 / 0")
    assert not things.broken
    things.names()
    monkeypatch.setattr(registry, "_entry_points", lambda: pytest.fail("again"))
    assert things.names() == []
    assert set(things.broken) == {"bad_two"}


def test_every_module_of_a_package_is_found(tmp_path, monkeypatch):
    """A new suite is one new file."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "drawer").mkdir()
    for name in ("__init__", "one", "two"):
        (tmp_path / "drawer" / f"{name}.py").write_text("")
    monkeypatch.setattr(registry, "_entry_points", lambda: EntryPoints([EntryPoint("a", "drawer", "group")]))
    try:
        Registry("thing", "group").names()
        assert {"drawer.one", "drawer.two"} <= set(sys.modules)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "drawer"]:
            del sys.modules[name]


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(UsageError, match=rf"--load {path}: (no such file|a folder, not a file)"):
            registry.load_file(path)


def test_a_file_that_is_not_python(tmp_path):
    path = tmp_path / "suite.txt"
    path.write_text("")
    with pytest.raises(UsageError, match=r"suite\.txt: not a Python file; it must end in \.py"):
        registry.load_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nx = (1\n", r"SyntaxError: .*line 2"),
        ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise ValueError('too large')\n", "ValueError: too large"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_raises(tmp_path, text, message):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"--load .*bad\.py(, line \d+)?: {message}"):
        registry.load_file(path)


def test_a_file_that_raises_is_told_by_its_line(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("\ndef f():\n    1 / 0\n\n\nf()\n")
    with pytest.raises(UsageError, match="line 3"):
        registry.load_file(path)


def test_a_file_that_exits(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import sys; sys.exit(0)\n")
    with pytest.raises(UsageError, match=r"bad\.py.*: SystemExit"):
        registry.load_file(path)


def test_a_file_leaves_the_process_as_it_was_and_draws_the_same_everywhere(tmp_path):
    """Else two processes that load it would have two of it."""
    path = tmp_path / "draws.py"
    path.write_text(
        "import random, numpy, torch\ntorch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
        "NUMBERS = [random.random(), numpy.random.rand(), torch.rand(1).item()]\n"
    )
    drawn = []
    for _ in range(2):
        registry.load_file(path)
        drawn.append(sys.modules["fbench_loaded_draws"].NUMBERS)
        random.random()
    assert drawn[0] == drawn[1]
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)


def test_a_file_with_a_dataclass(tmp_path):
    path = tmp_path / "good.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n  a: int\n"
    )
    registry.load_file(path)


def test_a_file_that_repeats_a_name(registries, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from fbench.harness.registry import strategy\n@strategy('bait', '')\ndef f(state, size): ...\n")
    with pytest.raises(UsageError, match="strategy 'bait' is registered twice"):
        registry.load_file(path)


MINE = '''
"""One of each, by the same decorators as fbench's own."""
from dataclasses import dataclass
from typing import Annotated

from fbench.contract import Case, Column, Option, Summary, Unit
from fbench.registry import dataset, model, strategy, suite


@strategy("first", "the first B that are free")
def first(state, batch_size):
    from fbench.learning.strategies import Proposal

    assert state.pool.classes == 3
    return Proposal(state.unlabelled()[:batch_size])


@dataset("stripes", "three kinds of stripes")
def stripes(folder, download):
    import torch
    from fbench.learning.data import Images

    targets = torch.arange(90) % 3
    images = torch.zeros(90, 1, 8, 8)
    for at, target in enumerate(targets.tolist()):
        images[at, 0, target::3] = 1
    return Images("stripes", images, targets, 3)


@model("mine", "the small one again", block=8)
def mine(replicas, shape, classes):
    from fbench.learning.networks import SmallNet

    return SmallNet(replicas, shape[0], classes)


def say(rows, options):
    return Summary(findings=(f"value is {rows['results'][0]['value']}",))


COLUMNS = (Column("step", "int", "", ""), Column("value", "float", "", ""))


@dataclass(frozen=True)
class Options:
    value: Annotated[float, Option("any")] = 0.5


@suite("nothing", "yields a row", columns=COLUMNS, unit="step", summarise=say)
def nothing(case: Case, options: Options, context):
    return [Unit(0, [{"value": options.value}])]
'''


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def fbench(*arguments, cwd):
    command = [sys.executable, "-c", "from fbench.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def test_a_suite_of_ones_own_runs(mine, tmp_path):
    done = fbench("nothing", "--value", "0.25", "--load", mine, "--out", "run", cwd=tmp_path)
    assert (done.returncode, "value is 0.25" in done.stdout) == (0, True), done.stderr
    assert (tmp_path / "run" / "results.csv").read_text() == "case,step,value,status,reason\n,0,0.25,ok,\n"


def test_a_strategy_a_data_set_and_a_model_of_ones_own_run(mine, tmp_path):
    options = (
        "--strategies random,first --dataset stripes --model mine --start 6 --batch 3 --rounds 1 --epochs 2 --seeds 2"
    )
    more = "--threads 1 --jobs 2 --out run"  # two processes: each must load the file
    done = fbench("compare", f"--load={mine}", *options.split(), *more.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "run" / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2 * 2
    assert sum(",first," in row for row in rows) == 4
    assert all(",ok," in row for row in rows[1:])


def home_of(name):
    """Where a name of the door is from: what a suite is made of has a module of its own."""
    return suites if name in ("SharedData", "Suite") else registry


def test_the_doors_for_users_files_lead_to_the_same():
    from fbench import contract
    from fbench import registry as door
    from fbench.harness import contract as inner

    assert all(getattr(door, name) is getattr(home_of(name), name) for name in door.__all__)
    assert all(getattr(contract, name) is getattr(inner, name) for name in contract.__all__ if name != "parse_sweep")
    assert door.suite.__doc__
