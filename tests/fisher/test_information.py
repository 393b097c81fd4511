"""F, the labelled start of M, λ and the effective dimension, against the loop."""

from __future__ import annotations

import cases
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st

import fbench
from fbench.errors import InputError
from fbench.fisher.information import (
    effective_dimension,
    fisher,
    initial_information,
    inverse_of,
    resolve_regularisation,
)


@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from(sorted(cases.SHAPES)),
    n=st.integers(1, 12),
    k=st.integers(2, 26),
    h=st.integers(1, 4),
    labelled=st.integers(0, 12),
    batch_size=st.integers(1, 9),
)
@cases.randomised(40)
def test_fisher_and_start_are_the_loops(
    seed: int, shape: str, n: int, k: int, h: int, labelled: int, batch_size: int
) -> None:
    pool = cases.problem(seed, shape=shape, n=n, k=k, h=h, labelled=min(labelled, n))
    V = reference.last_layer_rows(pool.logits, pool.features)
    M = reference.initial_m(V, pool.labelled.tolist(), batch_size, 0.3)
    for embedding in (fbench.last_layer_embedding(pool.logits, pool.features), fbench.dense_embedding(V)):
        torch.testing.assert_close(fisher(embedding), reference.fisher(V), rtol=1e-10, atol=1e-13)
        start = initial_information(embedding, pool.labelled, batch_size, 0.3)
        torch.testing.assert_close(start, M, rtol=1e-10, atol=1e-13)


def test_the_labelled_fisher_is_a_mean() -> None:
    """Labelling the same samples twice over changes their weight n_L/(n_L+B), never their Fisher."""
    pool = cases.problem(0, n=6)
    once = fbench.last_layer_embedding(pool.logits, pool.features)
    twice = fbench.last_layer_embedding(pool.logits.repeat(2, 1), pool.features.repeat(2, 1))
    for_six = initial_information(once, torch.arange(6), 6, 1e-9) / (6 / 12)
    for_twelve = initial_information(twice, torch.arange(12), 6, 1e-9) / (12 / 18)
    torch.testing.assert_close(for_six, for_twelve, rtol=1e-6, atol=1e-8)


def test_lambda_is_a_number_or_relative() -> None:
    F = torch.diag(torch.tensor([1.0, 3.0], dtype=torch.float64))
    assert resolve_regularisation(0.5, F) == 0.5
    assert resolve_regularisation("rel:0.5", F) == pytest.approx(1.0)
    assert resolve_regularisation("rel:1e-2", F) == pytest.approx(0.02)


def test_effective_dimension_is_the_trace() -> None:
    pool = cases.problem(1)
    F = reference.fisher(reference.last_layer_rows(pool.logits, pool.features))
    eye = torch.eye(len(F), dtype=torch.float64)
    for lam in (1e-3, 1.0, 100.0):
        expected = float(torch.trace(F @ torch.linalg.inv(F + lam * eye)))
        assert effective_dimension(F, lam) == pytest.approx(expected, rel=1e-9)


def test_an_inverse_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="regularisation"):
        inverse_of(-torch.eye(2, dtype=torch.float64))
