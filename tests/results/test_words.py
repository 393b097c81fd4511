"""How sentences of chunk sweeps count and list."""

from __future__ import annotations

import math

import pytest

from fbench.results.ratios import Ratio, factor
from fbench.results.words import between, counted, entries, listed, over_blocks
from fbench.units import format_percent

NONE = Ratio(0, math.nan, math.nan, math.nan)
ONE = Ratio(1, 3.0, math.nan, math.nan)
MANY = Ratio(8, 0.5, 0.25, 0.75)


@pytest.mark.parametrize(
    ("counts", "text"), [([1], "1 size"), ([6, 6], "6 sizes"), ([9, 5, 7], "5 to 9 sizes"), ([0], "0 sizes")]
)
def test_counts(counts, text):
    assert counted(counts, "size") == text
    assert between(counts) == text.split(" size")[0]


@pytest.mark.parametrize(("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_lists(names, text):
    assert listed(names) == text


def test_the_first_entry_says_what_the_means_are():
    first = "{kernel} reaches {mean} of it"
    assert entries({"a": MANY, "b": MANY}, format_percent, first) == (
        "a reaches 50 % of it (95 % interval 25 to 75 %), b 50 % (25 to 75 %)"
    )


def test_an_entry_of_one_block_leaves_the_words_to_the_next():
    ratios = entries({"a": ONE, "b": MANY}, factor, "{mean} by {kernel}", "{mean} by {kernel}", after="!{}".format)
    assert ratios == "3 by a (one block, which has no interval)!a, 0.5 by b (95 % interval 0.25 to 0.75)!b"


def test_what_a_sentence_rests_on():
    assert over_blocks({"a": MANY, "b": MANY}) == ", over 8 blocks"
    assert over_blocks({"a": MANY, "b": NONE, "c": NONE}) == ", over 8 blocks; of b and c no block has both"
    assert over_blocks({"a": ONE}) == ""
