"""What cannot be captured is refused with its reason; what can is, in-place sums included."""

from __future__ import annotations

import cases
import pytest
import torch
from torch import Tensor, nn

import fbench
from fbench.fisher.gradients import capture
from fbench.fisher.gradients.capture import UnsupportedError
from fbench.fisher.gradients.layers import Factors


class Overwrites(nn.Module):
    """Adds in place to what entered a frozen layer: allowed, since autograd saves no input for it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        y = self.first(x)
        x += 1
        return self.last(y + x)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Outside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.first(x)
        return self.last(y)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Overwrites().requires_grad_(False), "an in-place operation overwrote what layer 'first' saw"),
        (Twice(), "layer 'layer' ran 2 times in one forward pass"),
        (Outside(), "layer 'first' ran outside the graph"),
        (nn.Sequential(nn.Linear(3, 3), nn.PReLU()), "layer '1': type PReLU has no contraction here"),
        (nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)), "batch norm without running statistics mixes"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__,
)
def test_refusals(model: nn.Module, reason: str) -> None:
    width = 4 if isinstance(model, Overwrites) else 3
    with pytest.raises(UnsupportedError, match=reason):
        capture.forward(model.eval(), torch.randn(2, width))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_frozen_batch_norm_as_an_affine_map() -> None:
    """Logits and δ are those of the network itself."""
    model, inputs = cases.model("batch norm")
    with capture.evaluating(model):
        logits, records = capture.forward(model, inputs)
        torch.testing.assert_close(logits.detach(), model(inputs).detach(), rtol=1e-12, atol=1e-12)
    assert all("forward" not in vars(module) for module in model.modules())
    row = torch.ones_like(logits)
    delta = capture.output_gradients(logits, records, row, last=True)
    bias = next(d for record, d in zip(records, delta, strict=True) if record.name == "bn1").sum((0, 2, 3))
    model(inputs).sum().backward()
    torch.testing.assert_close(bias, model.bn1.bias.grad, rtol=1e-10, atol=1e-12)


def test_a_sample_whose_relu_is_rounded_across_zero_does_not_end_the_fast_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In float32 another batch size can flip a ReLU at 1e-8; the other sample still shows that the form is right."""
    network, inputs = cases.model("batch norm")
    exact = Factors.gradients

    def flipped(self: Factors, D: torch.Tensor, parameter: str, samples: slice) -> torch.Tensor:
        gradients = exact(self, D, parameter, samples)
        return 1.1 * gradients if samples.start == 1 else gradients

    monkeypatch.setattr(Factors, "gradients", flipped)
    fbench.fisher_diagonal(network, inputs)  # a warning of the slow path would be an error
    monkeypatch.setattr(Factors, "gradients", lambda *how: 1.1 * exact(*how))
    with pytest.warns(UserWarning, match="does not take one sample a row"):
        fbench.fisher_diagonal(network, inputs)
