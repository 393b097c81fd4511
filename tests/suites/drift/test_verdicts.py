"""Verdicts of a run: yes with half of 5 % for each question, and how often that is untrue."""

from __future__ import annotations

import numpy as np
import pytest
from drift_draws import FRACTIONS, World, draw
from drift_rows import make_tables
from scipy import stats

from fbench.suites.drift.falls import THIRD, VariantFall
from fbench.suites.drift.measured import Variant
from fbench.suites.drift.rows import read_drift
from fbench.suites.drift.verdicts import claim_parts, judge


def verdicts_of(**more):
    return judge(read_drift(make_tables(**{"layers": 32, "rounds": 2, **more})), 0.2)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, "yes"),
        ({"previous": 0.6, "noise": 0.002}, "no"),
        ({"previous": 0.59, "noise": 0.12, "seeds": 4}, "not shown"),
        ({"retrain": None}, "not shown"),
        ({"seeds": 3}, "too few"),
        ({"rounds": 0}, "too few"),
    ],
)
def test_whether_masks_drift(more, word):
    assert verdicts_of(**more).drift == word


def test_one_variant_that_drifts_is_enough_and_is_named():
    tables = make_tables(layers=14, rounds=2, fractions=(0.05, 0.2))
    for row in tables["results"]:
        if row["fraction"] == 0.2 and row["jaccard_previous"]:
            row["jaccard_previous"] = row["jaccard_retrain"]
    verdicts = judge(read_drift(tables), 0.2)
    assert verdicts.drift == "yes"
    assert [variant.fraction for variant in verdicts.drifting()] == [0.05]


def falls(places, width=0.1, n=4):
    spread = 0.002 * np.linspace(-1, 1, n)
    names = [Variant("random", 64, 1, "global", "kept", fraction) for fraction in FRACTIONS]
    return [
        VariantFall(name, place + spread, width + spread, 0.01 + spread)
        for name, place in zip(names, places, strict=False)
    ]


def test_a_yes_of_a_part_is_after_holms_correction():
    clear, edge = falls((0.34, 0.297))
    alone, together = claim_parts([edge]), claim_parts([clear, edge])
    assert edge.tested[0][0] == "yes"
    assert edge.tested[0][1] < 0.05
    assert alone[edge.variant].at_a_third == together[edge.variant].at_a_third == "yes"
    weak = falls((0.2947,) * 5)
    assert {fall.tested[0][0] for fall in weak} == {"yes"}
    assert {parts.at_a_third for parts in claim_parts(weak).values()} == {"not shown"}


def test_the_claim_is_of_the_depth_at_every_fraction():
    drift = read_drift(make_tables(layers=32, rounds=1))
    base = judge(drift, 0.2)
    for places, width, word in (
        ((0.34, 0.35), 0.1, "yes"),
        ((0.34, 0.5), 0.1, "no"),
        ((0.34, 0.35), 0.6, "yes"),
        ((0.34, THIRD[1]), 0.1, "not shown"),
    ):
        found = falls(places, width)
        verdicts = type(base)(base.compared, base.p, base.drifts, found, claim_parts(found), 0.2)
        assert verdicts.claim == word


def test_a_false_yes_is_rare():
    """200 runs without drift whose overlap grows: 5 % at most, so that 28 of them are less likely than 1 in 10⁶."""
    rng, draws, most = np.random.default_rng(0), 200, 28
    assert stats.binom.sf(most - 1, draws, 0.05) < 1e-6
    world = World(rise=0.03)
    wrong = sum(judge(draw(world, 5, "normal", rng), 0.2).drift == "yes" for _ in range(draws))
    assert wrong < most


def test_a_large_drift_is_found():
    rng = np.random.default_rng(0)
    world = World(taken=0.5)
    assert sum(judge(draw(world, 6, "normal", rng), 0.2).drift == "yes" for _ in range(20)) >= 18
