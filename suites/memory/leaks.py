"""Whether the cases of ``fbench memory`` leak: an answer, and a table of what is held at the end of their rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fbench.harness.contract import Answer, Table
from fbench.measure.leaks import LEAST_ROUNDS, Leak, leak
from fbench.units import format_bytes

from .names import bytes_range, gauge_in_words
from .peaks import CaseMemory
from .rows import Gauge, HeldRow, grouped

_JUDGED = ("used", "allocated")
"""Quantities that are judged for leaks: reserved and non_torch are parts of used, requested of allocated."""
_MOST = 30
"""The most rows that a table is still read with."""


class JudgedSeries(NamedTuple):
    """What one gauge read at the ends of one case's rounds, judged."""

    name: str
    gauge: Gauge
    leak: Leak


def judged_series(cases: Sequence[CaseMemory], held: Sequence[HeldRow], names: Mapping[str, str]) -> list[JudgedSeries]:
    """Every case and gauge of which something is known, as one family; the worst first.

    ``names`` says what each case is called, by its id. A round without a row counts as unknown.
    """
    rows = (row for row in held if row.gauge.quantity in _JUDGED)
    sizes = {
        key: {row.round: row.held_bytes for row in group}
        for key, group in grouped(rows, lambda row: (row.case, row.gauge)).items()
    }
    known = {key: by_round for key, by_round in sizes.items() if any(size is not None for size in by_round.values())}
    series = []
    for (case, gauge), by_round in known.items():
        in_turn = [by_round.get(number) for number in range(min(by_round), max(by_round) + 1)]
        verdict = leak(in_turn, _peak_of(cases, case, gauge), family=len(known))
        series.append(JudgedSeries(names.get(case, case), gauge, verdict))
    return sorted(series, key=_severity, reverse=True)


def _peak_of(cases: Sequence[CaseMemory], case_id: str, gauge: Gauge) -> int | None:
    """The gauge's largest peak in that case, what was held before included."""
    profiles = [case.profiles[gauge] for case in cases if case.case == case_id and gauge in case.profiles]
    tops = [(profile.baseline or 0) + (profile.top.measured or 0) for profile in profiles if profile.top]
    return round(max(tops)) if tops else None


def _severity(series: JudgedSeries) -> tuple[int, float]:
    """A leak first, by its mean; then what is open, by how far up its interval reaches."""
    judged = series.leak
    order = ("no leak", "too few", "not shown", "leak").index(judged.verdict)
    reach = judged.mean if judged.verdict in ("leak", "too few") else judged.growth.high
    return order, -math.inf if math.isnan(reach) else reach


def leak_answer(series: Sequence[JudgedSeries]) -> list[Answer]:
    """Does memory leak: the worst series speaks; nothing where no round's end is known."""
    if not series:
        return []
    question, worst = "Does memory leak from round to round?", series[0]
    judged = worst.leak
    what = f"{gauge_in_words(worst.gauge)} of {worst.name}"
    over = f"over the last {judged.differences} of {judged.rounds} rounds"
    if judged.verdict == "leak":
        sentence = f"{_begin(what)} grows by {_growth(judged)} a round, {over}."
        return [Answer(question, "yes", sentence, f"Find what {worst.name} keeps from a round to the next.")]
    if judged.verdict == "no leak":
        return [Answer(question, "no", _small(series, over), "Let it run for as many rounds as you need.")]
    if judged.verdict == "not shown":
        sentence = f"{_begin(what)} grows by {_growth(judged)} a round, {over}."
        return [Answer(question, "not shown", sentence, "Give more --rounds.")]
    rounds = f"{LEAST_ROUNDS} rounds are needed and this run has {judged.rounds}"
    return [Answer(question, "too few", f"{rounds}{_so_far(series)}.", f"Give --rounds {LEAST_ROUNDS} or more.")]


def _small(series: Sequence[JudgedSeries], over: str) -> str:
    """Growth that does not count, with its bound; whether it is consistent."""
    material = format_bytes(max(one.leak.material for one in series))
    most = format_bytes(max(one.leak.growth.high for one in series))
    steady = sum(one.leak.consistent for one in series)
    grows = f"; it does grow in {steady} of {len(series)}" if steady else ""
    return f"Held memory grows by at most {most} a round (95 %, {over}), where {material} would count{grows}."


def _growth(judged: Leak) -> str:
    return f"{format_bytes(judged.mean)} ({bytes_range(*judged.growth)})".replace("-", "−")


def _so_far(series: Sequence[JudgedSeries]) -> str:
    means = sorted(one.leak.mean for one in series if not math.isnan(one.leak.mean))
    if not means:
        return ""
    changed = "grew" if means[0] >= 0 else "shrank" if means[-1] <= 0 else "changed"
    ends = means if changed == "changed" else sorted(map(abs, means))
    span = format_bytes(ends[0]) if len(ends) == 1 else bytes_range(ends[0], ends[-1])
    return f"; held memory {changed} by {span} a round so far".replace("-", "−")


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def leak_tables(series: Sequence[JudgedSeries]) -> list[Table]:
    """A row a case and gauge, the worst first."""
    if not series:
        return []
    rows = [
        [
            one.name,
            gauge_in_words(one.gauge),
            f"{one.leak.rounds}",
            format_bytes(one.leak.mean).replace("-", "−"),
            "" if math.isnan(one.leak.growth.low) else bytes_range(*one.leak.growth).replace("-", "−"),
            one.leak.verdict,
        ]
        for one in series[:_MOST]
    ]
    note = "Growth a round of what is held at a round's end, in the last half of the rounds, with its 95 % t interval."
    if len(series) > _MOST:
        note += f" {len(series) - _MOST} more are in rounds.csv."
    columns = ("case", "memory", "rounds", "growth", "interval", "leak?")
    return [Table("What is held at a round's end", columns, rows, note, optional=("memory",))]
