"""Embeddings on a mask: V_xᵀV_x as autograd gives it, at the mask's positions only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import cases
import pytest
import reference
import torch
from torch import Tensor, nn

import fbench
from fbench.errors import InputError
from fbench.fisher.gradients import masked
from fbench.fisher.gradients.diagonal import fisher_diagonals
from fbench.fisher.gradients.kept import KeptPasses
from fbench.measure.memory.growth import peak_growth


def embed(model: nn.Module, inputs: Tensor, mask: Mapping[str, Tensor], **how: Any) -> fbench.DenseEmbedding:
    """Run with the fallback's warning, which is not the point here, silenced."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="per-sample gradients by torch.func")
        return fbench.masked_embedding(model, inputs, mask, **how)


def draw(model: nn.Module, share: float, seed: int) -> fbench.Mask:
    """Return a mask with each weight kept at random; whole layers may stay empty."""
    g = torch.Generator().manual_seed(seed)
    kept = {name: torch.rand(p.shape, generator=g) < share for name, p in model.named_parameters()}
    kept[min(kept)].view(-1)[0] = True
    return fbench.Mask(kept)


@pytest.mark.parametrize("name", cases.MODELS)
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_rows_have_the_fisher_of_autograd(name: str, share: float) -> None:
    model, inputs = cases.model(name)
    mask = draw(model, share, seed=1)
    got = embed(model, inputs, mask).dense()
    V = reference.jacobian_rows(model, inputs, mask)
    assert got.shape[2] == mask.size
    torch.testing.assert_close(got.mT @ got, V.mT @ V, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", cases.MODELS)
def test_independent_of_the_batch_size(name: str) -> None:
    model, inputs = cases.model(name)
    mask = draw(model, 0.3, seed=2)
    whole = embed(model, inputs, mask).dense()
    for batch_size in (1, 2, 3):
        part = embed(model, inputs, mask, batch_size=batch_size).dense()
        torch.testing.assert_close(part, whole, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("budget", [1, 5_000, 20_000])
def test_independent_of_the_memory_budget(budget: int) -> None:
    model, inputs = cases.model("convolutions")
    mask = draw(model, 0.3, seed=2)
    whole = embed(model, inputs, mask).dense()
    torch.testing.assert_close(embed(model, inputs, mask, memory_budget=budget).dense(), whole, rtol=1e-10, atol=1e-13)


def test_the_peak_stays_below_the_budget() -> None:
    """In one batch it would be nearly three times the budget."""
    model, inputs = cases.wide()
    mask = draw(model, 0.01, seed=0)
    embed(model, inputs[:64], mask)  # what libraries allocate once
    budget = 1 << 26
    with peak_growth() as growth:
        V = embed(model, inputs, mask, memory_budget=budget)
    if growth.peak_bytes is None:
        pytest.skip("this system does not tell its peak")
    assert growth.peak_bytes < budget + 1.2 * V.dense().nbytes


@pytest.mark.parametrize(
    ("how", "part"), [({"batch_size": 0}, "batch_size 0"), ({"memory_budget": -1}, "memory_budget -1")]
)
def test_limits_below_one(how: dict[str, int], part: str) -> None:
    model, inputs = cases.model("linear")
    with pytest.raises(InputError, match=f"{part}: must be at least 1"):
        fbench.masked_embedding(model, inputs, draw(model, 1.0, seed=0), **how)


def test_the_last_layer_as_a_mask_is_the_last_layer_embedding() -> None:
    model, inputs = cases.model("linear")
    mask = {name: torch.full(p.shape, name == "4.weight") for name, p in model.named_parameters()}
    with torch.no_grad():
        features = model[:-1](inputs)
        last = fbench.last_layer_embedding(model[-1](features), features).dense()
    got = embed(model, inputs, fbench.Mask(mask)).dense()
    torch.testing.assert_close(got.mT @ got, last.mT @ last, rtol=1e-10, atol=1e-14)


def test_the_diagonal_of_the_fisher_is_the_fish_diagonal() -> None:
    model, inputs = cases.model("batch norm")
    mask = draw(model, 1.0, seed=3)
    embedding = embed(model, inputs, mask)
    squares = embedding.dense().square().sum((0, 1)) / len(inputs)
    expected = torch.cat([v.flatten() for v in fbench.fisher_diagonal(model, inputs).values()])
    torch.testing.assert_close(squares, expected, rtol=1e-10, atol=1e-15)


def test_the_model_is_left_as_found() -> None:
    model, inputs = cases.model("batch norm")
    mask = draw(model, 0.3, seed=4)
    expected = embed(model, inputs, mask).dense()
    model.train()
    model.bn1.eval()
    model.conv1.requires_grad_(False)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    torch.testing.assert_close(embed(model, inputs, mask).dense(), expected, rtol=1e-10, atol=1e-14)
    assert model.training
    assert not model.bn1.training
    assert not model.conv1.weight.requires_grad
    assert model.fc.weight.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_an_empty_mask() -> None:
    model, inputs = cases.model("linear")
    nothing = {name: torch.zeros(p.shape, dtype=torch.bool) for name, p in model.named_parameters()}
    with pytest.raises(InputError, match="mask is empty"):
        fbench.masked_embedding(model, inputs, fbench.Mask(nothing))


def test_a_mask_of_another_shape_is_named() -> None:
    model, inputs = cases.model("linear")
    mask = dict(draw(model, 1.0, seed=0)) | {"0.weight": torch.ones(4, 5, dtype=torch.bool)}
    with pytest.raises(InputError, match=r"4, 5.*0\.weight.*5, 4"):
        fbench.masked_embedding(model, inputs, fbench.Mask(mask))


def test_a_mask_of_an_unknown_parameter_is_named() -> None:
    model, inputs = cases.model("linear")
    mask = dict(draw(model, 1.0, seed=0)) | {"9.weight": torch.ones(2, dtype=torch.bool)}
    with pytest.raises(InputError, match=r"9\.weight"):
        fbench.masked_embedding(model, inputs, fbench.Mask(mask))


def test_logits_that_are_not_finite() -> None:
    model, inputs = cases.model("linear")
    inputs[1, 0] = float("nan")
    with pytest.raises(InputError, match=r"logits\[1, \d\] is nan"):
        fbench.masked_embedding(model, inputs, draw(model, 1.0, seed=0))


class RootOfZero(nn.Module):
    """Finite logits, an infinite gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x).sqrt()


def test_gradients_that_are_not_finite() -> None:
    model = RootOfZero()
    torch.nn.init.zeros_(model.last.weight)
    with pytest.raises(InputError, match=r"nan|inf"):
        fbench.masked_embedding(model, torch.ones(2, 4), draw(model, 1.0, seed=0))


@pytest.mark.parametrize("name", cases.MODELS)
@pytest.mark.parametrize("room", [0, 1 << 13, 1 << 27])
def test_passes_that_were_kept_are_not_made_again(name: str, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two draws that leave some inputs out: with room for no batch, for some, and for all of them."""
    model, inputs = cases.model(name)
    mask, order = draw(model, 0.3, seed=2), torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    at = [order[:2], order[3:]]
    keep = KeptPasses(at, room)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="per-sample gradients by torch.func")
        fisher_diagonals(model, [inputs[positions] for positions in at], batch_size=2, keep=keep)
    assert 0 <= keep.room <= room
    again: list[int] = []
    real = masked.gathered

    def spy(model: nn.Module, inputs: Tensor, *rest: Any) -> Any:
        again.append(len(inputs))
        return real(model, inputs, *rest)

    whole = embed(model, inputs, mask).dense()
    monkeypatch.setattr(masked, "gathered", spy)
    V = embed(model, inputs, mask, kept=keep.batches).dense()
    torch.testing.assert_close(V, whole, rtol=1e-10, atol=1e-13)
    kept = sum(len(batch.at) for batch in keep.batches)
    assert again == [len(inputs) - kept]
    if name == "convolutions":
        assert kept == {0: 0, 1 << 13: 2, 1 << 27: len(inputs) - 1}[room]


def test_where_all_passes_were_kept_none_is_made() -> None:
    model, inputs = cases.model("convolutions")
    everyone = torch.arange(len(inputs))
    keep = KeptPasses([everyone])
    fisher_diagonals(model, [inputs], keep=keep)
    mask = draw(model, 0.3, seed=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masked, "gathered", None)
        V = embed(model, inputs, mask, kept=keep.batches).dense()
    torch.testing.assert_close(V, embed(model, inputs, mask).dense(), rtol=1e-10, atol=1e-13)
