"""How often the answers of a comparison are wrong where nothing is there: a small version of the claims' script.

At most 5 % of draws may be wrong. Of 300 draws that are, so many are wrong once in ten million times that the bound
lies at 36; six such counts fail by chance less than once in a million runs.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from compare_curves import NOISES, made
from scipy import stats

from fbench.learning.data import TEST_SHARE

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "claims" / "compare.py"
DRAWS = 300
MOST = int(stats.binom.isf(1e-7, DRAWS, 0.05))


@pytest.fixture(scope="module")
def claims():
    spec = importlib.util.spec_from_file_location("compare_claims", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("condition", ["equal strategies", "bait+fish worse than bait by the margin"])
def test_nothing_there_is_rarely_claimed(claims, noise, condition):
    gains, sd = claims.NOTHING[condition]
    rng = np.random.default_rng(0)
    assert sum(claims.false_yes(made(rng, 8, noise, gains, sd), gains) for _ in range(DRAWS)) <= MOST


@pytest.mark.parametrize("noise", NOISES)
def test_images_that_seeds_share_are_counted(claims, noise):
    """Left out, they make half of the draws of normal noise wrong: of 300, under 60 then never."""
    rng = np.random.default_rng(2)
    drawn = [made(rng, 20, noise, {}, 0.007, shared=TEST_SHARE) for _ in range(DRAWS)]
    assert sum(claims.false_yes(curves, {}, claims.OVERLAP) for curves in drawn) <= MOST
    if noise == "normal":
        assert sum(claims.false_yes(curves, {}) for curves in drawn) >= 60


def test_what_is_there_is_claimed(claims):
    """Random is .0455 below: eight seeds show it in all of 50 draws but one in a million times."""
    rng = np.random.default_rng(1)
    shown = sum(claims.judged(made(rng, 8, gains=claims.COMMITTED))[0].verdict == "yes" for _ in range(50))
    assert shown >= 45


@pytest.fixture(scope="module")
def settings_claims():
    spec = importlib.util.spec_from_file_location("settings_claims", SCRIPT.with_name("compare_settings.py"))
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("condition", range(4))
def test_nothing_there_is_rarely_claimed_over_settings(settings_claims, condition, overlapping):
    """A hundred draws, of which so many claim something untrue once in ten million times."""
    gains = list(settings_claims.CONDITIONS.values())[condition]
    rng, draws = np.random.default_rng(condition), 100
    wrong, means = 0, 0
    for _ in range(draws):
        places = settings_claims.drawn(rng, 8, "normal", gains, overlapping=overlapping)
        claims = settings_claims.claims_over(places, settings_claims.FAMILY, settings_claims.REGULARISED)
        wrong += any(settings_claims.untrue(claim, gains) for claim in claims)
        means += any(settings_claims.untrue_mean(claim, gains) for claim in claims)
    assert max(wrong, means) <= stats.binom.isf(1e-7, draws, 0.05)


def test_what_is_there_at_every_setting_is_claimed(settings_claims):
    rng = np.random.default_rng(1)
    places = [settings_claims.drawn(rng, 8, "normal", [settings_claims.DIGITS] * 6) for _ in range(20)]
    claims = [settings_claims.claims_over(at, settings_claims.FAMILY, settings_claims.REGULARISED)[0] for at in places]
    assert [claim.verdict for claim in claims].count("yes") >= 15
