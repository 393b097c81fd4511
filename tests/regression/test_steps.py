"""Change points: where they are, that equal code has few, and that the null is that of all orders."""

import itertools
import math

import numpy as np
import pytest

from fbench.measure.ranks import ranks
from fbench.regression import steps
from fbench.regression.steps import FEWEST_BESIDE, find_steps, memory_of


def series(*levels, sd=0.01, seed=0):
    """Logs of runs: (level, how many), …"""
    rng = np.random.default_rng(seed)
    return [value for level, n in levels for value in rng.normal(level, sd, n)]


def test_a_step_is_found_where_it_is():
    [step] = find_steps(series((0, 12), (0.1, 9)), 0.03)
    assert step.at == 12
    assert step.change == pytest.approx(0.1, abs=0.02)
    assert 0 < step.p < 0.01


def test_two_steps_and_one_back():
    found = find_steps(series((0, 15), (0.2, 15), (0.0, 15)), 0.03)
    assert [step.at for step in found] == [15, 30]
    assert [math.copysign(1, step.change) for step in found] == [1, -1]


@pytest.mark.parametrize(
    ("logs", "why"),
    [
        (series((0, 12), (0.02, 12), sd=0.001), "below the margin"),
        (series((0, 3), (0.5, 3)), "of six runs no order is rare enough"),
        (series((0, 5)), "fewer than three on either side"),
        ([0.0] * 20, "all equal"),
    ],
)
def test_what_is_no_step(logs, why):
    assert find_steps(logs, 0.03) == [], why


def test_a_family_takes_more():
    logs = series((0, 5), (0.2, 5))
    assert len(find_steps(logs, 0.03)) == 1
    assert find_steps(logs, 0.03, family=10) == []


def test_the_furthest_split_by_hand():
    values = np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0, 7.0])
    ranking = ranks(values)
    splits = range(FEWEST_BESIDE, len(values) - FEWEST_BESIDE + 1)
    expected = [
        abs(ranking[:k].sum() - k * 8 / 2) / math.sqrt(k * (7 - k) * 8 / 12)  # Mann and Whitney's
        for k in splits
    ]
    assert steps._apart(ranking[None])[0].tolist() == pytest.approx(expected)


def test_the_null_is_that_of_all_orders():
    orders = np.array(list(itertools.permutations(range(1, 8))), dtype=float)
    exact = steps._apart(orders).max(axis=1)
    drawn = steps._null(7, 20_000)
    for value in np.unique(exact)[-4:]:
        assert (drawn >= value - 1e-9).mean() == pytest.approx((exact >= value - 1e-9).mean(), abs=0.01)


def remembering(memory, n=40, level=0.0, seed=0):
    rng = np.random.default_rng(seed)
    logs = rng.normal(0, 0.05, (10, n))
    for i in range(1, n):
        logs[:, i] = memory * logs[:, i - 1] + math.sqrt(1 - memory**2) * logs[:, i]
    logs[0, n // 2 :] += level
    return logs.tolist()


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_memory_of_a_history_is_found_beside_a_step(memory):
    found = [memory_of(remembering(memory, level=0.3, seed=seed)) for seed in range(10)]
    assert np.mean(found) == pytest.approx(memory, abs=0.1)


def test_histories_too_short_have_no_memory():
    assert memory_of([[0.0, 1.0, 2.0]]) == 0.0
    assert memory_of([]) == 0.0


def test_what_is_remembered_makes_no_step():
    """A busy week: without the memory taken off, such series step."""
    series = [logs for seed in range(5) for logs in remembering(0.8, seed=seed)]
    held = memory_of(series)
    steps_with, steps_without = (sum(bool(find_steps(logs, 0.03, 10, r)) for logs in series) for r in (held, 0.0))
    assert steps_with <= 1 < steps_without


def test_a_step_in_runs_that_remember():
    logs = remembering(0.5, level=0.4)[0]
    [step] = find_steps(logs, 0.03, memory=0.5)
    assert abs(step.at - 20) <= 1
    assert step.change == pytest.approx(0.4, abs=0.1)
