"""Approximations: each is its definition, to the last digits, and says what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import cases
import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import fbench
from fbench.errors import InputError
from fbench.fisher.embeddings import FactoredEmbedding
from fbench.fisher.selection.approximations import binary, principal, subsample, top_classes

MAKERS: dict[str, Callable[[Tensor, Tensor], FactoredEmbedding]] = {
    "top classes": lambda logits, features: top_classes(logits, features, 2),
    "binary": binary,
    "principal": lambda logits, features: principal(logits, features, 1),
}
pools = st.builds(
    cases.problem,
    seed=st.integers(0, 2**31),
    shape=st.sampled_from(sorted(cases.SHAPES)),
    n=st.integers(1, 9),
    k=st.integers(2, 12),
    h=st.integers(1, 5),
    labelled=st.just(0),
)


def grams(V: Tensor) -> Tensor:
    """V_xᵀV_x [n, d, d]."""
    return V.mT @ V


@given(pool=pools, data=st.data())
@cases.randomised(60)
def test_top_classes_are_rows_of_the_loop(pool: cases.Problem, data: st.DataObject) -> None:
    n, k = pool.logits.shape
    c = data.draw(st.integers(1, k))
    V = reference.last_layer_rows(pool.logits, pool.features)
    p = torch.softmax(pool.logits, 1)
    expected = torch.stack([V[x, sorted(range(k), key=lambda y, x=x: -float(p[x, y]))[:c]] for x in range(n)])
    got = top_classes(pool.logits, pool.features, c)
    assert (got.n, got.rows, got.dim) == (n, c, k * pool.features.shape[1])
    torch.testing.assert_close(got.dense(), expected, rtol=1e-12, atol=1e-300)


@given(pool=pools)
@cases.randomised(20)
def test_all_classes_are_the_exact_last_layer(pool: cases.Problem) -> None:
    every = top_classes(pool.logits, pool.features, pool.logits.shape[1])
    exact = fbench.last_layer_embedding(pool.logits, pool.features)
    torch.testing.assert_close(grams(every.dense()), grams(exact.dense()), rtol=1e-9, atol=1e-14)


@given(pool=pools)
@cases.randomised(40)
def test_binary_is_the_likelihood_of_two_outcomes(pool: cases.Problem) -> None:
    """Σ over right and wrong of their probability times the squared gradient of its logarithm."""
    expected = []
    for x, h in enumerate(pool.features):
        p = sorted(torch.softmax(pool.logits[x], 0).tolist())
        top, wrong = p[-1], sum(p[:-1])
        rows = torch.stack([top**0.5 * wrong * h, -(wrong**0.5) * top * h])
        expected.append(rows.T @ rows)
    got = binary(pool.logits, pool.features)
    assert (got.rows, got.dim) == (1, pool.features.shape[1])
    torch.testing.assert_close(grams(got.dense()), torch.stack(expected), rtol=1e-9, atol=1e-300)


@given(pool=pools, data=st.data())
@cases.randomised(40)
def test_principal_is_the_last_layer_of_projected_features(pool: cases.Problem, data: st.DataObject) -> None:
    """Compared by inner products h'_xᵀh'_z, which no choice of eigenvectors turns."""
    width = pool.features.shape[1]
    components = data.draw(st.integers(1, width))
    _, sizes, directions = torch.linalg.svd(pool.features, full_matrices=True)
    sizes = torch.cat([sizes, sizes.new_zeros(width - len(sizes))])
    got = principal(pool.logits, pool.features, components)
    assert got.dim == pool.logits.shape[1] * components
    if components < width and sizes[components - 1] - sizes[components] < 1e-3 * sizes[0]:
        return  # which of two equal directions leads is nobody's to say
    projected = pool.features @ directions[:components].T
    torch.testing.assert_close(got.h @ got.h.T, projected @ projected.T, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(got.S, fbench.last_layer_embedding(pool.logits, pool.features).S, rtol=0, atol=0)


def test_all_directions_pick_as_the_exact_last_layer() -> None:
    pool = cases.problem(3, n=40, k=4, h=5, labelled=4, batch_size=8)
    how = {"labelled": pool.labelled, "regularisation": 0.1}
    exact = fbench.bait_select(fbench.last_layer_embedding(pool.logits, pool.features), 8, **how)
    same = fbench.bait_select(principal(pool.logits, pool.features, 5), 8, **how)
    assert same.indices.tolist() == exact.indices.tolist()
    assert same.objective == pytest.approx(exact.objective, rel=1e-9)


def test_directions_are_not_centred() -> None:
    """Features that lie far from 0 and vary little: the leading direction is their mean's."""
    g = torch.Generator().manual_seed(0)
    features = torch.tensor([10.0, 0.0, 0.0]) + torch.randn(50, 3, generator=g) * torch.tensor([0.1, 1.0, 0.1])
    got = principal(torch.randn(50, 3, generator=g), features, 1)
    torch.testing.assert_close(got.h.abs()[:, 0], features[:, 0], rtol=0.05, atol=0)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_approximations_can_be_picked_from(name: str, dtype: torch.dtype) -> None:
    pool = cases.problem(1, n=30, k=4, h=3, labelled=5, batch_size=6)
    embedding = MAKERS[name](pool.logits.to(dtype), pool.features.to(dtype))
    assert embedding.dtype == dtype
    picks = fbench.bait_select(embedding, 6, labelled=pool.labelled).indices.tolist()
    assert len(set(picks) - set(pool.labelled.tolist())) == 6


@pytest.mark.parametrize("name", ["top classes", "binary"])
def test_float32_keeps_the_digits_of_a_confident_sample(name: str) -> None:
    logits = torch.tensor([[30.0, 0.0, 1.0]])
    slow = MAKERS[name](logits.double(), torch.ones(1, 2, dtype=torch.float64))
    fast = MAKERS[name](logits, torch.ones(1, 2))
    assert 0 < float(slow.dense().abs().max()) < 1e-5
    torch.testing.assert_close(fast.dense().double(), slow.dense(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", MAKERS)
def test_approximations_take_arrays_and_logits_of_another_dtype(name: str) -> None:
    got = MAKERS[name](np.random.default_rng(0).normal(size=(6, 3)), np.ones((6, 2), dtype=np.float32))
    assert got.dtype == got.dense().dtype == torch.float32


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("logits", "features", "message"),
    [
        (torch.zeros(4), torch.zeros(4, 2), r"logits of shape \[4\], torch.float32: must be floating point \[n, k\]"),
        (torch.zeros(4, 1), torch.zeros(4, 2), r"logits of shape \[4, 1\].*k ≥ 2"),
        (torch.zeros(4, 3), torch.zeros(5, 2), r"features have shape \[5, 2\] beside logits \[4, 3\]"),
        (torch.zeros(4, 3), torch.zeros(4, 2, dtype=torch.int64), "features have dtype torch.int64"),
        (torch.zeros(0, 3), torch.zeros(0, 2), r"features have shape \[0, 2\]"),
        (torch.full((4, 3), torch.nan), torch.zeros(4, 2), r"logits\[0, 0\] is nan"),
        (torch.zeros(4, 3), torch.tensor([[0.0], [1.0], [torch.inf], [0.0]]), r"features\[2, 0\] is inf"),
    ],
    ids=["one axis", "one class", "ragged", "integers", "empty", "nan", "inf"],
)
def test_what_the_last_layer_refuses_is_refused(name: str, logits: Tensor, features: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MAKERS[name](logits, features)


@pytest.mark.parametrize("c", [0, -1, 4, 1.5])
def test_classes_out_of_range(c: int) -> None:
    with pytest.raises(InputError, match=f"c is {c}: must be a whole number from 1 to 3, the classes of the logits"):
        top_classes(torch.zeros(4, 3), torch.zeros(4, 2), c)


@pytest.mark.parametrize("components", [0, 3, 1.5])
def test_components_out_of_range(components: int) -> None:
    with pytest.raises(InputError, match=f"components is {components}: must be a whole number from 1 to 2, the feat"):
        principal(torch.zeros(4, 3), torch.zeros(4, 2), components)


def test_features_whose_squares_overflow() -> None:
    with pytest.raises(InputError, match=r"the features' squares overflow torch.float32: use float64, or scale"):
        principal(torch.zeros(4, 3), torch.full((4, 2), 1e30), 1)


@pytest.mark.parametrize("size", [1, 7, 16, 99])
def test_a_subsample_holds_the_labelled_and_so_many_more(size: int) -> None:
    labelled = torch.tensor([19, 3, 8, 0])
    positions = subsample(20, labelled, size, torch.Generator().manual_seed(0)).tolist()
    assert positions == sorted(set(positions))
    assert set(labelled.tolist()) <= set(positions) <= set(range(20))
    assert len(positions) == 4 + min(size, 16)


def test_a_subsample_is_uniform_and_of_its_generator() -> None:
    labelled, counts = torch.tensor([2]), torch.zeros(10)
    for seed in range(600):
        drawn = subsample(10, labelled, 3, torch.Generator().manual_seed(seed))
        assert torch.equal(drawn, subsample(10, labelled, 3, torch.Generator().manual_seed(seed)))
        counts[drawn] += 1
    assert counts[2] == 600
    others = counts[counts < 600]  # each has 600 draws at 1/3: 200 ± 11.5
    assert others.sum() == 1800
    assert float((others - 200).abs().max()) < 5 * 11.5


def test_a_subsample_of_nothing() -> None:
    with pytest.raises(InputError, match="size is 0: a subsample needs at least 1 unlabelled candidate"):
        subsample(10, torch.tensor([2]), 0, torch.Generator())
