"""F, the labelled start of M, λ and the effective dimension, against the loop."""

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
from fbench.fisher.row_gram import gram_of_rows
from fbench.fisher.selection import inverses, row_information
from fbench.fisher.selection.information import (
    DiagonalInformation,
    Information,
    pool_fisher,
    resolve_regularisation,
)
from fbench.fisher.selection.inverses import inverse_in_place, sandwich, symmetric
from fbench.fisher.selection.row_information import RowInformation

NOBODY = torch.empty(0, dtype=torch.int64)


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
        information = Information(embedding, pool.labelled, batch_size, 0.3)
        torch.testing.assert_close(information.F, reference.fisher(V), rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(information.matrix(NOBODY), M, rtol=1e-10, atol=1e-13)


def test_picks_weigh_alpha_whatever_the_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cases.problem(3, n=12, labelled=5)
    V = reference.last_layer_rows(pool.logits, pool.features)
    picks = torch.tensor([i for i in range(12) if i not in pool.labelled.tolist()][:4])
    expected = reference.m_with(V, pool.labelled.tolist(), 4, 0.7, picks.tolist())
    monkeypatch.setattr(inverses, "MATRIX_TILE", 3)
    information = Information(fbench.last_layer_embedding(pool.logits, pool.features), pool.labelled, 4, 0.7)
    torch.testing.assert_close(information.matrix(picks), expected)
    torch.testing.assert_close(information.inverse(picks), torch.linalg.inv(expected))
    objective = reference.objective(V, pool.labelled.tolist(), picks.tolist(), 4, 0.7)
    assert information.objective(picks) == pytest.approx(objective, rel=1e-10)


def test_the_labelled_fisher_is_a_mean() -> None:
    """Labelling the same samples twice over changes their weight n_L/(n_L+B), never their Fisher."""
    pool = cases.problem(0, n=6)
    once = fbench.last_layer_embedding(pool.logits, pool.features)
    twice = fbench.last_layer_embedding(pool.logits.repeat(2, 1), pool.features.repeat(2, 1))
    for_six = Information(once, torch.arange(6), 6, 1e-9).matrix(NOBODY) / (6 / 12)
    for_twelve = Information(twice, torch.arange(12), 6, 1e-9).matrix(NOBODY) / (12 / 18)
    torch.testing.assert_close(for_six, for_twelve, rtol=1e-6, atol=1e-8)


def test_lambda_is_a_number_or_relative() -> None:
    for typed, expected in ((0.5, 0.5), ("rel:0.5", 1.0), ("rel:1e-2", 0.02), ("deff:4", 400.0)):
        assert resolve_regularisation(typed, 2.0, lambda c: 100 * c) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "d"), [(30, 7), (3, 40)])
@pytest.mark.parametrize("c", [1e-3, 1.0, 5.25])
def test_lambda_of_an_effective_dimension(n: int, d: int, c: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """d below and above N = 2n, in the space of weights and of rows, there by eigenvalues and by d_eff alone."""
    scale = torch.logspace(0, -1, d, dtype=torch.float64)
    V = fbench.dense_embedding(torch.randn(n, 2, d, generator=torch.Generator().manual_seed(n)).double() * scale)
    expected = reference.strength(V.dense(), f"deff:{c}")
    for few in (2048, 0):
        monkeypatch.setattr(row_information, "_FEW_ROWS", few)
        primal = Information(V, NOBODY, 4, f"deff:{c}")
        for information in (primal, RowInformation(gram_of_rows(V), 2, NOBODY, 4, f"deff:{c}", dim=d)):
            assert information.lam == pytest.approx(expected, rel=1e-9)
            assert information.effective_dimension() == pytest.approx(c, rel=1e-9)
    diagonal = DiagonalInformation(V, NOBODY, 4, f"deff:{c}")
    assert diagonal.effective_dimension() == pytest.approx(c, rel=1e-9)


def test_an_effective_dimension_that_f_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """F has rank 4; its diagonal has seven entries; d_eff of many rows meets its rank by rounding alone."""
    V = fbench.dense_embedding(torch.randn(2, 2, 7, generator=torch.Generator().manual_seed(0)).double())
    for few, has in ((2048, "rank 4"), (0, "rank 4 at most")):
        monkeypatch.setattr(row_information, "_FEW_ROWS", few)
        with pytest.raises(InputError, match=f"deff:4: the Fisher information has {has}, and"):
            RowInformation(gram_of_rows(V), 2, NOBODY, 4, "deff:4", dim=7)
    with pytest.raises(InputError, match="deff:4: the Fisher information has rank 4, and d_eff stays below that; take"):
        Information(V, NOBODY, 4, "deff:4")
    with pytest.raises(InputError, match="rank 7, and d_eff stays below"):
        DiagonalInformation(V, NOBODY, 4, "deff:7")
    twice = fbench.dense_embedding(V.dense()[[0, 0, 1, 1]])  # eight rows, rank 4
    with pytest.raises(InputError, match="deff:5: the Fisher information has about 4 directions above rounding, and"):
        RowInformation(gram_of_rows(twice), 2, NOBODY, 4, "deff:5", dim=7)
    nothing = fbench.dense_embedding(torch.zeros(3, 2, 4))
    for kind in (Information, DiagonalInformation):
        with pytest.raises(InputError, match="deff:1: the Fisher information is 0; give λ as a number"):
            kind(nothing, NOBODY, 2, "deff:1")


def test_effective_dimension_is_the_trace() -> None:
    pool = cases.problem(1)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    F = reference.fisher(V.dense())
    eye = torch.eye(len(F), dtype=torch.float64)
    for lam in (1e-3, 1.0, 100.0):
        expected = float(torch.trace(F @ torch.linalg.inv(F + lam * eye)))
        assert Information(V, NOBODY, 4, lam).effective_dimension() == pytest.approx(expected, rel=1e-9)


def test_diagonals_are_those_of_the_matrices() -> None:
    pool = cases.problem(2, n=9, k=4)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    picks = torch.tensor([i for i in range(9) if i not in pool.labelled.tolist()][:2])
    whole, alone = Information(V, pool.labelled, 4, 0.3), DiagonalInformation(V, pool.labelled, 4, 0.3)
    torch.testing.assert_close(alone.F, whole.F.diagonal())
    torch.testing.assert_close(alone.matrix(picks), whole.matrix(picks).diagonal())
    M, F = whole.matrix(picks).diagonal(), whole.F.diagonal()
    assert alone.objective(picks) == pytest.approx(float((F / M).sum()))
    assert alone.effective_dimension() == pytest.approx(float((F / (F + 0.3)).sum()))
    relative = DiagonalInformation(V, pool.labelled, 4, "rel:0.5").lam
    assert relative == pytest.approx(Information(V, pool.labelled, 4, "rel:0.5").lam)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_tiles_change_nothing(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverses, "MATRIX_TILE", 3)
    g = torch.Generator().manual_seed(d)
    A, P = (torch.randn(d, d, generator=g, dtype=torch.float64) for _ in range(2))
    F = A @ A.T
    P = P @ P.T
    torch.testing.assert_close(sandwich(P, F, torch.float64), P @ F @ P)
    assert sandwich(P, F.float(), torch.float32).dtype == torch.float32
    both = symmetric(A.clone())
    assert torch.equal(both, both.T)
    torch.testing.assert_close(both, (A + A.T) / 2)


def test_the_inverse_takes_the_matrix_place() -> None:
    A = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    M = A @ A.T + torch.eye(6, dtype=torch.float64)
    expected, place = torch.linalg.inv(M), M.data_ptr()
    inverse, jitter = inverse_in_place(lambda: M)
    assert inverse.data_ptr() == place
    assert jitter == 0
    torch.testing.assert_close(inverse, expected)


def test_a_matrix_that_rounding_made_indefinite_gets_a_jitter_and_says_so() -> None:
    M = torch.eye(3, dtype=torch.float64)
    M[0, 0] = -1e-13
    inverse, jitter = inverse_in_place(M.clone)
    assert 1e-13 < jitter < 1e-11
    torch.testing.assert_close(inverse, torch.linalg.inv(M + jitter * torch.eye(3, dtype=torch.float64)))


def test_a_selection_says_its_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cases.problem(1)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    assert fbench.bait_select(V, 4, labelled=pool.labelled).jitter == 0
    exact = Information.matrix

    def short(self: Information, picks: Tensor) -> Tensor:
        """M without one direction, as if rounding had taken it."""
        M = exact(self, picks)
        M[0, :] = M[:, 0] = 0.0
        M[0, 0] = -1e-13
        return M

    monkeypatch.setattr(Information, "matrix", short)
    assert 1e-13 < fbench.bait_select(V, 4, labelled=pool.labelled, oversample=1.0).jitter < 1e-9


def test_an_inverse_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="regularisation"):
        inverse_in_place(lambda: -torch.eye(2, dtype=torch.float64))


def test_squares_that_overflow() -> None:
    with pytest.raises(InputError, match=r"overflow torch.float32: use float64"):
        pool_fisher(fbench.dense_embedding(torch.full((1, 1, 2), 1e30)))
