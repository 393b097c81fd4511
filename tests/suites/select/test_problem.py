"""Ways to a selection agree with the slow formulas, and agreement counts what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import reference as slow
import torch

from fbench.errors import TooLargeError
from fbench.fisher.planning import fitting
from fbench.fisher.selection.greedy import TIE
from fbench.suites.select import problem as selection
from fbench.suites.select import ways
from fbench.suites.select.problem import Picked, Reference, select
from fbench.suites.select.ways import Problem, check_memory, parse_way

PROBLEM = Problem(n=60, k=3, d=12, batch=4, labelled=6, seed=3)
CPU = ("cpu",)


@pytest.fixture(scope="module")
def V():
    given = selection.outputs(PROBLEM, torch.float64, "cpu")
    return slow.last_layer_rows(given.logits, given.features)


@pytest.fixture(scope="module")
def labelled():
    return selection.synthetic_labelled(PROBLEM).tolist()


@pytest.fixture(scope="module")
def expected(V, labelled):
    return slow.bait(V, 4, labelled)


@pytest.mark.parametrize("how", ["published", "incremental"])
def test_the_reference_is_what_the_slow_formulas_pick(V, labelled, expected, how):
    budget = 1e12 if how == "published" else 3e5
    found = selection.reference(PROBLEM, budget, CPU)
    assert found.how == how
    assert found.picked.kept == expected.kept
    assert found.picked.forward == expected.forward
    assert found.picked.gaps == pytest.approx(expected.gaps, rel=1e-6)
    assert found.objective == pytest.approx(slow.objective(V, labelled, expected.kept, 4), rel=1e-9)


def test_no_reference_within_a_small_budget():
    assert selection.reference(PROBLEM, 0, CPU) is None


def test_where_published_does_not_fit_the_reference_is_incremental(monkeypatch):
    asked = []

    def check(problem, way, dtype, devices):
        asked.append((way.name, dtype))
        if way.name == "published":
            raise TooLargeError("too large")

    monkeypatch.setattr(selection, "check_memory", check)
    selection.reference.cache_clear()
    assert selection.reference(PROBLEM, 1e12, CPU).how == "incremental"
    assert asked == [("published", "float64"), ("incremental", "float64")]
    selection.reference.cache_clear()


def test_the_reference_is_published_in_small_chunks_where_large_ones_do_not_fit(monkeypatch):
    problem, way = Problem(n=900, k=4, d=24, batch=2, labelled=6), parse_way("published")
    room = ways.plan_way(problem, replace(way, chunk_size=300), "float64").needed
    for module in (ways, fitting):
        monkeypatch.setattr(module, "free_bytes", lambda device: room)
    with pytest.raises(TooLargeError):
        check_memory(problem, way, "float64", CPU)
    seen = []
    monkeypatch.setattr(selection, "select", lambda way, *how: seen.append(way) or select(way, *how))
    assert selection.reference(problem, 1e12, CPU).how == "published"
    assert [way.chunk_size for way in seen] == [300]


def test_built_is_the_exact_embedding(V):
    prepared = selection.prepare(parse_way("fused"), PROBLEM, selection.outputs(PROBLEM, torch.float64, "cpu"))
    built = prepared.embedding.dense()
    assert built.shape == (60, 2, 12)
    torch.testing.assert_close(built.mT @ built, V.mT @ V)
    given = selection.outputs(PROBLEM, torch.float64, "cpu")
    exact = selection.prepare(parse_way("factored"), PROBLEM, given).embedding
    assert torch.equal(exact.dense(), built)


def test_published_builds_all_k_rows(V):
    prepared = selection.prepare(parse_way("published"), PROBLEM, selection.outputs(PROBLEM, torch.float64, "cpu"))
    built = prepared.embedding.dense()
    assert built.shape == (60, 3, 12)
    torch.testing.assert_close(built.mT @ built, V.mT @ V)


@pytest.mark.parametrize("name", ["published", "fused", "factored", "incremental", "top3", "pca:4", "subsample:54"])
def test_whole_approximations_are_exact(expected, name):
    found = selection.select(parse_way(name), PROBLEM, torch.float64, CPU)
    assert found.forward == expected.forward
    assert found.kept == expected.kept


@pytest.mark.parametrize("name", ["top2", "binary", "diagonal", "pca", "subsample:20"])
def test_approximations_pick_unlabelled_positions_of_the_pool(labelled, name):
    found = selection.select(parse_way(name), PROBLEM, torch.float32, CPU)
    assert len(set(found.kept)) == 4
    assert len(found.forward) == 8
    assert set(found.kept) <= set(found.forward) <= set(range(60)) - set(labelled)


def test_a_subsample_picks_as_the_smaller_pool_would(V, labelled):
    way = parse_way("subsample:20")
    given = selection.outputs(PROBLEM, torch.float64, "cpu")
    prepared = selection.prepare(way, PROBLEM, given)
    kept = prepared.positions.tolist()
    assert len(kept) == 26
    assert set(labelled) <= set(kept)
    few = slow.bait(V[kept], 4, [kept.index(x) for x in labelled])
    assert selection.select(way, PROBLEM, torch.float64, CPU).kept == [kept[x] for x in few.kept]


def test_random_batches_differ_by_draw_and_not_by_run(labelled):
    one, again, other = (selection.random_batch(PROBLEM, draw).kept for draw in (0, 0, 1))
    assert one == again != other
    assert len(set(one)) == 4
    assert not set(one) & set(labelled)


def test_the_objective_is_the_exact_one_whatever_the_batch(V, labelled):
    kept = selection.random_batch(PROBLEM, 0).kept
    wanted = slow.objective(V, labelled, kept, 4)
    assert selection.exact_objective(PROBLEM, kept, "cpu") == pytest.approx(wanted, rel=1e-9)


def test_the_guide_is_the_incremental_selections_forward_picks(expected):
    assert list(selection.guide(PROBLEM, torch.float64, CPU)) == expected.forward


def reference_of(kept, forward, gaps):
    return Reference(Picked(kept, forward, gaps), "published", 1.0)


def test_agreement_of_a_batch_and_of_its_order():
    held = reference_of([1, 3], [1, 2, 3], [0.5, 1e-6, 0.2])
    found = selection.agreement(Picked([3, 1], [1, 2, 3], []), held, True, torch.float32)
    assert found == {
        "picks": 2, "same_picks": 1.0, "first_difference": None, "gap_there": None, "tolerance": TIE[torch.float32],
    }  # fmt: skip
    found = selection.agreement(Picked([1, 7], [1, 7, 3], []), held, True, torch.float64)
    assert (found["same_picks"], found["first_difference"], found["gap_there"]) == (0.5, 1, 1e-6)
    assert found["tolerance"] == 1e-10


def test_agreement_of_the_first_picks_counts_them_in_order():
    held = reference_of([1, 3], [1, 2, 3], [0.5, 0.1, 0.2])
    found = selection.agreement(Picked([], [2, 1], []), held, False, torch.float32)
    assert (found["picks"], found["same_picks"], found["first_difference"]) == (2, 0.0, 0)
    found = selection.agreement(Picked([], [1, 2], []), held, False, torch.float32)
    assert (found["picks"], found["same_picks"], found["first_difference"]) == (2, 1.0, None)
