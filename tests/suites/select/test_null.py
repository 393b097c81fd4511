"""``fbench select --null``: equal ways are hardly ever called different, and unequal ones are seen to be."""

from __future__ import annotations

import numpy as np
import pytest
from plain import faults
from selection_rows import row, selection

from fbench.errors import UsageError
from fbench.harness import registry
from fbench.harness.contract import Context
from fbench.suites.select.null import false_claims
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
    assert [line[0] for line in shown.tables[0].rows] == ["4", "8", "20"]
    assert all(float(line[2].split()[0]) <= 10 for line in shown.tables[0].rows)
    assert faults(shown) == []


def test_too_few_blocks():
    shown = summary(twins(3), OPTIONS)
    assert shown.answers[0].verdict == "too few"
    assert faults(shown) == []


def test_nothing_measured():
    shown = summary([row("incremental", None, status="oom", reason="too large")], OPTIONS)
    assert shown.answers[0].verdict == "too few"
    assert false_claims({}, 4) is None
