"""Rows of ``results``, read by name: which point a row belongs to, what was measured there, and what was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from fbench.harness.contract import Row

from .decomposition import chunks


class ProblemKey(NamedTuple):
    """The problem that kernels are compared on: n ``candidates``, k ``classes``, d ``dim``, and the dtype's name."""

    candidates: int
    classes: int
    dim: int
    dtype: str


class PointKey(NamedTuple):
    """The columns of ``results`` and of ``points`` that tell one point from another."""

    kernel: str
    device: str
    gpus: int
    dtype: str
    candidates: int
    classes: int
    dim: int
    chunk_size: int
    phase: str

    @property
    def problem(self) -> ProblemKey:
        """The problem of the point."""
        return ProblemKey(self.candidates, self.classes, self.dim, self.dtype)

    @property
    def setting(self) -> PointKey:
        """The key without pool, chunk and phase: a sweep has it in common with the single chunks that predict it."""
        return self._replace(candidates=0, chunk_size=0, phase="")

    @property
    def any_phase(self) -> PointKey:
        """The key without the phase: memory is looked at in a pass that is not timed."""
        return self._replace(phase="")

    @property
    def largest_shard(self) -> int:
        """Candidates on the device that has the most of them."""
        return chunks(self.candidates, self.gpus)

    @property
    def ceilings(self) -> int:
        """How many devices have a ceiling of their own: shards of one CPU share one."""
        return len(set(str(self.device).split("+")))


class ResultRow(NamedTuple):
    """A row of ``results``; None stands for an empty cell.

    The key is whole where a pass was run; of a case that failed some of its columns may be empty.
    """

    case: str
    status: str
    reason: str
    key: PointKey
    block: int
    rows: int | None
    chunks: int | None
    time_s: float | None
    flops: int | None
    peak_bytes: int | None
    max_rel_error: float | None


def key_of(row: Row) -> PointKey:
    """The point that a row of ``results`` or of ``points`` belongs to."""
    cells: list[Any] = [row.get(name) for name in PointKey._fields]
    return PointKey(*cells)


def read_results(rows: Iterable[Row]) -> list[ResultRow]:
    """The rows of ``results`` in their order."""
    return [
        ResultRow(
            case=row["case"],
            status=row["status"],
            reason=row["reason"],
            key=key_of(row),
            block=row["block"],
            rows=cell_count(row, "rows"),
            chunks=cell_count(row, "chunks"),
            time_s=cell_number(row, "time_s"),
            flops=cell_count(row, "flops"),
            peak_bytes=cell_count(row, "peak_bytes"),
            max_rel_error=cell_number(row, "max_rel_error"),
        )
        for row in rows
    ]


def timed_passes(results: Iterable[ResultRow]) -> dict[PointKey, list[ResultRow]]:
    """The passes that were timed, by point."""
    passes: dict[PointKey, list[ResultRow]] = {}
    for row in results:
        if row.status == "ok" and row.time_s is not None:
            passes.setdefault(row.key, []).append(row)
    return passes


def seconds_by_devices(rows: Iterable[Row]) -> dict[int, list[float]]:
    """Seconds of the passes that were timed, by the number of devices; rows as a block gives them."""
    seconds: dict[int, list[float]] = {}
    for row in rows:
        time_s = cell_number(row, "time_s")
        if time_s is not None:
            seconds.setdefault(row["gpus"], []).append(time_s)
    return seconds


def rows_by_block(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """The rows of each block, the first block first."""
    blocks: dict[int, list[Row]] = {block: [] for block in sorted({row["block"] for row in rows})}
    for row in rows:
        blocks[row["block"]].append(row)
    return blocks


def block_medians(readings: Iterable[tuple[int, float | None]]) -> dict[int, float]:
    """The median of the readings within each block, the first block first; a reading of None is passed over."""
    values: dict[int, list[float]] = {}
    for block, value in readings:
        if value is not None:
            values.setdefault(block, []).append(value)
    return {block: median(values[block]) for block in sorted(values)}


def cell_number(row: Row, name: str) -> float | None:
    """The number in a cell; None where the cell is missing, None, an empty text or nan."""
    value = row.get(name)
    return None if value is None or value == "" or value != value else value


def cell_count(row: Row, name: str) -> int | None:
    """The whole number in a cell; None as in ``cell_number``."""
    value = cell_number(row, name)
    return None if value is None else int(value)
