"""Seeds that a claim needs, against the noncentral t and by simulation."""

import math

import numpy as np
import pytest
from comparisons import DELTA, differences, four_errors
from scipy import stats

from fbench.errors import InputError, UnknownNameError
from fbench.measure.power import AboutSeeds, SeedRange, about_seeds, least_shown, seeds_needed
from fbench.measure.statistics import paired, sd_interval


def nct_seeds(level, ratio):
    """Slow twin: the first n at which the noncentral t has 80 % beyond its critical value."""
    return next(
        n for n in range(2, 1000)
        if stats.nct.sf(stats.t.ppf((1 + level) / 2, n - 1), n - 1, ratio * math.sqrt(n)) >= 0.8
    )  # fmt: skip


@pytest.mark.parametrize("sd", [0.002, 0.005, 0.012])
def test_seeds_are_the_noncentral_ts(sd):
    comparison = differences(-0.003, sd, 8)
    low, high = sd_interval(sd, 8)
    needed = seeds_needed(comparison, "not inferior", DELTA)
    assert needed == SeedRange(nct_seeds(0.90, DELTA / low), nct_seeds(0.90, DELTA / high), 1000)
    needed = seeds_needed(comparison, "better by the margin", DELTA)
    assert needed == SeedRange(nct_seeds(0.95, DELTA / low), nct_seeds(0.95, DELTA / high), 1000)


@pytest.mark.parametrize("sd", [0.003, 0.008])
def test_seeds_for_equivalence_have_the_power(sd):
    rng, draws = np.random.default_rng(10), 20_000
    needed = seeds_needed(differences(0.004, sd, 8), "equivalent", DELTA)
    true_sd = sd_interval(sd, 8).low

    def simulated(n):
        samples = rng.normal(0.0, true_sd, size=(draws, n))
        half = stats.t.ppf(0.95, n - 1) * samples.std(axis=1, ddof=1) / math.sqrt(n)
        return np.mean(np.abs(samples.mean(axis=1)) + half < DELTA)

    assert simulated(needed.low) > 0.8 - four_errors(0.8, draws)
    assert simulated(needed.low - 1) < 0.8 + four_errors(0.8, draws)
    assert needed.high > seeds_needed(differences(0.004, sd, 8), "not inferior", DELTA).high


def test_power_and_cap():
    comparison = differences(0.0, 0.02, 8)
    usual = seeds_needed(comparison, "not inferior", DELTA)
    assert seeds_needed(comparison, "not inferior", DELTA, power=0.95).low > usual.low
    capped = seeds_needed(comparison, "not inferior", DELTA, cap=usual.low)
    assert capped == SeedRange(usual.low, None, usual.low)
    assert seeds_needed(comparison, "not inferior", DELTA, cap=usual.low - 1).low is None


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (9, 31, "9 to 31"),
        (9, 9, "9"),
        (400, None, "400 to more than 1,000"),
        (None, None, "more than 1,000"),
    ],
)
def test_seed_range_reads_well(low, high, text):
    assert str(SeedRange(low, high, 1000)) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: seeds_needed(paired([1, 2], [1, 1]), "equivalent", -1.0), r"margin = -1 is out of range"),
        (
            lambda: seeds_needed(paired([1, 2], [1, 1]), "equivalent", 1.0, power=1),
            r"power = 1 is out of range",
        ),
        (
            lambda: seeds_needed(paired([1, 2], [1, 1]), "equivalent", 1.0, cap=1),
            r"cap = 1 seeds.*larger cap",
        ),
    ],
)
def test_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_unknown_goal():
    with pytest.raises(UnknownNameError, match=r"unknown goal 'equivalence'; did you mean 'equivalent'\?"):
        seeds_needed(paired([1, 2], [1, 1]), "equivalence", DELTA)


@pytest.mark.parametrize(
    ("sd", "words"),
    [(0.001, "some 5"), (0.004, "some 10"), (0.008, "some 50"), (0.02, "some 200"), (0.3, "more than 1,000")],
)
def test_a_first_look_is_a_round_number_at_the_spread_itself(sd, words):
    """Its slow twin is the noncentral t at the spread that was seen."""
    found = about_seeds(differences(0.0, sd, 3), "better by the margin", DELTA, least=4)
    assert str(found) == words
    if found.number:
        exact = nct_seeds(0.95, DELTA / sd)
        assert exact <= found.number <= max(5, 2.5 * exact)


def test_a_first_look_needs_a_spread():
    assert about_seeds(differences(0.01, 0.0, 3), "not inferior", DELTA) is None
    assert str(AboutSeeds(None, 200)) == "more than 200"


def test_the_least_difference_shown_is_shown_in_four_runs_of_five():
    """Draws of that difference: a t interval clear of 0 in 80 % of them, above it; nan where there is no spread."""
    rng = np.random.default_rng(0)
    for n in (4, 8, 20):
        draws = rng.normal(least_shown(0.7, n), 0.7, size=(20_000, n))
        t = draws.mean(axis=1) * np.sqrt(n) / draws.std(axis=1, ddof=1)
        shown = (t > stats.t.ppf(0.975, n - 1)).mean()
        assert shown == pytest.approx(0.8, abs=0.015)
    assert least_shown(0.7, 20, ratio=0.25) == pytest.approx(
        least_shown(0.7, 20) * np.sqrt(0.05 + 0.25) / np.sqrt(0.05)
    )
    assert np.isnan(least_shown(0.7, 1))
