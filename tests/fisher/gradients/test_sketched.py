"""Sketched embeddings: all gradients times the sketch as a matrix, and inner products that are right on average."""

from __future__ import annotations

import dataclasses
import warnings

import cases
import pytest
import reference
import torch
from torch import Tensor, nn

import fbench
from fbench.errors import InputError
from fbench.fisher.gradients import captured
from fbench.fisher.gradients.sketched import CountSketch, draw_sketch, sketched_embedding
from fbench.measure.memory.growth import peak_growth

pytestmark = pytest.mark.filterwarnings("ignore:per-sample gradients by torch.func")


def draw(like: nn.Module | dict[str, Tensor], dim: int, seed: int = 0) -> CountSketch:
    like = dict(like.named_parameters()) if isinstance(like, nn.Module) else like
    return draw_sketch(like, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", cases.MODELS)
def test_the_gradients_times_the_sketch_as_a_matrix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = cases.model(name)
    everything = fbench.Mask({key: torch.ones_like(p, dtype=torch.bool) for key, p in model.named_parameters()})
    for dim in (1, 5, 2 * everything.size):
        sketch = draw(model, dim)
        expected = fbench.masked_embedding(model, inputs, everything).dense() @ reference.sketch_matrix(sketch)
        got = sketched_embedding(model, inputs, sketch).dense()
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)
    monkeypatch.setattr(captured, "_PIECE", 1)
    for how in ({}, {"batch_size": 1}, {"batch_size": 3}, {"memory_budget": 5_000}):
        got = sketched_embedding(model, inputs, sketch, **how).dense()
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


def inner_products(u: Tensor, v: Tensor, dim: int, draws: int) -> Tensor:
    """The inner products [draws] of the sketches of u and v [d]."""
    sketches = [draw({"w": u}, dim, seed) for seed in range(draws)]
    h = torch.stack([sketch.buckets["w"] for sketch in sketches])
    signs = torch.stack([sketch.signs["w"] for sketch in sketches]).double()
    first, second = (torch.zeros(draws, dim).double().scatter_add_(1, h, signs * x) for x in (u, v))
    return (first * second).sum(1)


@pytest.mark.parametrize(("dim", "alike"), [(1, 0.0), (7, 0.8), (64, 1.0)])
def test_inner_products_are_unbiased_with_the_variance_of_the_page(dim: int, alike: float) -> None:
    """Within five standard errors over 4,000 draws; the variance's own is that of the squared distances."""
    d, draws, g = 30, 4000, torch.Generator().manual_seed(dim)
    u, other = torch.randn(2, d, generator=g, dtype=torch.float64)
    v = alike * u + (1 - alike) * other
    distance = inner_products(u, v, dim, draws) - u @ v
    variance = float((u @ u) * (v @ v) + (u @ v) ** 2 - 2 * (u.square() @ v.square())) / dim
    assert abs(float(distance.mean())) < 5 * (variance / draws) ** 0.5
    squares = distance.square()
    assert abs(float(squares.mean()) - variance) < 5 * float(squares.std()) / draws**0.5


def test_buckets_and_signs_are_even() -> None:
    dim, m = 8, 20_000
    sketch = draw({"a": torch.zeros(100, 100), "b": torch.zeros(m - 10_000)}, dim)
    h = torch.cat([part.flatten() for part in sketch.buckets.values()])
    signs = torch.cat([part.flatten() for part in sketch.signs.values()])
    assert set(signs.tolist()) == {-1, 1}
    cells = torch.bincount(h + dim * (signs > 0), minlength=2 * dim)
    assert bool(((cells - m / 16).abs() < 5 * (m / 16 * 15 / 16) ** 0.5).all())
    assert sketch.buckets["a"].shape == sketch.signs["a"].shape == (100, 100)


def test_the_peak_stays_below_the_budget() -> None:
    """In one batch it would be nearly three times the budget."""
    model, inputs = cases.wide()
    sketch = draw(model, 64)
    sketched_embedding(model, inputs[:64], sketch)  # what libraries allocate once
    budget = 1 << 26
    with peak_growth() as growth:
        V = sketched_embedding(model, inputs, sketch, memory_budget=budget)
    if growth.peak_bytes is None:
        pytest.skip("this system does not tell its peak")
    assert growth.peak_bytes < budget + 1.2 * V.dense().nbytes


def test_what_is_refused() -> None:
    model, inputs = cases.model("linear")
    sketch = draw(model, 3)
    with pytest.raises(InputError, match="sketch of 0 dimensions: must be at least 1"):
        draw(model, 0)
    with pytest.raises(InputError, match="batch_size 0: must be at least 1"):
        sketched_embedding(model, inputs, sketch, batch_size=0)
    with pytest.raises(InputError, match="inputs are empty"):
        sketched_embedding(model, inputs[:0], sketch)
    with pytest.raises(InputError, match="inputs are a list: give one tensor"):
        sketched_embedding(model, [[1.0]], sketch)  # type: ignore[arg-type]
    lacking = dataclasses.replace(sketch, buckets={k: h for k, h in sketch.buckets.items() if k != "0.bias"})
    with pytest.raises(InputError, match=r"the sketch lacks the layer '0\.bias'"):
        sketched_embedding(model, inputs, lacking)
    inputs[1, 0] = float("nan")
    with pytest.raises(InputError, match=r"logits\[1, \d\] is nan"), warnings.catch_warnings():
        sketched_embedding(model, inputs, sketch)


def test_the_model_is_left_as_found() -> None:
    model, inputs = cases.model("batch norm")
    sketch = draw(model, 5)
    expected = sketched_embedding(model, inputs, sketch).dense()
    model.train()
    torch.testing.assert_close(sketched_embedding(model, inputs, sketch).dense(), expected, rtol=0, atol=0)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
