import gc
import shutil
import warnings
from pathlib import Path

import pytest

from fbench import registry


@pytest.fixture(autouse=True, scope="module")
def _what_was_imported_is_frozen():
    """No collection of garbage goes through torch and five thousand tests again: each would take a tenth of a second.

    At the first module, and at the next one after a case of ``fbench memory`` has thawed what it froze.
    """
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture
def registries():
    """What a test registers is forgotten after it."""
    for found in registry.REGISTRIES.values():
        found.names()  # so that entry points are loaded once and for all
    before = {kind: (dict(found._values), dict(found.broken)) for kind, found in registry.REGISTRIES.items()}
    yield registry.REGISTRIES
    for kind, (values, broken) in before.items():
        registry.REGISTRIES[kind]._values = values
        registry.REGISTRIES[kind].broken = broken


@pytest.fixture
def toy_file(tmp_path):
    """The toy suites as a user's file."""
    return Path(shutil.copy(Path(__file__).with_name("toy.py"), tmp_path / "toy.py"))


@pytest.fixture
def toy(registries, toy_file):
    """The toy suites, loaded into this process; gives their file."""
    registry.load_file(toy_file)
    return toy_file


@pytest.fixture
def showwarning(monkeypatch):
    """The command line takes warnings over; a test gives them back."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
