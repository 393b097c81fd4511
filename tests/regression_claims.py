"""Drawn pairs, runs and histories of code whose change is known: how often ``fbench diff`` calls what is not so.

A family is ten benchmarks. Pairs are logs of new over base. Two runs at different times have 20 rounds a benchmark; the
machine is 15 % (sd) faster or slower for a whole run, each benchmark by another 5 % of its own (FIELD.md, "A verdict":
14.8 % between runs, 2.8 % within). A control sees what the machine does, and has its own 5 %.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from claim_rows import Counted, counted
from verdict_series import CODES, SLOWED, Starts, drawn_gate

from fbench.gate.playing import MOST_STARTS, PAIRS_A_START
from fbench.gate.verdict import judge_gate
from fbench.regression.paired_rule import TIME_MARGIN, judge_pairs
from fbench.regression.steps import find_steps, memory_of
from fbench.regression.times_apart import compare_apart
from fbench.regression.timings import Timings, timings_of

FAMILY, ROUNDS = 10, 20
NOISES = ("normal", "crash", "remembering", "living")
PAIR_SD, LIVING_SD, MACHINE_SD, OWN_SD, ROUND_SD = 0.08, 0.02, 0.15, 0.05, 0.03
PAIRS, CHANGES = (20, 40), (0.1, 0.25)
HISTORIES = (16, 40)
MOST_PAIRS = PAIRS_A_START * MOST_STARTS
Logs = Mapping[str, list[float]]


def drawn_pairs(rng: np.random.Generator, n: int, noise: str, slowed: float = 0.0) -> Logs:
    """Logs of n pairs of every benchmark; the first one's code takes so much longer.

    ``crash``: one pair in ten is off by a factor about e^±0.5. ``remembering``: each pair has 0.3 of the one before.
    ``living``: a process has 2 % (sd) of its own on every benchmark for as long as it lives, here all the time.
    """
    logs = rng.normal(0, PAIR_SD, (FAMILY, n))
    if noise == "crash":
        logs += rng.normal(0, 0.5, logs.shape) * (rng.random(logs.shape) < 0.1)
    if noise == "remembering":
        for i in range(1, n):
            logs[:, i] = 0.3 * logs[:, i - 1] + math.sqrt(1 - 0.09) * logs[:, i]
    if noise == "living":
        logs += rng.normal(0, math.sqrt(2) * LIVING_SD, (FAMILY, 1))
    logs[0] += math.log1p(slowed)
    return {str(number): values.tolist() for number, values in enumerate(logs)}


def drawn_run(rng: np.random.Generator, *, controlled: bool, slowed: float = 0.0) -> dict[str, Timings]:
    """A run of the ten benchmarks, on a machine in some state."""
    machine = rng.normal(0, MACHINE_SD)
    timings = {}
    for number in range(FAMILY):
        beside = machine + rng.normal(0, ROUND_SD, ROUNDS)  # what the machine does round by round
        own = rng.normal(0, OWN_SD) + (math.log1p(slowed) if number == 0 else 0.0)
        times = np.exp(beside + own + rng.normal(0, ROUND_SD, ROUNDS))
        controls = np.exp(beside + rng.normal(0, OWN_SD) + rng.normal(0, ROUND_SD, ROUNDS)) if controlled else ()
        timings[str(number)] = timings_of(str(number), times.tolist(), list(controls))
    return timings


def drawn_history(rng: np.random.Generator, n: int, memory: float, step: float = 0.0) -> Logs:
    """Logs of n runs of every benchmark, of 5 % spread; the first one's code steps in the middle."""
    logs = rng.normal(0, OWN_SD, (FAMILY, n))
    for i in range(1, n):
        logs[:, i] = memory * logs[:, i - 1] + math.sqrt(1 - memory**2) * logs[:, i]
    logs[0, n // 2 :] += math.log1p(step)
    return {str(number): values.tolist() for number, values in enumerate(logs)}


def of_pairs(draws: int, noise: str, n: int) -> Iterator[Counted]:
    """Whole families of equal code in which any benchmark is called slower; slowed ones that are called."""
    rng = np.random.default_rng([n, NOISES.index(noise)])
    families = [judge_pairs(drawn_pairs(rng, n, noise)).values() for _ in range(draws)]
    slower = [any(one.verdict == "slower" for one in judged) for judged in families]
    yield counted("false_slower", "interleaved pairs, any of ten", n, slower, noise)
    inside = [one.low <= 1 <= one.high for judged in families for one in judged]
    yield counted("coverage", "interval of the change", n, inside, noise)
    for change in CHANGES:
        called = [judge_pairs(drawn_pairs(rng, n, noise, change))["0"].verdict == "slower" for _ in range(draws)]
        yield counted("power", f"interleaved pairs, one of ten slower by {change:.0%}", n, called, noise)


def drawn_starts(rng: np.random.Generator, noise: str) -> list[Mapping[str, Mapping[str, Sequence[float]]]]:
    """A gate's starts: blocks of every benchmark and code, with the noise of ``drawn_pairs`` over √2, two to a pair."""
    logs = {code: drawn_pairs(rng, MOST_PAIRS, "normal" if noise == "living" else noise) for code in CODES}
    starts = []
    for at in range(0, MOST_PAIRS, PAIRS_A_START):
        start: dict[str, dict[str, list[float]]] = {str(number): {} for number in range(FAMILY)}
        for name, codes in start.items():
            for code in CODES:
                own = rng.normal(0, LIVING_SD) if noise == "living" else 0.0
                few = logs[code][name][at : at + PAIRS_A_START]
                codes[code] = [(1 + SLOWED.get(code, 0.0)) * math.exp(own + log / math.sqrt(2)) for log in few]
        starts.append(start)
    return starts


def of_gates(draws: int, noise: str) -> Iterator[Counted]:
    """Whole runs of the gate, of up to forty-five starts, that call what stands above the floor."""
    number = NOISES.index(noise)
    rng, coin = np.random.default_rng([MOST_PAIRS, number]), random.Random(number)

    def called(slowed: Mapping[str, str]) -> bool:
        played = drawn_gate(Starts("drawn", drawn_starts(rng, noise)), coin, TIME_MARGIN, slowed, MOST_STARTS)
        rows = judge_gate(played, TIME_MARGIN)
        return any(row.verdict == "slower" and row.name in (slowed or played) for row in rows)

    yield counted("false_slower", "the gate's steps, any of ten", MOST_PAIRS, [called({}) for _ in range(draws)], noise)
    for code, change in SLOWED.items():
        hits = [called({"0": code}) for _ in range(draws)]
        yield counted("power", f"the gate's steps, one of ten slower by {change:.0%}", MOST_PAIRS, hits, noise)


def of_runs(draws: int, *, controlled: bool) -> Iterator[Counted]:
    """The same of two runs, and what their intervals alone would have called."""
    rng = np.random.default_rng(int(controlled))
    name = f"two runs, {'with controls' if controlled else 'without controls'}"
    compared = [
        compare_apart(*(drawn_run(rng, controlled=controlled) for _ in "ab"), TIME_MARGIN) for _ in range(draws)
    ]
    called = [any(row.verdict == "slower" for row in rows) for rows in compared]
    yield counted("false_slower", f"{name}, any of ten", ROUNDS, called)
    alone = [any(row.low > 1 and row.change > 1 + TIME_MARGIN for row in rows) for rows in compared]
    yield counted("false_by_interval", f"{name}, any of ten", ROUNDS, alone)
    for change in (*CHANGES, 1.0):
        pairs = [
            (drawn_run(rng, controlled=controlled), drawn_run(rng, controlled=controlled, slowed=change))
            for _ in range(draws)
        ]
        called = [compare_apart(*pair, TIME_MARGIN)[0].verdict == "slower" for pair in pairs]
        yield counted("power", f"{name}, one of ten slower by {change:.0%}", ROUNDS, called)


def of_histories(draws: int, n: int, memory: float) -> Iterator[Counted]:
    """Histories of equal code with any step in ten benchmarks; steps of 25 % that are found within two runs."""
    rng = np.random.default_rng([n, int(10 * memory)])
    noise = f"remembering {memory:g}" if memory else "normal"

    def steps_of(logs: Logs, names: Iterable[str]) -> list[int]:
        held = memory_of(list(logs.values()))
        return [step.at for name in names for step in find_steps(logs[name], TIME_MARGIN, FAMILY, held)]

    histories = [drawn_history(rng, n, memory) for _ in range(draws)]
    yield counted("false_step", "history, any of ten", n, [bool(steps_of(logs, logs)) for logs in histories], noise)
    stepped = [drawn_history(rng, n, memory, 0.25) for _ in range(draws)]
    found = [any(abs(at - n // 2) <= 2 for at in steps_of(logs, "0")) for logs in stepped]
    yield counted("power", "history, a step of 25% in one of ten", n, found, noise)


def claims(draws: int) -> Iterator[Counted]:
    """All that is counted."""
    for noise in NOISES:
        for n in PAIRS:
            yield from of_pairs(draws, noise, n)
    for noise in NOISES:
        yield from of_gates(draws, noise)
    for controlled in (False, True):
        yield from of_runs(draws, controlled=controlled)
    for n in HISTORIES:
        for memory in (0.0, 0.5):
            yield from of_histories(draws, n, memory)


def rates_table(rows: Iterable[Mapping[str, str]]) -> str:
    """The committed rows as the page shows them: whole families called slower by mistake, and changes found."""
    words = {"false_slower": "called slower, of equal code", "false_by_interval": "intervals alone would have called"}
    words |= {"power": "found", "false_step": "a step, of equal code"}
    lines = ["| samples | n | | share | 95 % interval |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        if row["quantity"] in words:
            noise = f" ({row['noise']})" if row["noise"] else ""
            share, low, high = (f"{100 * float(row[name]):.1f}" for name in ("share", "low", "high"))
            cells = (f"{row['condition']}{noise}", row["repetitions"], words[row["quantity"]])
            lines.append(f"| {' | '.join(cells)} | {share} % | {low} to {high} % |")
    return "\n".join(lines)
