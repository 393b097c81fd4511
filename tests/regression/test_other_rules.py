"""Accuracies by seed and peaks by round: the words, and what leaves them open."""

import math

import numpy as np
import pytest

from fbench.measure.statistics import holm
from fbench.regression.compared import RevisionDiff
from fbench.regression.other_rules import compare_areas, compare_peaks
from fbench.regression.saying import lead_of, table_of


def areas(shift=0.0, seeds=8, sd=0.002, seed=0):
    rng = np.random.default_rng(seed)
    return {number: 0.8 + 0.01 * number + shift + rng.normal(0, sd) for number in range(seeds)}


def test_the_four_words_of_accuracies():
    base = {name: areas() for name in "abcd"}
    new = {
        "a": areas(-0.02, seed=1),
        "b": areas(0.02, seed=2),
        "c": areas(0.0, seed=3),
        "d": areas(0.0, sd=0.05, seed=4),
    }
    rows = compare_areas(base, new, 0.005)
    assert [row.verdict for row in rows] == ["worse", "better", "same within the margin", "not shown"]
    assert rows[0].change == pytest.approx(-0.02, abs=0.003)
    assert [row.adjusted for row in rows] == pytest.approx(holm([row.p for row in rows]).tolist())


def test_a_difference_within_the_margin_is_none():
    [row] = compare_areas({"a": areas(sd=0)}, {"a": areas(0.004, sd=1e-5)}, 0.005)
    assert row.verdict == "same within the margin"


def test_seeds_are_those_of_both():
    [row] = compare_areas({"a": areas(seeds=8), "b": areas()}, {"a": areas(-0.1, seeds=3, seed=1)}, 0.005)
    assert row.n == 3
    assert compare_areas({"a": {0: 0.5}}, {"a": {1: 0.5}}, 0.005) == []
    [row] = compare_areas({"a": {0: 0.5, 1: 0.6}}, {"a": {0: 0.4, 1: 0.7}}, 0.005)
    assert (row.verdict, row.why) == ("not shown", "2 common seeds are too few: 3 or more")


@pytest.mark.parametrize(
    ("before", "after", "word", "why"),
    [
        ((100, 101, 102), (110, 111, 112), "larger", ""),
        ((110, 111, 112), (100, 101, 102), "smaller", ""),
        ((100, 101), (100, 102), "same within the margin", ""),
        ((100, 110), (105, 115), "not shown", ""),
        ((100,), (200,), "not shown", "one round tells no spread: 2 or more"),
        ((0, 0), (5, 5), "not shown", "memory did not grow"),
    ],
)
def test_the_words_of_peaks(before, after, word, why):
    [row] = compare_peaks({"a": dict(enumerate(before))}, {"a": dict(enumerate(after))}, 0.03)
    assert (row.verdict, row.why) == (word, why)
    assert row.low <= row.change <= row.high or math.isnan(row.change)


def test_what_is_said_of_them():
    rows = compare_areas({"a": areas()}, {"a": areas(-0.02, seed=1)}, 0.005)
    rows += compare_peaks({"b": {0: 2**20, 1: 2**20}}, {"b": {0: 2**21, 1: 2**21}}, 0.03)
    diff = RevisionDiff("v1", "v2", rows, 0.03)
    assert lead_of(diff) == ["v2 looks worse or larger than v1 in 2 of 2 benchmarks (a, b), which is not confirmed."]
    table = table_of(diff)
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert cells["a"]["change"].startswith("-0.02")
    assert (cells["b"]["change"], cells["b"]["base"], cells["b"]["new"]) == ("+100.0 %", "1 MiB", "2 MiB")
    assert (diff.exit_code(strict=False), diff.exit_code(strict=True)) == (0, 3)
