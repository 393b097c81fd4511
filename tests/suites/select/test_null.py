"""``fbench select --null``: equal ways are hardly ever called different, and unequal ones are seen to be."""

from __future__ import annotations

import numpy as np
import pytest
from plain import faults
from selection_rows import row, selection

from fbench.errors import UsageError
from fbench.harness import registry
from fbench.harness.contract import Context
from fbench.results.faster import Pair, compare_times
from fbench.suites.select.cases import measured_selections
from fbench.suites.select.null import false_claims, twins_of
from fbench.suites.select.summary import summary
from fbench.suites.select.ways import given_twice, parse_way

SUITE = registry.SUITES.get("select")
OPTIONS = SUITE.restored({"null": True})


def twins(blocks, spread=0.1):
    generator = np.random.default_rng(1)
    steps = np.exp(spread * generator.standard_normal((2, blocks)))
    return [*selection("incremental", steps[0]), *selection("incremental:again", steps[1])]


def test_every_way_is_given_twice():
    resolved = SUITE.resolve(SUITE.typed(null=True, methods="incremental,random,top2"), Context())
    assert resolved.methods == ("incremental", "incremental:again", "top2", "top2:again")
    assert SUITE.resolve(resolved, Context()) == resolved
    assert parse_way("pca:16:again").engine == parse_way("pca:16").engine
    assert given_twice(["random", "score-packed"]) == ()


def test_nothing_to_give_twice_is_refused():
    with pytest.raises(UsageError, match="--null needs a way that is timed"):
        SUITE.resolve(SUITE.typed(null=True, methods="random"), Context())


def test_equal_ways_are_hardly_called_different():
    """Of 1,000 draws 30 are claimed; more than 65 of them happens once in 10⁶ runs or less."""
    shown = summary(twins(40), OPTIONS)
    assert shown.answers[0].verdict == "no"
    assert [line[0] for line in shown.tables[0].rows] == ["4", "5", "8", "10", "20"]
    assert all(float(line[2].split()[0]) <= 10 for line in shown.tables[0].rows)
    found = [float(line[4].removesuffix(" times")) for line in shown.tables[0].rows]
    assert found == sorted(found, reverse=True)
    assert shown.lead[1] == (
        f"Found in 80 % of draws would be a true difference of {found[0]:.2f} times with 4 blocks, {found[3]:.2f} "
        f"times with 10 and {found[4]:.2f} times with 20."
    )
    assert shown.answers[0].sentence.endswith("of 1,000 draws of 4 to 20 blocks; 5 % is allowed.")
    assert faults(shown) == []


def test_the_power_is_that_of_the_suite_itself():
    """Its slow twin: the times of a way made longer by what is said to be found, and the suite asked again."""
    drawn = twins_of(measured_selections(twins(40)))
    rate, (pair,) = false_claims(drawn, 8), drawn.values()
    generator, found = np.random.default_rng(2), 0
    for _ in range(400):
        start = int(generator.integers(33))
        logs = np.log([pair.slow[block] / pair.fast[block] for block in range(start, start + 8)])
        logs = logs * generator.choice([-1, 1], 8) + np.log(rate.detectable)
        slower = Pair(dict(enumerate(np.exp(logs))), dict.fromkeys(range(8), 1.0))
        found += compare_times({"way": slower})["way"].verdict == "yes"
    assert found / 400 == pytest.approx(0.8, abs=0.1)  # five standard deviations


def test_too_few_blocks():
    shown = summary(twins(3), OPTIONS)
    assert shown.answers[0].verdict == "too few"
    assert faults(shown) == []


def test_nothing_measured():
    shown = summary([row("incremental", None, status="oom", reason="too large")], OPTIONS)
    assert shown.answers[0].verdict == "too few"
    assert false_claims({}, 4) is None
