"""Progress in plain lines, by a clock that a test winds."""

from __future__ import annotations

from fbench.cli.progress import Lines


def test_a_line_every_half_minute(hands):
    lines, said = Lines(now=hands), []
    for done in range(1, 10):  # a run of 90 s
        hands.time += 10
        said.append(lines.due(done, 9, 90.2 - 10 * done))
    ahead = ["", "", "3 of 9 units done, about 1 min 00 s left", "", "", "6 of 9 units done, about 30 s left"]
    assert said == [*ahead, "", "", "9 of 9 units done, about 0 s left"]


def test_units_of_minutes_give_a_line_each(hands):
    lines = Lines(now=hands)
    for done in (1, 2):
        hands.time += 300
        assert lines.due(done, 4, None) == f"{done} of 4 units done"


def test_a_line_without_a_total(hands):
    lines = Lines(every_s=5, now=hands)
    hands.time += 4.9
    assert lines.due(6, None, 7.0) == ""
    hands.time += 0.1
    assert lines.due(7, None, 7.0) == "7 units done, about 7 s left"
