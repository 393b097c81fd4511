"""A pool in shards: the picks of one process, however many ranks hold it and however unevenly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cases
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from threaded_ranks import as_ranks

import fbench
from fbench.errors import InputError
from fbench.fisher.selection import engines
from fbench.fisher.selection.bait import Search
from fbench.fisher.selection.engines import SELECTION_METHODS
from fbench.fisher.selection.sharded_pool import ShardedPool

SHAPES = sorted(cases.SHAPES)


def shards_of(V: fbench.Embedding, edges: list[int]) -> list[fbench.Embedding]:
    return [V[a:b] for a, b in pairwise([0, *edges, V.n])]


def selected(V: fbench.Embedding, edges: list[int], batch: int, **how: Any) -> list[fbench.Selection]:
    """The selection by every rank; their shards end at ``edges``."""
    shards = shards_of(V, edges)
    return as_ranks(len(shards), lambda rank: fbench.bait_select(ShardedPool(shards[rank.index], rank), batch, **how))


def assert_same(ours: fbench.Selection, alone: fbench.Selection) -> None:
    assert ours.forward.tolist() == alone.forward.tolist()
    assert ours.indices.tolist() == alone.indices.tolist()
    near = {torch.float64: 1e-8, torch.float32: 1e-4}[alone.scores.dtype]
    largest = float(alone.scores.max())  # whose rounding is in the small ones that follow it
    torch.testing.assert_close(ours.scores, alone.scores, rtol=near, atol=near * 1e-6 * largest)
    assert ours.objective == pytest.approx(alone.objective, rel=near)
    assert ours.effective_dimension == pytest.approx(alone.effective_dimension, rel=near)
    assert ours.regularisation == pytest.approx(alone.regularisation, rel=1e-12 if near < 1e-6 else 1e-5)
    assert ours.jitter == alone.jitter


@pytest.mark.parametrize("method", list(SELECTION_METHODS))
@pytest.mark.parametrize("dense", [False, True])
def test_every_method_picks_as_one_process(method: str, dense: bool) -> None:
    if dense and method == "factored":
        pytest.skip("takes a last layer only")
    pool = cases.problem(3, n=50, k=4, h=5, labelled=6, batch_size=7)
    V: fbench.Embedding = fbench.last_layer_embedding(pool.logits, pool.features)
    V = fbench.dense_embedding(V.dense()) if dense else V
    how: dict[str, Any] = {"labelled": pool.labelled, "method": method}
    for chosen in selected(V, [11, 11, 40], 7, **how):  # of four ranks one holds nothing
        assert_same(chosen, fbench.bait_select(V, 7, **how))


@cases.randomised(60)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from(SHAPES),
    k=st.integers(2, 5),
    labelled=st.integers(0, 9),
    edges=st.lists(st.integers(0, 40), min_size=1, max_size=4).map(sorted),
    regularisation=st.sampled_from([1.0, 0.01, "rel:0.1"]),
)
def test_any_number_of_ranks_uneven_or_empty_picks_as_one_process(
    seed: int, shape: str, k: int, labelled: int, edges: list[int], regularisation: float | str
) -> None:
    pool = cases.problem(seed, shape=shape, n=40, k=k, h=4, labelled=labelled, batch_size=6)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    how: dict[str, Any] = {"labelled": pool.labelled, "regularisation": regularisation}
    alone = fbench.bait_select(V, 6, **how)
    chosen = selected(V, edges, 6, **how)
    assert all(torch.equal(other.indices, chosen[0].indices) for other in chosen)
    assert all(torch.equal(other.scores, chosen[0].scores) for other in chosen)
    near = alone.gaps.isfinite() & (alone.gaps < 1e-7) & (alone.gaps > 1e-11)  # rounding, or the tie rule's edge
    if not bool(near.any()) and bool((alone.scores > 1e-200).all()):
        assert_same(chosen[0], alone)


def test_ties_across_ranks_go_to_the_lowest_place() -> None:
    V = fbench.dense_embedding(torch.ones(9, 1, 2, dtype=torch.float64))
    for chosen in selected(V, [2, 3, 7], 4, labelled=[0, 2], oversample=1.0):
        assert chosen.forward.tolist() == [1, 3, 4, 5]
        assert chosen.gaps.tolist() == [0.0] * 4


def test_a_tie_with_a_ranks_own_best_that_is_none_with_the_best_of_all() -> None:
    """Its lowest is then not the one to take: a second table says which is. In units of the tie rule, 1e-10."""
    one = fbench.dense_embedding(torch.ones(5, 1, 1, dtype=torch.float64))

    def chosen(*scores: float) -> tuple[int, float, int]:
        def choose(rank: Any) -> tuple[int, float, int]:
            here = slice(0, 2) if rank.index == 0 else slice(2, 5)
            choice = ShardedPool(one[here], rank).choose(1 + 1e-10 * torch.tensor(scores, dtype=torch.float64)[here])
            return int(choice.place), float(choice.score), rank.rounds["gathered"] - 1

        first, second = as_ranks(2, choose)
        assert first == second
        return first

    assert chosen(-9, 1.2, 0.1, 0.9, 0) == (1, 1 + 1.2e-10, 2)  # 0.1 ties with 0.9, and not with 1.2
    assert chosen(-9, 0.2, 0.1, 1.3, 0.9)[:2] == (3, 1 + 1.3e-10)
    assert chosen(-9, 0.2, 0.1, 1, 0) == (1, 1 + 0.2e-10, 1)


def test_what_a_pick_costs_in_messages() -> None:
    """One table and the rows of the one that was picked; all else is exchanged once, whatever the number of picks."""
    pool = cases.problem(1, n=60, k=3, h=4, labelled=5)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    shards = shards_of(V, [20, 40])

    def rounds(rank: Any, batch: int) -> dict[str, int]:
        fbench.bait_select(ShardedPool(shards[rank.index], rank), batch, labelled=pool.labelled)
        return dict(rank.rounds)

    few, many = (as_ranks(3, lambda rank, batch=batch: rounds(rank, batch))[0] for batch in (2, 12))
    assert {kind: many[kind] - few[kind] for kind in few} == {"summed": 0, "gathered": 20, "sent": 20}
    assert few["summed"] == 1


def test_a_rank_whose_state_is_stale_refreshes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_REFRESH_FALL", 0.0)
    pool = cases.problem(2, n=40, k=3, h=4, labelled=3, batch_size=6)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    alone = fbench.bait_select(V, 6, labelled=pool.labelled)
    for chosen in selected(V, [10, 10], 6, labelled=pool.labelled):
        assert_same(chosen, alone)
        assert chosen.refreshes == 6  # of 12 picks: it is told with the next one, and then made afresh


def test_a_fall_of_the_scores_refreshes_as_often_as_in_one_process() -> None:
    pool = cases.problem(0, n=80, k=3, h=4, labelled=0, batch_size=20)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    how: dict[str, Any] = {"labelled": [], "regularisation": 1e-3}
    alone = fbench.bait_select(V, 20, **how)
    assert alone.refreshes > 0
    assert [chosen.refreshes for chosen in selected(V, [26, 40], 20, **how)] == [alone.refreshes] * 3


def test_float32_and_another_dtype_than_the_pools() -> None:
    pool = cases.problem(5, n=60, k=4, h=6, labelled=4, batch_size=5)
    V = fbench.last_layer_embedding(pool.logits.float(), pool.features.float())
    for dtype in (torch.float32, torch.float64):
        alone = fbench.bait_select(V, 5, labelled=pool.labelled, dtype=dtype)
        for chosen in selected(V, [25], 5, labelled=pool.labelled, dtype=dtype):
            assert_same(chosen, alone)


def test_what_is_kept_is_what_the_first_rank_kept() -> None:
    """Processors may round differently, and removals are made by each rank for itself."""
    pool = cases.problem(4, n=30, k=3, h=3, labelled=2, batch_size=4)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    shards = shards_of(V, [10])

    def kept(rank: Any) -> list[int]:
        search = Search(ShardedPool(shards[rank.index], rank), 4, labelled=pool.labelled)
        search.set_up()
        search.forward()
        search.backward()
        if rank.index:
            search._kept = search._picked[0][-4:]
        return search.finish().indices.tolist()

    first, second = as_ranks(2, kept)
    assert first == second == fbench.bait_select(V, 4, labelled=pool.labelled).indices.tolist()


def values(n: int, rows: int = 2, dim: int = 3, dtype: torch.dtype = torch.float64) -> fbench.Embedding:
    return fbench.dense_embedding(torch.ones(max(n, 1), rows, dim, dtype=dtype))[:n]


@pytest.mark.parametrize(
    ("second", "line"),
    [
        (values(4, rows=1), "the shards differ: rank 0 holds r = 2, d = 3 in float64, rank 1 r = 1, d = 3 in float64"),
        (
            values(4, dtype=torch.float32),
            "the shards differ: rank 0 holds r = 2, d = 3 in float64, rank 1 r = 2, d = 3 in float32",
        ),
        (
            fbench.FactoredEmbedding(torch.ones(4, 2, 3).double(), torch.ones(4, 1).double()),
            "the shards differ: rank 0 holds r = 2, d = 3 in float64, rank 1 r = 2, d = 3, k = 3 in float64",
        ),
    ],
)
def test_shards_that_differ(second: fbench.Embedding, line: str) -> None:
    shards = [values(4), second]
    with pytest.raises(InputError) as caught:
        as_ranks(2, lambda rank: ShardedPool(shards[rank.index], rank))
    assert str(caught.value) == line


def test_no_candidates_at_all() -> None:
    with pytest.raises(InputError, match=r"^the shards hold no candidates at all$"):
        as_ranks(2, lambda rank: ShardedPool(values(0), rank))


@pytest.mark.parametrize(
    "asked", [{"labelled": [0]}, {"labelled": [0, 2]}, {"regularisation": 0.5}, {"oversample": 1.0}]
)
def test_ranks_that_were_told_differently(asked: dict[str, Any]) -> None:
    V = values(9)
    others = {"labelled": [1], "regularisation": 1.0, "oversample": 2.0}
    with pytest.raises(InputError, match=r"^the ranks were given different labelled positions, batch, .*; all must be"):
        as_ranks(
            2,
            lambda rank: fbench.bait_select(
                ShardedPool(V[:4] if rank.index else V[4:], rank), 2, **(others | (asked if rank.index else {}))
            ),
        )


def test_positions_are_those_of_the_whole_pool() -> None:
    V = values(9)
    with pytest.raises(InputError, match=r"^labelled index 9 is outside the pool: must be from 0 to 8$"):
        as_ranks(2, lambda rank: fbench.bait_select(ShardedPool(V[:4] if rank.index else V[4:], rank), 2, labelled=[9]))
