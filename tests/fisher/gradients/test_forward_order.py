"""The order of a forward pass, which is not always the order of registration."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fbench.fisher.gradients.forward_order import forward_order
from fbench.learning.networks import ResNet18, SmallNet


class Backwards(nn.Module):
    """Registers its last layer first, has a parameter of its own, and one module that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(4))
        self.unused = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(4)
        self.first = nn.Linear(5, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.norm(self.first(x)) * self.scale)
        return logits


def test_modules_come_as_they_are_called() -> None:
    model = Backwards()
    layers = forward_order(model, torch.randn(3, 5))
    called = [layer.name for layer in layers if not layer.name.startswith(("unused", "scale"))]
    assert called == ["first.weight", "norm.weight", "norm.bias", "last.weight", "last.bias"]
    assert sorted(layer.name for layer in layers) == sorted(name for name, _ in model.named_parameters())


def test_kinds_and_sizes() -> None:
    facts = {
        layer.name: (layer.layer_type, layer.parameters) for layer in forward_order(Backwards(), torch.randn(3, 5))
    }
    assert facts["first.weight"] == ("linear", 20)
    assert facts["last.bias"] == ("bias", 3)
    assert facts["norm.weight"] == facts["norm.bias"] == ("norm", 4)
    assert facts["scale"] == ("other", 4)


def test_parameters_that_no_module_call_shows_follow_their_neighbour() -> None:
    model = nn.Sequential(nn.Linear(3, 3), Backwards())
    model[0] = nn.Linear(3, 5)
    names = [layer.name for layer in forward_order(model, torch.randn(2, 3))]
    assert names[:3] == ["0.weight", "0.bias", "1.scale"]
    assert names[-3:] == ["1.last.bias", "1.unused.weight", "1.unused.bias"]


@pytest.mark.parametrize("network", [SmallNet(1, 1, 4), ResNet18(1, 3, 4, widths=(2, 2, 4, 4))])
def test_our_networks_begin_at_the_image_and_end_at_the_classifier(network: nn.Module) -> None:
    channels = next(network.parameters()).shape[1]
    layers = forward_order(network, torch.randn(1, channels, 8, 8))
    assert layers[0].layer_type == "convolution"
    assert layers[-1].name == "classifier.weight"
    assert len(layers) == len(list(network.parameters()))
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in network.parameters())


def test_a_convolution_of_one_position_is_pointwise() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, (1, 3)), nn.Conv2d(4, 2, 1, stride=2, bias=False))
    types = [(layer.name, layer.layer_type) for layer in forward_order(layers, torch.randn(1, 3, 6, 6))]
    assert types == [
        ("0.weight", "pointwise"), ("0.bias", "bias"), ("1.weight", "convolution"), ("1.bias", "bias"),
        ("2.weight", "pointwise"),
    ]  # fmt: skip


def test_a_shortcut_comes_after_what_it_bridges() -> None:
    names = [layer.name for layer in forward_order(ResNet18(1, 3, 4, widths=(2, 2, 4, 4)), torch.randn(1, 3, 8, 8))]
    assert names.index("blocks.4.conv2.weight") < names.index("blocks.4.shortcut.0.weight")
    assert names.index("blocks.4.shortcut.0.weight") < names.index("blocks.5.conv1.weight")


def test_the_model_is_left_as_found() -> None:
    model = Backwards().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    forward_order(model, torch.randn(3, 5))
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
