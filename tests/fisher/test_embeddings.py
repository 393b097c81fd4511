"""Embeddings: rows whose V_xᵀV_x is the reference's, and what they refuse."""

from __future__ import annotations

import cases
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import fbench
from fbench.errors import InputError

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


def grams(V: Tensor) -> Tensor:
    """Return V_xᵀV_x [n, d, d]."""
    return V.mT @ V


@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from(sorted(cases.SHAPES)),
    n=st.integers(1, 9),
    k=st.integers(2, 26),
    h=st.integers(1, 5),
)
@cases.randomised(60)
def test_last_layer_has_the_fisher_of_the_loop(seed: int, shape: str, n: int, k: int, h: int) -> None:
    pool = cases.problem(seed, shape=shape, n=n, k=k, h=h, labelled=0)
    V = reference.last_layer_rows(pool.logits, pool.features)
    embedding = fbench.last_layer_embedding(pool.logits, pool.features)
    assert embedding.dense().shape[2] == k * h
    torch.testing.assert_close(grams(embedding.dense()), grams(V), rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(grams(fbench.dense_embedding(V).dense()), grams(V), rtol=0, atol=0)


def test_confident_samples_keep_their_digits() -> None:
    """At p ≈ 1 − 1e-30 the Fisher is about 1e-30, not the square of a rounding error, nor zero."""
    logits = torch.tensor([[70.0, 0.0, 1.0], [0.0, 70.0, -3.0], [-2.0, 1.0, 70.0]], dtype=torch.float64)
    features = torch.ones(3, 1, dtype=torch.float64)
    expected = grams(reference.last_layer_rows(logits, features))
    assert 0 < float(expected.abs().max()) < 1e-28
    got = grams(fbench.last_layer_embedding(logits, features).dense())
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("place", range(4))
def test_float32_keeps_its_digits_whichever_class_leads(place: int) -> None:
    logits = torch.full((1, 4), -8.0)
    logits[0, place] = 8.0
    features = torch.ones(1, 2)
    expected = grams(reference.last_layer_rows(logits, features))
    got = grams(fbench.last_layer_embedding(logits, features).dense()).double()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("bad", NOT_FINITE)
@pytest.mark.parametrize("name", ["logits", "features"])
def test_what_is_not_finite_is_named(name: str, bad: float) -> None:
    pool = {"logits": torch.zeros(4, 3), "features": torch.ones(4, 2)}
    pool[name][2, 1] = bad
    with pytest.raises(InputError, match=rf"{name}.*{bad}"):
        fbench.last_layer_embedding(**pool)


@pytest.mark.parametrize("bad", NOT_FINITE)
def test_dense_values_are_finite(bad: float) -> None:
    values = torch.ones(2, 3, 4)
    values[1, 2, 3] = bad
    with pytest.raises(InputError, match=f"values.*{bad}"):
        fbench.dense_embedding(values)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_dense_values_are_n_k_d(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"values.*\[n, k, d\]"):
        fbench.dense_embedding(torch.ones(shape))


@pytest.mark.parametrize(
    ("logits", "features"),
    [((4, 3), (5, 2)), ((4, 1), (4, 2)), ((4,), (4, 2)), ((4, 3), (4,)), ((0, 3), (0, 2)), ((4, 3), (4, 0))],
)
def test_last_layer_shapes(logits: tuple[int, ...], features: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"logits|features"):
        fbench.last_layer_embedding(torch.zeros(logits), torch.ones(features))


def test_an_embedding_does_not_hold_the_graph() -> None:
    logits = torch.zeros(3, 2, requires_grad=True)
    features = torch.ones(3, 2, requires_grad=True)
    assert not fbench.last_layer_embedding(logits, features).dense().requires_grad
    assert not fbench.dense_embedding(torch.ones(1, 2, 3, requires_grad=True)).dense().requires_grad


@pytest.mark.parametrize("kind", ["factored", "dense", "one class", "few rows"])
def test_every_contraction_is_that_of_the_dense_rows(kind: str) -> None:
    g = torch.Generator().manual_seed(4)
    pool = cases.problem(5, n=7, k=4, h=3)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    if kind == "dense":
        V = fbench.dense_embedding(V.dense())
    if kind == "one class":  # a likelihood of two classes by its top probability: V_x = s·h
        V = fbench.FactoredEmbedding(torch.rand(7, 1, 1, generator=g, dtype=torch.float64), pool.features)
    if kind == "few rows":
        V = fbench.FactoredEmbedding(torch.randn(7, 2, 4, generator=g, dtype=torch.float64), pool.features)
    x, d = V.dense(), V.dim
    A = torch.randn(d, 5, generator=g, dtype=torch.float64)
    B = torch.randn(d, d, generator=g, dtype=torch.float64)
    B = B + B.T
    torch.testing.assert_close(V.project(A), x @ A)
    torch.testing.assert_close(V.first_times(A), x[0] @ A)
    torch.testing.assert_close(V.quadratic(B), x @ B @ x.mT)
    torch.testing.assert_close(V.gram(), (x.mT @ x).sum(0))
    torch.testing.assert_close(V.add_gram(B.clone(), 0.3), B + 0.3 * (x.mT @ x).sum(0))
    torch.testing.assert_close(V.diagonals(), (x.mT @ x).diagonal(dim1=1, dim2=2))
