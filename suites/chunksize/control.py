"""What is read and timed beside the passes of every block: the control, the ceiling, and the machine's condition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median, stdev
from typing import NamedTuple

from fbench.harness.contract import Row
from fbench.measure.medians import control_drift, persistence

from .rows import ResultRow, block_medians, cell_count, cell_number


class UnitCondition(NamedTuple):
    """A row of ``conditions``, about one block of one case; None stands for what was not read.

    ``control_s`` and ``gemm_s`` are seconds of the control and of the ceiling, ``gemm_flops`` the ceiling's operations,
    ``steal_share`` a share of the CPU time; ``gpu_throttle`` joins its reasons by + and is empty where there is none.
    """

    case: str
    block: int
    control_s: float | None
    gemm_s: float | None
    gemm_flops: int | None
    load_1m: float | None
    steal_share: float | None
    gpu_throttle: str
    multiprocessors: int | None

    @property
    def operation_s(self) -> float | None:
        """Seconds of one operation of the ceiling, on one device; None where it was not timed."""
        return self.gemm_s / self.gemm_flops if self.gemm_s is not None and self.gemm_flops else None


def read_conditions(rows: Iterable[Row]) -> list[UnitCondition]:
    """The rows of ``conditions`` in their order."""
    return [
        UnitCondition(
            case=row["case"],
            block=row["block"],
            control_s=cell_number(row, "control_s"),
            gemm_s=cell_number(row, "gemm_s"),
            gemm_flops=cell_count(row, "gemm_flops"),
            load_1m=cell_number(row, "load_1m"),
            steal_share=cell_number(row, "steal_share"),
            gpu_throttle=row.get("gpu_throttle") or "",
            multiprocessors=cell_count(row, "multiprocessors"),
        )
        for row in rows
    ]


def read_starts(rows: Iterable[Row]) -> dict[str, list[float]]:
    """When the blocks of every case began, by case, in order."""
    starts: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        starts.setdefault(row["case"], []).append((row["block"], row["started_at_s"]))
    return {case: [start for _, start in sorted(blocks)] for case, blocks in starts.items()}


def beside_seconds(rows: Iterable[Row]) -> dict[int, float]:
    """Seconds that the control and the ceiling of one case took together, by block."""
    return {row["block"]: row["control_s"] + row["gemm_s"] for row in rows}


class Control:
    """The control, whose drift it tells, and the ceiling, for each dtype.

    ``drift`` is how far the control's readings were from their median, over the whole run (see ``medians.drift``), and
    ``readings`` how many there are; ``sd`` is the standard deviation of their logarithms and ``correlation`` that of
    one block of a case with the next.
    """

    def __init__(self, results: Iterable[ResultRow], conditions: Sequence[UnitCondition]) -> None:
        """Sort the conditions by dtype; a unit's dtype is that of its case in ``results``."""
        dtypes = {row.case: row.key.dtype for row in results}
        controls: dict[str | None, list[float]] = {}
        by_case: dict[str, list[tuple[int, float]]] = {}
        self._operations: dict[str | None, list[tuple[int, float]]] = {}
        for unit in conditions:
            dtype = dtypes.get(unit.case)
            if unit.control_s is not None:
                controls.setdefault(dtype, []).append(unit.control_s)
                by_case.setdefault(unit.case, []).append((unit.block, math.log(unit.control_s)))
            if unit.operation_s is not None:
                self._operations.setdefault(dtype, []).append((unit.block, unit.operation_s))
        # Each reading over the median of its dtype: how many cases of each a block still has makes no drift
        middles = {dtype: median(alike) for dtype, alike in controls.items()}
        readings = [reading / middles[dtype] for dtype, alike in controls.items() for reading in alike]
        self.drift, self.readings = control_drift(readings), len(readings)
        self.sd = stdev(map(math.log, readings)) if len(readings) > 1 else 0.0
        self.correlation = persistence([[log for _, log in sorted(blocks)] for blocks in by_case.values()])

    def operation_seconds(self, dtype: str) -> dict[int, float]:
        """Seconds of one operation of the ceiling on one device, by block."""
        return block_medians(self._operations.get(dtype, ()))

    def rate(self, dtype: str) -> float | None:
        """Operations a second of the ceiling on one device: the median over all units; None where none was timed."""
        operations = self._operations.get(dtype)
        return median(1 / operation_s for _, operation_s in operations) if operations else None
