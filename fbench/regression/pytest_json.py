"""JSON files of pytest-benchmark, of any project: what ``--benchmark-json`` and ``--benchmark-save`` write.

A control of ours is a list of seconds in ``extra_info["control_s"]``: work that the code under test has no part in,
timed beside it. With one a round it stands for what the machine did in that round.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fbench.errors import DataError, InputError, NothingComparableError, shorten
from fbench.harness.inputs import refusal_of
from fbench.regression.measured import MeasuredRun
from fbench.regression.timings import Timings, timings_of, timings_of_summary

CONTROL = "control_s"
"""The key of ``extra_info`` that holds the control's seconds."""
MAJORS = ("3", "4", "5")
"""Major versions of pytest-benchmark whose files are read: what is read of them has been the same since 3.1."""
_OPTIONS = ("timer", "disable_gc", "warmup", "min_rounds", "max_time", "min_time")
_MOST_BYTES = 2**30


def read_document(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        DataError: it cannot be read, or is no JSON; says where it ceases to be.
    """
    if reason := refusal_of(path):
        raise DataError(f"{path}: {reason}")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} has more than a GiB: give a JSON file of pytest-benchmark")
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        early = error.pos >= len(error.doc.rstrip()) - 1 or error.msg.startswith("Unterminated")
        end = "it ends too early" if early else error.msg
        place = f"line {error.lineno} column {error.colno}"
        raise DataError(f"{path} is no JSON, {place}: {end}; write it again") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {type(error).__name__}; write it again") from error


def is_pytest_json(document: Any) -> bool:
    """Whether it has the form of a file of pytest-benchmark.

    Example:
        >>> is_pytest_json({"benchmarks": [], "version": "5.1.0", "machine_info": {}})
        True
    """
    return isinstance(document, dict) and "machine_info" in document and isinstance(document.get("benchmarks"), list)


def read_pytest_json(path: Path, document: Mapping[str, Any]) -> MeasuredRun:
    """A file of pytest-benchmark as a run.

    Raises:
        DataError: of another major version, two benchmarks of one name, a time that is none.
        NothingComparableError: it has no benchmark.
    """
    version = str(document.get("version", ""))
    if version.partition(".")[0] not in MAJORS:
        raise DataError(
            f"{path} was written by pytest-benchmark {shorten(version) or 'of no version'}: versions "
            f"{MAJORS[0]} to {MAJORS[-1]} are read; measure again with one of them"
        )
    benchmarks = document["benchmarks"]
    if not benchmarks:
        raise NothingComparableError(f"{path} has no benchmarks: was everything deselected, or did it fail?")
    timings = [_timings(path, benchmark) for benchmark in benchmarks]
    name, times = Counter(timing.name for timing in timings).most_common(1)[0]
    if times > 1:
        raise DataError(f"{path} has {times} benchmarks of the name {shorten(name)!r}: give each a name of its own")
    machine, commit = _mapping(document.get("machine_info")), _mapping(document.get("commit_info"))
    return MeasuredRun(
        path=path,
        kind=f"pytest-benchmark {version.partition('.')[0]}",
        when=str(document.get("datetime") or ""),
        commit=str(commit.get("id") or "").removeprefix("unversioned"),
        facts=dict(_facts(machine)),
        noted={"host": str(machine.get("node", "")), "kernel": str(machine.get("release", ""))},
        settings={timing.name: _options(benchmark) for timing, benchmark in zip(timings, benchmarks, strict=True)},
        timings={timing.name: timing for timing in timings},
        notes=(f"{path}: the working tree had changes that no commit has",) if commit.get("dirty") else (),
    )


def _facts(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What times depend on, of a machine; the patch of a Python is not among it."""
    cpu = _mapping(machine.get("cpu"))
    yield "processor", str(cpu.get("brand_raw") or cpu.get("brand") or machine.get("processor") or "unknown")
    yield "processors", str(cpu.get("count", "unknown"))
    yield "architecture", str(machine.get("machine", "unknown"))
    yield "system", str(machine.get("system", "unknown"))
    python = ".".join(str(machine.get("python_version", "unknown")).split(".")[:2])
    yield "Python", f"{machine.get('python_implementation', 'unknown')} {python}"


def _timings(path: Path, benchmark: Any) -> Timings:
    """One benchmark, by its full name."""
    held = _mapping(benchmark)
    name = str(held.get("fullname") or held.get("name") or "")
    stats = _mapping(held.get("stats"))
    if not name or not stats:
        raise DataError(f"{path} has a benchmark without {'times' if name else 'a name'}: it was cut, or edited")
    controls = _numbers(path, name, _mapping(held.get("extra_info")).get(CONTROL, []))
    try:
        if "data" in stats:
            return timings_of(name, _numbers(path, name, stats["data"]), controls)
        median, spread, rounds = _numbers(path, name, [stats.get(key) for key in ("median", "iqr", "rounds")])
        return timings_of_summary(name, median, spread, int(rounds) if 1 <= rounds < math.inf else 0, controls)
    except InputError as error:
        raise DataError(f"{path}, {shorten(name)}: {error}; leave that benchmark out, or measure it again") from error


def _numbers(path: Path, name: str, values: Any) -> list[float]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise DataError(f"{path}, {shorten(name)}: its times are {shorten(values)!r}, which is no list of seconds")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"{path}, {shorten(name)}: {shorten(value)!r} is no number of seconds")
    return [math.inf if abs(value) > 1e300 else float(value) for value in values]


def _options(benchmark: Mapping[str, Any]) -> str:
    """How a benchmark was run, as far as its times depend on it."""
    options = _mapping(benchmark.get("options"))
    return ", ".join(f"{name} {options[name]}" for name in _OPTIONS if name in options)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
