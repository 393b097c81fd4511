"""The rows of ``fbench fisher`` as typed values: what was measured of every way, and why others were not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fbench.harness.contract import Row
from fbench.results.ratios import geometric

_COLUMNS = (
    *("case", "status", "quantity", "method", "samples", "batch_size", "block", "phase", "timed_samples"),
    *("time_s", "peak_bytes", "max_rel_error"),
)


@dataclass(frozen=True)
class MeasuredMethod:
    """One way to one quantity over so many samples.

    Attributes:
        seconds: a sample's, by block.
        timed_samples: the samples that each pass was timed on.
        batch_size: the samples of one pass.
        peak_bytes: the peak growth of memory; None where it was not measured.
        max_rel_error: the largest error to the loop in float64; None for a way that gives no values.
    """

    quantity: str
    method: str
    samples: int
    seconds: dict[int, float]
    timed_samples: int
    batch_size: int
    peak_bytes: int | None
    max_rel_error: float | None

    @property
    def typical(self) -> float:
        """Seconds a sample: the geometric mean over blocks."""
        return geometric(self.seconds)


def read_methods(rows: Sequence[Row]) -> list[MeasuredMethod]:
    """Read every case with a timed pass, in the order of the rows."""
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    cases = [case for _, case in frame[frame["status"] == "ok"].groupby("case", sort=False)]
    return [_method(case) for case in cases if (case["phase"] == "pass").any()]


def _method(case: pd.DataFrame) -> MeasuredMethod:
    passes = case[case["phase"] == "pass"]
    first = passes.iloc[0]
    seconds = passes["time_s"] / passes["timed_samples"]
    peak_bytes, max_rel_error = _once(case, "memory", "peak_bytes"), _once(case, "agreement", "max_rel_error")
    return MeasuredMethod(
        quantity=first["quantity"],
        method=first["method"],
        samples=int(first["samples"]),
        seconds=dict(zip(passes["block"].astype(int).tolist(), seconds.tolist(), strict=True)),
        timed_samples=int(first["timed_samples"]),
        batch_size=int(first["batch_size"]),
        peak_bytes=None if peak_bytes is None else int(peak_bytes),
        max_rel_error=max_rel_error,
    )


def _once(case: pd.DataFrame, phase: str, column: str) -> float | None:
    """The column's value in a phase that is looked at once; None where there is none."""
    values = case.loc[case["phase"] == phase, column].dropna()
    return None if values.empty else float(values.iloc[0])


def read_reasons(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Read why ways were not measured, by quantity and method."""
    return {(row["quantity"], row["method"]): row["reason"] for row in rows if row["status"] != "ok"}
