"""Rows of ``fbench memory`` to growth by phase, over rounds, for every gauge of every case.

Growth is the peak over what was held before the first round. A phase is given by the median of its rounds and by their
range. Where a row has no peak its growth is unknown, and never taken for 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from .rows import Gauge, PhaseRow, RoundSizes, grouped
from .spec import PREDICTED_QUANTITIES, ROUND_PHASES


@dataclass(frozen=True)
class PhaseGrowth:
    """One phase by one gauge, in bytes over what was held before the first round.

    Attributes:
        name: the name of the phase.
        growth: the growth at the peak, by round; rounds where it is not known are left out.
        held: what was there when the phase began, in the same way.
        predicted: the growth that was predicted; None where there is no prediction.
    """

    name: str
    growth: Mapping[int, float]
    held: Mapping[int, float]
    predicted: float | None

    @property
    def measured(self) -> float | None:
        """Median over rounds of the growth at the peak; None where no round has one."""
        return _median(self.growth.values())

    @property
    def held_before(self) -> float | None:
        """Median over rounds of what was there when the phase began."""
        return _median(self.held.values())

    @property
    def ratio(self) -> float | None:
        """Predicted over measured growth; None where one is missing or memory did not grow."""
        measured = self.measured
        return None if self.predicted is None or not measured or measured < 0 else self.predicted / measured


@dataclass(frozen=True)
class GaugeProfile:
    """All phases by one gauge; ``baseline`` is what was held before the first round, None where unknown."""

    gauge: Gauge
    scope: str
    baseline: float | None
    phases: Sequence[PhaseGrowth]

    @property
    def top(self) -> PhaseGrowth | None:
        """The phase that grows the most; None where nothing was measured."""
        known = [phase for phase in self.phases if phase.growth]
        return max(known, key=lambda phase: phase.measured or 0.0, default=None)


@dataclass(frozen=True)
class CaseMemory:
    """What was measured of one case: a profile by every gauge."""

    case: str
    method: str
    sizes: RoundSizes
    profiles: Mapping[Gauge, GaugeProfile]

    @property
    def main(self) -> GaugeProfile | None:
        """What predictions are of, on the device where it grows the most; a GPU's where there is one."""
        for quantity in PREDICTED_QUANTITIES.values():
            profiles = [profile for gauge, profile in self.profiles.items() if gauge[1:] == quantity and profile.top]
            if profiles:
                return max(profiles, key=_most)
        return None


def _most(profile: GaugeProfile) -> float:
    """Growth of the phase that grows the most."""
    return (profile.top.measured if profile.top else None) or 0.0


def memory_of_cases(rows: Iterable[PhaseRow]) -> list[CaseMemory]:
    """The cases with a phase that ran, in the order of the rows."""
    return [_case(case, group) for case, group in grouped(rows, lambda row: row.case).items()]


def _case(case: str, rows: Sequence[PhaseRow]) -> CaseMemory:
    by_gauge = grouped(rows, lambda row: row.gauge)
    profiles = {gauge: _profile(gauge, group) for gauge, group in by_gauge.items()}
    return CaseMemory(case, rows[0].method, rows[0].sizes, profiles)


def _profile(gauge: Gauge, rows: Sequence[PhaseRow]) -> GaugeProfile:
    by_phase = grouped(rows, lambda row: row.phase)
    phases = [_phase(name, by_phase[name]) for name in phase_order(by_phase)]
    return GaugeProfile(gauge, rows[0].scope, _median(row.baseline_bytes for row in rows), phases)


def _phase(name: str, rows: Sequence[PhaseRow]) -> PhaseGrowth:
    growth = _over_baseline((row.round, row.peak_bytes, row.baseline_bytes) for row in rows)
    held = _over_baseline((row.round, row.start_bytes, row.baseline_bytes) for row in rows)
    return PhaseGrowth(name, growth, held, _median(row.predicted_bytes for row in rows))


def _over_baseline(sizes: Iterable[tuple[int, int | None, int | None]]) -> dict[int, float]:
    """Sizes by round, over that round's own baseline: the rounds of a resumed run have another one."""
    return {number: float(size - base) for number, size, base in sizes if size is not None and base is not None}


def _median(sizes: Iterable[float | None]) -> float | None:
    """The median of the sizes that are known; None where none is."""
    known = [size for size in sizes if size is not None]
    return float(median(known)) if known else None


def phase_order(names: Iterable[str]) -> list[str]:
    """Each name once, as phases follow each other; names of no phase come last."""
    places = {name: place for place, name in enumerate(ROUND_PHASES)}
    return sorted(dict.fromkeys(names), key=lambda name: places.get(name, len(places)))


def largest_cases(cases: Iterable[CaseMemory]) -> list[CaseMemory]:
    """Of each method the case of the largest problem that was measured, in the order of the cases."""
    by_method = grouped((case for case in cases if case.main), lambda case: case.method)
    return [max(group, key=lambda case: case.sizes.rank) for group in by_method.values()]
