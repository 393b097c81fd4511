"""From what was measured to what may be said: the paired rule, with the floor of every benchmark beside it.

``slower`` is the paired rule's word at a margin of the threshold or the floor, whichever is larger: the one word that
fails a gate. Where the floor or the change is above the threshold and nothing is confirmed, or where time was over
before pairs could show anything, the answer is ``inconclusive``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from fbench.gate.playing import Played
from fbench.gate.weighing import PeakRow
from fbench.regression.floor import GateWord, base_logs, floor_of, gate_word, smallest_seen
from fbench.regression.paired_rule import judge_pairs


@dataclass(frozen=True)
class GateRow:
    """One benchmark.

    Attributes:
        name: of the benchmark.
        verdict: what may be said of its time.
        n: pairs.
        starts: of the processes, a value each.
        change: time of new over base; ``low`` and ``high`` are the ends of its 95 % interval.
        floor: share by which the base differs from itself.
        seen: the smallest share of slowing that would have been found.
        base_s: seconds of a call, the base's median; ``new_s`` is the new one's.
        adjusted: p after Holm's correction over the benchmarks.
        value: how the returned value changed; empty where it did not.
    """

    name: str
    verdict: GateWord
    n: int
    starts: int
    change: float
    low: float
    high: float
    floor: float
    seen: float
    base_s: float
    new_s: float
    adjusted: float
    value: str = ""


@dataclass(frozen=True)
class GateReport:
    """What a gate says.

    Attributes:
        base: how the base is called; ``new`` is the other one.
        threshold: share of slowing that does not matter.
        rows: what was measured.
        failed: a line for each benchmark that has no time on a side.
        notes: what else is to be known, a line each.
        peaks: what was weighed, where that was asked for.
        spent_s: seconds of measuring times, builds apart; 0 where that is not known.
    """

    base: str
    new: str
    threshold: float
    rows: Sequence[GateRow]
    failed: Sequence[str] = ()
    notes: Sequence[str] = field(default=())
    peaks: Sequence[PeakRow] = ()
    spent_s: float = 0.0

    def named(self, word: GateWord) -> list[GateRow]:
        """The rows of a verdict."""
        return [row for row in self.rows if row.verdict == word]

    @property
    def exit_code(self) -> int:
        """1 for a confirmed regression; 4 where a benchmark has no time on a side, or none was measured; 3; 0."""
        peaks = {row.verdict for row in self.peaks}
        if self.named("slower") or "larger" in peaks:
            return 1
        if self.failed or not self.rows:
            return 4
        return 3 if self.named("inconclusive") or "inconclusive" in peaks else 0


def judge_gate(played: Mapping[str, Played], threshold: float) -> list[GateRow]:
    """A row for every benchmark that did not fail; one without pairs, for lack of time, is inconclusive."""
    measured = {name: one for name, one in played.items() if one.pairs and not one.failed}
    judged = judge_pairs({name: one.logs for name, one in measured.items()}, threshold) if measured else {}
    rows = []
    for name, one in measured.items():
        judgement, floor = judged[name], floor_of(one.pairs, one.again_s)
        rows.append(
            GateRow(
                name=name,
                verdict=gate_word(judgement, threshold, floor, len(judged)),
                n=len(one.pairs),
                starts=judgement.n,
                change=judgement.ratio,
                low=judgement.low,
                high=judgement.high,
                floor=floor,
                seen=smallest_seen(base_logs(one.pairs, one.again_s), max(threshold, floor), len(judged)),
                base_s=median(pair.base_s for pair in one.pairs),
                new_s=median(pair.new_s for pair in one.pairs),
                adjusted=judgement.adjusted,
                value=one.changed,
            )
        )
    return rows + [_unmeasured(name) for name, one in played.items() if not one.pairs and not one.failed]


def _unmeasured(name: str) -> GateRow:
    nan = math.nan
    return GateRow(name, "inconclusive", 0, 0, nan, nan, nan, math.inf, nan, nan, nan, nan)
