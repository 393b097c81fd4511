"""The living process of a build: started in an empty folder, asked for blocks, started again where one hangs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from fbench.errors import NothingComparableError, UsageError
from fbench.gate.builds import Build, end_group

_SERVER = Path(__file__).with_name("bench_server.py")
_LEFT_OUT = ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER", "PYTHONSTARTUP")
"""Variables that would bring the working tree, or another test run, into the process."""
_NOT_THERE = re.compile(r"ERROR: not found: (.+)")
"""pytest's word for a node id that a file does not have."""
_START_S = 120.0
"""A process may import and collect for so long."""


class TimedBlock(NamedTuple):
    """What one block of a benchmark gave.

    Attributes:
        seconds: of a call, a round each.
        calls: how many were timed.
        block_s: what all of it took, fixtures and warm-up too.
        digest: of the value that it returned; empty where that does not tell.
        shown: the value's first letters.
    """

    seconds: tuple[float, ...]
    calls: int
    block_s: float
    digest: str
    shown: str


class BlockFailedError(Exception):
    """A benchmark that fails, is skipped, or hangs on one side; never leaves the gate."""


class GateSide:
    """A build's process, which begins by ``start`` or ``renew`` and is ended on leaving.

    Example:
        with GateSide("base", build, ["bench.py"], empty, timeout_s=60) as side:
            side.start()
            block = side.run(side.names[0], rounds=5, iterations=100)
    """

    def __init__(self, role: str, build: Build, words: Sequence[str], folder: Path, *, timeout_s: float) -> None:
        self.role, self.build = role, build
        self.names: tuple[str, ...] = ()
        self.broken: tuple[str, ...] = ()
        self._words, self._folder, self._timeout_s = words, folder, timeout_s
        self._start_s = max(timeout_s, _START_S)
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: Listener | None = None
        self._connection: Connection[Any, Any] | None = None

    def __enter__(self) -> GateSide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process, and wait until it has collected its benchmarks.

        Raises:
            NothingComparableError: its pytest ends, or does not answer.
            UsageError: what it imported is not what was built.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        key = secrets.token_bytes(32)
        self._listener = Listener(("localhost", 0), authkey=key)
        told = {"address": self._listener.address, "key": key.hex(), "words": self._pytest_words()}
        self._process = self._spawn(told | {"modules": self.build.modules})

    def wait(self) -> None:
        """Wait until a process that was launched has collected its benchmarks; raises what ``start`` does."""
        assert self._listener is not None
        assert self._process is not None
        self._connection = _accepted(self._listener, self._process, self._start_s)
        self._close_listener()
        ready = self._answer(self._start_s) if self._connection else None
        if ready is None:
            raise NothingComparableError(self._why_not())
        self.names, self.broken = tuple(ready["ready"]), tuple(ready["broken"])
        self._check(ready["imported"])

    def _pytest_words(self) -> list[str]:
        return [
            "-q",
            "-p",
            "no:cacheprovider",
            f"--rootdir={self.build.home}",
            *_settings(self.build.home),
            *self._words,
        ]

    def _spawn(self, told: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        variables = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
        variables |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "FBENCH_GATE": json.dumps(told)}
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [str(self.build.python), "-P", str(_SERVER)],
                cwd=self._folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def _log(self) -> Path:
        return self._folder.with_name(f"{self._folder.name}.log")

    def run(self, name: str, rounds: int, iterations: int) -> TimedBlock:
        """A block of a benchmark: so many rounds of so many calls.

        Raises:
            BlockFailedError: it fails, is skipped, ends the process, or takes longer than the timeout.
            UsageError: it imports the package from elsewhere.
        """
        answer = self._asked({"run": name, "rounds": rounds, "iterations": iterations})
        seconds = tuple(float(value) for value in answer["seconds"])
        return TimedBlock(seconds, answer["calls"], answer["block_s"], answer["digest"], answer["shown"])

    def weigh(self, name: str) -> int:
        """Bytes by which resident memory grows at most while a benchmark is called once.

        Raises:
            BlockFailedError: as ``run``, and where the system has no high-water mark to reset.
            UsageError: as ``run``.
        """
        peak_bytes = self._asked({"run": name, "memory": True})["peak_bytes"]
        if peak_bytes is None:
            raise BlockFailedError("has no peak: the system has no high-water mark to reset")
        return int(peak_bytes)

    def _asked(self, message: Mapping[str, Any]) -> Any:
        """What the process answers, started anew where it has ended."""
        if self._process is None:
            self.start()
        assert self._connection is not None
        with contextlib.suppress(OSError):
            self._connection.send_bytes(json.dumps(message).encode())
        answer = self._answer(self._timeout_s)
        if answer is None:
            hangs = self._process is not None and self._process.poll() is None
            self.stop()
            raise BlockFailedError(f"hangs ({self._timeout_s:g} s)" if hangs else "ends its process")
        if "failed" in answer:
            raise BlockFailedError(f"{'is skipped' if answer['skipped'] else 'fails'}: {answer['failed']}")
        self._check(answer["imported"])
        return answer

    def _answer(self, within_s: float) -> Any:
        """The next message; None where none comes in time, or the process has ended."""
        assert self._connection is not None
        try:
            if not self._connection.poll(within_s):
                return None
            return json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            if self._process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(5)
            return None

    def _check(self, imported: Mapping[str, str]) -> None:
        site = self.build.site.resolve()
        for name, file in imported.items():
            if site not in Path(file).resolve().parents:
                raise UsageError(
                    f"{name} of {self.build.source.called} was imported from {file}, not from its wheel: "
                    "the benchmarks, a conftest.py or pythonpath put the sources on the path"
                )

    def _why_not(self) -> str:
        """What its log says of a process that never called: a benchmark that is not there, else its last line."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.is_file() else ""
        called = self.build.source.called
        if missing := _NOT_THERE.search(text):
            return f"{called} has no benchmark {' or no '.join(self._asked_as(missing[1]))[:200]}"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f"pytest cannot start for {called}: {lines[-1][:200] if lines else 'it says nothing'}"

    def _asked_as(self, missing: str) -> list[str]:
        """What was asked for that pytest calls so, from the project's home: it leaves the parameters out since 9."""
        asked = [word for word in self._words if word == missing or word.startswith(f"{missing}[")]
        return [word.removeprefix(f"{self.build.home}{os.sep}") for word in asked or [missing]]

    def stop(self) -> None:
        """End the process and whatever it started."""
        self._close_listener()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            end_group(self._process)
        self._connection = self._process = None

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = None


def renew(sides: Sequence[GateSide], rng: random.Random) -> None:
    """Processes begun anew for all sides, side by side and in a drawn order.

    Two processes of the same code differ by a few percent for as long as they live, by where their memory happens to
    lie: what is to be told from that needs several of them.

    Raises:
        NothingComparableError, UsageError: as ``GateSide.start``.
    """
    order = rng.sample(sides, len(sides))
    for step in (GateSide.stop, GateSide.launch, GateSide.wait):
        for side in order:
            step(side)


def _accepted(listener: Listener, process: subprocess.Popen[bytes], timeout_s: float) -> Any:
    """The process's call; None where it ends before, or does not call in time."""
    socket = getattr(getattr(listener, "_listener", None), "_socket", None)
    if socket is not None:
        socket.settimeout(0.1)
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            return listener.accept()
        except TimeoutError:
            if process.poll() is not None:
                return None
    return None


def _settings(home: Path) -> list[str]:
    """The project's own file of pytest's settings: it would be looked for from the empty folder."""
    for name in ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"):
        path = home / name
        marks = {"pyproject.toml": "[tool.pytest", "tox.ini": "[pytest]", "setup.cfg": "[tool:pytest]"}
        if path.is_file() and marks.get(name, "") in path.read_text(encoding="utf-8", errors="replace"):
            return ["-c", str(path)]
    return []
