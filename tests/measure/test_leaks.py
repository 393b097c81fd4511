"""Leaks: the rule at its edges, how often it cries wolf, and how often it finds what is there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from fbench.errors import InputError
from fbench.measure.leaks import LEAST_ROUNDS, leak, material_bytes

MIB = 2**20
SERIES = 400
Make = Callable[[np.random.Generator], np.ndarray]


def verdicts(make: Make, peak: int | None = None) -> Counter[str]:
    """What is said of seeded series; ``make`` gives MiB above 1,000."""
    growth: Counter[str] = Counter()
    for seed in range(SERIES):
        held = MIB * (1000 + make(np.random.default_rng(seed)))
        growth[leak([int(size) for size in held], peak).verdict] += 1
    return growth


def walk(rounds: int, drift: float = 0.0, sd: float = 2.0) -> Make:
    return lambda generator: np.cumsum(drift + sd * generator.standard_normal(rounds))


def noise(rounds: int, drift: float = 0.0, sd: float = 2.0) -> Make:
    return lambda generator: drift * np.arange(rounds) + sd * generator.standard_normal(rounds)


def step(rounds: int, size: float = 50.0, sd: float = 0.1) -> Make:
    """One jump at a random round, the first ones and the last included."""

    def make(generator: np.random.Generator) -> np.ndarray:
        at = generator.integers(1, rounds)
        return size * (np.arange(rounds) >= at) + sd * generator.standard_normal(rounds)

    return make


@pytest.mark.parametrize("rounds", [5, 6, 12, 30])
@pytest.mark.parametrize("make", [walk, noise, step])
def test_false_alarms(make: Callable[[int], Make], rounds: int) -> None:
    """2.5 % of walks, 10 of 400, and up to 17 of them by chance; noise and steps alarm less."""
    alarms = verdicts(make(rounds))["leak"]
    assert alarms <= (17 if make is walk else 4)


def test_a_fitted_slope_would_cry_wolf() -> None:
    """Why differences: least squares on the walks of the test above alarms in a quarter of them or more."""
    alarms = 0
    for seed in range(SERIES):
        held = walk(12)(np.random.default_rng(seed))[1:]
        x = np.arange(held.size) - (held.size - 1) / 2
        slope = (x @ held) / (x @ x)
        rest = held - held.mean() - slope * x
        alarms += slope / math.sqrt(rest @ rest / (held.size - 2) / (x @ x)) > 2.26
    assert alarms > SERIES / 4


@pytest.mark.parametrize(
    ("make", "least"), [(noise(12, drift=10.0), 0.95), (walk(12, drift=4.0), 0.95), (walk(30, drift=2.0), 0.95)]
)
def test_a_leak_is_found(make: Make, least: float) -> None:
    assert verdicts(make)["leak"] >= least * SERIES


def test_a_leak_is_not_denied() -> None:
    """A leak of twice the material size is never called none, however short the run."""
    assert verdicts(walk(6, drift=2.0))["no leak"] <= 0.025 * SERIES
    assert verdicts(walk(30, drift=2.0))["no leak"] == 0


def test_steady_memory_is_no_leak() -> None:
    assert verdicts(noise(12, sd=0.3))["no leak"] >= 0.95 * SERIES


def test_a_step_is_left_open_until_the_run_is_long_enough() -> None:
    held = [MIB * (100 + 8 * (number >= 5)) for number in range(8)]
    assert leak(held).verdict == "too short to tell"
    assert leak([*held, *held[-1:] * 40]).verdict == "no leak"


def test_an_exact_leak() -> None:
    growth = leak([MIB * (100 + 2 * number) for number in range(LEAST_ROUNDS)])
    assert (growth.verdict, growth.rounds, growth.mean) == ("leak", 3, 2 * MIB)
    assert growth.growth == (2 * MIB, 2 * MIB)


def test_the_first_round_is_left_out() -> None:
    growth = leak([0, *[500 * MIB] * 5])
    assert (growth.verdict, growth.mean, growth.rounds) == ("no leak", 0, 4)


@pytest.mark.parametrize(("rounds", "differences"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2)])
def test_few_rounds_are_too_short_always(rounds: int, differences: int) -> None:
    growth = leak([100 * MIB * number for number in range(rounds)])
    assert (growth.verdict, growth.rounds) == ("too short to tell", differences)
    if differences < 2:
        assert all(math.isnan(end) for end in growth.growth)


def test_growth_below_the_material_size_is_no_leak() -> None:
    held = [100 * MIB + 1000 * number for number in range(20)]
    assert leak(held).verdict == "no leak"
    grown = [100 * MIB + 3 * MIB * number for number in range(20)]
    assert leak(grown).verdict == "leak"
    assert leak(grown, peak_bytes=10 * 2**30).verdict == "no leak"  # 3 MiB of 10 GiB


def test_a_mean_below_the_material_size_with_a_wide_interval_is_left_open() -> None:
    held = np.cumsum([0, 0, 500_000, 900_000, 1_300_000, 900_000])
    growth = leak([int(size) for size in held])
    assert growth.growth.low > 0
    assert growth.mean < growth.material <= growth.growth.high
    assert growth.verdict == "too short to tell"


def test_unknown_rounds_take_their_differences_with_them() -> None:
    growth = leak([0, 10 * MIB, 12 * MIB, None, 90 * MIB, 92 * MIB, 94 * MIB])
    assert (growth.rounds, growth.mean, growth.verdict) == (3, 2 * MIB, "leak")


@pytest.mark.parametrize(("peak", "expected"), [(None, MIB), (2**30, 1_073_742), (2**29, MIB)])
def test_the_material_size(peak: int | None, expected: int) -> None:
    assert material_bytes(peak) == expected


def test_negative_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="held memory is negative"):
        leak([1, -1, 2])
