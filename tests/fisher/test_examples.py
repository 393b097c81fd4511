"""Every example in the docstrings of fbench/fisher runs, and every name that fbench exports from there has one."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from types import ModuleType

import pytest

import fbench
import fbench.fisher

NEEDS = {
    "fused": "triton",
    "triton_kernels": "triton",
    "packed": "numba",
    "lane_kernels": "numba",
    "lane_weights": "numba",
    "cores": "numba",
    "packing": "numba",
    "registers": "numba",
    "row_kernels": "numba",
    "weight_kernels": "numba",
}
"""What some modules import beyond torch, on some machines only."""
MODULES = [name for _, name, package in pkgutil.walk_packages(fbench.fisher.__path__, "fbench.fisher.") if not package]
EXPORTED = [name for name, home in fbench._HOMES.items() if home.startswith("fbench.fisher.")]


def load(name: str) -> ModuleType:
    needed = NEEDS.get(name.rpartition(".")[2])
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    return importlib.import_module(name)


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str) -> None:
    report: list[str] = []
    for test in examples(load(name)):
        doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", EXPORTED)
def test_every_exported_name_has_an_example(name: str) -> None:
    home = importlib.import_module(fbench._HOMES[name])
    assert f"{home.__name__}.{name}" in {test.name for test in examples(home)}
