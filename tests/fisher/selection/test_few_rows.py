"""P, Q and the objective from few rows against a d×d inverse, and selections that take either way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fbench
from fbench.fisher.selection import information as module
from fbench.fisher.selection.few_rows import FewRows, fewer_operations
from fbench.fisher.selection.information import Information

SHAPES = [(0, 5), (1, 1), (7, 40), (30, 90), (60, 1100)]


def problem(m: int, d: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Rows of very different sizes, and an F of half of the rank."""
    g = torch.Generator().manual_seed(m * d)
    Y = torch.randn(m, d, generator=g, dtype=torch.float64) * torch.logspace(-3, 1, m, dtype=torch.float64)[:, None]
    V = torch.randn(d // 2 + 1, d, generator=g, dtype=torch.float64)
    return Y, (V.T @ V / len(V)).to(dtype)


@pytest.mark.parametrize("lam", [1.0, 1e-3])
@pytest.mark.parametrize(("m", "d"), SHAPES)
def test_few_rows_tell_what_the_matrix_tells(m: int, d: int, lam: float) -> None:
    Y, F = problem(m, d)
    P = torch.linalg.inv(lam * torch.eye(d, dtype=torch.float64) + Y.T @ Y)
    few, condition = FewRows(Y, lam), 1 + float(Y.square().sum()) / lam
    exact = 1e-15 * condition / lam  # what rounding may do to an inverse of this condition
    torch.testing.assert_close(few.inverse(torch.float64), P, rtol=0, atol=exact)
    Q = few.sandwich(F, torch.float64)
    torch.testing.assert_close(Q, P @ F @ P, rtol=0, atol=10 * exact * float(F.norm()) / lam)
    assert few.trace(F) == pytest.approx(float((F * P).sum()), rel=1e-8)
    assert few.jitter == 0.0
    for matrix in (few.inverse(torch.float64), Q):
        assert torch.equal(matrix, matrix.T)


def test_in_float32_they_are_rounded_once() -> None:
    Y, F = problem(20, 300, torch.float32)
    few = FewRows(Y, 0.01)
    assert torch.equal(few.inverse(torch.float32), few.inverse(torch.float64).float())
    Q = few.sandwich(F, torch.float32)
    assert Q.dtype == torch.float32
    torch.testing.assert_close(Q.double(), few.sandwich(F.double(), torch.float64), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("kind", ["dense", "factored"])
@pytest.mark.parametrize("picks", [[], [3], [5, 1, 8]])
def test_an_informations_few_rows_are_those_of_m(kind: str, picks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(0)
    V: fbench.Embedding = fbench.last_layer_embedding(torch.randn(30, 4, generator=g), torch.randn(30, 20, generator=g))
    if kind == "dense":
        V = fbench.dense_embedding(V.dense())
    few, whole = (Information(V.to(dtype=torch.float64), torch.tensor([0, 7]), 2, 0.1) for _ in range(2))
    at = torch.tensor(picks, dtype=torch.int64)
    P, Q, rows = few.curvature(at, torch.float64)
    assert rows is not None
    torch.testing.assert_close(rows.quadratic(few.V), few.V.quadratic(P), rtol=1e-9, atol=1e-9)
    inverse, objective = few.inverse(at), few.objective(at)
    monkeypatch.setattr(module, "fewer_operations", lambda m, d: False)
    made = whole.curvature(at, torch.float64)
    assert made.few is None
    for got, expected in ((P, made.P), (Q, made.Q)):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(inverse, whole.inverse(at), rtol=1e-9, atol=1e-9)
    assert objective == pytest.approx(whole.objective(at), rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lam", [1.0, 0.01, "rel:0.01", "deff:9"])
def test_selections_are_those_of_the_published_order(lam: float | str, dtype: torch.dtype) -> None:
    """Few labels and a large d, removals included: the way that scores anew inverts M whole."""
    g = torch.Generator().manual_seed(1)
    V = fbench.last_layer_embedding(torch.randn(80, 5, generator=g), torch.randn(80, 40, generator=g)).to(dtype=dtype)
    assert fewer_operations((3 + 12) * V.rows, V.dim)
    got = fbench.bait_select(V, 6, labelled=[0, 1, 2], regularisation=lam)
    expected = fbench.bait_select(
        V.to(dtype=torch.float64), 6, labelled=[0, 1, 2], regularisation=lam, method="published"
    )
    assert got.forward.tolist() == expected.forward.tolist()
    assert got.indices.tolist() == expected.indices.tolist()
    assert got.objective == pytest.approx(expected.objective, rel=1e-4 if dtype == torch.float32 else 1e-9)


def test_half_of_d_is_the_most() -> None:
    assert [m for m in range(8) if fewer_operations(m, 10)] == [0, 1, 2, 3, 4, 5]
