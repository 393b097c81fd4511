"""Verdicts of whole runs, counted: by the gate and by other tools' rules, as rows, a figure and sentences."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from claim_rows import share_of
from rules_of_others import OTHER_RULES
from verdict_series import FIRST_PAIRS, SLOWED, Starts, at_other_times, between_starts, drawn_gate, within_starts

from fbench.gate.playing import Played
from fbench.gate.verdict import judge_gate
from fbench.harness.contract import Figure, Panel, Series

RATES = ("condition", "rule", "samples", "code", "quantity", "draws", "share", "low", "high")
GATE, TOGETHER, APART = "fbench gate", "in turn", "two runs"
GATES = {GATE: 0.03, f"{GATE} --threshold 0.05": 0.05}
EQUAL_CODE = "equal"
Row = Mapping[str, Any]


class Rate(NamedTuple):
    """How many of so many runs had what ``quantity`` says: ``called``, or ``inconclusive`` and nothing called."""

    condition: str
    rule: str
    samples: str
    code: str
    quantity: str
    hits: Sequence[bool]

    def row(self) -> dict[str, Any]:
        """A row, with the share."""
        told = {name: getattr(self, name) for name in RATES[:5]}
        return {**told, "draws": len(self.hits), **share_of(sum(self.hits), len(self.hits))}


def all_rates(starts: Starts, draws: int) -> Iterator[Rate]:
    """The rates of a condition: of equal code, and of each slowing in one benchmark, another one in every run."""
    for code in (EQUAL_CODE, *SLOWED):
        yield from rates_of(starts, code, draws)


def rates_of(starts: Starts, code: str, draws: int) -> Iterator[Rate]:
    """Rates of one code, every rule on the same runs; those of others on two runs besides, as they are used."""
    rng = random.Random(f"{starts.condition} {code}")
    gates: dict[tuple[str, str], list[bool]] = {
        (rule, quantity): [] for rule in GATES for quantity in ("called", "inconclusive")
    }
    others: dict[tuple[str, str], list[bool]] = {
        (rule, samples): [] for rule in OTHER_RULES for samples in (TOGETHER, APART)
    }
    for number in range(draws):
        name = starts.names[number % len(starts.names)]
        slowed = {name: code} if code in SLOWED else {}
        looked_at = [name] if slowed else starts.names
        seed = rng.random()
        for rule, threshold in GATES.items():
            played = drawn_gate(starts, random.Random(seed), threshold, slowed)
            rows = {row.name: row for row in judge_gate(played, threshold)}
            called = any(rows[one].verdict == "slower" for one in looked_at)
            is_open = any(rows[one].verdict == "inconclusive" for one in looked_at)
            gates[rule, "called"].append(called)
            gates[rule, "inconclusive"].append(is_open and not called)
        runs = {TOGETHER: _first(played), APART: at_other_times(starts, rng, FIRST_PAIRS, slowed)}
        for (rule, samples), hits in others.items():
            hits.append(any(OTHER_RULES[rule](*runs[samples][one]) for one in looked_at))
    for (rule, quantity), hits in gates.items():
        yield Rate(starts.condition, rule, TOGETHER, code, quantity, hits)
    for (rule, samples), hits in others.items():
        yield Rate(starts.condition, rule, samples, code, "called", hits)


def _first(played: Mapping[str, Played]) -> dict[str, tuple[list[float], list[float]]]:
    """The blocks of the first pairs, as many as every benchmark has."""
    pairs = {name: one.pairs[:FIRST_PAIRS] for name, one in played.items()}
    return {name: ([pair.base_s for pair in few], [pair.new_s for pair in few]) for name, few in pairs.items()}


_LABELS = {EQUAL_CODE: "equal code, any of ten", "+10 %": "slower by 10 %", "+25 %": "slower by 25 %"}


def figure(rows: Sequence[Row]) -> Figure:
    """A panel a condition; a line a rule, with a place for each code."""
    kinds = list(dict.fromkeys((row["rule"], row["samples"]) for row in rows))
    names = [rule.replace(" --", "\n--") if rule in GATES else f"{rule}\n({samples})" for rule, samples in kinds]
    panels = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        series = []
        for place, code in enumerate(_LABELS):
            held = [row for row in rows if (row["condition"], row["code"]) == (condition, code)]
            held = [row for row in held if row["quantity"] == "called"]
            share, low, high = ([100 * float(row[end]) for row in held] for end in ("share", "low", "high"))
            y = [kinds.index((row["rule"], row["samples"])) + 0.22 * (place - 1) for row in held]
            y = [len(kinds) - 1 - at for at in y]
            series.append(Series(_LABELS[code], share, y, low, high, style="places", colour=(2, 1, 3)[place]))
        panels.append(
            Panel(
                series,
                "called slower, % of runs",
                "",
                title=f"{condition} machine",
                x_ticks=(0, 25, 50, 75, 100),
                y_names=names[::-1],
            )
        )
    note = "Equal code should never be called, slower code always. Lines are 95 % intervals (Clopper and Pearson)."
    return Figure("rates", "How often a regression is called, of ten benchmarks", panels, note)


def rates_table(rows: Sequence[Row]) -> str:
    """A row a rule, a column a condition and code: shares of runs in which a benchmark is called, with intervals."""
    held = {
        (row["rule"], row["samples"], row["condition"], row["code"]): row for row in rows if row["quantity"] == "called"
    }
    columns = [(condition, code) for condition in dict.fromkeys(row["condition"] for row in rows) for code in _LABELS]
    lines = [
        f"| called slower, % of runs | {' | '.join(f'{condition}: {_LABELS[code]}' for condition, code in columns)} |",
        f"| --- |{' --- |' * len(columns)}",
    ]
    for rule, samples in dict.fromkeys(key[:2] for key in held):
        named = rule if rule in GATES else f"{rule} ({samples})"
        cells = [_share(held[rule, samples, *column]).replace(" %", "") for column in columns]
        lines.append(f"| {named} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sentences(rows: Sequence[Row], recorded: Sequence[Starts]) -> list[str]:
    """What was counted, and how much a pair remembers of the one before."""
    lines = []
    for one in recorded:
        told = {
            (row["rule"], row["samples"], row["code"], row["quantity"]): row
            for row in rows
            if row["condition"] == one.condition
        }
        equal = told[GATE, TOGETHER, EQUAL_CODE, "called"]
        found = [f"{_share(told[GATE, TOGETHER, code, 'called'])} of those slower by {code[1:]}" for code in SLOWED]
        open_ = [f"{_share(told[GATE, TOGETHER, code, 'inconclusive'])} ({_LABELS[code]})" for code in _LABELS]
        lines += [
            f"{one.condition.capitalize()} machine, {one.pairs} rounds in {len(one.series)} starts: the gate calls "
            f"{_share(equal)} of {equal['draws']} whole runs of equal code, {' and '.join(found)}.",
            f"{one.condition.capitalize()} machine: inconclusive, with nothing called: {', '.join(open_)}.",
        ]
        *_, wider = GATES
        equal, slower = told[wider, TOGETHER, EQUAL_CODE, "inconclusive"], told[wider, TOGETHER, "+10 %", "called"]
        asked = wider.removeprefix(GATE).strip()
        lines.append(
            f"{one.condition.capitalize()} machine, {asked}: {_share(equal)} of runs of equal code "
            f"are inconclusive, and {_share(slower)} of those slower by 10 % are called."
        )
        others = [
            f"{rule} ({samples}) {_share(told[rule, samples, EQUAL_CODE, 'called'])}"
            for rule in OTHER_RULES
            for samples in (TOGETHER, APART)
        ]
        lines.append(f"{one.condition.capitalize()} machine, equal code called by others: {', '.join(others)}.")
        apart = {name: between_starts(logs) for name, logs in one.logs.items()}
        most = max(apart, key=lambda name: apart[name])
        lines.append(
            f"{one.condition.capitalize()} machine: a start of the processes differs from another by "
            f"{np.median([*apart.values()]):.1%} (sd of the ratio of equal codes, half of the benchmarks) and by "
            f"{apart[most]:.1%} at most ({most}); within a start a pair varies by "
            f"{np.median([within_starts(logs) for logs in one.logs.values()]):.1%}."
        )
    return lines


def _share(row: Row) -> str:
    share, low, high = (f"{100 * float(row[name]):.1f}" for name in ("share", "low", "high"))
    return f"{share} % [{low}, {high}]"
