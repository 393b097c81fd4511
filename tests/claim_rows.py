"""Counts of draws as rows of reports/reference/claims: false claims, power and coverage, with exact intervals."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from fbench.measure.proportions import clopper_pearson

CLAIMS = Path(__file__).resolve().parents[1] / "reports" / "reference" / "claims"
REPETITIONS = (4, 8, 20)


class Counted(NamedTuple):
    """How many of so many draws had what ``measure`` says."""

    measure: Literal["false_yes", "power", "coverage"]
    condition: str
    repetitions: int
    draws: int
    count: int


def write(name: str, counts: Iterable[Counted]) -> Path:
    """Write ``NAME.csv``; one of ``false_yes``, ``power`` and ``coverage`` is filled, as a share of the draws."""
    CLAIMS.mkdir(parents=True, exist_ok=True)
    path = CLAIMS / f"{name}.csv"
    with path.open("w", newline="") as file:
        columns = ("condition", "repetitions", "draws", "false_yes", "power", "coverage", "low", "high")
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for counted in counts:
            low, high = clopper_pearson(counted.count, counted.draws)
            writer.writerow(
                {
                    "condition": counted.condition,
                    "repetitions": counted.repetitions,
                    "draws": counted.draws,
                    counted.measure: f"{counted.count / counted.draws:.4f}",
                    "low": f"{low:.4f}",
                    "high": f"{high:.4f}",
                }
            )
    return path


def most(draws: int, share: float = 0.05) -> int:
    """How many of the draws may have what happens in so large a share of them: more do in one of 10⁶ runs."""
    from scipy import stats

    return int(stats.binom.isf(1e-6, draws, share))
