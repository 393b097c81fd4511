"""What the timed passes work on: shards of a pool, its M⁻¹ and F, what a kernel made of them, float64 scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fbench
from fbench.fisher.embeddings import DenseEmbedding, FactoredEmbedding
from fbench.learning.synthetic import synthetic_outputs
from fbench.suites.chunksize import problem as chunk_state
from fbench.suites.chunksize.problem import ShardedProblem

N, K, D = 23, 3, 12
EVEN, ODD = ShardedProblem(N, K, D, "float32", ("cpu",), 0), ShardedProblem(N, K, 11, "float32", ("cpu",), 0)


def whole(problem: ShardedProblem) -> torch.Tensor:
    """V [n, r, d] by its definition: the first d columns of a last layer's."""
    outputs = synthetic_outputs(problem.n, problem.k, 4, 0, problem.seed)
    V = fbench.last_layer_embedding(outputs.logits.double(), outputs.features.double())
    return V.dense()[:, :, : problem.d]


def parts(devices: int, n: int = N) -> list[slice]:
    return ShardedProblem(n, K, D, "float32", ("cpu",) * devices, 0).shards


@pytest.mark.parametrize("n", [1, 5, 16, 23])
@pytest.mark.parametrize("devices", [1, 2, 3, 5])
def test_shards_partition_the_pool(devices, n):
    shards = parts(devices, n)
    assert len(shards) == devices
    assert [i for part in shards for i in range(part.start, part.stop)] == list(range(n))


@pytest.mark.parametrize("problem", [EVEN, ODD])
def test_a_pool_is_a_last_layers_or_the_first_columns_of_one(problem):
    V = chunk_state.pool(problem.n, problem.k, problem.d, problem.seed)
    assert isinstance(V, FactoredEmbedding if problem is EVEN else DenseEmbedding)
    assert (V.n, V.rows, V.dim, V.dtype) == (N, K - 1, problem.d, torch.float64)
    assert torch.equal(V.dense(), whole(problem))
    other = chunk_state.pool(problem.n, problem.k, problem.d, 1)
    assert not torch.equal(V.dense(), other.dense())


@pytest.mark.parametrize("problem", [EVEN, ODD])
def test_matrices_are_those_of_the_pool(problem):
    inverse, F = chunk_state.matrices(problem.n, problem.k, problem.d, problem.seed)
    x = whole(problem)
    torch.testing.assert_close(F, (x.mT @ x).sum(0) / N)
    torch.testing.assert_close(inverse @ (torch.eye(problem.d).double() + F), torch.eye(problem.d).double())


@pytest.mark.parametrize("problem", [EVEN, ODD])
@pytest.mark.parametrize("with_inner", [True, False])
@pytest.mark.parametrize("devices", [1, 2])
def test_the_reference_is_the_published_formula_in_float64(problem, with_inner, devices, monkeypatch):
    monkeypatch.setattr(chunk_state, "_REFERENCE_CHUNK", 5)
    shared = ShardedProblem(problem.n, problem.k, problem.d, problem.dtype, ("cpu",) * devices, problem.seed)
    V, matrices = fbench.dense_embedding(whole(problem)), chunk_state.matrices(N, K, problem.d, 0)
    expected = fbench.trace(V, *matrices, kernel="published", with_inner=with_inner)
    chunk_state.reference_scores.cache_clear()
    scores = [chunk_state.reference_scores(shared, number, with_inner) for number in range(devices)]
    chunk_state.reference_scores.cache_clear()
    assert all(of_shard.dtype == torch.float64 for of_shard in scores)
    torch.testing.assert_close(torch.cat(scores), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize(("built", "embedding_type"), [(True, DenseEmbedding), (False, FactoredEmbedding)])
def test_a_shard_is_in_the_dtype_asked_for(built, embedding_type):
    shared = ShardedProblem(N, K, D, "float32", ("cpu", "cpu"), 0)
    for number, part in enumerate(shared.shards):
        V = chunk_state.shard_embedding(shared, number, built)
        assert isinstance(V, embedding_type)
        assert V.dtype == torch.float32
        torch.testing.assert_close(V.dense().double(), whole(EVEN)[part], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("problem", [EVEN, ODD])
@pytest.mark.parametrize("kernel", ["published", "fused", "incremental"])
def test_prepared_kernels_score_their_shard(problem, kernel):
    from fbench.harness.registry import KERNELS

    state = chunk_state.prepared(problem, kernel, 0)
    scores = KERNELS.get(kernel).run(state, slice(3, 9), True)
    expected = chunk_state.reference_scores(problem, 0, True)
    assert scores.dtype == torch.float32
    assert float((scores.double() - expected[3:9]).abs().max() / expected.max()) < 1e-5
    assert chunk_state.prepared(problem, kernel, 0) is state  # made once


def fresh(**changed: Any) -> ShardedProblem:
    """A problem of which nothing is held yet."""
    return ShardedProblem(**{"n": N, "k": K, "d": D, "dtype": "float32", "devices": ("cpu",), "seed": 1234, **changed})


def test_bytes_needed_for_a_built_v():
    r, float32, chunk = K - 1, 4, 3 * 7 * (K - 1) * D
    built = float32 * (N * r * D + 3 * D**2 + chunk)
    assert chunk_state.needed_bytes(fresh(), "published", 7) == chunk_state.needed_bytes(fresh(), "fused", 7) == built
    assert chunk_state.needed_bytes(fresh(dtype="float64"), "fused", 7) == 2 * built
    assert chunk_state.needed_bytes(fresh(), "fused", 10**6) == float32 * (4 * N * r * D + 3 * D**2)
    shared = fresh(devices=("cpu", "cpu"))  # on one and the same memory
    assert chunk_state.needed_bytes(shared, "fused", 7) == built + float32 * (r * D + chunk)
    gpus = fresh(devices=("cuda:0", "cuda:1"))
    assert chunk_state.needed_bytes(gpus, "fused", 7) == built - float32 * 11 * r * D


def test_what_is_held_is_not_asked_for_again():
    chunk_state.shard_embedding(fresh(seed=4321), 0, True)
    assert chunk_state.needed_bytes(fresh(seed=4321), "fused", 7) == 4 * 3 * 7 * (K - 1) * D


def test_factors_need_next_to_nothing_but_a_built_v_is_built_for_whichever_kernel():
    assert all(chunk_state.needed_bytes(EVEN, name, 7) == 0 for name in ("factored", "incremental"))
    odd = fresh(d=D + 1)
    assert chunk_state.needed_bytes(odd, "incremental", 7) == chunk_state.needed_bytes(odd, "fused", 7) > 0
