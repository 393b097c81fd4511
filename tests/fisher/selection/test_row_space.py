"""BAIT from inner products of rows: the picks, scores and objective of the primal form and of the full recompute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import fbench
from fbench.errors import InputError, TooLargeError
from fbench.fisher.row_gram import gram_of_rows, network_gram
from fbench.fisher.selection import engines, inverse_trace, row_space
from fbench.fisher.selection.row_information import RowInformation
from fbench.fisher.selection.row_space import bait_select_rows
from fbench.fisher.selection.unit_rows import UnitRows, row_numbers

TIE = {torch.float64: 1e-10, torch.float32: 1e-5}


def both(pool: cases.Problem, dtype: torch.dtype = torch.float64) -> tuple[fbench.Selection, fbench.Selection]:
    """The selection in row space and that in the space of weights."""
    V = fbench.last_layer_embedding(pool.logits, pool.features).to(dtype=dtype)
    asked = {"labelled": pool.labelled, "regularisation": pool.regularisation, "oversample": pool.oversample}
    by_rows = bait_select_rows(gram_of_rows(V), V.rows, pool.batch_size, dim=V.dim, **asked)
    return by_rows, fbench.bait_select(V, pool.batch_size, **asked)


def assert_same(got: fbench.Selection, expected: fbench.Selection, tie: float) -> None:
    """Equal picks up to the first gap under ten tolerances, and equal objective where none is."""
    close = (expected.gaps < 10 * tie) | (expected.scores < 1e-200)
    decided = int(close.nonzero()[0]) if bool(close.any()) else len(close)
    assert got.forward.tolist()[:decided] == expected.forward.tolist()[:decided]
    torch.testing.assert_close(got.scores[:decided], expected.scores[:decided], rtol=1e3 * tie, atol=0)
    assert got.regularisation == pytest.approx(expected.regularisation, rel=tie)
    assert got.effective_dimension == pytest.approx(expected.effective_dimension, rel=1e3 * tie, abs=1e3 * tie)
    assert got.objective == pytest.approx(expected.objective, rel=1e4 * tie)


@st.composite
def problems(draw: st.DrawFn) -> cases.Problem:
    """Pools with N = n(k−1) above and below d = k·h, and labelled sets empty, small and large."""
    n = draw(st.integers(2, 30))
    labelled = draw(st.sampled_from([0, 1, n // 3, n - 1]))
    left = n - labelled
    return cases.problem(
        draw(st.integers(0, 2**31)),
        shape=draw(st.sampled_from(sorted(set(cases.SHAPES) - {"huge logits"}))),
        n=n,
        k=draw(st.integers(2, 12)),
        h=draw(st.integers(1, 12)),
        labelled=labelled,
        batch_size=draw(st.sampled_from([1, min(3, left), left])),
        regularisation=draw(st.sampled_from([1e-2, 0.1, 1.0, 10.0, "rel:0.1", "rel:1", "deff:0.7"])),
        oversample=draw(st.sampled_from([1.0, 2.0])),
    )


@given(pool=problems())
@cases.randomised(40)
def test_row_space_picks_as_the_space_of_weights(pool: cases.Problem) -> None:
    got, expected = both(pool)
    assert_same(got, expected, TIE[torch.float64])
    assert len(set(got.indices.tolist())) == pool.batch_size
    assert not set(got.forward.tolist()) & set(pool.labelled.tolist())


@pytest.mark.parametrize(("n", "k", "h", "labelled"), [(30, 2, 3, 0), (12, 5, 9, 3), (20, 12, 2, 12), (9, 3, 30, 4)])
@pytest.mark.parametrize("oversample", [1.0, 2.0])
def test_row_space_picks_as_the_full_recompute(n: int, k: int, h: int, labelled: int, oversample: float) -> None:
    pool = cases.problem(n, n=n, k=k, h=h, labelled=labelled, batch_size=3, regularisation=0.1, oversample=oversample)
    V = reference.last_layer_rows(pool.logits, pool.features)
    how = (3, pool.labelled.tolist(), pool.regularisation, oversample)
    expected = reference.bait(V, *how)
    assert min([*expected.gaps, *expected.removal_gaps]) > 1e-9  # nothing here is left to rounding
    got, primal = both(pool)
    assert got.forward.tolist() == expected.forward
    assert got.indices.tolist() == expected.kept == primal.indices.tolist()
    torch.testing.assert_close(got.scores, torch.tensor(expected.scores, dtype=torch.float64), rtol=1e-9, atol=0)
    torch.testing.assert_close(got.gaps, torch.tensor(expected.gaps, dtype=torch.float64), rtol=1e-6, atol=1e-9)
    objective = reference.objective(V, pool.labelled.tolist(), expected.kept, 3, pool.regularisation)
    assert got.objective == pytest.approx(objective, rel=1e-10)
    assert got.jitter == 0
    assert got.drift < 1e-10


def small(seed: int = 0, **how: Any) -> tuple[Tensor, int, int, Tensor]:
    """K, r, d and the labelled of a small pool."""
    pool = cases.problem(seed, **how)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    return gram_of_rows(V), V.rows, V.dim, pool.labelled


@pytest.mark.parametrize("name", ["convolutions", "stock resnet", "sequence"])
def test_all_the_weights_of_a_network(name: str) -> None:
    model, inputs = cases.model(name)
    inputs = torch.cat([inputs, 0.5 * inputs.flip(0), inputs.roll(1, 0) - inputs])
    mask = fbench.Mask({name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters()})
    V = fbench.masked_embedding(model, inputs, mask)
    expected = fbench.bait_select(V, 3, labelled=[1, 6], regularisation=0.1)
    got = bait_select_rows(network_gram(model, inputs), 2, 3, labelled=[1, 6], regularisation=0.1, dim=mask.size)
    assert got.indices.tolist() == expected.indices.tolist()
    assert_same(got, expected, TIE[torch.float64])


@pytest.mark.parametrize("labelled", [0, 20])
def test_state_made_afresh_after_every_pick_changes_no_pick(labelled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cases.problem(16, n=60, k=4, h=5, labelled=labelled, batch_size=8, regularisation=0.1)
    monkeypatch.setattr(engines, "_REFRESH_FALL", 1e30)
    never, primal = both(pool)
    monkeypatch.setattr(engines, "_REFRESH_FALL", 0.0)
    always, _ = both(pool)
    assert (never.refreshes, always.refreshes) == (0, 16)
    assert always.forward.tolist() == never.forward.tolist() == primal.forward.tolist()
    torch.testing.assert_close(always.scores, never.scores, rtol=1e-9, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_float32_follows_float64(seed: int) -> None:
    """At λ = 1 in order; at λ = 0.01 as far as the primal form does, and to the same objective."""
    pool = cases.problem(seed, n=60, k=5, h=8, labelled=5, batch_size=6)
    exact, _ = both(pool)
    single, _ = both(pool, torch.float32)
    assert single.scores.dtype == torch.float32
    assert_same(replace(single, scores=single.scores.double()), exact, TIE[torch.float32])
    pool = replace(pool, regularisation=0.01, batch_size=20)
    (single, _), (exact, _) = both(pool, torch.float32), both(pool)
    assert single.refreshes >= 1
    assert single.objective == pytest.approx(exact.objective, rel=1e-3)
    assert 0 < single.drift < 1e-2


def test_of_duplicates_the_lowest_is_picked() -> None:
    base = cases.problem(3, n=10, k=4, h=5, labelled=0)
    pool = replace(base, logits=base.logits.repeat(3, 1), features=base.features.repeat(3, 1), batch_size=15)
    for dtype in (torch.float64, torch.float32):
        got, expected = both(pool, dtype)
        assert got.forward.tolist() == expected.forward.tolist()


def test_k_is_left_alone_and_progress_told() -> None:
    K, rows, dim, labelled = small(12)
    before, told = K.clone(), []
    bait_select_rows(K, rows, 4, labelled=labelled, dim=dim, progress=lambda *step: told.append(step))
    assert torch.equal(K, before)
    phases = ["fisher", "setup", "forward", "setup of removals", "backward", "objective"]
    assert list(dict.fromkeys(phase for phase, *_ in told)) == phases
    assert [step for step in told if step[0] == "forward"] == [("forward", i, 8) for i in range(1, 9)]
    assert [step for step in told if step[0] == "backward"] == [("backward", i, 4) for i in range(1, 5)]


def test_the_state_of_removals_is_made_again_for_what_is_left() -> None:
    """After removals too, P and Q are those of M with what is left in it."""
    K, rows, dim, labelled = small(5, n=20, labelled=3)
    information = RowInformation(K, rows, labelled, 4, 0.1, dim)
    among = torch.tensor([x for x in range(20) if x not in labelled.tolist()][:6])
    P, Q, _ = information.among(among).curvature(among[2:5], torch.float64)
    weights = torch.zeros(len(K), dtype=torch.float64)
    weights[row_numbers(labelled, rows)], weights[row_numbers(among[2:5], rows)] = 1 / 7, 4 / 7
    between = K @ torch.linalg.inv(0.1 * torch.eye(len(K), dtype=torch.float64) + weights[:, None] * K)  # V M⁻¹Vᵀ
    at = row_numbers(among, rows)
    torch.testing.assert_close(P, between[at][:, at])
    torch.testing.assert_close(Q, (between @ between / 20)[at][:, at])
    E = information.factor(among[2:5])
    torch.testing.assert_close((K - E.T @ E) / 0.1, between)


@pytest.mark.parametrize("size", [1, 6, 7, 20])
def test_the_trace_of_an_inverse_by_blocks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverse_trace, "_TILE", 6)
    A = torch.randn(size, 30, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    expected = float(torch.linalg.inv(A @ A.T).trace())
    assert inverse_trace.inverse_trace(A @ A.T) == pytest.approx(expected, rel=1e-9)
    assert inverse_trace.inverse_trace(-A @ A.T) is None


def test_d_eff_where_float32_has_too_few_digits() -> None:
    """K has rank 5, and λ lies below its rounding: float64 is asked, and what is none even there refused."""
    V = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    information = RowInformation(V @ V.T, 1, torch.tensor([0]), 1, 1e-9, dim=5)
    assert inverse_trace.inverse_trace(information.K + 40 * 1e-9 * torch.eye(40)) is None
    with pytest.raises(InputError, match="K \\+ nλI is not positive definite in float64: give inner products of rows"):
        information.effective_dimension()
    exact = RowInformation(V.double() @ V.double().T, 1, torch.tensor([0]), 1, 1e-9, dim=5)
    assert exact.effective_dimension() == pytest.approx(5, abs=1e-6)


def test_unit_rows_are_an_identity() -> None:
    g = torch.Generator().manual_seed(0)
    A, B = torch.randn(12, 12, generator=g).double(), torch.randn(12, 5, generator=g).double()
    V = UnitRows.of(A, 3)[torch.tensor([2, 0])]
    dense = fbench.dense_embedding(torch.eye(12).double()[[6, 7, 8, 0, 1, 2]].view(2, 3, 12))
    assert torch.equal(V.dense(), dense.dense())
    assert torch.equal(V.project(B), dense.project(B))
    assert torch.equal(V.quadratic(A + A.T), dense.quadratic(A + A.T))
    assert torch.equal(V.first_times(B), dense.first_times(B))
    assert torch.equal(V.diagonals(), dense.diagonals())
    assert torch.equal(V.gram(), dense.gram())
    assert V.gram_operations == 6
    single = V.to(dtype=torch.float32)
    assert (single.dtype, single.project(B.float()).dtype) == (torch.float32, torch.float32)


BAD = {
    "K no matrix": ({"K": torch.zeros(3)}, r"^K is of shape \[3\]: give the \[N, N\] inner products"),
    "K not square": ({"K": torch.zeros(4, 2)}, r"^K is of shape \[4, 2\]"),
    "K empty": ({"K": torch.zeros(0, 0)}, r"^K is of shape \[0, 0\]"),
    "K a list": ({"K": [[1.0]]}, r"^K is a list: give"),
    "K of whole numbers": ({"K": torch.eye(6, dtype=torch.int64)}, "dtype torch.int64: must be torch.float64 or"),
    "K not finite": ({"K": torch.full((6, 6), torch.nan)}, r"^K\[0, 0\] is nan; every value must be finite"),
    "K negative": ({"K": -torch.eye(6)}, r"^K\[0, 0\] is -1: no row has a negative square, so K is no Gram matrix"),
    "K is 0": ({"K": torch.zeros(6, 6), "regularisation": "rel:1"}, "Fisher information is 0; give λ as a number"),
    "rows 0": ({"rows": 0}, r"^rows 0: must be a whole number that divides the 48 rows of K"),
    "rows 5": ({"rows": 5}, r"^rows 5: must be a whole number that divides the 48 rows of K"),
    "rows 1.5": ({"rows": 1.5}, r"^rows 1.5: must be a whole number that divides"),
    "dim 0": ({"dim": 0}, r"^dim 0: must be a whole number from 1, the weights behind K"),
    "batch": ({"batch_size": 21}, "batch_size 21: must be from 1 to 20, what is left unlabelled"),
    "oversample": ({"oversample": 0.5}, "oversample 0.5: must be at least 1"),
    "labelled": ({"labelled": [24]}, "labelled index 24 is outside the pool: must be from 0 to 23"),
    "regularisation": ({"regularisation": -1}, "regularisation -1: must be a positive number, or rel:c"),
}


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_refusals_say_what_to_do(changed: dict[str, Any], message: str) -> None:
    K, rows, dim, labelled = small()
    asked: dict[str, Any] = {"K": K, "rows": rows, "batch_size": 4, "labelled": labelled, "dim": dim}
    asked |= {"rows": 2, "batch_size": 1, "labelled": [0]} if "K" in changed else {}
    with pytest.raises(InputError, match=message):
        bait_select_rows(**(asked | changed))


def test_what_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    K, rows, dim, labelled = small()
    monkeypatch.setattr(row_space, "free_bytes", lambda device: 1000)
    message = r"needs .* beside K, and 1000 B are free on cpu: 24 candidates × 2 rows give N = 48, and 24 rows in M; "
    with pytest.raises(TooLargeError, match=message):
        bait_select_rows(K, rows, 4, labelled=labelled, dim=dim)
