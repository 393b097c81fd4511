"""Pairs on the disk: samples of two revisions that took turns, as the one measurement that can confirm a regression.

A JSON file::

    {"fbench_pairs": 1,
     "base": {"revision": "v1.0", "commit": "…"}, "new": {"revision": "main", "commit": "…"},
     "machine": {"processor": "…", "processors": 2, "python": "3.11"},
     "benchmarks": [{"name": "tests/bench.py::test_sum",
                     "pairs": [{"pair": 0, "first": "new", "base_s": 0.0123, "new_s": 0.0125, "start": 0}, …]}]}

``pair`` numbers a benchmark's pairs in the order in which they were measured; ``first`` says which side came first, by
a coin. A number is the time of a short block of calls, in seconds. The base may have ``again_s``: by benchmark, the
seconds of its second process beside every pair, in the order of the list, which tell the floor. ``start`` may number
the starts of the processes, where they were begun anew between pairs: the pairs of one share what its processes differ
by, and count as one value. The new side may have the ``threshold`` that a gate was asked for. Keys that are not known
are passed over, so that the form can grow without another number; 2 would mean that old readers would misread it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from fbench.errors import DataError, NothingComparableError, shorten
from fbench.harness.publish import publish
from fbench.regression.paired_rule import TIME_MARGIN

FORM = 1
"""The form above, and the key's value."""
KEY = "fbench_pairs"
_ALTERNATES = 10
"""Pairs from which on both sides must have come first: of so many coins all fall alike once in 512 times."""
WhichSide = Literal["base", "new"]


class TimedPair(NamedTuple):
    """One sample of either side, one right after the other.

    Attributes:
        pair: its number, in the order of measuring.
        first: the side that came first.
        base_s: seconds of the base; ``new_s`` is the new side's.
        start: number of the processes' start; None where that is not known, and the pair counts by itself.
    """

    pair: int
    first: WhichSide
    base_s: float
    new_s: float
    start: int | None = None

    @property
    def log_ratio(self) -> float:
        """Logarithm of new over base."""
        return math.log(self.new_s / self.base_s)


@dataclass(frozen=True)
class PairedSamples:
    """Pairs by benchmark, of two revisions on one machine."""

    pairs: Mapping[str, Sequence[TimedPair]]
    base: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def again_s(self) -> Mapping[str, Sequence[float]]:
        """Seconds of the base's second process, by benchmark, one a pair; none where it had none."""
        again: Mapping[str, Sequence[float]] = self.base.get("again_s", {})
        return again

    @property
    def threshold(self) -> float:
        """The share that does not matter, as the gate that measured them was asked; ``TIME_MARGIN`` without one."""
        asked = self.new.get("threshold")
        return asked if isinstance(asked, float) and 0 < asked < 1 else TIME_MARGIN

    @property
    def logs(self) -> dict[str, list[float]]:
        """Logarithms of new over base, by benchmark: one a start, or one a pair where starts are not known."""
        return {name: log_ratios(pairs) for name, pairs in self.pairs.items()}

    @property
    def has_starts(self) -> bool:
        """Whether it is known which start of the processes made a pair."""
        return all(pair.start is not None for pairs in self.pairs.values() for pair in pairs)

    @property
    def in_turn(self) -> list[str]:
        """Benchmarks in which one side always came first: what differs may be the place, and is never confirmed."""
        return [
            name
            for name, pairs in self.pairs.items()
            if len(pairs) >= _ALTERNATES and len({pair.first for pair in pairs}) == 1
        ]


def log_ratios(pairs: Sequence[TimedPair]) -> list[float]:
    """Logarithms of new over base: one a start, or one a pair where starts are not known."""
    return by_start(pairs, [pair.log_ratio for pair in pairs])


def by_start(pairs: Sequence[TimedPair], logs: Sequence[float]) -> list[float]:
    """The median of the logarithms of every start, in the order of starts; those of pairs without one as they are.

    Example:
        >>> pairs = [TimedPair(i, "base", 1.0, 1.0, start=i // 2) for i in range(4)]
        >>> by_start(pairs, [0.1, 0.3, 0.0, 0.2])
        [0.2, 0.1]
    """
    starts: dict[int, list[float]] = {}
    alone = []
    for pair, log in zip(pairs, logs, strict=True):
        if pair.start is None:
            alone.append(log)
        else:
            starts.setdefault(pair.start, []).append(log)
    return [median(held) for held in starts.values()] + alone


def is_pairs_file(document: Any) -> bool:
    """Whether a JSON document says that it holds pairs.

    Example:
        >>> is_pairs_file({"fbench_pairs": 1}), is_pairs_file({"benchmarks": []})
        (True, False)
    """
    return isinstance(document, dict) and KEY in document


def write_pairs(path: Path, samples: PairedSamples) -> None:
    """Write the file, in the place of the one that is there: after every pair, if need be.

    Raises:
        OSError: it cannot be written.
    """
    benchmarks = [
        {"name": name, "pairs": [_as_written(pair) for pair in pairs]} for name, pairs in samples.pairs.items()
    ]
    document = {KEY: FORM, "base": samples.base, "new": samples.new, "machine": samples.machine}
    publish(path, json.dumps({**document, "benchmarks": benchmarks}, indent=1) + "\n", replace=True)


def _as_written(pair: TimedPair) -> dict[str, Any]:
    return {key: value for key, value in pair._asdict().items() if value is not None}


def read_pairs(path: Path, document: Mapping[str, Any]) -> PairedSamples:
    """The pairs of a document.

    Raises:
        DataError: another form, two benchmarks of one name, a pair twice, a time that is none.
        NothingComparableError: no benchmark, or one without a pair.
    """
    if document[KEY] != FORM:
        raise DataError(
            f"{path} holds pairs of form {shorten(document[KEY])}: this fbench reads form {FORM}; update it"
        )
    benchmarks = document.get("benchmarks")
    if not isinstance(benchmarks, list):
        raise DataError(f"{path} has no list of benchmarks: it was cut, or edited")
    if not benchmarks:
        raise NothingComparableError(f"{path} has no benchmarks: nothing was measured")
    again = _again(path, document.get("base"))
    named = [_benchmark(path, benchmark, again) for benchmark in benchmarks]
    name, times = Counter(name for name, _ in named).most_common(1)[0]
    if times > 1:
        raise DataError(f"{path} has {times} benchmarks of the name {shorten(name)!r}: give each a name of its own")
    about = {key: value for key in ("base", "new", "machine") if isinstance(value := document.get(key), dict)}
    samples = PairedSamples(dict(named), **about)
    return replace(samples, base={**samples.base, "again_s": again}) if again else samples


def _again(path: Path, base: Any) -> dict[str, list[float]]:
    """The base's second process: none at all where the file is of a gate that had none."""
    held = base.get("again_s", {}) if isinstance(base, dict) else {}
    if not isinstance(held, dict) or not all(isinstance(seconds, list) for seconds in held.values()):
        raise DataError(f"{path}: again_s of the base is no list of seconds by benchmark: it was cut, or edited")
    return {name: [_seconds(path, name, value) for value in seconds] for name, seconds in held.items()}


def _seconds(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e300:
        raise DataError(f"{path}, {shorten(name)}: {shorten(value)} is no time above 0 in seconds")
    return float(value)


def _benchmark(path: Path, benchmark: Any, again: dict[str, list[float]]) -> tuple[str, list[TimedPair]]:
    name = benchmark.get("name") if isinstance(benchmark, dict) else None
    pairs = benchmark.get("pairs") if isinstance(benchmark, dict) else None
    if not isinstance(name, str) or not name or not isinstance(pairs, list):
        raise DataError(f"{path} has a benchmark without a name or pairs: it was cut, or edited")
    if not pairs:
        raise NothingComparableError(f"{path}, {shorten(name)}: no pair was measured")
    timed = [_pair(path, name, pair) for pair in pairs]
    number, times = Counter(pair.pair for pair in timed).most_common(1)[0]
    if times > 1:
        raise DataError(f"{path}, {shorten(name)}: pair {number} is there {times} times, and each counts once")
    if name in again:
        if len(again[name]) != len(timed):
            raise DataError(
                f"{path}, {shorten(name)}: {len(timed)} pairs, and {len(again[name])} times of the base's second "
                "process: it was cut, or edited"
            )
        again[name] = [seconds for _, seconds in sorted(zip(timed, again[name], strict=True))]
    return name, sorted(timed)


def _pair(path: Path, name: str, pair: Any) -> TimedPair:
    held = pair if isinstance(pair, dict) else {}
    number, first, start = held.get("pair"), held.get("first"), held.get("start")
    if type(number) is not int or first not in ("base", "new"):
        raise DataError(
            f"{path}, {shorten(name)}: a pair needs a whole number as pair, and base or new as first; "
            f"one has {shorten(number)} and {shorten(first)}"
        )
    base_s, new_s = (_seconds(path, f"{shorten(name)}, pair {number}", held.get(side)) for side in ("base_s", "new_s"))
    if start is not None and type(start) is not int:
        raise DataError(f"{path}, {shorten(name)}, pair {number}: start is {shorten(start)}, which numbers no start")
    return TimedPair(number, first, base_s, new_s, start)
