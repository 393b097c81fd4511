"""Equal ways and rounds without a leak are hardly ever told apart; committed effects are found.

Small versions of tests/benchmarks/claims: at most 5 % of draws may have a false claim, and the bounds are passed by
chance in one of 10⁶ runs (binomial).
"""

from __future__ import annotations

import csv

import numpy as np
import pytest
from claim_rows import CLAIMS, most
from memory_claims import LEAKS, NO_LEAKS, draw
from timing_claims import FISHER, SELECT, SELECT_AS_COMMITTED, draw_fisher, draw_select
from two_states import MACHINES, Machine, block_times

DRAWS = 40


@pytest.mark.parametrize(("ways", "make"), [(SELECT, draw_select), (FISHER, draw_fisher)], ids=["select", "fisher"])
@pytest.mark.parametrize("machine", MACHINES[::2], ids=lambda machine: machine.name)
def test_equal_ways_are_hardly_told_apart(ways, make, machine):
    generator = np.random.default_rng(4)
    claims = sum(make(machine, dict.fromkeys(ways, 2.0), 4, generator)[0] > 0 for _ in range(DRAWS))
    assert claims <= most(DRAWS)


def test_committed_effects_are_found():
    """45 times and 1.5 times are shown with eight blocks in nine of ten draws or more; fewer than 24 of 40: 10⁻⁶."""
    generator = np.random.default_rng(8)
    outcomes = [draw_select(Machine(15.0, spread=0.05), SELECT_AS_COMMITTED, 8, generator)[1] for _ in range(DRAWS)]
    assert all(results["incremental"].verdict == "yes" for results in outcomes)
    assert sum(results["pca"].verdict == "yes" for results in outcomes) >= 24


@pytest.mark.parametrize("name", NO_LEAKS)
@pytest.mark.parametrize("rounds", [8, 20])
def test_what_does_not_leak_is_hardly_called_a_leak(name, rounds):
    generator = np.random.default_rng(rounds)
    assert sum(draw(NO_LEAKS[name], rounds, generator)[0] > 0 for _ in range(DRAWS)) <= most(DRAWS)


def test_a_leak_is_found():
    generator = np.random.default_rng(20)
    found = [draw(LEAKS["leak of 10 MiB a round, walk of 2 MiB"], 20, generator)[1][0] for _ in range(DRAWS)]
    assert sum(series.leak.verdict == "leak" for series in found) >= 24


def test_a_machine_of_two_states():
    times = block_times(Machine(dwell_s=5.0, spread=0.0), [1.0, 2.0], 4000, np.random.default_rng(0))
    assert times.min() == pytest.approx(1.0)
    assert times.max() == pytest.approx(3.0)
    assert times.mean(axis=0) == pytest.approx([1.2, 2.4], rel=0.05)  # half of the time at 1, half at 1 / 1.5


@pytest.mark.parametrize("name", ["select", "fisher", "memory"])
def test_the_committed_rates_are_within_five_percent(name):
    with (CLAIMS / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    false = [float(row["share"]) for row in rows if row["quantity"] == "false_yes"]
    assert len(false) >= 15
    assert max(false) <= 0.05
    assert {row["draws"] for row in rows} == {"1000"}
