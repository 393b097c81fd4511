"""Peaks in turn and what may be said of them, on scales that are played."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from fbench.gate.processes import BlockFailedError, GateSide
from fbench.gate.telling import gate_json, gate_lead, gate_markdown, peak_tables, plain_table
from fbench.gate.verdict import GateReport
from fbench.gate.weighing import PEAK_ROUNDS, Weighed, judge_weighed, weigh_in_turn

MIB = 2**20
PROCESSES = []


class FakeScale:
    """A side whose peaks are told; it notes when it begins a process, and what that one weighs."""

    def __init__(self, role, peaks):
        self.role, self.peaks, self.running = role, peaks, False

    def weigh(self, name):
        if not self.running:
            PROCESSES.append((self.role, []))
        self.running = True
        PROCESSES[-1][1].append(name)
        peak = self.peaks[name]
        if isinstance(peak, str):
            raise BlockFailedError(peak)
        return next(peak) if hasattr(peak, "__next__") else peak

    def stop(self):
        self.running = False


def weighed_by(base, new, again=None, *, budget_s=1e6, clock=lambda: 0.0):
    PROCESSES.clear()
    sides = [FakeScale("base", base), FakeScale("again", again or base), FakeScale("new", new)]
    return weigh_in_turn(sides, list(base), budget_s=budget_s, clock=clock, rng=random.Random(0))


def report(weighed, threshold=0.03):
    rows = judge_weighed(weighed, threshold)
    return GateReport("v1", "v2", threshold, [], notes=[], peaks=rows)


def test_every_round_has_three_processes_of_its_own():
    """Sides in an order that is drawn, benchmarks in one that they share."""
    weighed_by({"a": MIB, "b": MIB}, {"a": MIB, "b": MIB})
    assert len(PROCESSES) == 3 * PEAK_ROUNDS
    rounds = [PROCESSES[at : at + 3] for at in range(0, len(PROCESSES), 3)]
    assert all({role for role, _ in of_round} == {"base", "again", "new"} for of_round in rounds)
    assert all(of_round[0][1] == of_round[1][1] == of_round[2][1] for of_round in rounds)
    assert len({tuple(role for role, _ in of_round) for of_round in rounds}) > 1
    assert {tuple(of_round[0][1]) for of_round in rounds} == {("a", "b"), ("b", "a")}


@pytest.mark.parametrize(
    ("base", "new", "verdict", "exit_code"),
    [
        (100, [104] * 5, "larger", 1),
        (100, [102] * 5, "same within the margin", 4),
        (100, [104, 104, 104, 104, 100], "not shown", 4),
        (100, [90] * 5, "smaller", 4),
        (0.001, [0.9] * 5, "same within the margin", 4),
        (0.001, [1.2] * 5, "larger", 1),
    ],
)
def test_a_peak_is_held_to_its_margin(base, new, verdict, exit_code):
    """Exit 4 here is that nothing was timed. A peak under 1 MiB counts as that."""
    said = report(weighed_by({"a": int(base * MIB)}, {"a": (int(peak * MIB) for peak in new)}))
    assert [(row.verdict, row.n) for row in said.peaks] == [(verdict, 5)]
    assert said.exit_code == exit_code


def test_a_base_that_differs_from_itself_is_inconclusive():
    base, again = itertools.cycle([100 * MIB]), itertools.cycle([110 * MIB])
    said = report(weighed_by({"a": base}, {"a": 108 * MIB}, {"a": again}))
    assert [row.verdict for row in said.peaks] == ["inconclusive"]
    assert gate_lead(said)[-1] == "Peaks of memory: of 1 benchmark, 1 inconclusive; no growth is confirmed."
    large = report(
        weighed_by({"a": itertools.cycle([100 * MIB])}, {"a": 120 * MIB}, {"a": itertools.cycle([110 * MIB])})
    )
    assert [row.verdict for row in large.peaks] == ["larger"]


def test_out_of_time():
    """Rounds that are not whole do not count, and few rounds confirm nothing."""
    ticks = itertools.count()
    weighed = weighed_by({"a": MIB}, {"a": 9 * MIB}, budget_s=7, clock=lambda: next(ticks))
    assert {role: len(peaks) for role, peaks in weighed["a"].peak_bytes.items()} == {"base": 2, "again": 2, "new": 2}
    assert [row.verdict for row in judge_weighed(weighed, 0.03)] == ["inconclusive"]
    nothing = report(weighed_by({"a": MIB}, {"a": MIB}, budget_s=-1))
    assert [(row.verdict, row.n) for row in nothing.peaks] == [("inconclusive", 0)]
    assert json.loads(json.dumps(gate_json(nothing)))["peaks"][0]["change"] is None
    assert "| a | inconclusive |" in gate_markdown(nothing)


def test_what_fails_is_left_out_and_the_rest_goes_on():
    weighed = weighed_by({"a": MIB, "b": MIB}, {"a": "hangs (1 s)", "b": MIB})
    assert (weighed["a"].failed, weighed["b"].failed) == ({"new": "hangs (1 s)"}, {})
    assert [row.name for row in judge_weighed(weighed, 0.03)] == ["b"]
    assert len(weighed["b"].peak_bytes["new"]) == PEAK_ROUNDS
    assert sum("a" in names for role, names in PROCESSES if role == "new") == 1


def test_a_growth_is_said_first():
    peaks = {"base": [16 * MIB] * 5, "again": [16 * MIB] * 5}
    said = report(
        {"fine": Weighed({**peaks, "new": [16 * MIB] * 5}), "more": Weighed({**peaks, "new": [32 * MIB] * 5})}
    )
    assert gate_lead(said)[0] == "v2 needs more memory than v1 in 1 of 2 benchmarks (more): a growth is confirmed."
    [table] = peak_tables(said)
    assert table.rows[0] == ["more", "larger", "+100.0 %", "+100.0 to +100.0 %", "16 MiB", "32 MiB", "5"]
    assert " ".join(plain_table(said, 120)[2].split()) == "more larger +100.0 % +100.0 to +100.0 % 16 MiB 32 MiB 5"
    assert peak_tables(report({})) == []


def test_a_process_that_has_no_mark_to_reset(tmp_path, monkeypatch):
    side = GateSide("new", None, [], tmp_path, timeout_s=1)
    monkeypatch.setattr(side, "_asked", lambda message: {"peak_bytes": None})
    with pytest.raises(BlockFailedError, match="has no peak: the system has no high-water mark to reset"):
        side.weigh("a")
