"""The poster's claim, part by part and fraction by fraction."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from drift_rows import FALL, variant_fall

from fbench.measure.statistics import Interval
from fbench.suites.drift.claim import claim_sentences


def test_without_a_fit_there_is_nothing_to_judge():
    assert claim_sentences([variant_fall(fall=None, reason="too few layers")]) == []


def test_the_claim_part_by_part():
    deep = replace(FALL, place=0.6, place_interval=Interval(0.5, 0.7), width_interval=Interval(0.3, 0.4), after=0.05)
    none = variant_fall(replace(FALL, p=0.3), fraction=0.4)
    parts, moved = claim_sentences([variant_fall(), variant_fall(deep, (0.6, 0.62, 0.58), fraction=0.2), none])
    assert parts == (
        "The poster's claim, that the share falls steeply to nearly zero about a third of the way into the network, "
        "holds in every part at 1 of 3 fractions (5 % kept). Part by part: with 5 % kept, a fall: yes (p = 0.002), at "
        "a third: yes (0.30 to 0.40), steep: yes (width 0.00 to 0.20), nearly to zero: yes (to 5 % of the level "
        "before); with 20 % kept, a fall: yes (p = 0.002), at a third: no (0.50 to 0.70), steep: no (width 0.30 to "
        "0.40), nearly to zero: no (to 50 % of the level before); with 40 % kept, a fall is not shown (p = "
        "0.30), so the rest has no answer."
    )
    assert moved == (
        "The fall's place by the fraction kept: 0.35 with 5 % and 0.60 with 20 %, a range of 0.25 of the depth. From "
        "5 % to 20 % it shifts by +0.25, mean of 3 seeds showing both falls by itself, and lies deeper in 3 of these."
    )


def test_an_unresolved_width_is_said_and_does_not_count():
    sentence = claim_sentences([variant_fall(replace(FALL, width_interval=Interval(0.1, 0.4)))])[0]
    assert "at 0 of 1 fraction." in sentence
    assert "steep: unresolved (width 0.10 to 0.40)" in sentence


def test_other_rules_and_classifiers_are_no_part_of_the_claim():
    free = variant_fall(replace(FALL, place_interval=Interval(0.5, 0.6)), classifier="free")
    (sentence,) = claim_sentences([variant_fall(), free])
    assert "1 of 1 fraction" in sentence


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ((0.3, math.nan), (0.6, 0.6), "+0.30, mean of 1 seed showing both falls by itself, and lies deeper in 1 of these."),  # noqa: E501
        ((0.3, math.nan), (math.nan, 0.6), "No seed by itself shows both falls, of 5 % to 20 %."),
        ((0.3, 0.5), (0.6, 0.4), "+0.10, mean of 2 seeds showing both falls by itself, and lies deeper in 1 of these."),
    ],
)  # fmt: skip
def test_how_the_place_moves(low, high, words):
    assert claim_sentences([variant_fall(places=low), variant_fall(places=high, fraction=0.2)])[1].endswith(words)
