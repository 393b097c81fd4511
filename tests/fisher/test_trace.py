"""Every trace kernel against the loop, in every chunking."""

from __future__ import annotations

import cases
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import fbench
from fbench.errors import InputError, UnknownNameError

KERNELS = ["published", "fused", "factored"]


def matrices(V: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return a random M⁻¹ and the pool's F, both symmetric positive definite or nearly so."""
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(V.shape[2], V.shape[2], generator=g, dtype=torch.float64)
    return torch.linalg.inv(root @ root.T + torch.eye(len(root), dtype=torch.float64)), reference.fisher(V)


@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from(sorted(cases.SHAPES)),
    n=st.integers(1, 12),
    k=st.integers(2, 26),
    h=st.integers(1, 4),
    chunk_size=st.integers(1, 14),
    with_inner=st.booleans(),
)
@cases.randomised(60)
def test_kernels_agree_with_the_loop(
    seed: int, shape: str, n: int, k: int, h: int, chunk_size: int, with_inner: bool
) -> None:
    pool = cases.problem(seed, shape=shape, n=n, k=k, h=h, labelled=0)
    V = reference.last_layer_rows(pool.logits, pool.features)
    inverse, F = matrices(V, seed)
    expected = reference.trace(V, inverse, F, with_inner)
    factored, dense = fbench.last_layer_embedding(pool.logits, pool.features), fbench.dense_embedding(V)
    runs = [(factored, kernel) for kernel in KERNELS] + [(dense, "published"), (dense, "fused")]
    for embedding, kernel in runs:
        got = fbench.trace(embedding, inverse, F, kernel=kernel, chunk_size=chunk_size, with_inner=with_inner)
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-14 * float(expected.abs().max()))


@pytest.mark.parametrize("kernel", KERNELS)
def test_float32_stays_float32(kernel: str) -> None:
    pool = cases.problem(0)
    V = reference.last_layer_rows(pool.logits, pool.features)
    inverse, F = matrices(V, 0)
    embedding = fbench.last_layer_embedding(pool.logits.float(), pool.features.float())
    got = fbench.trace(embedding, inverse.float(), F.float(), kernel=kernel)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), reference.trace(V, inverse, F), rtol=1e-4, atol=1e-6)


def test_an_unknown_kernel_names_the_nearest() -> None:
    embedding, eye = fbench.dense_embedding(torch.ones(2, 2, 3)), torch.eye(3)
    with pytest.raises(UnknownNameError, match=r"'fusd'.*'fused'"):
        fbench.trace(embedding, eye, eye, kernel="fusd")


def test_factored_refuses_a_dense_embedding() -> None:
    embedding, eye = fbench.dense_embedding(torch.ones(2, 2, 4)), torch.eye(4)
    with pytest.raises(InputError, match="factored"):
        fbench.trace(embedding, eye, eye, kernel="factored")


@pytest.mark.parametrize("which", ["inverse", "fisher"])
def test_matrices_of_another_size_are_named(which: str) -> None:
    given_ = {"inverse": torch.eye(3), "fisher": torch.eye(3)} | {which: torch.eye(4)}
    with pytest.raises(InputError, match=rf"(?s){which}.*4, 4"):
        fbench.trace(fbench.dense_embedding(torch.ones(2, 2, 3)), given_["inverse"], given_["fisher"])


@pytest.mark.parametrize("chunk_size", [0, -5])
def test_chunks_hold_at_least_one(chunk_size: int) -> None:
    with pytest.raises(InputError, match=f"chunk_size.*{chunk_size}"):
        fbench.trace(fbench.dense_embedding(torch.ones(2, 2, 3)), torch.eye(3), torch.eye(3), chunk_size=chunk_size)
