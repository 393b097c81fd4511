"""Rows of ``fbench select`` to cases: seconds by block, ratios paired by block, and what was found beside the clock.

A pass that was cut short is carried on in proportion: time_s / picks · picks_total, phase by phase. Nothing else here
is anything but read, and who prints a number that was carried on says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from fbench.harness.contract import Row
from fbench.measure.statistics import Mean, mean_interval
from fbench.results.ratios import Seconds

SIZES = ("candidates", "classes", "dim", "batch", "dtype")
LETTERS = {"candidates": "n", "classes": "k", "dim": "d", "batch": "B", "dtype": "dtype"}
PHASES = ("setup", "forward", "first_removal", "backward")
_ITEMSIZE = {"float32": 4, "float64": 8}


@dataclass(frozen=True)
class Measured:
    """One case that ran: ``rows`` of one method, problem, dtype and number of rows a candidate."""

    method: str
    sizes: tuple[Any, ...]
    rows: Sequence[Row]

    def of(self, phase: str) -> list[Row]:
        """The rows of a phase."""
        return [row for row in self.rows if row["phase"] == phase]

    def step(self, phase: str) -> Seconds:
        """Seconds of one pick of the phase, or of the phase itself where it has none."""
        return {row["block"]: row["time_s"] / max(1, row["picks"]) for row in self.of(phase)}

    def score(self) -> Seconds:
        """Seconds of one pass of the score: the median of a block's."""
        found: dict[int, list[float]] = {}
        for row in self.of("score"):
            found.setdefault(row["block"], []).append(row["time_s"])
        return {block: median(seconds) for block, seconds in found.items()}

    def removal(self) -> Seconds:
        """Seconds of one removal, the first left out unless it is the only one."""
        return self.step("backward") or self.step("first_removal")

    def whole(self) -> Seconds:
        """Seconds of a whole selection, carried on in proportion where it was cut short."""
        total: dict[int, float] = {}
        for phase in PHASES:
            for row in self.of(phase):
                share = row["picks_total"] / row["picks"] if row["picks"] else 1.0
                total[row["block"]] = total.get(row["block"], 0.0) + row["time_s"] * share
        return total

    @property
    def cut_short(self) -> bool:
        """Whether ``whole`` is carried on and not measured."""
        return any(row["picks"] < row["picks_total"] for phase in PHASES for row in self.of(phase))

    @property
    def timed(self) -> bool:
        """Whether it is a selection that was timed."""
        return bool(self.of("setup"))

    def picks(self, phase: str) -> tuple[int, int]:
        """Picks of the phase that were taken, and all."""
        row = self.of(phase)[0]
        return row["picks"], row["picks_total"]

    def fact(self, name: str) -> Any:
        """What the agreement rows say; the mean of several; None where they say nothing."""
        values = [row[name] for row in self.of("agreement") if row[name] is not None]
        if not values or isinstance(values[0], str):
            return values[0] if values else None
        return values[0] if len(values) == 1 else fmean(values)

    @property
    def peak_bytes(self) -> int | None:
        """Peak growth; None where it was not to be had."""
        found = [row["peak_bytes"] for row in self.of("memory")]
        return found[0] if found else None

    @property
    def embedding_bytes(self) -> int:
        """n·k·d numbers of the dtype: V with all its rows, built."""
        n, k, d, _, dtype = self.sizes
        return int(n * k * d * _ITEMSIZE[dtype])

    def objective_ratio(self) -> Mean | None:
        """The objective over the reference's, over draws where there are several."""
        found = [row["objective"] / row["reference_objective"] for row in self.of("agreement") if row["objective"]]
        return mean_interval(found) if found else None


def read_cases(rows: Sequence[Row]) -> list[Measured]:
    """The cases with something measured, in the order of the rows."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["status"] == "ok":
            rows_each = row["rows"] if row["method"].startswith("score-") else None
            found.setdefault((row["method"], rows_each, *(row[name] for name in SIZES)), []).append(row)
    return [Measured(_label(key, own), key[2:], own) for key, own in found.items()]


def _label(key: tuple[Any, ...], rows: Sequence[Row]) -> str:
    """The method; of a score also the size of its small matrices."""
    method, r = key[:2]
    return f"{method} {r}×{r}" if r else str(method)


def problems(cases: Sequence[Measured]) -> list[tuple[Any, ...]]:
    """Every problem and dtype, the largest n·k·d²·B last."""
    return sorted({case.sizes for case in cases}, key=lambda s: (s[0] * s[1] * s[2] ** 2 * s[3], s))
