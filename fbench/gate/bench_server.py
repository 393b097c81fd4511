"""A process of one revision: it collects the benchmarks of a project, and runs a block of one whenever it is told to.

Run as a file by the interpreter of a build's environment, which has pytest and may have no fbench: nothing but the
standard library, pytest and two files of fbench that need no more (``value_digest``, ``growth``) is imported.
``FBENCH_GATE`` has, as JSON, the address to call, its key, pytest's words, and the modules of the build. Messages are
JSON, one each way:

    → {"ready": [names], "broken": ["file: why"], "imported": {"module": "file"}}
    ← {"run": name, "rounds": 5, "iterations": 100}
    → {"seconds": [of a call, one a round], "calls": n, "block_s": s, "digest": "…", "shown": "…"} or {"failed": "why"}
    ← {"run": name, "memory": true}
    → {"peak_bytes": n} or {"failed": "why"}
    ← {"end": true}

A block runs the whole test anew, its function fixtures too, which are not timed; fixtures of modules and of the session
stay. pytest-benchmark's ``benchmark`` fixture is replaced by one that times exactly what it is told to.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from multiprocessing.connection import Client
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

MARK_KEYS = (
    "group, timer, disable_gc, min_rounds, max_time, min_time, warmup, warmup_iterations, calibration_precision, "
    "precision, confidence, cprofile"
)
"""What pytest-benchmark's mark takes: ours passes over all but ``group``."""


_PLACE = re.compile(r'File "(.+)", line (\d+)')
"""Of a line in a traceback."""


class GateFixture:
    """``benchmark`` as pytest-benchmark calls it: ``benchmark(f, …)``, ``@benchmark``, ``benchmark.pedantic(f, …)``."""

    def __init__(self, item: Any, rounds: int, iterations: int) -> None:
        self.name, self.fullname = item.name, item.nodeid
        callspec = getattr(item, "callspec", None)
        self.param = callspec.id if callspec else None
        self.params = callspec.params if callspec else None
        marker = item.get_closest_marker("benchmark")
        self.group = marker.kwargs.get("group") if marker else None
        self.extra_info: dict[str, Any] = {}
        self.stats = None
        """There are none: times are known to the gate alone, and those of one block are no statistics."""
        self.disabled, self.enabled = False, True
        self.has_error = self.skipped = False
        self.seconds: list[float] = []
        self.value: Any = None
        self.calls = 0
        self._rounds, self._iterations = rounds, iterations
        self._mode = ""

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Time rounds of calls; gives what the last call returned.

        One round is one call that is both timed and returned; where there are more, a call comes before, untimed.
        """
        self._use("benchmark(...)")
        if self._rounds > 1:
            function_to_benchmark(*args, **kwargs)
        with Untraced():
            for _ in range(self._rounds):
                self._time(function_to_benchmark, args, kwargs, self._iterations)
        if self._iterations > 1:
            self.value = function_to_benchmark(*args, **kwargs)
        return self.value

    def pedantic(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> Any:
        """Time rounds as the test asks for them: at most its ``rounds``, exactly its ``iterations`` and warm-up."""
        self._use("benchmark.pedantic(...)")
        for name, value, least in (
            ("iterations", iterations, 1),
            ("rounds", rounds, 1),
            ("warmup_rounds", warmup_rounds, 0),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"Must have {'positive' if least else 'non-negative'} int for `{name}`.")
        if iterations > 1 and setup:
            raise ValueError("Can't use more than 1 `iterations` with a `setup` function.")
        planned = warmup_rounds + min(rounds, self._rounds * self._iterations)
        for number in range(planned):
            taken, named = _arguments(args, kwargs or {}, setup)
            with Untraced():
                self._time(target, taken, named, iterations, counts=number >= warmup_rounds)
            if teardown is not None:
                teardown(*taken, **named)
        if iterations > 1:
            self.value = target(*args, **(kwargs or {}))
            if teardown is not None:
                teardown(*args, **(kwargs or {}))
        return self.value

    def weave(self, *_: Any, **__: Any) -> None:
        """What pytest-benchmark does by aspects is not done here."""
        raise NotImplementedError("fbench gate times calls, and nothing that is woven in: call benchmark(f, ...)")

    patch = weave

    def _use(self, mode: str) -> None:
        if self._mode:
            raise RuntimeError(f"Fixture can only be used once. Previously it was used in {self._mode} mode.")
        self._mode = mode

    def _time(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        iterations: int,
        counts: bool = True,
    ) -> None:
        """One round: what a call took; a lone call's value is kept, of several none, as a name for it costs time."""
        if iterations == 1:
            start = perf_counter()
            self.value = f(*args, **kwargs)
            end = perf_counter()
        else:
            again = range(iterations)
            start = perf_counter()
            for _ in again:
                f(*args, **kwargs)
            end = perf_counter()
        if counts:
            self.seconds.append((end - start) / iterations)
            self.calls += iterations


class PeakFixture(GateFixture):
    """Weighs calls and times none. The last one counts, which is never the first where the test allows more."""

    def __init__(self, item: Any, growth: Any) -> None:
        super().__init__(item, rounds=2, iterations=1)
        self.peak_bytes: int | None = None
        self._growth = growth

    def _time(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        iterations: int,
        counts: bool = True,
    ) -> None:
        self.value = None  # the value before is not a part of what this call holds
        with self._growth.peak_growth() as growth:
            self.value = f(*args, **kwargs)
        self.peak_bytes = growth.peak_bytes
        self.calls += 1


class Untraced:
    """Coverage and debuggers wait within; a class, since a generator takes half a microsecond a round more."""

    def __enter__(self) -> None:
        self._tracer, self._profiler = sys.gettrace(), sys.getprofile()
        if self._tracer:
            sys.settrace(None)
        if self._profiler:
            sys.setprofile(None)

    def __exit__(self, *_: object) -> None:
        if self._tracer:
            sys.settrace(self._tracer)
        if self._profiler:
            sys.setprofile(self._profiler)


def _arguments(args: Sequence[Any], kwargs: Mapping[str, Any], setup: Callable[[], Any] | None) -> tuple[Any, Any]:
    made = setup() if setup else None
    if not made:
        return args, kwargs
    if args or kwargs:
        raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
    taken, named = made
    return taken, named


class _Fixtures:
    """Registered after all other plugins, so that this ``benchmark`` is the one that tests get."""

    def __init__(self, server: ServerPlugin) -> None:
        self._server = server

    @pytest.fixture
    def benchmark(self, request: Any) -> GateFixture:
        """The fixture of this block."""
        return self._server.new_fixture(request.node)


class _KeepsFixtures:
    """In the place of the next test: whatever is shared beyond one function stays."""

    def __init__(self, item: Any) -> None:
        self._chain = item.listchain()[:-1]

    def listchain(self) -> list[Any]:
        return [*self._chain, self]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain[-1], name)


class ServerPlugin:
    """What pytest is told by hooks, and the loop of blocks in the place of its own loop of tests."""

    def __init__(self, connection: Any, digests: Any, growth: Any, modules: Sequence[str]) -> None:
        self.connection, self.digests, self.growth, self.modules = connection, digests, growth, modules
        self.homes: list[str] = []
        self.broken: list[str] = []
        self.fixture: GateFixture | None = None
        self.asked: Mapping[str, Any] = {}

    def new_fixture(self, item: Any) -> GateFixture:
        """The fixture of a block, which is asked for its times, or its peak, afterwards."""
        if self.asked.get("memory"):
            self.growth.return_freed_blocks()  # so that what is resident follows what is held; nothing is timed here
            self.fixture = PeakFixture(item, self.growth)
        else:
            self.fixture = GateFixture(item, self.asked["rounds"], self.asked["iterations"])
        return self.fixture

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        """No workers, no benchmark left out, and no gate within the gate, whatever the options of the project are."""
        fixed = {"numprocesses": 0, "dist": "no", "tx": [], "benchmark_skip": False, "fbench_against": ""}
        for name, value in fixed.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)

    def pytest_configure(self, config: Any) -> None:
        """``benchmark`` is a known mark without pytest-benchmark, too."""
        config.addinivalue_line("markers", f"benchmark: {MARK_KEYS}")
        self.homes = [str(config.rootpath), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: Any) -> None:
        """pytest-benchmark's own hooks would refuse our fixture."""
        plugins = session.config.pluginmanager
        for plugin, _ in plugins.list_plugin_distinfo():
            if getattr(plugin, "__name__", "") == "pytest_benchmark.plugin" and plugins.is_registered(plugin):
                plugins.unregister(plugin)
        plugins.register(_Fixtures(self))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken.append(f"{report.nodeid or 'collection'}: {fault_line(str(report.longrepr), self.homes)}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Say what there is, then run what is asked for until nobody asks any more."""
        items = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        self._send({"ready": list(items), "broken": self.broken, "imported": _imported(self.modules)})
        while asked := self._next():
            self.asked = asked
            self._send(self._run(session, items[asked["run"]]))
        return True

    def _next(self) -> Any:
        try:
            asked = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        return asked if "run" in asked else None

    def _send(self, answer: Mapping[str, Any]) -> None:
        self.connection.send_bytes(json.dumps(answer).encode())

    def _taken(self) -> GateFixture | None:
        return self.fixture

    def _run(self, session: Any, item: Any) -> dict[str, Any]:
        self.fixture = None  # new_fixture sets it
        session._setupstate.teardown_exact(item)
        start = perf_counter()
        reports = runtestprotocol(item, log=False, nextitem=_KeepsFixtures(item))  # type: ignore[arg-type]
        block_s = perf_counter() - start
        for report in reports:
            if not report.passed:
                return {"failed": _why(report, self.homes), "skipped": report.skipped}
        fixture, self.fixture = self._taken(), None
        if fixture is None or not fixture.calls:
            return {"failed": "it did not call benchmark", "skipped": False}
        if isinstance(fixture, PeakFixture):
            return {"peak_bytes": fixture.peak_bytes, "imported": _imported(self.modules)}
        value = {"digest": self.digests.value_digest(fixture.value), "shown": self.digests.first_letters(fixture.value)}
        return {
            "seconds": fixture.seconds,
            "calls": fixture.calls,
            "block_s": block_s,
            "imported": _imported(self.modules),
            **value,
        }


def _why(report: Any, homes: Sequence[str]) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash and not _PLACE.match(crash.message.lstrip()):
        return _first_line(crash.message)
    return fault_line(crash.message if crash else str(report.longrepr), homes)


def fault_line(told: str, homes: Sequence[str]) -> str:
    """The last line of a traceback, with the place of code that cannot be parsed: it stands in a line before.

    ``homes`` are folders that are left out of the file's name.

    Example:
        >>> fault_line('  File "/home/a.py", line 3' + chr(10) + "SyntaxError: invalid syntax", ["/home"])
        'SyntaxError: invalid syntax (a.py, line 3)'
    """
    last, places = _last_line(told), _PLACE.findall(told)
    if not places or last.partition(":")[0] not in ("SyntaxError", "IndentationError", "TabError"):
        return last
    file, line = places[-1]
    home = next((home for home in homes if file.startswith(home + os.sep)), "")
    return f"{last} ({file[len(home) + 1 :] if home else file}, line {line})"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it failed")[:200]


def _last_line(text: str) -> str:
    return _first_line("\n".join(reversed([line.removeprefix("E ") for line in text.splitlines()])))


def _imported(names: Sequence[str]) -> dict[str, str]:
    """Where the modules that the build installed were imported from, by name, as far as they were."""
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in names}
    return {name: str(file) for name, file in files.items() if file}


def _loaded(place: str) -> Any:
    """A module by its place from this file's folder: it may be in no package that can be imported here."""
    path = Path(__file__).parent / place
    spec = importlib.util.spec_from_file_location(f"_fbench_gate_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def announced_plugins() -> list[metadata.EntryPoint]:
    """Those of every distribution, as pytest reads them; ``metadata.entry_points`` passes over a second of one name."""
    entries = (entry for installed in metadata.distributions() for entry in installed.entry_points)
    return [entry for entry in entries if entry.group == "pytest11"]


def absent_plugins(entries: Iterable[metadata.EntryPoint]) -> list[str]:
    """Words of pytest's against plugins that are announced and not there: it would not start.

    The shared packages say what the running environment has. An editable installation in it is no more than what it
    says, since its ``.pth`` is not followed, and one of the project itself may be of another commit than the wheel.
    """
    first: dict[str, str] = {}
    for entry in entries:
        first.setdefault(entry.name, entry.module)
    return [word for name, module in first.items() if not _is_there(module) for word in ("-p", f"no:{name}")]


def _is_there(module: str) -> bool:
    """Without importing anything: pytest is to rewrite what it imports as plugins."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in rest:
        top = f"{top}.{name}"
        spec = PathFinder.find_spec(top, spec.submodule_search_locations) if spec else None
    return spec is not None


def serve_blocks(told: Mapping[str, Any]) -> int:
    """Call the address, and serve it until it hangs up."""
    with Client(tuple(told["address"]), authkey=bytes.fromhex(told["key"])) as connection:
        digests, growth = _loaded("value_digest.py"), _loaded("../measure/memory/growth.py")
        server = ServerPlugin(connection, digests, growth, told["modules"])
        words = [*absent_plugins(announced_plugins()), *told["words"]]
        return int(pytest.main(words, plugins=[server]))


if __name__ == "__main__":
    serve_blocks(json.loads(os.environ.pop("FBENCH_GATE")))
