"""A gate at the end of a pytest run: the benchmarks that were collected, against a revision, and pytest's exit status.

The tests run as ever. Where they are done the gate builds and measures as ``fbench gate`` does, in processes of its
own; with pytest-xdist in the controller, once the workers have ended. What pytest's status says already stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fbench.errors import FbenchError
from fbench.gate.bench_server import MARK_KEYS, GateFixture
from fbench.gate.options import GATE_OPTIONS, GateOptions, read_gate_options
from fbench.gate.sources import Project, find_project, find_revision, working_tree
from fbench.gate.verdict import GateReport

INCONCLUSIVE = 30
"""pytest's status under ``--fbench-strict``: its own 3 is a fault of pytest's, and 0 to 6 are taken."""

_WIDTH = 120
"""Columns that the table has at least: pytest takes a CI's log for a terminal of 80."""


def asked_gate(config: pytest.Config) -> SessionGate:
    """The gate that the options ask for.

    Raises:
        pytest.UsageError: a number that is none, no git, no project, no such revision; pytest then ends with 4.
    """
    typed = {name: str(getattr(config.option, f"fbench_{name}")) for name in GATE_OPTIONS}
    try:
        options = read_gate_options(typed, memory=config.option.fbench_memory, before="--fbench-")
        project = find_project(config.rootpath)
        find_revision(project, options.against)
        working_tree(project)
    except FbenchError as error:
        raise pytest.UsageError(str(error)) from None
    return SessionGate(config, options, project)


class SessionGate:
    """The hooks of a run that ends with a gate.

    Attributes:
        nodeids: of the tests that were collected; with pytest-xdist of those that are no benchmarks, too.
        report: what the gate says; None before, and where it has a ``fault``.
        fault: why there is none, in one line.
    """

    def __init__(self, config: pytest.Config, options: GateOptions, project: Project) -> None:
        self.config, self.options, self.project = config, options, project
        self.nodeids: list[str] = []
        self.report: GateReport | None = None
        self.fault = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What is left once ``-k``, ``-m`` and others have chosen."""
        self.nodeids += [item.nodeid for item in session.items if "benchmark" in getattr(item, "fixturenames", ())]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Iterable[str]) -> None:
        """Workers collect, and all of them the same; which are benchmarks the gate's own processes know."""
        self.nodeids = list(ids)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Gate, unless the run was broken off."""
        if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        if session.shouldfail or session.shouldstop:
            self.fault = "the run was broken off, and nothing is gated"
            return
        from fbench.harness.lifeline import ending_like_ctrl_c

        try:
            with ending_like_ctrl_c():
                self.report = self._gate()
            status = {1: 1, 4: 4, 3: INCONCLUSIVE if self.config.option.fbench_strict else 0}
            code: int = status.get(self.report.exit_code, 0)
        except FbenchError as error:
            self.fault, code = str(error), 4
        except KeyboardInterrupt:
            self.fault, code = "interrupted: what was built is removed", pytest.ExitCode.INTERRUPTED
        session.exitstatus = session.exitstatus or code

    def _gate(self) -> GateReport:
        from fbench.errors import NothingComparableError
        from fbench.gate.gating import run_gate

        if not self.nodeids:
            raise NothingComparableError("no test of this run uses the fixture benchmark: there is nothing to gate")
        paths, names = self._places()
        options = replace(self.options, paths=paths, names=names)
        out = Path(self.config.option.fbench_out)
        return run_gate(options, self.config.rootpath, out, self._tell)

    def _places(self) -> tuple[tuple[str, ...], frozenset[str]]:
        """Files, and node ids as the gate has them: from the project's folder, which need not be pytest's root."""
        home = self.project.root / self.project.home
        files, names = dict[str, None](), set[str]()
        for nodeid in self.nodeids:
            file, colons, rest = nodeid.partition("::")
            path = (self.config.rootpath / file).resolve()
            files[str(path)] = None
            names.add(Path(os.path.relpath(path, home)).as_posix() + colons + rest)
        return tuple(files), frozenset(names)

    def _tell(self, line: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            if reporter._tw.width_of_current_line:  # the dots of a run: ensure_newline overlooks those of workers
                reporter.write_line("")
            reporter.write_line(line)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The gate's own lines, and its table."""
        if self.report is None and not self.fault:
            return
        terminalreporter.section(f"fbench gate against {self.options.against}")
        if self.report is None:
            terminalreporter.write_line(self.fault, red=True)
            return
        from fbench.gate.telling import gate_lead, plain_table

        for line in gate_lead(self.report):
            terminalreporter.write_line(line)
        for line in plain_table(self.report, max(_WIDTH, terminalreporter._tw.fullwidth)):
            terminalreporter.write_line(line)


def stand_in(config: pytest.Config) -> None:
    """A fixture ``benchmark`` that calls once, where pytest-benchmark is not there or is switched off."""
    config.addinivalue_line("markers", f"benchmark: {MARK_KEYS}")
    config.pluginmanager.register(_StandIn(), "fbench-benchmark")


class _StandIn:
    @pytest.fixture
    def benchmark(self, request: pytest.FixtureRequest) -> GateFixture:
        """Called once, and not judged by that."""
        return GateFixture(request.node, 1, 1)
