"""Rows of ``fbench memory`` to what was measured: growth by phase, over rounds, for every meter of every case.

A meter is one quantity of one source on one device. Growth is the peak over what was held before the first round; a
phase is given by its median over rounds and their range. Nothing is known where a row has no peak, and never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from fbench.harness.contract import Row
from fbench.units import format_bytes

Tables = Mapping[str, Sequence[Row]]

PHASES = ("data", "train", "diagonal", "mask", "embed", "fisher", "init", "forward", "backward")
"""As they follow each other in a round; ``diagonal`` and ``mask`` are a mask's alone."""

SIZES = ("candidates", "classes", "dim", "batch", "dtype", "chunk_size")
LETTERS = {"candidates": "n", "classes": "k", "dim": "d", "batch": "B", "dtype": "", "chunk_size": "chunk"}

SPOKEN_OF = (("torch", "allocated"), ("rss", "used"))
"""Source and quantity of the meters that predictions speak of, a GPU's first."""


class Meter(NamedTuple):
    """What was read, and where."""

    device: str
    source: str
    quantity: str


@dataclass(frozen=True)
class Phase:
    """One phase by one meter, bytes over what was held before the first round, by round where it is known.

    ``growth`` is that of the peak, ``held`` what was there when the phase began.
    """

    name: str
    growth: Mapping[int, float]
    held: Mapping[int, float]
    predicted: float | None

    @property
    def measured(self) -> float | None:
        """Median over rounds of the growth at the peak; None where no round has one."""
        return median(self.growth.values()) if self.growth else None

    @property
    def held_before(self) -> float | None:
        """Median over rounds of what was there when the phase began."""
        return median(self.held.values()) if self.held else None

    @property
    def ratio(self) -> float | None:
        """Predicted over measured growth; None where one is missing or memory did not grow."""
        measured = self.measured
        return None if self.predicted is None or not measured or measured < 0 else self.predicted / measured


@dataclass(frozen=True)
class Profile:
    """All phases by one meter: ``baseline`` is what was held before the first round, None where unknown."""

    meter: Meter
    scope: str
    baseline: float | None
    phases: Sequence[Phase]

    @property
    def top(self) -> Phase | None:
        """The phase that grows the most; None where nothing was measured."""
        known = [phase for phase in self.phases if phase.growth]
        return max(known, key=lambda phase: phase.measured or 0.0, default=None)


@dataclass(frozen=True)
class Measured:
    """A case with rows: ``sizes`` as in ``SIZES``."""

    case: str
    method: str
    sizes: tuple[Any, ...]
    profiles: Mapping[Meter, Profile]

    @property
    def main(self) -> Profile | None:
        """What predictions speak of, on the device where it grows the most; a GPU's where there is one."""
        for pair in SPOKEN_OF:
            own = [each for meter, each in self.profiles.items() if meter[1:] == pair and each.top]
            if own:
                return max(own, key=_most)
        return None

    @property
    def rank(self) -> tuple[Any, ...]:
        """The larger the problem, the later: n·k·d first, then the rest."""
        n, k, d, batch, dtype, chunk = self.sizes
        return (n or 0) * (k or 0) * (d or 0), n or 0, batch or 0, str(dtype), chunk or 0


def meter_said(meter: Meter) -> str:
    """``resident memory``, ``torch's allocated memory on cuda:0``."""
    if meter.source == "rss":
        return "resident memory"
    if meter.source == "torch":
        return f"torch's {meter.quantity} memory on {meter.device}"
    return f"NVML's {meter.quantity} memory on {meter.device}"


def meter_short(meter: Meter) -> str:
    """``resident memory``, ``torch allocated``, ``NVML used``: beside a device that is named."""
    names = {"torch": "torch", "nvml": "NVML"}
    return "resident memory" if meter.source == "rss" else f"{names.get(meter.source, meter.source)} {meter.quantity}"


def ends(low: float, high: float) -> str:
    """``2 to 2.04 GiB``, ``980 MiB to 1.1 GiB``."""
    first, last = format_bytes(low), format_bytes(high)
    unit = last.split(" ")[-1]
    return f"{first.removesuffix(f' {unit}')} to {last}"


def _most(profile: Profile) -> float:
    """Growth of the phase that grows the most."""
    return (profile.top.measured if profile.top else None) or 0.0


def phase_order(names: Iterable[str]) -> list[str]:
    """Each name once, as phases follow each other; those of nobody's list come last."""
    return sorted(dict.fromkeys(names), key=lambda name: PHASES.index(name) if name in PHASES else len(PHASES))


def read_cases(rows: Sequence[Row]) -> list[Measured]:
    """The cases of ``results`` with a phase that ran, in the order of the rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] == "ok" and row["phase"] is not None:
            found.setdefault(row["case"], []).append(row)
    return [_case(case, own) for case, own in found.items()]


def _case(case: str, rows: Sequence[Row]) -> Measured:
    meters: dict[Meter, list[Row]] = {}
    for row in rows:
        meters.setdefault(Meter(row["device"], row["source"], row["quantity"]), []).append(row)
    profiles = {meter: _profile(meter, own) for meter, own in meters.items()}
    return Measured(case, rows[0]["method"], tuple(rows[0][name] for name in SIZES), profiles)


def _profile(meter: Meter, rows: Sequence[Row]) -> Profile:
    order = phase_order(row["phase"] for row in rows)
    phases = [_phase(name, [row for row in rows if row["phase"] == name]) for name in order]
    return Profile(meter, rows[0]["scope"] or "", _median(row["baseline_bytes"] for row in rows), phases)


def _phase(name: str, rows: Sequence[Row]) -> Phase:
    growth, held = _over(rows, "peak_bytes"), _over(rows, "start_bytes")
    return Phase(name, growth, held, _median(row["predicted_bytes"] for row in rows))


def _over(rows: Sequence[Row], column: str) -> dict[int, float]:
    """A column over that round's own baseline, which a run that was resumed has another of."""
    cells = [(row["round"], row[column], row["baseline_bytes"]) for row in rows]
    return {number: float(size - base) for number, size, base in cells if size is not None and base is not None}


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None


def largest(cases: Sequence[Measured]) -> list[Measured]:
    """Of each method the case of the largest problem that was measured, in the order of the rows."""
    found: dict[str, Measured] = {}
    for case in cases:
        if case.main and (case.method not in found or case.rank > found[case.method].rank):
            found[case.method] = case
    return list(found.values())


def sizes_said(sizes: Sequence[Any], which: Iterable[int] = range(len(SIZES))) -> str:
    """``n = 5,000, k = 10, float32, chunk 256``; sizes that a case lacks are left out."""
    return ", ".join(_said(SIZES[i], sizes[i]) for i in which if sizes[i] is not None)


def _said(name: str, value: Any) -> str:
    if name == "dtype":
        return str(value)
    return f"chunk {value:,}" if name == "chunk_size" else f"{LETTERS[name]} = {value:,}"


def varying(all_sizes: Iterable[Sequence[Any]]) -> list[int]:
    """Positions in ``SIZES`` of what differs; a chunk size differs from having none."""
    return [i for i, column in enumerate(zip(*all_sizes, strict=True)) if len(set(column)) > 1]


def named(cases: Sequence[Measured]) -> dict[str, str]:
    """What each case is called: its method, and the sizes that vary among cases (``bait (n = 5,000, float32)``)."""
    which = varying([case.sizes for case in cases]) if cases else []
    several = {case.case: sizes_said(case.sizes, which) for case in cases}
    return {case.case: case.method + (f" ({several[case.case]})" if several[case.case] else "") for case in cases}
