"""Series of blocks of five codes side by side, and whole gate runs resampled from them.

``base``, ``again`` and ``equal`` are the same code, each in a process of its own: the base, the base's second process
for the floor, and a new side whose code is equal. With two of them the floor and the verdict would be one number, and
nothing could ever be called. ``+10 %`` and ``+25 %`` are the same code and a spin. Which of the three equal processes
is which is drawn for every benchmark and run.

All processes are begun anew after every few rounds, side by side and in random order, as the gate does. A run takes
its rounds from as many starts as it needs, drawn without any of them twice: pairs of a start are as much alike as they
were when measured, and no two starts of a run share a process. Runs share starts, though: two hundred of them tell less
than two hundred that were measured.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fbench.gate.playing import ALL_STARTS, FIRST_STARTS, PAIRS_A_START, Played, play
from fbench.gate.processes import TimedBlock

EQUAL, SLOWED = ("base", "again", "equal"), {"+10 %": 0.1, "+25 %": 0.25}
CODES = (*EQUAL, *SLOWED)
COLUMNS = ("start", "round", "benchmark", "place", "code", "time_s")
FIRST_PAIRS = PAIRS_A_START * FIRST_STARTS
Series = Mapping[str, Mapping[str, Sequence[float]]]
"""Seconds of a start's rounds, by benchmark and code."""


@dataclass(frozen=True)
class Starts:
    """All that was recorded in one condition, start by start of the processes."""

    condition: str
    series: Sequence[Series]

    @property
    def names(self) -> list[str]:
        """The benchmarks."""
        return list(self.series[0])

    @property
    def pairs(self) -> int:
        """Rounds of all starts."""
        return sum(len(next(iter(start.values()))["base"]) for start in self.series)

    @cached_property
    def logs(self) -> dict[str, np.ndarray]:
        """Log ratios of equal codes by benchmark [couples of the three, starts, rounds]."""
        couples = [("base", "again"), ("base", "equal"), ("again", "equal")]
        return {
            name: np.array(
                [[np.log(np.divide(start[name][b], start[name][a])) for start in self.series] for a, b in couples]
            )
            for name in self.names
        }


def read_starts(path: Path, condition: str) -> Starts:
    """The series of a file that ``verdict_rates.py record`` wrote; a start that is not whole is left out."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    starts: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        codes = starts.setdefault(row["start"], {}).setdefault(row["benchmark"], {})
        codes.setdefault(row["code"], []).append(float(row["time_s"]))
    count = sum(map(len, rows_of(next(iter(starts.values())))))
    whole = [start for start in starts.values() if sum(map(len, rows_of(start))) == count]
    return Starts(condition, [dict(sorted(start.items())) for start in whole])


def rows_of(start: Series) -> list[Sequence[float]]:
    """The series of a start, of all benchmarks and codes."""
    return [seconds for codes in start.values() for seconds in codes.values()]


def between_starts(logs: np.ndarray) -> float:
    """Deviation of a start's own log ratio, beyond what its rounds vary by; from [couples, starts, rounds].

    The variance of the starts' means less that of a mean of rounds (one-way analysis of variance); 0 where it is less.
    """
    rounds = logs.shape[2]
    within = float(logs.var(axis=2, ddof=1).mean())
    means = float((logs.mean(axis=2) ** 2).mean())  # codes are equal: their true mean is 0
    return max(0.0, means - within / rounds) ** 0.5


def within_starts(logs: np.ndarray) -> float:
    """Deviation of a pair's log ratio from its start's own."""
    return float(logs.var(axis=2, ddof=1).mean()) ** 0.5


class _Side:
    """A side that plays what was recorded."""

    def __init__(self, role: str, seconds: Mapping[str, Sequence[float]]) -> None:
        self.role = role
        self._left = {name: iter(values) for name, values in seconds.items()}
        self._tried: set[str] = set()

    def renew(self) -> None:
        """The next call of every benchmark is a process's first."""
        self._tried.clear()

    def run(self, name: str, rounds: int, iterations: int) -> TimedBlock:
        """The next block of a benchmark; a process's first only tells how long one takes: long enough."""
        if name not in self._tried:
            self._tried.add(name)
            return TimedBlock((1.0,), 1, 0.0, "", "")
        return TimedBlock((next(self._left[name]),), 1, 0.0, "", "")


def drawn_gate(
    starts: Starts, rng: random.Random, threshold: float, slowed: Mapping[str, str], most_starts: int = ALL_STARTS
) -> dict[str, Played]:
    """A whole run of the gate's own ``play``: codes equal, but for those of ``slowed``, by benchmark.

    Of the fifty starts that are recorded a run takes fifteen at most: of more, two runs would hardly differ.
    """
    drawn = rng.sample(list(starts.series), most_starts)
    seconds: dict[str, dict[str, list[float]]] = {role: {} for role in ("base", "again", "new")}
    for name in starts.names:
        roles = dict(zip(seconds, rng.sample(EQUAL, 3), strict=True))
        roles["new"] = slowed.get(name, roles["new"])
        for role, code in roles.items():
            seconds[role][name] = [value for start in drawn for value in start[name][code][:PAIRS_A_START]]
    sides = [_Side(role, held) for role, held in seconds.items()]

    def renew() -> None:
        for side in sides:
            side.renew()

    return play(
        sides,
        starts.names,
        threshold=threshold,
        budget_s=1e9,
        clock=lambda: 0.0,
        rng=rng,
        most_starts=most_starts,
        renew=renew,
    )


def at_other_times(
    starts: Starts, rng: random.Random, count: int, slowed: Mapping[str, str]
) -> dict[str, tuple[list[float], list[float]]]:
    """Two runs at different times, each of so many rounds of consecutive starts; runs share no start."""
    rounds = starts.pairs // len(starts.series)
    long = -(-count // rounds)
    first = rng.randrange(len(starts.series) - 2 * long + 1)
    second = rng.randrange(first + long, len(starts.series) - long + 1)
    stretches = [starts.series[at : at + long] for at in rng.sample((first, second), 2)]
    runs = {}
    for name in starts.names:
        base, new = rng.sample(EQUAL, 2)
        codes = (base, slowed.get(name, new))
        base_s, new_s = (
            [value for start in stretch for value in start[name][code]][:count]
            for stretch, code in zip(stretches, codes, strict=True)
        )
        runs[name] = (base_s, new_s)
    return runs


def middles(starts: Starts, code: str) -> list[float]:
    """By benchmark, how much longer a code takes than the base, the median over all rounds."""
    return [
        float(np.median(np.concatenate([np.divide(s[name][code], s[name]["base"]) for s in starts.series]))) - 1
        for name in starts.names
    ]
