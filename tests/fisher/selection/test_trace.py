"""Every trace kernel against the loop, in every chunking."""

from __future__ import annotations

from typing import Any

import cases
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import fbench
from fbench.errors import InputError, UnknownNameError
from fbench.fisher.selection.candidates import choice
from fbench.harness.registry import KERNELS as REGISTRY
from fbench.harness.registry import Kernel

KERNELS = ["published", "fused", "factored", "incremental"]


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
    runs = [(factored, kernel) for kernel in KERNELS] + [(dense, "published"), (dense, "fused"), (dense, "incremental")]
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


N, R, K, H = 5, 3, 4, 6  # of the counts: d = K·H


def executed(kernel: str, V: fbench.Embedding, with_inner: bool, monkeypatch: pytest.MonkeyPatch) -> int:
    """Operations of the matrix products that a pass over V makes, by torch's own count; plain torch throughout."""
    monkeypatch.setattr(choice, "_has", lambda name: False)
    prepared = REGISTRY.get(kernel).prepare(V, torch.eye(V.dim).double(), torch.eye(V.dim).double(), 1)
    with FlopCounterMode(display=False) as counter:
        REGISTRY.get(kernel).run(prepared, slice(0, V.n), with_inner)
    return int(counter.get_total_flops())


def unseen(kernel: str, with_inner: bool) -> int:
    """Declared operations that torch does not count: what is no matrix product, or a sum of one in place."""
    if kernel == "fused" and not with_inner:
        return 2 * N * R * K * H  # both factors multiplied element by element, and summed
    if kernel == "factored":  # h_xᵀA_ab from the left is a product, times h_x element by element is not
        return (2 if with_inner else 1) * N * K * (K + 1) * H
    if kernel == "incremental":  # u·u into G, u·y and y·u into H for each i ≥ j, then the elimination
        return N * (sum(3 * 2 * R for i in range(R) for _ in range(i + 1)) + R**3)
    return 0


@pytest.mark.parametrize("with_inner", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_operations_are_those_executed(kernel: str, with_inner: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The solve by A⁻¹, 8/3·r³ a candidate at most, is counted by neither."""
    pool = cases.problem(0, n=N, k=K, h=H, labelled=0)
    V: fbench.Embedding = fbench.last_layer_embedding(pool.logits, pool.features)
    features = H if kernel in ("factored", "incremental") else None
    declared = REGISTRY.get(kernel).flops(N, R, K * H, with_inner, features)
    assert declared - unseen(kernel, with_inner) == executed(kernel, V, with_inner, monkeypatch)
    if kernel == "incremental":
        V, declared = fbench.dense_embedding(V.dense()), REGISTRY.get(kernel).flops(N, R, K * H, with_inner)
        assert declared - unseen(kernel, with_inner) == executed(kernel, V, with_inner, monkeypatch)


@pytest.mark.parametrize(
    ("kernel", "features", "numbers"),
    [
        ("published", None, N * R * K * H + 2 * (K * H) ** 2 + N),
        ("fused", None, N * R * K * H + 2 * (K * H) ** 2 + N),
        ("factored", H, N * (H + R * K) + 2 * (K * H) ** 2 + N),
        ("incremental", H, N * (H + R * K) + 2 * R * K * H + 4 * N * R * (R + 1) // 2 + N),
        ("incremental", None, N * R * K * H + 2 * R * K * H + 4 * N * R * (R + 1) // 2 + N),
    ],
)
@pytest.mark.parametrize("itemsize", [4, 8])
def test_bytes_are_each_operand_once(kernel: str, features: int | None, numbers: int, itemsize: int) -> None:
    assert REGISTRY.get(kernel).bytes(N, R, K * H, itemsize, features) == itemsize * numbers


def test_a_kernel_of_ones_own_is_run_by_its_name(registries: dict[str, Any]) -> None:
    """The loop of the tests as a plug-in: prepared once, then run for every chunk, of one candidate at the end."""
    calls: list[tuple[object, ...]] = []

    def prepare(V: fbench.Embedding, inverse: Tensor, fisher: Tensor, sign: int) -> tuple[Tensor, Tensor, Tensor]:
        calls.append(("prepare", sign))
        return V.dense(), inverse, fisher

    def run(prepared: tuple[Tensor, Tensor, Tensor], part: slice, with_inner: bool) -> Tensor:
        calls.append((part, with_inner))
        return reference.trace(prepared[0][part], *prepared[1:], with_inner)

    registries["kernels"].add(Kernel("loop", "one by one", prepare, run, lambda *_: 0, lambda *_: 0))
    pool = cases.problem(0, n=N, k=K, h=H, labelled=0)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    inverse, F = matrices(V.dense(), 0)
    got = fbench.trace(V, inverse, F, kernel="loop", chunk_size=2, with_inner=False)
    torch.testing.assert_close(got, fbench.trace(V, inverse, F, kernel="published", with_inner=False))
    assert calls == [("prepare", 1), *((slice(a, min(a + 2, N)), False) for a in (0, 2, 4))]


@pytest.mark.parametrize("sign", [0, 2])
def test_a_sign_is_one_or_minus_one(sign: int) -> None:
    with pytest.raises(InputError, match=rf"sign {sign}: must be 1 \(adding\) or −1 \(removing\)"):
        fbench.trace(fbench.dense_embedding(torch.ones(2, 2, 3)), torch.eye(3), torch.eye(3), sign=sign)


def test_the_lanes_of_the_incremental_kernel_are_those_that_it_packs():
    lanes = pytest.importorskip("fbench.fisher.lanes.registers")
    assert {kernel.name: kernel.lanes for kernel in map(REGISTRY.get, KERNELS)} == {
        "published": 1,
        "fused": 1,
        "factored": 1,
        "incremental": lanes.LANES,
    }
