"""Whose code a run is of, where no file has it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types

import pytest

from fbench.errors import UsageError
from fbench.harness.registry import (
    KERNELS,
    STRATEGIES,
    SUITES,
    Kernel,
    Strategy,
    modules_of,
    plugin_packages,
    unguarded,
)
from fbench.runs.defined import Definition, as_file, definitions, loaded_entries

CELL = """
LIMIT = 3

def helper(x):
    "One thing."
    return x + LIMIT

class Chooser:
    share = 0.5

    def choose(self, state):
        return helper(state)

def propose(state, batch_size, chooser=Chooser()):
    # a comment
    return Chooser().choose(state), {"a", "b", "c"}
"""


def strategy_of(code, name="mine"):
    module = types.ModuleType("__main__")
    exec(compile(code, "<cell>", "exec"), module.__dict__)
    return Strategy(name, "of a cell", module.propose)


def code_of(code):
    [entry] = loaded_entries([Definition("strategies", strategy_of(code))])
    return entry["code"]


def test_the_same_cell_is_the_same_code():
    assert code_of(CELL) == code_of(CELL) == code_of("\n\n" + CELL.replace("# a comment", "# another"))


def test_it_is_the_same_in_another_process():
    """Whatever order sets have there."""
    program = (
        "import types\nfrom fbench.harness.registry import Strategy\nfrom fbench.runs.defined import *\n"
        f"m = types.ModuleType('__main__'); exec(compile({CELL!r}, '<cell>', 'exec'), m.__dict__)\n"
        "print(loaded_entries([Definition('strategies', Strategy('mine', 'of a cell', m.propose))])[0]['code'])"
    )
    for seed in "12":
        done = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == code_of(CELL)


@pytest.mark.parametrize(
    ("old", "new"),
    [("LIMIT = 3", "LIMIT = 4"), ("x + LIMIT", "x - LIMIT"), ("share = 0.5", "share = 0.6"), ('"c"', '"d"')],
)
def test_whatever_it_uses_is_its_code(old, new):
    assert code_of(CELL) != code_of(CELL.replace(old, new))


def test_what_a_run_names_is_noted(registries):
    STRATEGIES.add(strategy_of(CELL))
    STRATEGIES.add(strategy_of(CELL, "unused"))
    suite = SUITES.get("compare")
    options = suite.typed(strategies="random,mine")
    assert [str(definition) for definition in definitions(suite, options)] == ["strategy 'mine'"]
    assert definitions(suite, suite.typed(strategies="random,bait")) == []


def test_a_kernel_with_a_variant_is_noted(registries):
    fused = KERNELS.get("fused")
    propose = strategy_of(CELL).propose
    KERNELS.add(Kernel("mine", "of a cell", fused.prepare, propose, fused.flops, fused.bytes))
    suite = SUITES.get("chunksize")
    options = suite.typed(kernels="fused,mine:no-inner")
    assert [str(definition) for definition in definitions(suite, options)] == ["kernel 'mine'"]


def test_fbenchs_own_is_nobodys():
    for suite in SUITES:
        assert {module.split(".")[0] for module in modules_of(suite)} == {"fbench"}
    assert "fbench" in plugin_packages()


def test_a_file_registers_them_elsewhere(registries):
    with as_file([Definition("strategies", strategy_of(CELL))]) as (file,):
        program = (
            f"from pathlib import Path\nfrom fbench.harness.registry import *\nload_file(Path({str(file)!r}))\n"
            "print(STRATEGIES.get('mine').propose(1, 2)[0])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stdout == "4\n", done.stderr
    assert not file.exists()


def test_no_file_for_nothing():
    with as_file([]) as files:
        assert files == ()


def test_what_cannot_be_sent_is_said():
    cell = "import threading\nLOCK = threading.Lock()\ndef propose(state, batch_size):\n    return LOCK"
    with (
        pytest.raises(UsageError, match=r"strategy 'mine' cannot be sent to a worker process: .*give load="),
        as_file([Definition("strategies", strategy_of(cell))]),
    ):
        pass


def test_a_cell_replaces_its_own_and_no_other(registries):
    STRATEGIES.add(strategy_of(CELL))
    STRATEGIES.add(again := strategy_of(CELL))
    assert unguarded(STRATEGIES.get("mine")).propose is again.propose
    with pytest.raises(UsageError, match="strategy 'random' is registered twice"):
        STRATEGIES.add(strategy_of(CELL, "random"))


def test_pickles_are_made_of_values():
    import cloudpickle

    assert pickle.loads(cloudpickle.dumps(strategy_of(CELL))).propose(1, 2)[0] == 4
