"""Who runs next and what may be said of it, on sides that are played: no machine decides here."""

from __future__ import annotations

import itertools
import json
import math
import random

import pytest

from fbench.gate.playing import ALL_STARTS, FIRST_STARTS, MOST_STARTS, PAIRS_A_START, Played, play
from fbench.gate.processes import BlockFailedError, TimedBlock
from fbench.gate.telling import gate_json, gate_lead, gate_markdown, gate_table
from fbench.gate.verdict import GateReport, judge_gate
from fbench.regression.comparing import compare_pairs
from fbench.regression.pairs_file import PairedSamples, write_pairs
from fbench.regression.saying import lead_of
from fbench.regression.sides import read_paired

FIRST_PAIRS, ALL_PAIRS = (PAIRS_A_START * starts for starts in (FIRST_STARTS, ALL_STARTS))
ORDER = []


class FakeSide:
    """A side whose calls take what they are told to, times a noise of its own."""

    def __init__(self, role, seconds, sd=0.01, value="1", bias=1.0, living=0.0):
        self.role, self.seconds, self.sd, self.value, self.bias = role, seconds, sd, value, bias
        self.living, self.seat = living, 1.0
        self.rng = random.Random(role)
        self.calls = []

    def run(self, name, rounds, iterations):
        ORDER.append((self.role, name))
        self.calls.append((name, rounds, iterations))
        seconds = self.seconds[name]
        if isinstance(seconds, str):
            raise BlockFailedError(seconds)
        times = tuple([self.bias * self.seat * seconds * math.exp(self.rng.gauss(0, self.sd))] * rounds)
        value = next(self.value) if hasattr(self.value, "__next__") else self.value
        return TimedBlock(times, rounds * iterations, sum(times), value, f"<{value}>")

    def renew(self):
        """Begun anew, it is faster or slower by what its seat gives it."""
        self.seat = math.exp(self.rng.gauss(0, self.living))


def played_by(base, new, *, budget_s=1e6, clock=lambda: 0.0, threshold=0.03, **more):
    ORDER.clear()
    sides = [FakeSide("base", base, **more), FakeSide("again", base, **more), FakeSide("new", new, **more)]
    rounds = []
    result = play(
        sides,
        base,
        threshold=threshold,
        budget_s=budget_s,
        clock=clock,
        rng=random.Random(1),
        after_round=lambda played: rounds.append(len(ORDER)),
    )
    return result, sides, rounds


def report(played, threshold=0.03, **more):
    return GateReport("v1", "v2", threshold, judge_gate(played, threshold), **more)


@pytest.mark.parametrize("sd", [0.01, 0.1])
@pytest.mark.parametrize("bias", [1.0, 1.1])
def test_diff_says_of_the_pairs_what_the_gate_said(tmp_path, sd, bias):
    base = {"slow": 0.001, "same": 0.002, "faster": 0.1}
    sides = [FakeSide(role, base, sd=sd, bias=bias if role == "again" else 1.0) for role in ("base", "again")]
    new = FakeSide("new", {**base, "slow": 0.0013, "faster": 0.05}, sd=sd)
    told = {"threshold": 0.03, "budget_s": 1e6, "clock": lambda: 0.0, "rng": random.Random(1)}
    played = play([*sides, new], base, **told)
    again = {name: one.again_s for name, one in played.items()}
    path = tmp_path / "pairs.json"
    write_pairs(path, PairedSamples({name: one.pairs for name, one in played.items()}, {"again_s": again}))
    said = {row.name: (row.verdict, row.floor) for row in judge_gate(played, 0.03)}
    compared = compare_pairs(read_paired(str(path)), path)
    assert {row.name: (row.verdict, row.floor) for row in compared.rows} == said
    assert " starts of the processes a benchmark; slower: p < 0.01" in lead_of(compared)[1]
    assert said["slow"][0] == "slower"
    assert (said["same"][0] == "inconclusive") == (bias > 1 or sd > 0.05)


def test_suspects_alone_get_more_and_a_regression_is_confirmed():
    base = {"slow": 0.001, "fine": 0.002, "faster": 0.1}
    played, _, rounds = played_by(base, {**base, "slow": 0.00125, "faster": 0.09})
    counts = {name: len(one.pairs) for name, one in played.items()}
    assert counts["slow"] == len(played["slow"].again_s) == ALL_PAIRS
    assert [pair.start for pair in played["slow"].pairs] == [number // PAIRS_A_START for number in range(ALL_PAIRS)]
    assert counts["faster"] == ALL_PAIRS
    assert counts["fine"] == FIRST_PAIRS
    assert len(rounds) == ALL_PAIRS
    said = report(played)
    assert {row.name: row.verdict for row in said.rows} == {
        "slow": "slower",
        "fine": "same within the margin",
        "faster": "faster",
    }
    assert said.exit_code == 1
    assert gate_lead(said)[0] == "v2 is slower than v1 in 1 of 3 benchmarks (slow): a regression is confirmed."
    [row] = said.named("slower")
    assert row.low < 1.25 < row.high
    assert row.floor < 0.02
    assert gate_table(said).rows[0][:2] == ["slow", "slower"]
    assert "| slow | slower | +2" in gate_markdown(said)


def test_orders_are_drawn():
    """Which side is first, and which benchmark."""
    played, _, rounds = played_by({"a": 0.001, "b": 0.001}, {"a": 0.001, "b": 0.001})
    assert {pair.first for pair in played["a"].pairs} == {"base", "new"}
    assert [pair.pair for pair in played["a"].pairs] == list(range(len(played["a"].pairs)))
    turns = [ORDER[start:end] for start, end in itertools.pairwise(rounds[:FIRST_PAIRS])]
    assert {turn[0][1] for turn in turns} == {"a", "b"}
    assert len({tuple(role for role, _ in turn[:3]) for turn in turns}) > 3
    assert {tuple(sorted(role for role, _ in turn[:3])) for turn in turns} == {("again", "base", "new")}


@pytest.mark.parametrize(
    ("seconds", "rounds", "least", "most"),
    [(1e-7, 5, 5e-3, 0.04), (1e-3, 5, 5e-3, 0.04), (0.007, 3, 0.01, 0.04), (0.2, 1, 0.1, 1)],
)
def test_a_block_is_short(seconds, rounds, least, most):
    """About 20 ms where calls are short, one call where they are long; the same count on every side."""
    _, sides, _ = played_by({"a": seconds}, {"a": seconds}, sd=0.0)
    taken = {side.calls[-1][1:] for side in sides}
    assert len(taken) == 1
    [(count, iterations)] = taken
    assert count == rounds
    assert least <= count * iterations * seconds <= most


def test_a_floor_above_the_threshold_is_inconclusive():
    """Equal code whose noise is wide, after all pairs; a far larger change is found all the same."""
    played, _, _ = played_by({"a": 0.001}, {"a": 0.001}, sd=0.3)
    assert len(played["a"].pairs) == MOST_STARTS * PAIRS_A_START
    said = report(played)
    assert (said.exit_code, said.rows[0].verdict) == (3, "inconclusive")
    assert said.rows[0].floor > 0.03
    assert "The floor is more than --threshold 0.03 in a: give a larger one, or more time." in gate_lead(said)[1]
    assert report(played, threshold=0.5).exit_code == 0
    assert report(played_by({"a": 0.001}, {"a": 0.003}, sd=0.3)[0]).exit_code == 1


@pytest.mark.parametrize(("odd", "word", "starts"), [((13,), "slower", 30), (range(0, 45, 5), "inconclusive", 45)])
def test_an_odd_start_does_not_let_a_slowing_pass(odd, word, starts):
    """The base takes twice as long in a start: with one of fifteen nothing is shown, and it goes on."""
    names = {"a": 0.001, "b": 0.001, "c": 0.001}
    sides = [FakeSide("base", names), FakeSide("again", names), FakeSide("new", {**names, "a": 0.00135})]
    begun = itertools.count(1)

    def renew():
        is_odd = next(begun) in odd
        for side in sides[:2]:
            side.seconds = {**names, "a": 0.002 if is_odd else 0.001}

    more = {"threshold": 0.05, "budget_s": 1e6, "clock": lambda: 0.0, "rng": random.Random(0), "renew": renew}
    played = play(sides, names, **more)
    said = report(played, threshold=0.05)
    [row] = [row for row in said.rows if row.name == "a"]
    assert (row.verdict, row.starts) == (word, starts)
    assert row.change == pytest.approx(1.35, rel=0.03)
    assert said.exit_code == (1 if word == "slower" else 3)
    first = report({name: first_of(one, ALL_PAIRS) for name, one in played.items()}, threshold=0.05)
    assert {row.verdict for row in first.rows if row.name == "a"} == {"inconclusive"}
    lead = "Slower by more than the machine's own differences, and not confirmed: a (+3"
    assert gate_lead(first)[1].startswith(lead)
    assert first.exit_code == 3


def first_of(one, pairs):
    return Played(pairs=one.pairs[:pairs], again_s=one.again_s[:pairs])


def test_what_would_have_been_seen_is_above_the_floor():
    """A base that differs from itself by 10 %."""
    sides = [FakeSide(role, {"a": 0.001}, bias=bias) for role, bias in [("base", 1.0), ("again", 1.1), ("new", 1.0)]]
    [row] = report(play(sides, ["a"], threshold=0.03, budget_s=1e6, clock=lambda: 0.0, rng=random.Random(0))).rows
    assert 0.09 < row.floor < row.seen < 0.13


def test_a_slowing_below_the_floor_is_not_confirmed():
    """The base's two processes differ by 10 %, and so does the new one: shown, and no regression."""
    sides = [FakeSide(role, {"a": 0.001}, bias=bias) for role, bias in [("base", 1.0), ("again", 1.1), ("new", 1.09)]]
    played = play(sides, ["a"], threshold=0.03, budget_s=1e6, clock=lambda: 0.0, rng=random.Random(0))
    said = report(played)
    assert said.rows[0].adjusted < 0.01
    assert (said.rows[0].verdict, said.exit_code) == ("inconclusive", 3)


def test_equal_code_is_seldom_called_slower():
    """Whole gates of five benchmarks at a noise of 8 %."""
    called = 0
    for seed in range(20):
        names = {f"{seed}{letter}": 0.001 for letter in "abcde"}
        sides = [FakeSide(f"{role}", names, sd=0.08) for role in ("base", "again", "new")]
        for side in sides:
            side.rng = random.Random(f"{side.role}{seed}")
        played = play(sides, names, threshold=0.03, budget_s=1e6, clock=lambda: 0.0, rng=random.Random(seed))
        called += report(played).exit_code == 1
    assert called <= 1


def test_processes_that_differ_for_as_long_as_they_live_are_begun_anew():
    """By 4 % where blocks differ by 1 %: sixty pairs of one start would call any of it slower."""
    called, renewed = 0, []
    for seed in range(20):
        sides = [FakeSide(role, {"a": 0.001}, living=0.04) for role in ("base", "again", "new")]
        for side in sides:
            side.rng = random.Random(f"{side.role}{seed}")

        def renew(sides=sides, seed=seed):
            renewed.append(seed)
            for side in sides:
                side.renew()

        renew()
        more = {"threshold": 0.03, "budget_s": 1e6, "clock": lambda: 0.0, "rng": random.Random(seed), "renew": renew}
        played = play(sides, ["a"], **more)
        assert renewed.count(seed) == len(played["a"].pairs) / PAIRS_A_START
        called += report(played).exit_code == 1
    assert called == 0
    assert renewed.count(0) == MOST_STARTS


def test_out_of_time():
    ticks = itertools.count()
    played, _, _ = played_by({"a": 0.001, "b": 0.001}, {"a": 0.002, "b": 0.001}, budget_s=10, clock=lambda: next(ticks))
    said = report(played)
    assert {row.n for row in said.rows} == {4}
    assert (said.exit_code, {row.verdict for row in said.rows}) == (3, {"inconclusive"})
    assert "Time was over before six starts of the processes were measured: give a larger --budget." in gate_lead(said)
    nothing = report(played_by({"a": 0.001}, {"a": 0.001}, budget_s=-1)[0])
    assert (nothing.exit_code, nothing.rows[0].n) == (3, 0)
    assert json.loads(json.dumps(gate_json(nothing)))["rows"][0]["change"] is None
    assert "| a | inconclusive |" in gate_markdown(nothing)


def test_a_changed_value_is_said_beside_the_time():
    sides = [FakeSide(role, {"a": 0.001}, value=value) for role, value in [("base", "1"), ("again", "1"), ("new", "2")]]
    played = play(sides, ["a"], threshold=0.03, budget_s=1e6, clock=lambda: 0.0, rng=random.Random(0))
    said = report(played)
    assert (said.rows[0].value, said.exit_code) == ("<1> became <2>", 0)
    assert "a returns another value: <1> became <2>." in gate_lead(said)


def test_a_value_that_differs_by_itself_is_not_compared():
    one = Played(values={"base": {"1": "", "2": ""}, "again": {"1": ""}, "new": {"3": ""}})
    assert one.changed == ""
    assert Played(values={"base": {"1": ""}, "again": {"2": ""}, "new": {"3": ""}}).changed == ""
    assert Played(values={"base": {"": "f"}, "again": {"": "f"}, "new": {"": "g"}}).changed == ""


def test_what_fails_on_a_side_is_left_out():
    base = {"fine": 0.001, "gone": "fails: KeyError", "both": "hangs (1 s)", "broken": 0.001}
    played, _, _ = played_by(base, {**base, "gone": 0.001, "broken": "ends its process"})
    assert {name: set(one.failed) for name, one in played.items()} == {
        "fine": set(),
        "gone": {"base", "again"},
        "both": {"base", "again", "new"},
        "broken": {"new"},
    }
    said = report(played, failed=["x"])
    assert [row.name for row in said.rows] == ["fine"]
    assert said.exit_code == 4
    assert report({"gone": played["gone"]}).exit_code == 4
    assert "v2 against v1: nothing was measured." in gate_lead(report({"gone": played["gone"]}))
