"""Counts of draws as rows of reports/reference/claims: false claims, power and coverage, with exact intervals."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fbench.measure.proportions import clopper_pearson

CLAIMS = Path(__file__).resolve().parents[1] / "reports" / "reference" / "claims"
REPETITIONS = (4, 8, 20)


def share_of(count: int, draws: int) -> dict[str, str]:
    """The share of the draws with its interval (95 %, Clopper and Pearson), as rows have it."""
    low, high = clopper_pearson(count, draws)
    return {name: f"{share:.4f}" for name, share in (("share", count / draws), ("low", low), ("high", high))}


class Counted(NamedTuple):
    """How many of so many draws had what ``quantity`` says: ``false_yes``, ``power``, or ``coverage`` of something."""

    quantity: str
    condition: str
    repetitions: int
    draws: int
    count: int
    noise: str = ""

    def row(self) -> Mapping[str, Any]:
        """A row, with the share."""
        return {
            "quantity": self.quantity,
            "condition": self.condition,
            "noise": self.noise,
            "repetitions": self.repetitions,
            "draws": self.draws,
            **share_of(self.count, self.draws),
        }


def counted(quantity: str, condition: str, repetitions: int, hits: Sequence[bool], noise: str = "") -> Counted:
    """What the draws themselves give."""
    return Counted(quantity, condition, repetitions, len(hits), sum(hits), noise)


def write(name: str, counts: Iterable[Counted]) -> Path:
    """Write ``NAME.csv``, a row as soon as it is counted."""
    CLAIMS.mkdir(parents=True, exist_ok=True)
    path = CLAIMS / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Counted("", "", 0, 1, 0).row()), lineterminator="\n")
        writer.writeheader()
        for one in counts:
            writer.writerow(one.row())
            file.flush()
            print(*one, flush=True)
    return path


def most(draws: int, share: float = 0.05) -> int:
    """How many of the draws may have what happens in so large a share of them: more do in one of 10⁶ runs."""
    from scipy import stats

    return int(stats.binom.isf(1e-6, draws, share))
