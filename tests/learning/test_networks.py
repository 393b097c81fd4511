"""The networks: their sizes, and that S replicas in one module are S networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import fbench.learning.models  # noqa: F401  (registers the models)
from fbench.errors import InputError
from fbench.harness.registry import MODELS
from fbench.learning.networks import GroupedLinear, Perceptron, ResNet18, SmallNet, replica, stack

Build = Callable[[int], nn.Module]

BUILDS: dict[str, Build] = {
    "small": lambda replicas: SmallNet(replicas, 2, 5),
    "resnet": lambda replicas: ResNet18(replicas, 2, 5, widths=(3, 4, 5, 6)),
}
FLAT: dict[str, Build] = {
    "linear": lambda replicas: Perceptron(replicas, 128, 5),
    "mlp": lambda replicas: Perceptron(replicas, 128, 5, hidden=(7,)),
}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_thin_resnet_is_the_published_one() -> None:
    network = MODELS.get("thin-resnet18").build(1, (3, 32, 32), 10)
    assert parameters(network) == 701_456
    assert network.classifier.weight.shape == (10, 128)


def test_the_full_resnet_has_the_usual_size() -> None:
    network = MODELS.get("resnet18").build(1, (3, 32, 32), 10)
    assert parameters(network) == 11_173_952  # 11,173,962 with the classifier's bias
    assert MODELS.get("resnet18").block == 1


def test_the_small_network() -> None:
    model = MODELS.get("small")
    assert model.block == 8
    assert parameters(model.build(1, (1, 8, 8), 10)) == 9 * 16 + 2 * 9 * 16 * 32 + 2 * (16 + 32 + 16) + 160


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_one_replica_is_an_ordinary_network(build: Build) -> None:
    network = build(1)
    plain = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    leaves = [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]
    assert {type(leaf) for leaf in leaves} == set(plain)
    assert isinstance(network.classifier, nn.Linear)
    assert network.classifier.bias is None
    assert all(leaf.bias is None and leaf.groups == 1 for leaf in leaves if isinstance(leaf, nn.Conv2d))


@pytest.mark.parametrize("build", (BUILDS | FLAT).values(), ids=BUILDS | FLAT)
@pytest.mark.parametrize("training", [False, True])
def test_replicas_in_one_module_equal_the_networks(build: Build, training: bool) -> None:
    torch.manual_seed(0)
    networks = [build(1).double().train(training) for _ in range(3)]
    block = build(3).double().train(training)
    block.load_state_dict(stack([network.state_dict() for network in networks]))
    x = torch.randn(4, 3, 2, 8, 8, dtype=torch.float64)
    expected = torch.stack([network(x[:, s]) for s, network in enumerate(networks)], dim=1)
    torch.testing.assert_close(block(x.flatten(1, 2)).view(4, 3, 5), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("build", (BUILDS | FLAT).values(), ids=BUILDS | FLAT)
def test_stack_and_replica_are_inverse(build: Build) -> None:
    states = [build(1).state_dict() for _ in range(3)]
    stacked = stack(states)
    assert {name: value.shape for name, value in stacked.items()} == {
        name: value.shape for name, value in build(3).state_dict().items()
    }
    for index, state in enumerate(states):
        part = replica(stacked, index, 3)
        assert all(torch.equal(part[name], value) for name, value in state.items())


@pytest.mark.parametrize("size", [1, 2, 7, 33])
@pytest.mark.parametrize("name", ["small", "thin-resnet18"])
def test_images_of_any_size_fit(name: str, size: int) -> None:
    network = MODELS.get(name).build(1, (2, size, size), 3).eval()
    assert network(torch.zeros(2, 2, size, size)).shape == (2, 3)


def test_initial_weights_have_the_variance_that_is_promised() -> None:
    torch.manual_seed(0)
    network = ResNet18(1, 3, 1000)
    assert network.classifier.weight.std().item() == pytest.approx(512**-0.5, rel=0.02)
    assert network.blocks[7].conv2.weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)


def test_multinomial_regression_begins_at_zero_and_a_perceptron_does_not() -> None:
    torch.manual_seed(0)
    assert not Perceptron(1, 64, 5).classifier.weight.any()
    network = Perceptron(1, 512, 1000, hidden=(256,))
    assert network.hidden[0].weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert network.classifier.weight.std().item() == pytest.approx(256**-0.5, rel=0.02)
    assert not any(layer.bias.any() for layer in (network.hidden[0], network.classifier))


def test_activations_that_a_hook_captures_are_not_overwritten() -> None:
    network = ResNet18(1, 1, 3, widths=(2, 3, 4, 5)).eval()
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda _, inputs, output: kept.append((output, output.clone())))
    network(torch.randn(2, 1, 8, 8))
    assert all(torch.equal(live, copy) for live, copy in kept)


def test_a_grouped_classifier_multiplies_each_replica_by_its_own_weights() -> None:
    layer = GroupedLinear(2, 3, 4)
    nn.init.normal_(layer.weight)
    x = torch.randn(5, 6)
    expected = torch.cat([x[:, :3] @ layer.weight[:4].T, x[:, 3:] @ layer.weight[4:].T], dim=1)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("name", ["small", "thin-resnet18"])
def test_counts_below_one_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="classes is 0; a network needs at least 1"):
        MODELS.get(name).build(1, (3, 8, 8), 0)


@pytest.mark.parametrize("name", ["small", "thin-resnet18", "resnet18"])
def test_what_takes_images_takes_nothing_else(name: str) -> None:
    match = rf"--model {name} takes images \[n, c, h, w\], and inputs have shape \[n, 64\]; take linear or mlp"
    with pytest.raises(InputError, match=match):
        MODELS.get(name).build(1, (64,), 3)
