"""A small version of tests/benchmarks/claims/chunksize.py: few false claims where nothing is there, effects found."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from claim_rows import counted
from scipy import stats

from fbench.suites.chunksize.judged import judge_run

_PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "claims" / "chunksize.py"
CHANCE = 1e-6
"""How often a bound may fail though the rates are as claimed."""


@pytest.fixture(scope="module")
def claims():
    spec = importlib.util.spec_from_file_location("chunksize_claims", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dwell", [3.0, 60.0])
def test_equal_kernels_and_sizes_claim_nothing(claims, dwell):
    rng, draws = np.random.default_rng(0), 40
    false = sum(
        claims.is_false(claims.verdicts(judge_run(claims.drawn_run(claims.EQUAL, dwell, 6, rng), claims.OPTIONS)))
        for _ in range(draws)
    )
    assert false <= stats.binom.isf(CHANCE, draws, 0.05)


def test_equal_dense_sizes_show_no_period(claims):
    rng, draws = np.random.default_rng(1), 12
    false = sum(
        claims.is_false(claims.verdicts(judge_run(claims.drawn_run(claims.EQUAL_DENSE, 15.0, 6, rng), claims.OPTIONS)))
        for _ in range(draws)
    )
    assert false <= stats.binom.isf(CHANCE, draws, 0.05)


def test_a_chunk_that_costs_half_as_much_again_is_found(claims):
    design = claims.Design({"fused": claims.slower_chunk(1.45)}, claims.SIZES)
    rng, draws = np.random.default_rng(2), 30
    told = sum(
        judge_run(claims.drawn_run(design, 15.0, 8, rng), claims.OPTIONS).kernels[0].matters for _ in range(draws)
    )
    assert told >= stats.binom.ppf(CHANCE, draws, 0.9)


def test_the_rows_of_the_table_have_their_interval():
    row = counted("false_yes", "nothing", 4, [False] * 20 + [True]).row()
    assert (row["draws"], row["share"], row["low"] < row["share"] < row["high"]) == (21, "0.0476", True)
    assert counted("false_yes", "nothing", 4, [False]).row()["low"] == "0.0000"
    assert counted("power", "all", 4, [True]).row()["high"] == "1.0000"
