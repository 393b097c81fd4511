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


def test_what_is_there_is_claimed(claims):
    """Random is .0455 below: eight seeds show it in all of 50 draws but one in a million times."""
    rng = np.random.default_rng(1)
    shown = sum(claims.judged(made(rng, 8, gains=claims.COMMITTED))[0].verdict == "yes" for _ in range(50))
    assert shown >= 45
