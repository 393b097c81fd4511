"""Rows of ``fbench select`` as cases: seconds by block, memory, and how the picks agree with the reference's.

Only this module reads the rows by their columns. A pass that was cut short is extended in proportion, phase by phase:
time_s / picks · picks_total. Whoever prints such a number says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, NamedTuple

from fbench.harness.contract import Row
from fbench.measure.statistics import Mean, mean_interval
from fbench.results.ratios import Seconds

from .sizes import ProblemSizes
from .ways import is_exact

SELECTION_PHASES = ("setup", "forward", "first_removal", "backward")
"""The timed phases of a selection, in their order."""


class PhaseTime(NamedTuple):
    """A phase in one block: the seconds of ``picks`` picks or removals, out of ``picks_total``."""

    block: int
    picks: int
    picks_total: int
    seconds: float


class Departure(NamedTuple):
    """Where the forward picks leave the reference's order: the pick, from 0, and the reference's gap there."""

    pick: float
    gap: float


@dataclass(frozen=True)
class Agreement:
    """How the picks of a case agree with the reference's; of several random batches, on average.

    Attributes:
        reference: the method that made the reference.
        picks: how many were compared.
        same_picks: the share of them that is the reference's.
        tolerance: a gap below it is a tie.
        departure: None where the order is the reference's.
    """

    reference: str
    picks: float
    same_picks: float
    tolerance: float
    departure: Departure | None


@dataclass(frozen=True)
class MeasuredCase:
    """A case with something measured.

    Attributes:
        method: the way; of a score with the size of its small matrices, as in ``score-inverse 3×3``.
        sizes: of the problem.
        phases: times by phase; none for a random batch or a score.
        score: seconds of a pass of the score by block, each the median of the block's passes.
        peak_bytes: peak growth of memory; None where it was not measured.
        was_compared: the case has a row of agreement, which is empty where there is no reference.
        agreement: None where there is no reference.
        objectives: of every batch with a known one, over the reference's.
        d_eff: effective dimension, in weights; None where it is not known, as are the next three.
        drift: ‖P M v − v‖ / ‖v‖ after the forward picks.
        refreshes: how often P was made afresh.
        max_rel_error: of scores, over the largest.
    """

    method: str
    sizes: ProblemSizes
    phases: Mapping[str, Sequence[PhaseTime]]
    score: Seconds
    peak_bytes: int | None
    was_compared: bool
    agreement: Agreement | None
    objectives: Sequence[float]
    d_eff: float | None
    drift: float | None
    refreshes: int | None
    max_rel_error: float | None

    @property
    def timed(self) -> bool:
        """Whether it is a selection that was timed."""
        return bool(self.phases["setup"])

    @property
    def cut_short(self) -> bool:
        """Whether ``whole`` is extended in proportion and not measured."""
        return any(time.picks < time.picks_total for times in self.phases.values() for time in times)

    @property
    def exact(self) -> bool:
        """Whether the method gives the exact batch, rounding aside."""
        return is_exact(self.method)

    def step(self, phase: str) -> Seconds:
        """Seconds of one pick or removal of a phase by block; of set-up, which has none, the seconds of the phase."""
        return {time.block: time.seconds / max(1, time.picks) for time in self.phases[phase]}

    def removal(self) -> Seconds:
        """Seconds of one removal by block, without the first removal unless it is the only one."""
        return self.step("backward") or self.step("first_removal")

    def whole(self) -> Seconds:
        """Seconds of a whole selection by block, extended in proportion where it was cut short."""
        total: dict[int, float] = {}
        for phase in SELECTION_PHASES:
            for time in self.phases[phase]:
                share = time.picks_total / time.picks if time.picks else 1.0
                total[time.block] = total.get(time.block, 0.0) + time.seconds * share
        return total

    def picks(self, phase: str) -> tuple[int, int]:
        """Picks or removals of the phase that were timed, and those of a whole selection."""
        return self.phases[phase][0].picks, self.phases[phase][0].picks_total

    def objective_ratio(self) -> Mean | None:
        """The objective over the reference's, the mean over batches; None where it is not known."""
        return mean_interval(self.objectives) if self.objectives else None


class NotMeasured(NamedTuple):
    """Cases without a number, by their ids, that share a status and a reason."""

    status: str
    reason: str
    cases: list[str]


def measured_selections(rows: Iterable[Row]) -> list[MeasuredCase]:
    """The cases with something measured, in the order of their rows."""
    by_case: dict[tuple[str, ProblemSizes], list[Row]] = {}
    for row in rows:
        if row["status"] == "ok":
            sizes = ProblemSizes(*(row[name] for name in ProblemSizes._fields))
            by_case.setdefault((_method(row), sizes), []).append(row)
    return [_measured_case(method, sizes, case_rows) for (method, sizes), case_rows in by_case.items()]


def not_measured(rows: Iterable[Row]) -> list[NotMeasured]:
    """The cases without a number, grouped by status and reason."""
    cases: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["status"] != "ok":
            cases.setdefault((row["status"], row["reason"]), []).append(row["case"])
    return [NotMeasured(*key, names) for key, names in cases.items()]


def problems(cases: Iterable[MeasuredCase]) -> list[ProblemSizes]:
    """Every problem and dtype, from small to large by n·k·d²·B."""
    return sorted({case.sizes for case in cases}, key=lambda sizes: (sizes.operations, sizes))


def varying_problem_sizes(cases: Sequence[MeasuredCase]) -> tuple[str, ...]:
    """The names of the sizes in which the cases differ."""
    columns = zip(*(case.sizes for case in cases), strict=True)
    return tuple(name for name, column in zip(ProblemSizes._fields, columns, strict=False) if len(set(column)) > 1)


def _method(row: Row) -> str:
    """The row's method; of a score also the size of its small matrices."""
    method, r = str(row["method"]), row["rows"]
    return f"{method} {r}×{r}" if method.startswith("score-") and r else method


def _measured_case(method: str, sizes: ProblemSizes, rows: Sequence[Row]) -> MeasuredCase:
    peaks = [row["peak_bytes"] for row in rows if row["phase"] == "memory"]
    agreements = [row for row in rows if row["phase"] == "agreement"]
    return MeasuredCase(
        method=method,
        sizes=sizes,
        phases={phase: _phase_times(rows, phase) for phase in SELECTION_PHASES},
        score=_score_seconds(rows),
        peak_bytes=peaks[0] if peaks else None,
        was_compared=bool(agreements),
        agreement=_agreement(agreements),
        objectives=[row["objective"] / row["reference_objective"] for row in agreements if row["objective"]],
        d_eff=_mean(agreements, "d_eff"),
        drift=_mean(agreements, "drift"),
        refreshes=_mean(agreements, "refreshes"),
        max_rel_error=_mean(agreements, "max_rel_error"),
    )


def _phase_times(rows: Iterable[Row], phase: str) -> list[PhaseTime]:
    timed = [row for row in rows if row["phase"] == phase]
    return [PhaseTime(row["block"], row["picks"], row["picks_total"], row["time_s"]) for row in timed]


def _score_seconds(rows: Iterable[Row]) -> Seconds:
    """The median of a block's passes."""
    passes: dict[int, list[float]] = {}
    for row in rows:
        if row["phase"] == "score":
            passes.setdefault(row["block"], []).append(row["time_s"])
    return {block: median(seconds) for block, seconds in passes.items()}


def _agreement(rows: Sequence[Row]) -> Agreement | None:
    compared = [row for row in rows if row["same_picks"] is not None]
    if not compared:
        return None
    pick, gap = _mean(compared, "first_difference"), _mean(compared, "gap_there")
    return Agreement(
        reference=compared[0]["reference"],
        picks=_mean(compared, "picks"),
        same_picks=_mean(compared, "same_picks"),
        tolerance=_mean(compared, "tolerance"),
        departure=None if pick is None else Departure(pick, gap),
    )


def _mean(rows: Iterable[Row], name: str) -> Any:
    """The mean of a column without its empty cells; None where all are empty. A value alone stays a whole number."""
    values = [row[name] for row in rows if row[name] is not None]
    if not values:
        return None
    return values[0] if len(values) == 1 else fmean(values)
