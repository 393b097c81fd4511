"""Variants are called by what they differ in."""

from __future__ import annotations

from fbench.suites.drift.measured import Variant
from fbench.suites.drift.names import in_common, in_words, percent, varying_fields

ONE = Variant("random", 1024, 1, "global", "kept", 0.002)


def test_one_variant_is_its_fraction():
    assert in_words(ONE, {"fraction"}) == "0.2 % kept"
    assert varying_fields([ONE]) == []
    assert in_common([ONE]) == "random, N = 1,024, R = 1, rule global, classifier kept, 0.2 % kept"


def test_fields_that_vary_are_named_in_order():
    other = ONE._replace(strategy="bait", redraws=2, classifier="free")
    assert varying_fields([ONE, other]) == ["strategy", "redraws", "classifier"]
    assert in_words(other, {"redraws", "strategy"}) == "bait, R = 2"
    assert in_common([ONE, other]) == "N = 1,024, rule global, 0.2 % kept"


def test_a_minus_sign_is_one():
    assert percent(-0.0123) == "−1.23 %"
