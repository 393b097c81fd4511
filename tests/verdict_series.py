"""Series of blocks of five codes side by side, and whole gate runs resampled from them.

``base``, ``again`` and ``equal`` are the same code, each in a process of its own: the base, the base's second process
for the floor, and a new side whose code is equal. With two of them the floor and the verdict would be one number, and
nothing could ever be called. ``+10 %`` and ``+25 %`` are the same code and a spin. Which of the three equal processes
is which is drawn for every benchmark and run.

A run takes its rounds from one sitting, in stretches of ten consecutive rounds, none of them twice: so a run's pairs
are as much alike from one to the next as they were when measured, and each run is as likely to be called as a measured
one. Runs share rounds, though: two hundred of them tell less than two hundred that were measured.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fbench.gate.playing import ALL_PAIRS, Played, play
from fbench.gate.processes import TimedBlock

EQUAL, SLOWED = ("base", "again", "equal"), {"+10 %": 0.1, "+25 %": 0.25}
CODES = (*EQUAL, *SLOWED)
COLUMNS = ("sitting", "round", "benchmark", "place", "code", "time_s")
STRETCH, SEATS = 10, 60
"""Rounds of a stretch; of a sitting, at least, as a gate may take so many pairs."""
Series = Mapping[str, Mapping[str, Sequence[float]]]
"""Seconds of a sitting by benchmark, code and round."""


@dataclass(frozen=True)
class Sittings:
    """All that was recorded in one condition: processes live for a sitting."""

    condition: str
    series: Sequence[Series]

    @property
    def names(self) -> list[str]:
        """The benchmarks."""
        return list(self.series[0])

    @property
    def pairs(self) -> int:
        """Rounds of all sittings."""
        return sum(_rounds(sitting) for sitting in self.series)

    @cached_property
    def logs(self) -> dict[str, list[np.ndarray]]:
        """Log ratios of the equal codes by benchmark, an array [rounds] for each sitting and two of the three."""
        couples = [("base", "again"), ("base", "equal"), ("again", "equal")]
        return {
            name: [
                np.log(np.divide(sitting[name][second], sitting[name][first]))
                for sitting in self.series
                for first, second in couples
            ]
            for name in self.names
        }


def _rounds(sitting: Series) -> int:
    return len(next(iter(sitting.values()))["base"])


def read_sittings(path: Path, condition: str) -> Sittings:
    """The series of a file that ``verdict_rates.py record`` wrote; rounds that were not finished are left out."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    sittings: dict[int, dict[str, dict[str, dict[int, float]]]] = {}
    for row in rows:
        by_code = sittings.setdefault(int(row["sitting"]), {}).setdefault(row["benchmark"], {})
        by_code.setdefault(row["code"], {})[int(row["round"])] = float(row["time_s"])
    return Sittings(condition, [_whole(sittings[number]) for number in sorted(sittings)])


def _whole(sitting: Mapping[str, Mapping[str, Mapping[int, float]]]) -> Series:
    sides = [sitting[name][code] for name in sitting for code in CODES]
    rounds = sorted(set.intersection(*(set(side) for side in sides)))
    return {name: {code: [sitting[name][code][r] for r in rounds] for code in CODES} for name in sorted(sitting)}


def memory(logs: Sequence[np.ndarray]) -> float:
    """Correlation of a pair with the next, about each series' own mean, over several series of equal length n.

    A mean of n values takes about (1 + 4r)/n of a correlation r away, which is given back.
    """
    apart = [values - values.mean() for values in logs]
    lagged = sum(float(values[1:] @ values[:-1]) for values in apart)
    share = sum(1 / len(values) for values in apart) / len(apart)
    raw = lagged / sum(float(values @ values) for values in apart)
    return min(max((raw + share) / (1 - 4 * share), -1.0), 1.0)


class _Side:
    """A side that plays what was recorded."""

    def __init__(self, role: str, seconds: Mapping[str, Sequence[float]]) -> None:
        self.role = role
        self._left = {name: iter(values) for name, values in seconds.items()}
        self._tried: set[str] = set()

    def run(self, name: str, rounds: int, iterations: int) -> TimedBlock:
        """The next block of a benchmark; the first call only asks how long one takes: long enough."""
        if name not in self._tried:
            self._tried.add(name)
            return TimedBlock((1.0,), 1, 0.0, "", "")
        return TimedBlock((next(self._left[name]),), 1, 0.0, "", "")


def drawn_rounds(rng: random.Random, length: int, count: int = ALL_PAIRS) -> list[int]:
    """So many rounds of a sitting, in stretches whose order is drawn, as their first one's place is."""
    if length < count:
        raise ValueError(f"a sitting of {length} rounds has no {count} to draw")
    start = rng.randrange(length)
    whole = length // STRETCH
    stretches = [[(start + STRETCH * number + i) % length for i in range(STRETCH)] for number in range(whole)]
    rest = [(start + STRETCH * whole + i) % length for i in range(length % STRETCH)]
    rng.shuffle(stretches)
    return [*(place for stretch in stretches for place in stretch), *rest][:count]


def drawn_gate(
    sittings: Sittings, rng: random.Random, threshold: float, slowed: Mapping[str, str]
) -> dict[str, Played]:
    """A whole run of the gate's own ``play``: codes equal, but for those of ``slowed``, by benchmark."""
    sitting = rng.choice(sittings.series)
    rounds = drawn_rounds(rng, _rounds(sitting))
    seconds: dict[str, dict[str, list[float]]] = {role: {} for role in ("base", "again", "new")}
    for name, codes in sitting.items():
        roles = dict(zip(seconds, rng.sample(EQUAL, 3), strict=True))
        roles["new"] = slowed.get(name, roles["new"])
        for role, code in roles.items():
            seconds[role][name] = [codes[code][place] for place in rounds]
    sides = [_Side(role, held) for role, held in seconds.items()]
    return play(sides, list(sitting), threshold=threshold, budget_s=1e9, clock=lambda: 0.0, rng=rng)


def at_other_times(
    sittings: Sittings, rng: random.Random, count: int, slowed: Mapping[str, str]
) -> dict[str, tuple[list[float], list[float]]]:
    """Two runs at different times: consecutive rounds of two sittings, or of the halves of the one that there is."""
    if len(sittings.series) > 1:
        first, second = rng.sample(list(sittings.series), 2)
        starts = [rng.randrange(_rounds(sitting) - count + 1) for sitting in (first, second)]
    else:
        first = second = sittings.series[0]
        half = _rounds(first) // 2
        starts = [rng.randrange(half - count + 1), half + rng.randrange(_rounds(first) - half - count + 1)]
        rng.shuffle(starts)
    runs = {}
    for name in sittings.names:
        base, new = rng.sample(EQUAL, 2)
        runs[name] = (
            list(first[name][base][starts[0] : starts[0] + count]),
            list(second[name][slowed.get(name, new)][starts[1] : starts[1] + count]),
        )
    return runs


def middles(sittings: Sittings, code: str) -> list[float]:
    """By benchmark, how much longer a code takes than the base, the median over all rounds."""
    return [
        float(np.median(np.concatenate([np.divide(s[name][code], s[name]["base"]) for s in sittings.series]))) - 1
        for name in sittings.names
    ]
