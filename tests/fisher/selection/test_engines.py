"""The d×d state and the engines: gathered changes, refreshes, and diagonals against their own definition."""

from __future__ import annotations

from typing import Any

import cases
import pytest
import torch

import fbench
from fbench.errors import InputError
from fbench.fisher.selection import engines, greedy
from fbench.fisher.selection.bait import Search
from fbench.fisher.selection.curvature import Curvature
from fbench.fisher.selection.engines import IncrementalEngine


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("r", [3, 40, 70])  # many changes gathered, a few, none since one alone is too large
def test_gathered_changes_are_those_written_at_once(sign: int, r: int) -> None:
    d, g = 120, torch.Generator().manual_seed(r)
    P, Q = (torch.eye(d, dtype=torch.float64) + torch.ones(d, d, dtype=torch.float64) / d for _ in range(2))
    lazy = Curvature(P.clone(), Q.clone(), sign)
    V = fbench.dense_embedding(torch.randn(1, r, d, generator=g, dtype=torch.float64))
    v = torch.randn(d, generator=g, dtype=torch.float64)
    for _ in range(30):
        W, Z = 0.1 * torch.randn(2, r, d, generator=g, dtype=torch.float64)
        lazy.absorb(torch.cat([W, Z]))
        P, Q = P - sign * W.T @ W, Q - sign * (W.T @ Z + Z.T @ W)
        products = lazy.times(V, V.dense()[0])
        torch.testing.assert_close(products[0], V.dense()[0] @ P)
        torch.testing.assert_close(products[1], V.dense()[0] @ Q)
        torch.testing.assert_close(lazy.P_times(v), P @ v)
    lazy.fold()
    torch.testing.assert_close(lazy.P, P)
    torch.testing.assert_close(lazy.Q, Q)


def test_picks_that_lower_what_is_left_a_hundredfold_refresh() -> None:
    """At λ = 0.001 the first picks take most of tr H away; at λ = 1,000 none does."""
    pool = cases.problem(0, n=60, k=3, h=2, labelled=0, batch_size=15)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    small = fbench.bait_select(V, 15, labelled=[], regularisation=1e-3)
    large = fbench.bait_select(V, 15, labelled=[], regularisation=1e3)
    assert small.refreshes > 0
    assert large.refreshes == 0
    assert small.drift < 1e-9
    assert small.jitter == large.jitter == 0


def spread(seed: int, n: int = 400, h: int = 16) -> fbench.Embedding:
    """A float32 pool whose scores fall by orders of magnitude as it is picked at λ = 0.01."""
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, 10, generator=g)
    return fbench.last_layer_embedding(logits, 1.5 * torch.randn(n, h, generator=g).relu())


@pytest.mark.parametrize("seed", range(3))
def test_refreshed_float32_picks_as_float64_at_a_small_lambda(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without refreshes it leaves that order, and not at a near-tie: the rounding of Q's early, large entries stays."""
    V, how = spread(seed), {"labelled": [], "regularisation": 0.01}
    exact = fbench.bait_select(V, 60, dtype=torch.float64, **how)
    single = fbench.bait_select(V, 60, **how)
    assert single.refreshes >= 1
    close = (exact.gaps < 1e-4).nonzero()[:, 0].tolist() or [120]
    assert single.forward.tolist()[: close[0]] == exact.forward.tolist()[: close[0]]
    assert close[0] > 20
    assert single.objective == pytest.approx(exact.objective, rel=1e-4)
    monkeypatch.setattr(engines, "_REFRESH_FALL", 1e30)
    alone = fbench.bait_select(V, 60, **how)
    first = next(i for i in range(120) if alone.forward[i] != exact.forward[i])
    assert exact.gaps[first] > 1e-5


@pytest.mark.parametrize("every", [1, 8])
def test_how_often_staleness_is_asked_for_changes_no_pick(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cases.problem(1, n=80, k=4, h=5, labelled=3, batch_size=20, regularisation=0.01)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    monkeypatch.setattr(greedy, "_ASK_EVERY", {"cpu": every})
    selection = fbench.bait_select(V, 20, labelled=pool.labelled, regularisation=0.01)
    slow = fbench.bait_select(V, 20, labelled=pool.labelled, regularisation=0.01, method="published")
    assert selection.forward.tolist() == slow.forward.tolist()
    assert selection.indices.tolist() == slow.indices.tolist()


def test_drift_is_measured_against_m_built_anew() -> None:
    pool = cases.problem(2, n=40, k=3, h=4, labelled=2, batch_size=8)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    search = Search(V, 8, labelled=pool.labelled)
    search.set_up()
    search.forward()
    engine = search._forward._shards[0]
    assert isinstance(engine, IncrementalEngine)
    M = search._information.matrix(search._forward.picks())
    assert engine.drift(M) < 1e-12
    engine._curvature.P[0, 0] += 0.1
    assert engine.drift(M) > 1e-3


def diagonal_gain(V: fbench.Embedding, M: torch.Tensor, F: torch.Tensor, alpha: float, sign: int) -> torch.Tensor:
    """By how much Σ F_j/M_j falls when one candidate joins (leaves) M: the objective itself, before and after."""
    v = alpha * V.dense().square().sum(1)
    return (F / M).sum() - (F / (M + sign * v)).sum(1)


def test_diagonal_takes_the_largest_fall_of_its_own_objective() -> None:
    pool = cases.problem(3, n=30, k=4, h=3, labelled=4, batch_size=5, regularisation=0.2)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    chosen = fbench.bait_select(V, 5, labelled=pool.labelled, regularisation=0.2, method="diagonal")
    x, labelled, alpha = V.dense(), pool.labelled, 5 / 9
    F, M = x.square().sum(1).mean(0), 0.2 + x[labelled].square().sum((0, 1)) / 9
    taken = labelled.tolist()
    for index, score in zip(chosen.forward.tolist(), chosen.scores.tolist(), strict=True):
        gain = diagonal_gain(V, M, F, alpha, 1)
        gain[taken] = -torch.inf
        assert index == int(gain.argmax())
        assert score == pytest.approx(float(gain.max()))
        taken.append(index)
        M = M + alpha * x[index].square().sum(0)
    kept = chosen.forward.tolist()
    while len(kept) > 5:
        loss = diagonal_gain(V, M, F, alpha, -1)[kept]
        gone = kept.pop(int(loss.argmax()))
        M = M - alpha * x[gone].square().sum(0)
    assert sorted(chosen.indices.tolist()) == sorted(kept)
    assert chosen.objective == pytest.approx(float((F / M).sum()))


def test_the_published_order_takes_its_chunks_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, whole = [], engines.trace

    def seen(*arguments: torch.Tensor, **how: Any) -> torch.Tensor:
        sizes.append(how["chunk_size"])
        return whole(*arguments, **how)

    monkeypatch.setattr(engines, "trace", seen)
    pool = cases.problem(0, n=30, labelled=4, batch_size=3)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    selections = [
        fbench.bait_select(V, 3, labelled=pool.labelled, method="published", **more)
        for more in ({}, {"chunk_size": 7}, {"chunk_size": 1})
    ]
    steps = len(sizes) // 3
    assert sizes == [engines.CHUNK_SIZE] * steps + [7] * steps + [1] * steps
    assert all(torch.equal(selection.forward, selections[0].forward) for selection in selections)
    assert all(torch.equal(selection.indices, selections[0].indices) for selection in selections)


@pytest.mark.parametrize("method", ["published", "incremental"])
def test_a_chunk_holds_a_candidate(method: str) -> None:
    pool = cases.problem(0)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    with pytest.raises(InputError, match="chunk_size 0: must be at least 1"):
        fbench.bait_select(V, 3, labelled=[], method=method, chunk_size=0)


@pytest.mark.parametrize("traces", [[1.0, 2.0, 300.0], [1.0, 2.0, 300.0, 400.0], [5.0]])
@pytest.mark.parametrize("before", [99.0, 100.0, 199.0, 200.0, 1e5])
def test_a_fall_is_counted_as_the_median_tells_it(traces: list[float], before: float) -> None:
    values, start = torch.tensor(traces), torch.tensor(before)
    assert bool(engines.have_fallen(values, start)) is bool(values.median() * 100 <= start)
    assert not bool(engines.have_fallen(values[:0], start))
