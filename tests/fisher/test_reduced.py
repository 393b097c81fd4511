"""V in fewer weights: the same inner products, the same selection, and only where each row of S sums to 0."""

from __future__ import annotations

from typing import Any

import cases
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from threaded_ranks import as_ranks

import fbench
from fbench.fisher.planning.shapes import shape_of
from fbench.fisher.selection.approximations import binary, top_classes
from fbench.fisher.selection.engines import SELECTION_METHODS
from fbench.fisher.selection.sharded_pool import ShardedPool

WHOLE = SELECTION_METHODS["incremental"]._replace(reduces=False)


def pool(n: int = 30, k: int = 4, h: int = 5, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Any:
    g = torch.Generator().manual_seed(n + k)
    logits = scale * torch.randn(n, k, generator=g, dtype=dtype)
    return logits, torch.randn(n, h, generator=g, dtype=dtype)


def rows_of(V: fbench.Embedding) -> torch.Tensor:
    return V.dense().flatten(0, 1).double()


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("scale", [1.0, 40.0])  # p of all classes but one are then 0 or next to it
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", [fbench.last_layer_embedding, lambda logits, h: top_classes(logits, h, 2)])
def test_inner_products_are_kept(make: Any, dtype: torch.dtype, scale: float, k: int) -> None:
    V = make(*pool(k=k, scale=scale, dtype=dtype))
    less = V.reduced()
    assert (less.k, less.dim, less.rows, less.dtype) == (k - 1, (k - 1) * 5, V.rows, dtype)
    assert shape_of(less) == shape_of(V).reduced
    wanted = rows_of(V) @ rows_of(V).T
    near = 1e-12 if dtype == torch.float64 else 1e-5
    norms = wanted.diagonal().sqrt()
    error = (rows_of(less) @ rows_of(less).T - wanted).abs()
    assert bool((error <= near * norms[:, None] * norms + 1e-37).all())  # of small rows as well


def test_rows_of_float32_are_reduced_in_float64_as_well() -> None:
    logits, features = pool(dtype=torch.float32)
    V = fbench.last_layer_embedding(logits, features)
    assert V.to(dtype=torch.float64).reduced().k == V.reduced().k == 3


def test_what_cannot_be_reduced_is_left_as_it_is() -> None:
    logits, features = pool()
    exact = fbench.last_layer_embedding(logits, features)
    off = exact.S.clone()
    off[17, 2, 1] += 1e-3
    assert fbench.last_layer_embedding(*pool(k=19)).reduced().k == 18
    many = fbench.last_layer_embedding(*pool(k=20))
    for V in (
        many,
        binary(logits, features),
        fbench.dense_embedding(exact.dense()),
        fbench.FactoredEmbedding(off, features),
    ):
        assert V.reduced() is V
        assert shape_of(V).reduced == shape_of(V)
    assert exact.reduced().reduced() is not exact
    assert exact[:0].reduced().k == 3


@given(st.data())
@cases.randomised(40)
def test_a_selection_is_that_of_all_weights(data: st.DataObject) -> None:
    shape = {name: data.draw(st.integers(*ends), name) for name, ends in {"k": (2, 6), "h": (1, 6)}.items()}
    problem = cases.problem(data.draw(st.integers(0, 10**6)), n=40, labelled=6, batch_size=5, **shape)
    how: dict[str, Any] = {
        "labelled": problem.labelled,
        "regularisation": data.draw(st.sampled_from([0.3, "rel:0.1", "deff:0.9"])),
    }
    V = fbench.last_layer_embedding(problem.logits, problem.features)
    ours = fbench.bait_select(V, 5, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SELECTION_METHODS, "incremental", WHOLE)
        whole = fbench.bait_select(V, 5, **how)
    assert ours.forward.tolist() == whole.forward.tolist()
    assert ours.indices.tolist() == whole.indices.tolist()
    torch.testing.assert_close(ours.scores, whole.scores, rtol=1e-7, atol=1e-12)
    for value in ("objective", "regularisation", "effective_dimension"):
        assert getattr(ours, value) == pytest.approx(getattr(whole, value), rel=1e-9)


def test_a_shard_that_cannot_be_reduced_keeps_all_from_it() -> None:
    logits, features = pool()
    V = fbench.last_layer_embedding(logits, features)
    S = V.S.clone()
    S[25:] += 0.1
    V = fbench.FactoredEmbedding(S, features)
    alone = fbench.bait_select(V, 4, labelled=[3])
    shards = [V[:20], V[20:]]
    for chosen in as_ranks(2, lambda rank: fbench.bait_select(ShardedPool(shards[rank.index], rank), 4, labelled=[3])):
        assert chosen.forward.tolist() == alone.forward.tolist()


def test_what_takes_the_axes_as_they_are_is_not_reduced() -> None:
    assert [name for name, method in SELECTION_METHODS.items() if method.reduces] == ["incremental"]
