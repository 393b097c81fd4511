"""Planted periods must be found, and noise must not have any: white or red, p keeps to what it says.

False alarms at p < 0.05 are counted over 200 seeded series each and may be 8 % (two standard errors above 5 %).
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import InputError
from fbench.measure import spectrum as module
from fbench.measure.spectrum import LEAST_FOR_PERIOD, Spectrum, even_run, find_period, spectrum

STEP = 16
SWEEP = np.arange(16, 2049, STEP)


def red_noise(phi, n, rng):
    series = np.zeros(n + 200)  # long enough to forget where it began
    for now, push in enumerate(rng.normal(size=n + 200)):
        series[now] = phi * series[now - 1] + push
    return series[200:]


def sine(period, at=SWEEP, phase=0.7):
    return math.sqrt(2) * np.sin(2 * math.pi * at / period + phase)  # of variance 1


def staircase(sizes, period=42):
    """Share of the last wave that is idle: it falls as one over the number of waves."""
    return np.ceil(sizes / period) * period / sizes - 1


def test_all_lists_the_public_names():
    defined = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    assert {name for name in defined if not name.startswith("_")} | {"LEAST_FOR_PERIOD"} == set(module.__all__)


# --- evenly spaced runs


def longest_by_hand(sizes):
    """Slow twin: the length and the step of the best run, by walking on from every pair."""
    known, best = set(sizes), (min(len(set(sizes)), 1), 0)
    for first, second in itertools.combinations(sorted(known), 2):
        step = second - first
        length = next(count for count in itertools.count(2) if first + count * step not in known)
        best = max(best, (length, step))
    return best


@given(st.lists(st.integers(1, 60), max_size=20))
def test_even_run_is_the_longest(sizes):
    run = even_run(sizes)
    steps = set(np.diff(run).tolist())
    assert set(run) <= set(sizes)
    assert len(steps) <= 1
    assert (len(run), steps.pop() if steps else 0) == longest_by_hand(sizes)


def test_even_run_passes_over_powers_of_two():
    lattice = list(range(64, 1025, 64))
    assert even_run([*lattice, 1, 2, 4, 8, 16, 32, 96, 2048]) == lattice
    assert even_run([1024, *reversed(lattice), 512]) == lattice


def test_of_equal_runs_the_widest():
    assert even_run([1, 2, 3, 100, 200, 300]) == [100, 200, 300]
    assert even_run([3, 5, 9, 10]) == [3, 10]
    assert even_run([7]) == [7]
    assert even_run([]) == []


def test_even_run_of_a_thousand_sizes():
    run = range(10_000, 50_000, 100)
    rest = np.random.default_rng(0).choice(9_999, 600, replace=False)
    assert even_run([*run, *rest.tolist()]) == list(run)


# --- the periodogram


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=70))
def test_power_is_the_share_of_variance(values):
    wave = spectrum(values, 2.0)
    fourier = np.array(wave.power[::4])
    assert np.all((np.array(wave.power) >= 0) & (np.array(wave.power) <= 1))
    if np.ptp(values) > 1e-6:
        assert fourier.sum() == pytest.approx(1)
    assert wave.periods[0] == pytest.approx(2.0 * len(values))
    assert wave.periods[-1] == pytest.approx(4.0)


def test_power_of_a_sine_by_regression():
    series = np.random.default_rng(0).normal(size=60)
    series -= series.mean()
    wave = spectrum(series, 1.0)
    at = wave.periods.index(pytest.approx(12.0))
    waves = np.stack([np.cos(math.pi / 6 * np.arange(60)), np.sin(math.pi / 6 * np.arange(60))], axis=1)
    fitted = waves @ np.linalg.lstsq(waves, series, rcond=None)[0]
    assert wave.power[at] == pytest.approx(fitted.var() / series.var())


def test_nothing_varies_and_one_value():
    assert set(spectrum([0.1] * 50, 1.0).power) == {0.0}
    assert spectrum([3.0], 1.0) == Spectrum([], [])


# --- planted periods


@pytest.mark.parametrize("seed", range(5))
def test_a_sine_in_as_much_noise(seed):
    noise = np.random.default_rng(seed).normal(size=SWEEP.size)
    period = find_period(sine(170) + noise, STEP, seed=seed)
    assert period.low < 170 < period.high
    assert period.low < period.period < period.high
    assert period.p < 0.01
    assert 0.25 < period.share < 0.75


@pytest.mark.parametrize("seed", range(3))
def test_a_sine_in_red_noise_on_a_slope(seed):
    noise = red_noise(0.8, SWEEP.size, np.random.default_rng(seed))
    period = find_period(2 * sine(100) + noise + 0.01 * SWEEP, STEP, seed=seed)
    assert period.low < 100 < period.high
    assert period.p < 0.05


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("first", "last"), [(64, 576), (64, 1024), (256, 2048)])
def test_a_sawtooth_of_falling_amplitude_has_its_period_and_not_a_harmonic(first, last, noise):
    sizes = np.arange(first, last + 1, 4)
    clean = staircase(sizes)
    for seed in range(5):
        shaken = clean + np.random.default_rng(seed).normal(0, noise * clean.std(), sizes.size)
        period = find_period(shaken, 4, seed=seed, draws=199)
        assert period.low < 42 < period.high
        assert period.p < 0.05


def test_a_pattern_that_dies_out_is_found_once_its_fall_is_undone():
    sizes = np.arange(8, 513, 4)
    assert find_period(staircase(sizes), 4).p > 0.05
    period = find_period(staircase(sizes) * sizes, 4)
    assert period.low < 42 < period.high
    assert period.p < 0.01


def test_the_interval_is_the_resolution():
    period = find_period(sine(128), STEP)
    assert 1 / period.low - 1 / period.high == pytest.approx(1 / (STEP * SWEEP.size))
    assert period.period == pytest.approx(128, rel=0.02)


def test_three_periods_must_be_seen_and_two_steps():
    rng = np.random.default_rng(5)
    for period in (900, 1500):
        strongest = find_period(sine(period) + 0.1 * rng.normal(size=SWEEP.size), STEP)
        assert strongest.period <= (SWEEP[-1] - SWEEP[0]) / 3
    assert find_period((-1.0) ** np.arange(64) + 0.1 * rng.normal(size=64), STEP).period == pytest.approx(
        2 * STEP, rel=0.02
    )


# --- noise


@pytest.mark.parametrize("n", [64, 128])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_false_alarms(phi, n):
    rng = np.random.default_rng(n)
    periods = [find_period(red_noise(phi, n, rng), STEP, seed=seed, draws=199) for seed in range(200)]
    assert np.mean([period.p < 0.05 for period in periods]) <= 0.08


def test_p_is_that_of_its_seed_and_never_zero():
    series = sine(170)
    assert find_period(series, STEP, seed=1, draws=99) == find_period(series, STEP, seed=1, draws=99)
    assert find_period(series, STEP, draws=99).p == 0.01


def test_unit_and_scale_are_of_no_account():
    series = red_noise(0.5, 100, np.random.default_rng(3))
    period, scaled = find_period(series, 1.0), find_period(1e-6 * series + 5e-3, 7.0)
    assert (scaled.p, scaled.share) == (period.p, pytest.approx(period.share))
    assert (scaled.low, scaled.period, scaled.high) == pytest.approx(
        (7 * period.low, 7 * period.period, 7 * period.high)
    )


@pytest.mark.parametrize(
    "values",
    [[0.1, 0.2] * (LEAST_FOR_PERIOD // 2 - 1), [0.0] * 100, [0.1] * 100, (0.1 + 0.3 * np.arange(100)).tolist()],
)
def test_no_period_in_few_values_or_where_nothing_varies(values):
    assert find_period(values, 1.0) is None


def test_a_period_in_the_least():
    assert find_period(sine(5, np.arange(LEAST_FOR_PERIOD)), 1).p < 0.05


# --- messages


@pytest.mark.parametrize("call", [spectrum, find_period])
@pytest.mark.parametrize(
    ("values", "step", "message"),
    [
        ([[1.0]], 1.0, r"the series has shape \(1, 1\): give a list of one value or more, evenly spaced"),
        ([], 1.0, r"the series has shape \(0,\)"),
        ([1.0, math.nan], 1.0, r"the series holds nan at position 1: it needs every value, finite"),
        ([1.0, 2.0], 0.0, r"step = 0 is out of range: give the positive distance between neighbours"),
        ([1.0, 2.0], math.nan, r"step = nan is out of range"),
    ],
)
def test_input_errors(call, values, step, message):
    with pytest.raises(InputError, match=message):
        call(values, step)


def test_no_draws():
    with pytest.raises(InputError, match=r"draws = 0: a p value needs one or more, such as 999"):
        find_period([1.0, 2.0], 1.0, draws=0)
