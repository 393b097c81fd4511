"""What a comparison says: a row a benchmark, and what of it counts against the new revision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Quantity = Literal["time", "accuracy", "peak"]
Word = Literal[
    "slower", "faster", "worse", "better", "larger", "smaller", "same within the margin", "not shown", "inconclusive"
]  # fmt: skip
LOSSES: frozenset[Word] = frozenset({"slower", "worse", "larger"})
"""Verdicts that count against the new revision."""
GAINS: frozenset[Word] = frozenset({"faster", "better", "smaller"})


@dataclass(frozen=True)
class ComparedRow:
    """One benchmark, arm or case of two revisions; nan where there is no such number.

    Attributes:
        name: of the benchmark.
        quantity: what is compared: seconds, the area under an accuracy curve, or bytes at a peak.
        n: pairs, or the smaller number of samples, runs, seeds or rounds of the two sides.
        base: of the base, in the quantity's unit.
        new: of the new revision.
        change: new over base of a time, control-normalised where there is one, or a peak; new − base of an accuracy.
        low: lower end of the change's 95 % interval; of a peak, of the range over rounds.
        high: the upper end.
        verdict: what may be said of it.
        control: new over base of its control.
        drift: share by which the machine is taken to have moved by itself between two runs.
        p: of the change, uncorrected.
        adjusted: after Holm's correction over the rows.
        why: why nothing is shown, where that has a remedy.
        floor: share by which the base's two processes may be apart, where pairs have a second one.
    """

    name: str
    quantity: Quantity
    n: int
    base: float
    new: float
    change: float
    low: float
    high: float
    verdict: Word
    control: float = math.nan
    drift: float = math.nan
    p: float = math.nan
    adjusted: float = math.nan
    why: str = ""
    floor: float = math.nan


@dataclass(frozen=True)
class RevisionDiff:
    """Two revisions, compared.

    Attributes:
        base: how the base is called: a commit or a path.
        new: how the new one is.
        rows: what both have.
        margin: share of a time or a peak that does not matter.
        paired: whether the samples are interleaved pairs, which alone can confirm a regression.
        by_start: whether a row's ``n`` counts starts of the processes, and not pairs.
        only_base: what the base alone has.
        only_new: what the new one alone has.
        differences: what forbids a comparison that was asked for all the same.
        notes: what else is to be known.
    """

    base: str
    new: str
    rows: Sequence[ComparedRow]
    margin: float
    paired: bool = False
    by_start: bool = False
    only_base: Sequence[str] = ()
    only_new: Sequence[str] = ()
    differences: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def losses(self) -> list[ComparedRow]:
        """What counts against the new revision."""
        return [row for row in self.rows if row.verdict in LOSSES]

    @property
    def open(self) -> list[ComparedRow]:
        """Of what nothing is shown, or nothing could be."""
        return [row for row in self.rows if row.verdict in ("not shown", "inconclusive")]

    @property
    def confirmed(self) -> bool:
        """Whether a regression is: a loss, by pairs that took turns."""
        return self.paired and bool(self.losses)

    def exit_code(self, *, strict: bool) -> int:
        """1 for a confirmed regression; with ``strict`` 3 where anything is open, missing or lost without proof; 0."""
        if self.confirmed:
            return 1
        return 3 if strict and (self.losses or self.open or self.only_base) else 0
