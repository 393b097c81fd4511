"""The rows of a run of ``fbench memory`` by name and type: the one module that reads the columns of its tables.

A gauge is one quantity of one source on one device. What is not known of a row is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from fbench.harness.contract import Row, Tables

RowT = TypeVar("RowT")
KeyT = TypeVar("KeyT")


class Gauge(NamedTuple):
    """What was read, and where: ``rss``'s ``used`` on ``cpu``, ``torch``'s ``allocated`` on ``cuda:0``."""

    device: str
    source: str
    quantity: str


class RoundSizes(NamedTuple):
    """The sizes of a case's problem; ``chunk_size`` is None for methods without chunks."""

    candidates: int
    classes: int
    dim: int
    batch: int
    dtype: str
    chunk_size: int | None

    @property
    def rank(self) -> tuple[Any, ...]:
        """What problems are sorted by: the larger, the later; n·k·d comes first, then the rest."""
        n, k, d, batch, dtype, chunk_size = self
        return n * k * d, n, batch, dtype, chunk_size or 0


class PhaseRow(NamedTuple):
    """A phase that ran in one round, by one gauge; times are in seconds from the round's begin."""

    case: str
    method: str
    sizes: RoundSizes
    round: int
    phase: str
    gauge: Gauge
    scope: str
    peak_bytes: int | None
    baseline_bytes: int | None
    start_bytes: int | None
    predicted_bytes: int | None
    start_s: float | None
    end_s: float | None


class UnfinishedRow(NamedTuple):
    """A row of a case that did not end: why, and what was predicted of a phase where it was refused for that."""

    case: str
    status: str
    reason: str | None
    phase: str | None
    predicted_bytes: int | None


class LimitRow(NamedTuple):
    """What is predicted for a case on one device, and what would still fit there."""

    method: str
    sizes: RoundSizes
    device: str
    budget_bytes: int | None
    margin: float | None
    predicted_bytes: int | None
    phase: str | None
    matrices_bytes: int | None
    largest_chunk: int | None
    largest_pool: int | None


class HeldRow(NamedTuple):
    """What a gauge read at a round's end."""

    case: str
    round: int
    gauge: Gauge
    held_bytes: int | None


class TimelineRow(NamedTuple):
    """One reading of a gauge, ``t_s`` seconds from the round's begin."""

    case: str
    round: int
    gauge: Gauge
    t_s: float | None
    bytes: int | None


class ReaderRow(NamedTuple):
    """How one source did in one round; what does not apply to it is None."""

    case: str
    device: str
    source: str
    scope: str | None
    period_s: float | None
    samples: int | None
    missed: int | None
    rate_hz: float | None
    fault: str | None


@dataclass(frozen=True)
class RunRows:
    """All rows of a run, in the order of its tables.

    Attributes:
        cases: the ids of all cases that have a row.
        phases: rows of results.csv of phases that ran.
        unfinished: its other rows, of cases that did not end.
        limits, held, timeline, readers: rows of limits.csv, rounds.csv, timeline.csv and readers.csv.
    """

    cases: list[str]
    phases: list[PhaseRow]
    unfinished: list[UnfinishedRow]
    limits: list[LimitRow]
    held: list[HeldRow]
    timeline: list[TimelineRow]
    readers: list[ReaderRow]


def read_rows(tables: Tables) -> RunRows:
    """Read all tables of a run; side tables may be missing."""
    results = tables["results"]
    limits, held, timeline, readers = (tables.get(name, ()) for name in ("limits", "rounds", "timeline", "readers"))
    return RunRows(
        cases=list(dict.fromkeys(row["case"] for row in results)),
        phases=[_phase_row(row) for row in results if row["status"] == "ok" and row["phase"] is not None],
        unfinished=[_typed(UnfinishedRow, row) for row in results if row["status"] != "ok"],
        limits=[_typed(LimitRow, row, sizes=_sizes(row)) for row in limits],
        held=[_typed(HeldRow, row, gauge=_gauge(row)) for row in held],
        timeline=[_typed(TimelineRow, row, gauge=_gauge(row)) for row in timeline],
        readers=[_typed(ReaderRow, row) for row in readers],
    )


def grouped(rows: Iterable[RowT], key: Callable[[RowT], KeyT]) -> dict[KeyT, list[RowT]]:
    """Rows by what they have in common, groups and rows in the order in which they come."""
    groups: dict[KeyT, list[RowT]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _phase_row(row: Row) -> PhaseRow:
    return _typed(PhaseRow, row, sizes=_sizes(row), gauge=_gauge(row), scope=row["scope"] or "")


def _sizes(row: Row) -> RoundSizes:
    return RoundSizes(*(row[name] for name in RoundSizes._fields))


def _gauge(row: Row) -> Gauge:
    return Gauge(row["device"], row["source"], row["quantity"])


def _typed(row_type: Callable[..., RowT], row: Row, **parts: Any) -> RowT:
    """A row of that type: its fields are the columns of their names, but for ``parts``."""
    names: tuple[str, ...] = row_type._fields  # type: ignore[attr-defined]  # every row type is a NamedTuple
    return row_type(**{name: parts[name] if name in parts else row.get(name) for name in names})
