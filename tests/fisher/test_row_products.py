"""Products of a few samples' rows with a pool's, against the Gram matrix of all of them."""

from __future__ import annotations

import warnings

import cases
import pytest
import torch
from torch import nn

import fbench
from fbench.errors import InputError
from fbench.fisher.row_gram import gram_of_rows, network_gram
from fbench.fisher.row_products import network_products, products_of
from fbench.fisher.selection.unit_rows import row_numbers


@pytest.mark.parametrize("dense", [True, False])
def test_the_products_of_an_embedding(dense: bool) -> None:
    pool = cases.problem(0, n=13, k=4, h=5)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    V = fbench.dense_embedding(V.dense()) if dense else V
    some = torch.tensor([7, 0, 12])
    K, rows = gram_of_rows(V), row_numbers(some, V.rows)
    products = products_of(V[some], V)
    torch.testing.assert_close(products.across, K[rows])
    torch.testing.assert_close(products.among, K[rows][:, rows])
    assert (products.n, products.rows) == (13, V.rows)
    assert products.trace == pytest.approx(float(K.trace()))


@pytest.mark.parametrize("name", ["linear", "convolutions", "batch norm", "two classes"])
def test_the_products_of_a_network_on_all_its_weights(name: str) -> None:
    model, inputs = cases.model(name)
    some = torch.tensor([2, 0])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="per-sample gradients by torch.func")
        K = network_gram(model, inputs)
        whole = network_products(model, inputs[some], inputs)
        r = whole.rows
        few_weights = 2 * 8 * (len(inputs) + 2) * r * 25
        parts = network_products(model, inputs[some], inputs, memory_budget=few_weights, batch_size=2)
    for products in (whole, parts):
        torch.testing.assert_close(products.across, K[row_numbers(some, r)], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(products.among, K[row_numbers(some, r)][:, row_numbers(some, r)])
        assert products.trace == pytest.approx(float(K.trace()), rel=1e-10)


def test_what_has_no_products_is_refused() -> None:
    model, inputs = cases.model("linear")
    for few, pool in ((inputs[:0], inputs), (inputs, inputs[:0])):
        with pytest.raises(InputError, match="inputs are empty"):
            network_products(model, few, pool)
    with pytest.raises(InputError, match=r"inputs are a list: give one tensor"):
        network_products(model, inputs, [[0.0]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_size 0"):
        network_products(model, inputs, inputs, batch_size=0)
    with pytest.raises(InputError, match="the model ReLU has no parameters"):
        network_products(nn.ReLU(), inputs, inputs)
    with pytest.raises(InputError, match=r"logits\[0, 0\] is nan"):
        network_products(model, inputs, inputs * torch.nan)
    huge = fbench.dense_embedding(torch.full((2, 1, 1), 1e30))
    with pytest.raises(InputError, match=r"inner products overflow torch.float32: use float64"):
        products_of(huge, huge)
