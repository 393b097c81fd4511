"""Time left, by a clock that a test winds."""

from __future__ import annotations

from fbench.harness.clock import Clock, remaining


def test_nothing_seen_is_nothing_known():
    assert remaining({}, [0, 1]) == 0
    assert remaining({0: []}, [0]) == 0


def test_units_cost_what_their_like_cost():
    spent = {0: [1.0, 3.0], 1: [5.0]}
    assert remaining(spent, []) == 0
    assert remaining(spent, [0]) == 2
    assert remaining(spent, [0, 1, 1]) == 12


def test_units_not_seen_cost_what_the_latest_does():
    assert remaining({0: [1.0], 2: [4.0]}, [1, 3, 9]) == 12


def test_a_run_of_equal_units(hands):
    clock = Clock({"a": range(2), "b": range(2)}, now=hands)
    left = []
    for case, unit in [("a", 0), ("a", 1), ("b", 0), ("b", 1)]:
        hands.time += 10
        left.append(clock.left_s(case, unit))
    assert left == [30, 20, 10, 0]


def test_growing_units_are_seen_coming(hands):
    clock = Clock({"a": range(3), "b": range(3)}, now=hands)
    left = []
    for unit in range(3):
        hands.time += 1 + unit
        left.append(clock.left_s("a", unit))
    assert left == [5, 2 + 1 + 2 + 2, 1 + 2 + 3]


def test_side_by_side_a_unit_costs_the_time_between_commits(hands):
    clock = Clock({"a": range(2), "b": range(2)}, now=hands)
    hands.time += 8
    assert clock.left_s("a", 0) == 24
    hands.time += 0
    assert clock.left_s("b", 0) == 8  # two in 8 s: two more in another 8


def test_a_resumed_run_has_less_to_do(hands):
    clock = Clock({"a": range(2, 3)}, now=hands)
    hands.time += 7
    assert clock.left_s("a", 2) == 0


def test_an_unknown_number_of_units(hands):
    clock = Clock(None, now=hands)
    hands.time += 1
    assert clock.left_s("a", 0) is None


def test_cases_that_say_themselves_what_they_take(hands):
    clock = Clock(None, ["a", "b", "c"], now=hands)
    assert clock.left_s("a", 0) is None  # nothing said, nothing known
    assert clock.left_s("a", 0, 6.0) == 18  # the two that are silent take as long
    assert clock.left_s("b", 0, 2.0) == 6 + 2 + 4
    assert clock.left_s("c", 0, 1.0) == 9
    assert clock.left_s("a", 1, 3.0) == 6
    clock.stop("b")
    assert clock.left_s("a", 2, 0.5) == 1.5


def test_a_case_that_ends_unheard_is_not_waited_for(hands):
    clock = Clock(None, ["a", "b"], now=hands)
    clock.stop("b")
    assert clock.left_s("a", 0, 4.0) == 4
