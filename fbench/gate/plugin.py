"""pytest's plugin of fbench: ``pytest --fbench-against REV``, and the fixture ``held``.

pytest imports this file in every run of every project whose environment has fbench: it imports nothing but pytest, and
what it does needs to be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fbench.gate.options import GATE_OPTIONS, MEMORY_HELP

if TYPE_CHECKING:
    from fbench.gate.held import HeldFixture

_STRICT = "also fail where the gate cannot tell (exit status 30)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--fbench-against`` and what else ``fbench gate`` is asked for."""
    group = parser.getgroup("fbench", "benchmarks against a revision (fbench)")
    for name, (default, metavar, text) in GATE_OPTIONS.items():
        shown = f" (default: {default})" if default else ""
        group.addoption(f"--fbench-{name}", metavar=metavar, default=default, help=text + shown)
    group.addoption("--fbench-memory", action="store_true", default=False, help=MEMORY_HELP)
    group.addoption("--fbench-strict", action="store_true", default=False, help=_STRICT)


def pytest_configure(config: pytest.Config) -> None:
    """Where a revision is named, everything that can be refused is refused before any test runs."""
    if not config.option.fbench_against or config.option.collectonly:
        return
    from fbench.gate import session_gate

    if not config.pluginmanager.hasplugin("benchmark"):
        session_gate.stand_in(config)
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist only runs its tests
        config.pluginmanager.register(session_gate.asked_gate(config), "fbench-gate")


@pytest.fixture
def held() -> HeldFixture:
    """States what must hold on any machine: ``held.ratio(f, g, at_most=0.5)``."""
    from fbench.gate.held import HeldFixture

    return HeldFixture()


__all__ = ["held", "pytest_addoption", "pytest_configure"]
