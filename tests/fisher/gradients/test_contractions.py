"""Every form of Σ_x Σ_r g² against the square of the plain contraction, each form forced."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fbench.fisher.gradients import contractions, layers
from fbench.fisher.gradients.contractions import Biases, Laned, Norms, Points, SquareSum, Stacked, square_sum, tile
from fbench.fisher.gradients.layers import Factors

N, ROWS = 5, 4


def problem(inputs: int, outputs: int, positions: int, groups: int) -> tuple[Factors, Tensor]:
    """A [n, I, L], and every row's D [r, n, O, L]."""
    g = torch.Generator().manual_seed(inputs + outputs + positions)
    A = torch.randn(N, inputs, positions, generator=g, dtype=torch.float64)
    D = torch.randn(ROWS, N, outputs, positions, generator=g, dtype=torch.float64)
    return Factors(A, 1, outputs, groups), D


def slow(A: Factors, D: Tensor) -> Tensor:
    """Σ_x Σ_r g² [O, I/groups], a weight at a time."""
    outputs, width = D.shape[2], A.inputs // A.groups
    total = torch.zeros(outputs, width, dtype=torch.float64)
    for o in range(outputs):
        for i in range(width):
            into = o // (outputs // A.groups) * width + i
            total[o, i] = (D[:, :, o] * A.whole()[None, :, into]).sum(-1).square().sum()
    return total


def summed(form: SquareSum, A: Factors, D: Tensor, batches: tuple[slice, ...]) -> Tensor:
    for part in batches:
        form.start(Factors(A.view[part], A.axes, A.outputs, A.groups), ROWS)
        for r, row in enumerate(D[:, part]):
            form.row(r, row)
        form.end()
    return form.total


BATCHES = [
    (slice(0, 5),),
    (slice(0, 3), slice(3, 5)),
    (slice(0, 2), slice(2, 5)),
    tuple(slice(x, x + 1) for x in range(5)),
]


@pytest.mark.parametrize("batches", BATCHES, ids=len)
@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(6, 4, 1), (6, 4, 2), (4, 4, 4), (1, 1, 1)])
class TestForms:
    @pytest.mark.parametrize("positions", [1, 2, 9])
    @pytest.mark.parametrize("bytes_of_g", [1, 200, 1000, 1 << 20])
    def test_stacked(
        self, monkeypatch: pytest.MonkeyPatch, batches: tuple[slice, ...], inputs: int, outputs: int, groups: int,
        positions: int, bytes_of_g: int,
    ) -> None:  # fmt: skip
        """Whatever the tiles: a sample, several, or a part of its outputs."""
        monkeypatch.setattr(contractions, "_TILE", {"cpu": bytes_of_g})
        monkeypatch.setattr(contractions, "_SPLIT", bytes_of_g)
        A, D = problem(inputs, outputs, positions, groups)
        form = Stacked(torch.zeros(outputs, inputs // groups, dtype=torch.float64))
        torch.testing.assert_close(summed(form, A, D, batches), slow(A, D), rtol=1e-12, atol=0)

    @pytest.mark.parametrize("positions", [2, 9])
    def test_laned(self, batches: tuple[slice, ...], inputs: int, outputs: int, groups: int, positions: int) -> None:
        A, D = problem(inputs, outputs, positions, groups)
        form = Laned(torch.zeros(outputs, inputs // groups, dtype=torch.float64))
        torch.testing.assert_close(summed(form, A, D, batches), slow(A, D), rtol=1e-12, atol=0)

    def test_points(self, batches: tuple[slice, ...], inputs: int, outputs: int, groups: int) -> None:
        A, D = problem(inputs, outputs, 1, groups)
        form = Points(torch.zeros(outputs, inputs // groups, dtype=torch.float64))
        torch.testing.assert_close(summed(form, A, D, batches), slow(A, D), rtol=1e-12, atol=0)


@pytest.mark.parametrize("batches", BATCHES, ids=len)
@pytest.mark.parametrize("positions", [1, 9])
def test_norms(batches: tuple[slice, ...], positions: int) -> None:
    A, D = problem(4, 4, positions, 0)
    form = Norms(torch.zeros(4, dtype=torch.float64))
    expected = (D * A.view).sum(-1).square().sum((0, 1))
    torch.testing.assert_close(summed(form, A, D, batches), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("batches", BATCHES, ids=len)
def test_biases(batches: tuple[slice, ...]) -> None:
    A, D = problem(4, 4, 9, 1)
    expected = D.sum(-1).square().sum((0, 1))
    form = Biases(torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(summed(form, A, D, batches), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("positions", "groups", "parameter", "form"),
    [
        *((9, 1, "weight", Laned), (9, 2, "weight", Laned), (65, 1, "weight", Stacked)),
        *((1, 1, "weight", Points), (9, 0, "weight", Norms)),
        *((9, 1, "bias", Biases), (9, 0, "bias", Biases)),
    ],
)
def test_the_form_that_fits(positions: int, groups: int, parameter: str, form: type) -> None:
    A, _ = problem(4, 4, positions, groups)
    total = torch.zeros(4, 4 // groups, 1, 1) if groups and parameter == "weight" else torch.zeros(4)
    chosen = square_sum(A, parameter, total)
    assert type(chosen) is form
    chosen.total += 1.0
    assert bool((total == 1).all())  # the caller's tensor is what is filled


def test_without_numba_rows_are_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_has_numba", lambda: False)
    A, _ = problem(4, 4, 9, 1)
    assert type(square_sum(A, "weight", torch.zeros(4, 4))) is Stacked


@pytest.mark.parametrize(("outputs", "width", "groups"), [(16, 27, 1), (128, 1152, 1), (4096, 4096, 1), (64, 9, 64)])
def test_tiles_stay_small(outputs: int, width: int, groups: int) -> None:
    like = torch.zeros(1)
    samples, split, held = tile(outputs, 9, width, groups, like)
    assert held == samples * groups * split * 9 * width * 4
    assert samples >= 1
    assert 1 <= split <= outputs // groups
    assert held <= max(1 << 23, 9 * width * 4 * groups)


def test_inputs_are_left_alone() -> None:
    """Whole A of a linear layer is a view of the network's activations."""
    A, D = problem(3, 2, 1, 1)
    before = A.view.clone(), D.clone()
    summed(Points(torch.zeros(2, 3, dtype=torch.float64)), A, D, BATCHES[0])
    assert torch.equal(A.view, before[0])
    assert torch.equal(D, before[1])
