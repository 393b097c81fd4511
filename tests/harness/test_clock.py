"""Time left: of made-up cases, and of runs that were recorded, whose end is known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from fbench.harness.clock import Clock, Course, makespan

COURSES = sorted(Path(__file__).with_name("courses").glob("*.json"))


def test_nothing_measured_is_nothing_known():
    assert Clock({"a": [1.0], "b": [1.0]}).left_s() is None
    assert Clock({}).left_s() == 0


def test_a_run_of_equal_units():
    clock, left = Clock({"a": [1.0, 1.0], "b": [1.0, 1.0]}), []
    for case in ("a", "a", "b", "b"):
        clock.take(case, 10)
        left.append(clock.left_s())
    assert left == [30, 20, 10, 0]


def test_units_that_are_expected_to_grow_are_seen_coming():
    clock = Clock({"a": [1.0, 2.0, 3.0]})
    clock.take("a", 10)
    assert clock.left_s() == 50


def test_units_that_grow_unexpectedly_are_taken_by_the_latest():
    course = Course([1.0] * 6)
    for seconds in (1, 2, 3, 4):
        course.take(seconds)
    assert course.left_s() == 2 * (3 + 4) / 2


def test_a_dear_case_makes_no_cheap_one_dear():
    """Each has a factor of its own; what has not begun has that of both, without the very first unit."""
    clock = Clock({"dear": [10.0, 10.0], "cheap": [1.0, 1.0], "new": [2.0, 2.0]})
    clock.take("dear", 40)
    clock.take("cheap", 1)
    assert clock.left_s() == pytest.approx(40 + 1 + 4 * (40 + 2) / 12)


def test_side_by_side_they_share_the_time_but_no_case_is_split():
    assert makespan([6.0, 2.0, 4.0], lanes=2) == 6
    assert makespan([9.0, 2.0, 4.0], lanes=2) == 9
    clock = Clock({"a": [1.0] * 2, "b": [1.0] * 2}, lanes=2)
    clock.take("a", 8)
    clock.take("b", 8)
    assert clock.left_s() == 8


def test_a_resumed_case_has_only_what_is_left():
    clock = Clock({"a": [3.0]})
    clock.take("a", 7)
    assert clock.left_s() == 0


def test_a_case_that_stops_has_no_time_left():
    clock = Clock({"a": [1.0] * 3, "b": [1.0] * 3})
    clock.take("a", 4)
    clock.stop("b")
    assert clock.left_s() == 8


def test_cases_that_say_themselves_what_they_take():
    clock = Clock({"a": [2.0], "b": [1.0], "c": [1.0]}, counted=False)
    clock.take("a", 1)
    assert clock.left_s() is None  # nothing said, nothing known
    clock.take("a", 1, told=6)
    assert clock.left_s() == 6 + 4 + 4  # eight seconds in all, and the others are half as dear
    clock.take("b", 1, told=1)
    assert clock.left_s() == pytest.approx(6 + 1 + (8 + 2) / 3)
    clock.stop("b")
    clock.stop("c")
    assert clock.left_s() == 6


def test_cases_that_say_nothing_take_what_those_took_that_ended():
    clock = Clock({"a": [1.0], "b": [1.0]}, counted=False)
    for _ in range(3):
        clock.take("a", 2)
    clock.stop("a")
    assert clock.left_s() == 6
    clock.take("b", 2)
    assert clock.left_s() == 4


def test_no_longer_than_the_run_may_take(hands):
    clock = Clock({"a": [1.0] * 100}, ends_at=hands.time + 60, now=hands)
    clock.take("a", 10)
    assert clock.left_s() == 60
    hands.time += 61
    assert clock.left_s() == 0


def replayed(course: dict, moments: list[float]) -> Iterator[tuple[float, float | None]]:
    """The moment of every event after which there is something left, and the time left that was predicted there."""
    how = {"counted": course["counted"], "lanes": course["lanes"], "in_seconds": course["in_seconds"]}
    how["ends_at"] = course["limit_s"] or math.inf
    clock = Clock(course["expected"], now=lambda: moment, **how)
    for (case, _, seconds, told), moment in zip(course["events"], moments, strict=True):
        if seconds is None:
            clock.stop(case)
        else:
            clock.take(case, seconds, told)
            yield moment, clock.left_s()


@pytest.mark.parametrize("path", COURSES, ids=[path.stem for path in COURSES])
def test_after_a_tenth_of_a_run_the_time_left_is_right_within_a_factor_of_four(path):
    course = json.loads(path.read_text())
    moments = [moment for _, moment, *_ in course["events"]]
    wrong = []
    for moment, left in replayed(course, moments):
        done, true = moment / moments[-1], moments[-1] - moment
        if 0.1 <= done <= 0.95 and (left is None or not true / 4 <= left <= true * 4):
            wrong.append((round(done, 3), round(true, 1), left))
    assert not wrong


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_taken_up_is_foreseen_as_well(done):
    """Every case has so many units on disk; the clock hears of the others alone."""
    course = json.loads((COURSES[0].parent / "drift-small.json").read_text())
    events = [event for event in course["events"] if event[2] is not None]
    later = [event for at, event in enumerate(events) if sum(e[0] == event[0] for e in events[:at]) >= done]
    start = max(event[1] for event in events if event not in later)
    moments = [event[1] - start for event in later]
    course |= {"events": later, "expected": {case: costs[done:] for case, costs in course["expected"].items()}}
    for moment, left in replayed(course, moments):
        true = moments[-1] - moment
        assert true < 0.1 * moments[-1] or true / 4 <= left <= true * 4


def test_courses_of_every_kind_are_replayed():
    assert {path.stem.partition("-")[0] for path in COURSES} >= {
        "compare",
        "drift",
        "fisher",
        "select",
        "chunksize",
        "memory",
    }
