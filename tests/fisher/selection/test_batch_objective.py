"""The objective of a batch by Woodbury against its definition with M built, and redundancy against Fisher matrices."""

from __future__ import annotations

import itertools

import cases
import numpy as np
import pytest
import reference
import torch

import fbench
from fbench.errors import InputError
from fbench.fisher.row_products import network_products, products_of
from fbench.fisher.selection.batch_objective import (
    batch_objective,
    redundancy,
    resolved_regularisation,
    sample_weights,
)


@pytest.mark.parametrize("labelled", [0, 2, 20])
@pytest.mark.parametrize(("k", "h"), [(2, 3), (4, 12), (10, 9)])
@pytest.mark.parametrize("regularisation", [1.0, 0.01, "rel:0.1"])
def test_the_objective_is_that_of_the_definition(labelled: int, k: int, h: int, regularisation: float | str) -> None:
    """N = 24·(k − 1) above and below d = k·h."""
    pool = cases.problem(labelled, n=24, k=k, h=h, labelled=labelled, batch_size=3)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    have = pool.labelled.tolist()
    picks = [x for x in range(V.n) if x not in have][:3]
    products = products_of(V[torch.tensor(have + picks)], V)
    lam = resolved_regularisation(regularisation, products, V.dim)
    dense = V.dense()
    assert lam == pytest.approx(reference.strength(dense, regularisation))
    weights = sample_weights(labelled, 3)
    expected = reference.objective(dense, have, picks, 3, regularisation)
    assert batch_objective(products, weights, lam) == pytest.approx(expected, rel=1e-10)
    before = reference.objective(dense, have, [], 3, regularisation)
    weights[labelled:] = 0
    assert batch_objective(products, weights, lam) == pytest.approx(before, rel=1e-10)


def test_a_pool_that_leaves_the_batch_out() -> None:
    """F is over what is given as the pool; M takes the batch, wherever it lies."""
    pool = cases.problem(0, n=20, k=3, h=5)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    part, few = V[:12], V[torch.tensor([3, 15, 17])]
    F = reference.fisher(part.dense())
    weights = sample_weights(1, 2)
    M = torch.eye(V.dim, dtype=torch.float64)
    for v, w in zip(few.dense(), weights, strict=True):
        M += w * v.T @ v
    expected = float(torch.trace(torch.linalg.solve(M, F)))
    assert batch_objective(products_of(few, part), weights, 1.0) == pytest.approx(expected, rel=1e-10)


def test_a_network_on_all_its_weights() -> None:
    model, inputs = cases.model("convolutions")
    every = {name: torch.ones(p.shape, dtype=torch.bool) for name, p in model.named_parameters()}
    V = fbench.masked_embedding(model, inputs, every).dense().double()
    got = batch_objective(network_products(model, inputs[[0, 2, 3]], inputs), sample_weights(1, 2), 0.1)
    assert got == pytest.approx(reference.objective(V, [0], [2, 3], 2, 0.1), rel=1e-9)


def test_weights_are_one_a_sample() -> None:
    V = fbench.dense_embedding(torch.ones(3, 2, 4))
    with pytest.raises(InputError, match="1 weights for 3 samples: give one for each"):
        batch_objective(products_of(V, V), sample_weights(0, 1), 1.0)


def test_redundancy_is_the_mean_cosine_of_fisher_matrices() -> None:
    pool = cases.problem(1, n=5, k=4, h=3)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    own = [(v.T @ v).numpy() for v in V.dense()]
    pairs = itertools.combinations(own, 2)
    cosines = [(a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
    got = redundancy(products_of(V, V).among, V.rows)
    assert got == pytest.approx(np.mean(cosines))
    again = fbench.dense_embedding(torch.cat([V.dense()[:1], 3 * V.dense()[:1]]))
    assert redundancy(products_of(again, again).among, V.rows) == pytest.approx(1)
    assert redundancy(torch.eye(3), rows=3) is None
    assert redundancy(torch.diag(torch.tensor([0.0, 1.0])), rows=1) == 0
