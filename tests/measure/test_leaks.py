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


def cache(rounds: int, size: float = 30.0, tau: float = 2.0, sd: float = 0.3) -> Make:
    """A cache that fills with a time constant of so many rounds."""
    return lambda generator: size * (1 - np.exp(-np.arange(rounds) / tau)) + sd * generator.standard_normal(rounds)


@pytest.mark.parametrize("rounds", [8, 9, 12, 30])
@pytest.mark.parametrize("make", [walk, noise, step, cache])
def test_false_alarms(make: Callable[[int], Make], rounds: int) -> None:
    """1.5 % of walks at most, 6 of 400; 22 or more of them in one of 10⁶ runs. Noise, steps and caches alarm less."""
    assert verdicts(make(rounds))["leak"] < 22


def test_a_family_shares_its_level() -> None:
    """A drift that is just shown alone is not shown among forty."""
    held = [int(MIB * size) for size in (100, 100, 100, 100, 103, 105, 109, 112)]
    assert leak(held).verdict == "leak"
    assert leak(held, family=40).verdict == "not shown"


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
    ("make", "least"), [(noise(20, drift=10.0), 0.95), (walk(20, drift=6.0), 0.95), (walk(60, drift=3.0), 0.95)]
)
def test_a_leak_is_found(make: Make, least: float) -> None:
    assert verdicts(make)["leak"] >= least * SERIES


def test_a_leak_is_not_denied() -> None:
    """A leak of twice the material size is hardly ever called none, however short the run."""
    assert verdicts(walk(9, drift=2.0))["no leak"] <= 0.05 * SERIES
    assert verdicts(walk(60, drift=2.0))["no leak"] <= 0.01 * SERIES


def test_steady_memory_is_no_leak() -> None:
    assert verdicts(noise(24, sd=0.3))["no leak"] >= 0.95 * SERIES


def test_a_step_is_left_open_until_the_run_is_long_enough() -> None:
    held = [MIB * (100 + 8 * (number >= 6)) for number in range(8)]
    assert leak(held).verdict == "not shown"
    assert leak([*held, *held[-1:] * 40]).verdict == "no leak"


def test_a_cache_that_has_filled_is_no_leak() -> None:
    held = [round(MIB * (100 + 30 * (1 - math.exp(-number / 2)))) for number in range(30)]
    assert leak(held).verdict == "no leak"
    assert leak(held[:8]).verdict == "not shown"


def test_an_exact_leak() -> None:
    growth = leak([MIB * (100 + 2 * number) for number in range(LEAST_ROUNDS)])
    assert (growth.verdict, growth.rounds, growth.differences, growth.mean) == ("leak", 8, 4, 2 * MIB)
    assert growth.growth == (2 * MIB, 2 * MIB)
    assert growth.consistent


def test_the_first_half_is_left_out() -> None:
    growth = leak([0, 200 * MIB, 300 * MIB, *[500 * MIB] * 7])
    assert (growth.verdict, growth.mean, growth.differences) == ("no leak", 0, 5)


@pytest.mark.parametrize("rounds", range(LEAST_ROUNDS))
def test_few_rounds_are_too_few_always(rounds: int) -> None:
    growth = leak([100 * MIB * number for number in range(rounds)])
    assert (growth.verdict, growth.rounds) == ("too few", rounds)
    assert all(math.isnan(end) for end in growth.growth)


def test_growth_below_the_material_size_is_no_leak_and_is_said_to_be_consistent() -> None:
    small = leak([100 * MIB + 1000 * number for number in range(20)])
    assert (small.verdict, small.consistent) == ("no leak", True)
    grown = [100 * MIB + 3 * MIB * number for number in range(20)]
    assert leak(grown).verdict == "leak"
    assert leak(grown, peak_bytes=10 * 2**30).verdict == "no leak"  # 3 MiB of 10 GiB


def test_unknown_rounds_take_their_differences_with_them() -> None:
    held = [0, 1, 2, 3, 10 * MIB, 12 * MIB, None, 90 * MIB, 92 * MIB, 94 * MIB]
    assert (leak(held).differences, leak(held).verdict) == (3, "too few")


@pytest.mark.parametrize(("peak", "expected"), [(None, MIB), (2**30, 1_073_742), (2**29, MIB)])
def test_the_material_size(peak: int | None, expected: int) -> None:
    assert material_bytes(peak) == expected


def test_negative_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="held memory is negative"):
        leak([1, -1, 2])
