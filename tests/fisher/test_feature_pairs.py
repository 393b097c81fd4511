"""Pairs of features against the sums written out, and against class by class."""

from __future__ import annotations

import pytest
import torch

import fbench
from fbench.fisher import feature_pairs
from fbench.fisher.embeddings import FactoredEmbedding
from fbench.fisher.feature_pairs import PairForms, add_pair_gram
from fbench.fisher.selection.candidates.plain import form_for, quadratic


def embedding(n: int, k: int, h: int, dtype: torch.dtype = torch.float64) -> FactoredEmbedding:
    g = torch.Generator().manual_seed(n + k + h)
    return fbench.last_layer_embedding(
        torch.randn(n, k, generator=g, dtype=dtype), torch.randn(n, h, generator=g, dtype=dtype)
    )


SIZES = [(3, 2, 1), (9, 4, 15), (20, 3, 16), (530, 5, 17), (1030, 21, 40)]
"""Strips that are not full, that are, one alone; chunks that are not full."""


@pytest.mark.parametrize(("n", "k", "h"), SIZES)
def test_the_gram_is_that_of_the_rows(n: int, k: int, h: int) -> None:
    V = embedding(n, k, h)
    rows = V.dense().flatten(0, 1)
    start = torch.ones(V.dim, V.dim, dtype=torch.float64)
    out = start.clone()
    add_pair_gram(V.S, V.h, out, 0.5)
    torch.testing.assert_close(out, start + 0.5 * rows.T @ rows, rtol=1e-12, atol=1e-12 * n)


@pytest.mark.parametrize(("n", "k", "h"), SIZES)
def test_the_forms_are_those_of_the_rows(n: int, k: int, h: int) -> None:
    V = embedding(n, k, h)
    A = torch.randn(V.dim, V.dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    A, rows = A + A.T, V.dense()
    torch.testing.assert_close(PairForms(A, k).of(V.S, V.h), rows @ A @ rows.mT, rtol=1e-10, atol=1e-10 * V.dim)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_many_classes_are_summed_over_by_pairs_and_agree(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    V = embedding(1100, 20, 6, dtype)
    A = torch.eye(V.dim, dtype=dtype) + 0.1
    form = form_for(V, A)
    assert isinstance(form, PairForms)
    by_pairs = V.gram(), quadratic(V, form), V.gram_operations
    monkeypatch.setattr(feature_pairs, "LEAST_CLASSES", 21)
    assert form_for(V, A) is A
    near = {"rtol": 1e-4, "atol": 1e-3} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-9}
    torch.testing.assert_close(by_pairs[0], V.gram(), **near)
    torch.testing.assert_close(by_pairs[1], quadratic(V, A), **near)
    assert by_pairs[2] == V.gram_operations / 2


def test_a_selection_of_many_classes_picks_as_class_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    V = embedding(1200, 22, 5)
    how = {"labelled": [0, 5, 700], "regularisation": 0.1}
    by_pairs = fbench.bait_select(V, 6, **how)
    monkeypatch.setattr(feature_pairs, "LEAST_CLASSES", 10**9)
    by_classes = fbench.bait_select(V, 6, **how)
    assert by_pairs.forward.tolist() == by_classes.forward.tolist()
    assert by_pairs.indices.tolist() == by_classes.indices.tolist()
    torch.testing.assert_close(by_pairs.scores, by_classes.scores, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("n", "k", "device"), [(1023, 30, "cpu"), (5000, 19, "cpu"), (5000, 30, "cuda")])
def test_where_it_does_not_pay(n: int, k: int, device: str) -> None:
    assert not feature_pairs.pays(n, k, device)
