"""The model of a selection over ranks: its operations against those done, its messages against sums by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import fbench
from fbench.fisher import work
from fbench.fisher.planning.plan import Shape, StepCounts
from fbench.fisher.planning.scaling import Rates, scaled_selection
from fbench.fisher.selection.engines import IncrementalEngine
from fbench.fisher.selection.information import Information

ALIKE = Rates(narrow=1.0, wide=1.0, memory=math.inf, latency_s=0.0, link=math.inf)
"""An operation a second, whatever else: seconds are operations."""
TYPICAL = Rates(narrow=1e12, wide=5e11, memory=1e11, latency_s=1e-5, link=1e10)
SHAPE = Shape(n=10_000, rows=9, dim=640, classes=10)
COUNTS = StepCounts(picks=40, removals=20, labelled=100)


@pytest.fixture
def operations():
    """Operations that were done, by everything since the test began."""
    done = [0.0]
    token = work._HEARS.set(lambda more: done.__setitem__(0, done[0] + more))
    yield done
    work._HEARS.reset(token)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("labelled", [20, 200])  # told by their products, and by M's inverse
def test_operations_are_those_that_are_done(operations, dense, labelled):
    g = torch.Generator().manual_seed(0)
    V: fbench.Embedding = fbench.last_layer_embedding(
        torch.randn(600, 5, generator=g).double(), torch.randn(600, 64, generator=g).double()
    )
    V = fbench.dense_embedding(V.dense()) if dense else V
    shape = Shape(600, 4, 320, 0 if dense else 5)
    counts = StepCounts(picks=10, removals=0, labelled=labelled)
    predicted = scaled_selection(shape, counts, ALIKE, dtype="float64")
    operations[0] = 0
    V = V.reduced()
    information = Information(V, torch.arange(labelled), 10, 1.0)
    assert predicted["fisher"].all_s == pytest.approx(operations[0], rel=0.35)
    engine = IncrementalEngine(V, information, 1)
    operations[0] = 0
    engine.load(torch.arange(0))
    assert predicted["setup"].all_s == pytest.approx(operations[0], rel=0.35)


def test_what_ranks_share_and_what_each_does_for_itself():
    one, four = (scaled_selection(SHAPE, COUNTS, TYPICAL, ranks=p) for p in (1, 4))
    assert all(phase.messages_s == 0 for phase in one.values())
    assert four["fisher"].compute_s == pytest.approx(one["fisher"].compute_s / 4)
    assert four["backward"] == one["backward"]
    assert four["objective"] == one["objective"]
    assert one["setup"].compute_s / 4 < four["setup"].compute_s < one["setup"].compute_s


def test_messages_by_hand():
    slow = replace(TYPICAL, latency_s=1.0, link=math.inf)
    four = scaled_selection(SHAPE, COUNTS, slow, ranks=4)
    assert four["fisher"].messages_s == 3 * 2 + 2  # a ring twice round; the labelled down a tree
    assert four["forward"].messages_s == 40 * (3 + 2)
    narrow = replace(TYPICAL, latency_s=0.0, link=1.0)
    each = 4 * (9 * 9 + 64)
    four = scaled_selection(SHAPE, COUNTS, narrow, ranks=4)
    assert four["fisher"].messages_s == pytest.approx(2 * 3 / 4 * 4 * 576**2 + 2 * 100 * each)
    assert four["forward"].messages_s == pytest.approx(40 * (3 * 40 + 2 * each))


def test_a_pick_is_bound_by_memory_where_products_are_fast():
    fast = replace(TYPICAL, narrow=1e30, wide=1e30)
    slower = replace(fast, memory=fast.memory / 2)
    quick, slow = (scaled_selection(SHAPE, COUNTS, rates)["forward"].all_s for rates in (fast, slower))
    assert slow == pytest.approx(2 * quick)


def test_no_removals_and_no_refreshes():
    times = scaled_selection(SHAPE, StepCounts(picks=20, removals=0, labelled=100), TYPICAL, refreshes=0)
    assert times["backward"].all_s == times["refresh"].all_s == 0
