"""The FISH diagonal against the loop over samples and classes, for every kind of layer."""

from __future__ import annotations

import warnings

import cases
import pytest
import reference
import torch
from torch import Tensor, nn

import fbench
from fbench.errors import InputError, UnknownNameError
from fbench.fisher.gradients.capture import evaluating
from fbench.fisher.gradients.diagonal import fisher_diagonals
from fbench.fisher.gradients.functional import FunctionalPath
from fbench.fisher.likelihood import logit_rows
from fbench.harness import registry
from fbench.measure.live import LiveBytes
from fbench.measure.memory.growth import peak_growth


def diagonal(model: nn.Module, inputs: Tensor, **how: object) -> dict[str, Tensor]:
    """Run with the fallback's warning, which is not the point here, silenced."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="per-sample gradients by torch.func")
        return fbench.fisher_diagonal(model, inputs, **how)


@pytest.mark.parametrize("name", cases.MODELS)
@pytest.mark.parametrize("batch_size", [256, 2, 1])
def test_exact_equals_the_loop(name: str, batch_size: int) -> None:
    model, inputs = cases.model(name)
    got = diagonal(model, inputs, batch_size=batch_size)
    expected = reference.fisher_diagonal(model, inputs)
    assert got.keys() == expected.keys()
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=1e-10, atol=1e-15)


# With the reference's loop in eval mode, this says in one go that dropout is off and batch norm frozen.
@pytest.mark.parametrize("name", cases.MODELS)
def test_the_model_is_left_as_found(name: str) -> None:
    model, inputs = cases.model(name)
    expected = reference.fisher_diagonal(model, inputs)
    model.train()
    next(model.children(), model).eval()
    frozen = next(model.parameters()).requires_grad_(False)
    for p in model.parameters():
        p.grad = torch.full_like(p, 7.0)
    modes = {key: module.training for key, module in model.named_modules()}
    state = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) for module in model.modules()]
    before = inputs.clone()

    got = diagonal(model, inputs)

    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=1e-10, atol=1e-15)
    assert modes == {key: module.training for key, module in model.named_modules()}
    assert hooks == [len(module._forward_hooks) for module in model.modules()]
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert not frozen.requires_grad
    assert all(p.requires_grad for p in model.parameters() if p is not frozen)
    assert all(bool((p.grad == 7.0).all()) for p in model.parameters())
    assert torch.equal(inputs, before)
    assert not inputs.requires_grad


def test_a_failing_model_is_left_as_found() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout()).double().train()
    with pytest.raises(InputError, match=r"logits.*nan"):
        diagonal(model, torch.full((2, 4), float("nan"), dtype=torch.float64))
    assert all(module.training for module in model.modules())
    assert not model[0]._forward_hooks


FALLBACK = {
    "reused layer, tied weight": "two layers share a parameter",
    "loose parameters": "layer 'Loose': type Loose has no contraction here",
    "steps folded into samples": "a layer does not take one sample a row",
    "steps first": "a layer does not take one sample a row",
    "as many steps as samples": "a layer does not take one sample a row",
}
"""Every other case takes the fast path; a warning is an error there."""


@pytest.mark.parametrize("name", sorted(cases.MODELS.keys() - FALLBACK.keys()))
def test_the_fast_path_is_taken(name: str) -> None:
    model, inputs = cases.model(name)
    fbench.fisher_diagonal(model, inputs)


@pytest.mark.parametrize("name", FALLBACK)
def test_falling_back_is_said_with_the_reason(name: str) -> None:
    model, inputs = cases.model(name)
    with pytest.warns(UserWarning, match=f"torch.func, several times slower: {FALLBACK[name]}") as caught:
        fbench.fisher_diagonal(model, inputs)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", cases.MODELS)
def test_paths_agree(name: str) -> None:
    """The fallback is the fast path's twin where both can go."""
    model, inputs = cases.model(name)
    parameters = dict(model.named_parameters())
    totals = {key: torch.zeros_like(p) for key, p in parameters.items()}
    with evaluating(model):
        FunctionalPath(model, inputs[:2], dict.fromkeys(parameters)).square_sums(inputs, logit_rows, totals)
    for key, value in diagonal(model, inputs).items():
        torch.testing.assert_close(value * len(inputs), totals[key].detach(), rtol=1e-10, atol=1e-14)


def test_modules_in_place_are_left_in_place() -> None:
    model, inputs = cases.model("stock resnet")
    diagonal(model, inputs)
    assert model[2].inplace
    assert all("forward" not in vars(module) for module in model.modules())
    with pytest.raises(RuntimeError, match="channels"):
        diagonal(model, inputs[:, :1])
    assert model[2].inplace
    assert all("forward" not in vars(module) for module in model.modules())


def test_float32_is_near_float64_and_never_negative() -> None:
    """On the thin ResNet, whose layers have 1,024 to 1 positions; measured: 5e-6 of each layer's largest."""
    torch.manual_seed(0)
    model = registry.MODELS.get("thin-resnet18").build(1, (3, 32, 32), 10)
    inputs = torch.randn(4, 3, 32, 32)
    single = fbench.fisher_diagonal(model, inputs)
    double = fbench.fisher_diagonal(model.double(), inputs.double())
    for name, value in double.items():
        assert float((single[name] - value).abs().max()) < 3e-5 * float(value.max())
        assert float(single[name].min()) >= 0


def test_it_works_without_grad_mode_and_returns_no_graph() -> None:
    model, inputs = cases.model("linear")
    with torch.no_grad():
        got = diagonal(model, inputs)
    assert not any(value.requires_grad for value in got.values())
    assert all(float(value.sum()) > 0 for value in got.values())


@pytest.mark.parametrize("name", ["linear", "batch norm", "in-place on convolution"])
def test_sampled_is_unbiased_and_repeatable(name: str) -> None:
    """The mean of 300 draws lies within five standard errors of the exact value, in every weight."""
    model, inputs = cases.model(name)
    exact = torch.cat([value.flatten() for value in diagonal(model, inputs).values()])
    g = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(300):
        drawn = diagonal(model, inputs, expectation="sampled", generator=g)
        draws.append(torch.cat([value.flatten() for value in drawn.values()]))
    stack = torch.stack(draws)
    error = stack.std(0) / 300**0.5
    assert bool(((stack.mean(0) - exact).abs() <= 5 * error + 1e-12).all())
    assert float(error.max()) > 0
    again = diagonal(model, inputs, expectation="sampled", generator=torch.Generator().manual_seed(0))
    assert torch.equal(draws[0], torch.cat([value.flatten() for value in again.values()]))


def test_a_model_without_parameters() -> None:
    with pytest.raises(InputError, match="parameters"):
        fbench.fisher_diagonal(nn.Flatten(), torch.zeros(2, 3))


@pytest.mark.parametrize("batch_size", [0, -4])
def test_a_batch_holds_at_least_one(batch_size: int) -> None:
    with pytest.raises(InputError, match=f"batch_size.*{batch_size}"):
        fbench.fisher_diagonal(nn.Linear(4, 3), torch.zeros(2, 4), batch_size=batch_size)


def test_a_budget_holds_at_least_a_byte() -> None:
    with pytest.raises(InputError, match="memory_budget 0: must be at least 1 byte"):
        fbench.fisher_diagonal(nn.Linear(4, 3), torch.zeros(2, 4), memory_budget=0)


@pytest.mark.parametrize("name", cases.MODELS)
def test_the_memory_budget_changes_nothing(name: str) -> None:
    model, inputs = cases.model(name)
    whole = diagonal(model, inputs)
    for budget in (1, 5_000, 20_000):
        part = diagonal(model, inputs, memory_budget=budget)
        for key in whole:
            torch.testing.assert_close(part[key], whole[key], rtol=1e-10, atol=1e-15)


def test_the_peak_stays_below_the_budget() -> None:
    """In one batch it would be four times the budget. Resident memory stands above what is held by what glibc keeps
    of freed blocks: a third at this size, where all blocks are small to it.
    """
    model, inputs = cases.wide()
    budget, parameters = 1 << 26, sum(p.nbytes for p in model.parameters())
    with LiveBytes() as live:
        fbench.fisher_diagonal(model, inputs, memory_budget=budget)
    assert 0.6 * budget < live.peak < budget + 2 * parameters
    with peak_growth() as growth:
        fbench.fisher_diagonal(model, inputs, memory_budget=budget)
    if growth.peak_bytes is None:
        pytest.skip("this system does not tell its peak")
    assert growth.peak_bytes < 1.3 * budget + 2 * parameters


def test_no_inputs() -> None:
    with pytest.raises(InputError, match="inputs"):
        fbench.fisher_diagonal(nn.Linear(4, 3), torch.zeros(0, 4))


def test_an_unknown_expectation_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'exat'.*'exact'"):
        fbench.fisher_diagonal(nn.Linear(4, 3), torch.zeros(2, 4), expectation="exat")


def test_sampling_needs_a_generator() -> None:
    with pytest.raises(InputError, match=r"sampled.*generator"):
        fbench.fisher_diagonal(nn.Linear(4, 3), torch.zeros(2, 4), expectation="sampled")


@pytest.mark.parametrize("seed", range(5))
def test_sampled_labels_do_not_cost_the_fast_path(seed: int) -> None:
    """The check of the network must not draw labels of its own; falling back warns, and warnings are errors here."""
    torch.manual_seed(seed)
    model, inputs = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5)), torch.randn(20, 4)
    g = torch.Generator().manual_seed(seed)
    fbench.fisher_diagonal(model, inputs, expectation="sampled", generator=g)


@pytest.mark.parametrize("name", cases.MODELS)
def test_draws_apart_are_the_diagonals_of_each(name: str) -> None:
    model, inputs = cases.model(name)
    draws = [inputs[:2], inputs[1:], inputs[:1]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="per-sample gradients by torch.func")
        diagonals = fisher_diagonals(model, draws, batch_size=2)
    assert len(diagonals) == len(draws)
    for got, draw in zip(diagonals, draws, strict=True):
        expected = reference.fisher_diagonal(model, draw)
        for key in expected:
            torch.testing.assert_close(got[key], expected[key], rtol=1e-10, atol=1e-15)


def test_no_draws_have_no_diagonals() -> None:
    assert fisher_diagonals(cases.model(next(iter(cases.MODELS)))[0], []) == []


def test_an_empty_draw_is_refused() -> None:
    model, inputs = cases.model(next(iter(cases.MODELS)))
    with pytest.raises(InputError, match="inputs are empty"):
        fisher_diagonals(model, [inputs, inputs[:0]])
