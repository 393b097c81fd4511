"""The table of methods: every shape is its embedding's, every name is read, every slip is told."""

from __future__ import annotations

import cases
import pytest
import torch

from fbench.errors import UnknownNameError, UsageError
from fbench.fisher.planning.plan import shape_of
from fbench.fisher.selection.methods import EMBEDDING_METHODS, parse_embedding_method


@pytest.mark.parametrize("name", EMBEDDING_METHODS)
@pytest.mark.parametrize(("n", "k", "h"), [(7, 5, 4), (3, 2, 3)])
def test_a_shape_is_known_before_its_embedding(name: str, n: int, k: int, h: int) -> None:
    pool = cases.problem(0, n=n, k=k, h=h, labelled=0)
    method = EMBEDDING_METHODS[name]
    number = 2 if method.number else 0
    made = method.make(pool.logits, pool.features, number)
    assert shape_of(made) == method.shape(n, k, h, number)
    assert made.dense().shape == (n, made.rows, made.dim)


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [("exact", "exact", 0), ("binary", "binary", 0), ("top2", "top", 2), ("top12", "top", 12), ("pca:30", "pca", 30)],
)
def test_names(text: str, name: str, number: int) -> None:
    assert parse_embedding_method(text) == (EMBEDDING_METHODS[name], number)


@pytest.mark.parametrize("text", ["", "exacts", "top-2", "Exact", "pca:x", "pca:-3", "pca: 3", "2top", "pca:3.5"])
def test_other_names(text: str) -> None:
    match = f"unknown method '{text}'.* Known: binary, diagonal, exact, pca:30, top2"
    with pytest.raises(UnknownNameError, match=match):
        parse_embedding_method(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("top", "top needs its classes"),
        ("pca", "pca needs its components"),
        ("pca:", "pca needs its components"),
        ("exact2", "exact takes no number"),
        ("binary:1", "binary takes no number"),
    ],
)
def test_a_number_where_none_belongs_or_none_where_one_does(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=f"method {text}: {rule}; write one of exact, top2, binary, diagonal, pca:30"):
        parse_embedding_method(text)


def test_only_the_exact_rows_serve_an_embedding() -> None:
    assert [method.name for method in EMBEDDING_METHODS.values() if method.on_embedding] == ["exact", "diagonal"]


def test_a_projection_keeps_its_dtype() -> None:
    made = EMBEDDING_METHODS["pca"].make(torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 4), 2)
    assert made.dtype == torch.float32
