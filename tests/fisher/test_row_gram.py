"""K = V Vᵀ against the rows themselves: dense, factored, and a network's against its Jacobian by autograd."""

from __future__ import annotations

import warnings

import cases
import pytest
import torch
from torch import Tensor, nn

import fbench
from fbench.errors import InputError
from fbench.fisher import row_gram
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.row_gram import gram_of_rows, network_gram, weight_groups


def network_rows(model: nn.Module, inputs: Tensor) -> Tensor:
    """R_x J_x [n·(k−1), d], J_x the logits' Jacobian by the weights, one backward pass a logit."""
    stacked = []
    for x in inputs:
        logits = model(x[None])
        jacobian = []
        for z in logits[0]:
            grads = torch.autograd.grad(z, list(model.parameters()), retain_graph=True, allow_unused=True)
            pairs = zip(grads, model.parameters(), strict=True)
            jacobian.append(torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs]))
        stacked.append(logit_rows(logits.detach())[0] @ torch.stack(jacobian))
    return torch.cat(stacked)


@pytest.mark.parametrize("block", [1, 7, 1024])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_gram_of_an_embedding(monkeypatch: pytest.MonkeyPatch, block: int, dtype: torch.dtype) -> None:
    monkeypatch.setattr(row_gram, "_BLOCK", block)
    pool = cases.problem(0, n=13, k=4, h=5)
    V = fbench.last_layer_embedding(pool.logits, pool.features).to(dtype=dtype)
    flat = V.dense().view(-1, V.dim)
    for embedding in (V, fbench.dense_embedding(V.dense())):
        K = gram_of_rows(embedding)
        torch.testing.assert_close(K, flat @ flat.T)
        assert torch.equal(K, K.T)


@pytest.mark.parametrize("name", cases.MODELS)
def test_the_gram_of_a_network_on_all_its_weights(name: str) -> None:
    model, inputs = cases.model(name)
    V = network_rows(model, inputs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="per-sample gradients by torch.func")
        K = network_gram(model, inputs)
        torch.testing.assert_close(K, V @ V.T, rtol=1e-10, atol=1e-12)
        assert torch.equal(K, K.T)
        part = network_gram(model, inputs, memory_budget=2 * 8 * len(V) * 25, batch_size=2)  # 25 weights at a time
    torch.testing.assert_close(part, K, rtol=1e-10, atol=1e-12)


def test_sums_in_float64_of_gradients_in_float32() -> None:
    model, inputs = cases.model("linear")
    exact = network_gram(model, inputs)
    K = network_gram(model.float(), inputs.float(), dtype=torch.float64)
    assert K.dtype == torch.float64
    torch.testing.assert_close(K, exact, rtol=1e-4, atol=1e-5)
    assert network_gram(model, inputs.float()).dtype == torch.float32


def test_groups_part_the_weights_in_their_order() -> None:
    model, _ = cases.model("convolutions")
    d = sum(p.numel() for p in model.parameters())
    groups = list(weight_groups(model, 10))
    names = [name for name, _ in model.named_parameters()]
    taken = torch.stack([torch.cat([group[name].flatten() for name in names]) for group in groups])
    assert max(group.size for group in groups) <= 10
    assert torch.equal(taken.sum(0), torch.ones(d, dtype=torch.int64))
    assert torch.equal(taken.to(torch.uint8).argmax(0).sort().values, taken.to(torch.uint8).argmax(0))
    assert len(list(weight_groups(model, 0))) == d  # one weight is always taken


def test_the_model_is_left_as_found() -> None:
    model, inputs = cases.model("batch norm")
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    network_gram(model, inputs)
    assert model.training
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


def test_what_has_no_gram_is_refused() -> None:
    model, inputs = cases.model("linear")
    with pytest.raises(InputError, match="inputs are empty"):
        network_gram(model, inputs[:0])
    with pytest.raises(InputError, match=r"inputs are a list: give one tensor"):
        network_gram(model, [[0.0]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_size 0"):
        network_gram(model, inputs, batch_size=0)
    with pytest.raises(InputError, match="memory_budget 0"):
        network_gram(model, inputs, memory_budget=0)
    with pytest.raises(InputError, match="the model ReLU has no parameters"):
        network_gram(nn.ReLU(), inputs)
    with pytest.raises(InputError, match=r"logits\[0, 0\] is nan"):
        network_gram(model, inputs * torch.nan)
    huge = fbench.dense_embedding(torch.full((2, 1, 1), 1e30))
    with pytest.raises(InputError, match=r"inner products overflow torch.float32: use float64"):
        gram_of_rows(huge)
