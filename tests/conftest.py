import gc
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import settings

from fbench.harness import registry
from fbench.harness.lifeline import ENDING

settings.register_profile("fbench", deadline=None)  # the machine may be doing other work: no test is timed
settings.load_profile("fbench")

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported, and for every process that a test starts
    os.environ["OMP_NUM_THREADS"] = "1"  # two threads that wait for each other beside other work take many times longer
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # and where a run takes two, none spins while it waits


def pytest_addoption(parser):
    """``--full`` tries everything that tests/faults can break, in an hour, where an ordinary run tries a part."""
    parser.addoption("--full", action="store_true", help="tests/faults: every point, not a sample")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background, programs would be deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Benchmarks run once, untimed, where nothing asks for times: ``--benchmark-only`` does, and cannot be unsaid.

    An ``--benchmark-disable`` among the options of pyproject.toml would be refused beside it.
    """
    if not (config.option.benchmark_only or config.option.benchmark_enable):
        config.option.benchmark_disable = True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """The whole suite is shared between two processes; a part of it, or what measures, has one and the machine."""
    part = config.args_source is not config.ArgsSource.TESTPATHS or config.option.keyword
    measures = config.option.markexpr not in config.getini("addopts") or config.option.benchmark_enable
    measures = measures or config.option.benchmark_only
    return 0 if part or measures else 2


@pytest.fixture(autouse=True, scope="module")
def _what_was_imported_is_frozen():
    """No collection of garbage goes through torch and five thousand tests again: each would take half a second.

    At the first module, and at the next one after a case of ``fbench memory`` has thawed what it froze.
    """
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _signals_given_back():
    """Ray takes SIGTERM for itself where it is begun in this process, and a later test that sends one would end it."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _one_thread_again():
    """A run that a test makes in this process sets torch's threads, and nobody takes a whole suite's time from it.

    Two threads that wait for each other in turn with another process's take many times longer.
    """
    yield
    if "PYTEST_XDIST_WORKER" in os.environ and (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


@pytest.fixture
def full(request):
    """Whether everything is to be tried."""
    return request.config.getoption("--full")


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


class Hands:
    """A clock that shows what it was set to."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture
def hands():
    """A clock that the test winds."""
    return Hands()


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk: no test cuts the power. Processes that a test starts do wait."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
