"""The examples in docstrings: they run, and no function of the public interface is without one."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import fbench
from fbench import contract, registry

ROOT = Path(fbench.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] not in ("fisher", "suites")  # which have tests of their own
)
EXPORTED = sorted(name for name, home in fbench._HOMES.items() if not home.startswith("fbench.fisher."))


def test_there_are_modules_to_look_at():
    assert {"fbench", "fbench.units", "fbench.measure.statistics", "fbench.learning.mask_files"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, registries):
    """What an example registers is forgotten after it."""
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0, "the examples that failed are printed above"


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_exported_has_an_example(name):
    exported = getattr(fbench, name)
    assert inspect.isfunction(exported) or inspect.isclass(exported)
    assert any(test.examples for test in doctest.DocTestFinder(recurse=False).find(exported, name))


@pytest.mark.parametrize(("door", "name"), [(door, name) for door in (contract, registry) for name in door.__all__])
def test_what_users_files_call_has_an_example(door, name):
    exported = getattr(door, name)
    if inspect.isfunction(exported):
        assert any(test.examples for test in doctest.DocTestFinder(recurse=False).find(exported, name))
