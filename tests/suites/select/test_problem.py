"""Ways to a selection agree with the slow formulas, and agreement counts what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import reference as slow
import torch

from fbench.errors import TooLargeError
from fbench.fisher.planning import fitting
from fbench.fisher.selection.pools import TIE
from fbench.suites.select import problem as selection
from fbench.suites.select import ways
from fbench.suites.select.problem import PoolSelection, Reference, select_batch
from fbench.suites.select.ways import SelectionProblem, check_way_fits, parse_way

PROBLEM = SelectionProblem(n=60, k=3, d=12, batch=4, labelled=6, seed=3)
CPU = ("cpu",)


@pytest.fixture(scope="module")
def V():
    pool = selection.outputs(PROBLEM, torch.float64, "cpu")
    return slow.last_layer_rows(pool.logits, pool.features)


@pytest.fixture(scope="module")
def labelled():
    return selection.synthetic_labelled(PROBLEM).tolist()


@pytest.fixture(scope="module")
def expected(V, labelled):
    return slow.bait(V, 4, labelled)


@pytest.mark.parametrize("method", ["published", "incremental"])
def test_the_reference_is_what_the_slow_formulas_pick(V, labelled, expected, method):
    budget = 1e12 if method == "published" else 3e5
    reference = selection.float64_reference(PROBLEM, budget, CPU)
    assert reference.method == method
    assert reference.picked.kept == expected.kept
    assert reference.picked.forward == expected.forward
    assert reference.picked.gaps == pytest.approx(expected.gaps, rel=1e-6)
    assert reference.objective == pytest.approx(slow.objective(V, labelled, expected.kept, 4), rel=1e-9)


def test_no_reference_within_a_small_budget():
    assert selection.float64_reference(PROBLEM, 0, CPU) is None


def test_where_published_does_not_fit_the_reference_is_incremental(monkeypatch):
    asked = []

    def check(problem, way, dtype, devices):
        asked.append((way.name, dtype))
        if way.name == "published":
            raise TooLargeError("too large")

    monkeypatch.setattr(selection, "check_way_fits", check)
    selection.float64_reference.cache_clear()
    assert selection.float64_reference(PROBLEM, 1e12, CPU).method == "incremental"
    assert asked == [("published", "float64"), ("incremental", "float64")]
    selection.float64_reference.cache_clear()


def test_the_reference_is_published_in_small_chunks_where_large_ones_do_not_fit(monkeypatch):
    problem, way = SelectionProblem(n=900, k=4, d=24, batch=2, labelled=6), parse_way("published")
    room = ways.plan_way(problem, replace(way, chunk_size=300), "float64").needed
    for module in (ways, fitting):
        monkeypatch.setattr(module, "free_bytes", lambda device: room)
    with pytest.raises(TooLargeError):
        check_way_fits(problem, way, "float64", CPU)
    seen = []
    monkeypatch.setattr(selection, "select_batch", lambda way, *how: seen.append(way) or select_batch(way, *how))
    assert selection.float64_reference(problem, 1e12, CPU).method == "published"
    assert [way.chunk_size for way in seen] == [300]


def test_built_is_the_exact_embedding(V):
    pool = selection.outputs(PROBLEM, torch.float64, "cpu")
    prepared = selection.prepare_embedding(parse_way("fused"), PROBLEM, pool)
    built = prepared.embedding.dense()
    assert built.shape == (60, 2, 12)
    torch.testing.assert_close(built.mT @ built, V.mT @ V)
    exact = selection.prepare_embedding(parse_way("factored"), PROBLEM, pool).embedding
    assert torch.equal(exact.dense(), built)


def test_published_builds_all_k_rows(V):
    pool = selection.outputs(PROBLEM, torch.float64, "cpu")
    prepared = selection.prepare_embedding(parse_way("published"), PROBLEM, pool)
    built = prepared.embedding.dense()
    assert built.shape == (60, 3, 12)
    torch.testing.assert_close(built.mT @ built, V.mT @ V)


@pytest.mark.parametrize("name", ["published", "fused", "factored", "incremental", "top3", "pca:4", "subsample:54"])
def test_whole_approximations_are_exact(expected, name):
    selected = selection.select_batch(parse_way(name), PROBLEM, torch.float64, CPU)
    assert selected.forward == expected.forward
    assert selected.kept == expected.kept


@pytest.mark.parametrize("name", ["top2", "binary", "diagonal", "pca", "subsample:20"])
def test_approximations_pick_unlabelled_positions_of_the_pool(labelled, name):
    selected = selection.select_batch(parse_way(name), PROBLEM, torch.float32, CPU)
    assert len(set(selected.kept)) == 4
    assert len(selected.forward) == 8
    assert set(selected.kept) <= set(selected.forward) <= set(range(60)) - set(labelled)


def test_a_subsample_picks_as_the_smaller_pool_would(V, labelled):
    way = parse_way("subsample:20")
    pool = selection.outputs(PROBLEM, torch.float64, "cpu")
    prepared = selection.prepare_embedding(way, PROBLEM, pool)
    kept = prepared.positions.tolist()
    assert len(kept) == 26
    assert set(labelled) <= set(kept)
    few = slow.bait(V[kept], 4, [kept.index(x) for x in labelled])
    assert selection.select_batch(way, PROBLEM, torch.float64, CPU).kept == [kept[x] for x in few.kept]


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
    return Reference(PoolSelection(kept, forward, gaps), "published", 1.0)


def test_agreement_of_a_batch_and_of_its_order():
    held = reference_of([1, 3], [1, 2, 3], [0.5, 1e-6, 0.2])
    cells = selection.agreement(PoolSelection([3, 1], [1, 2, 3], []), held, True, torch.float32)
    assert cells == {
        "picks": 2, "same_picks": 1.0, "first_difference": None, "gap_there": None, "tolerance": TIE[torch.float32],
    }  # fmt: skip
    cells = selection.agreement(PoolSelection([1, 7], [1, 7, 3], []), held, True, torch.float64)
    assert (cells["same_picks"], cells["first_difference"], cells["gap_there"]) == (0.5, 1, 1e-6)
    assert cells["tolerance"] == 1e-10


def test_agreement_of_the_first_picks_counts_them_in_order():
    held = reference_of([1, 3], [1, 2, 3], [0.5, 0.1, 0.2])
    cells = selection.agreement(PoolSelection([], [2, 1], []), held, False, torch.float32)
    assert (cells["picks"], cells["same_picks"], cells["first_difference"]) == (2, 0.0, 0)
    cells = selection.agreement(PoolSelection([], [1, 2], []), held, False, torch.float32)
    assert (cells["picks"], cells["same_picks"], cells["first_difference"]) == (2, 1.0, None)
