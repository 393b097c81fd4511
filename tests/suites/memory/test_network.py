"""The network of a round by its shapes alone: features, weights, and the bytes of a pass, against real ones."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fbench.errors import InputError
from fbench.harness.registry import Model
from fbench.learning.training import initial_network
from fbench.measure.live import LiveBytes
from fbench.suites.memory import network as memory_network
from fbench.suites.memory.network import (
    forward_bytes,
    last_layer_features,
    model_of,
    parameters_bytes,
    weight_count,
)
from fbench.suites.memory.spec import NetworkKey

IMAGE = (3, 8)


@pytest.fixture(autouse=True)
def forgotten():
    """What is remembered of a test's model is not that of another's of the same name."""
    yield
    for remembering in (memory_network.last_layer_features, memory_network._blank, memory_network.forward_bytes):
        remembering.cache_clear()


def key_of(model, features=0, classes=4):
    return NetworkKey(model, features, IMAGE, classes)


def register(registries, name, build, block=1):
    registries["models"].add(Model(name, "of a test", build, block=block))


def test_the_automatic_network_is_as_wide_as_asked():
    assert [len(model_of(key_of("auto", h)).build(1, (1, 8, 8), 3).classifier.weight[0]) for h in (1, 3, 16)] == [
        1,
        3,
        16,
    ]
    assert model_of(key_of("small", 5)).name == "small"


@pytest.mark.parametrize(("name", "h"), [("small", 16), ("thin-resnet18", 128)])
def test_features_of_a_registered_model(name, h):
    assert last_layer_features(key_of(name)) == h


def test_a_model_without_a_linear_layer(registries):
    register(registries, "flat", lambda replicas, shape, classes: nn.Sequential(nn.Flatten()))
    with pytest.raises(InputError, match=r"has no nn.Linear layer; last-layer methods need one"):
        last_layer_features(key_of("flat"))


@pytest.mark.parametrize(("name", "h"), [("auto", 8), ("small", 16)])
def test_bytes_are_those_of_the_real_network(name, h):
    key = key_of(name, h)
    network = initial_network(model_of(key), 0, (3, 8, 8), 4)
    assert weight_count(key) == sum(parameter.numel() for parameter in network.parameters())
    assert parameters_bytes(key) == sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def test_a_network_of_any_size_is_planned_for_and_nobodys_random_numbers_move():
    before = torch.get_rng_state()
    assert weight_count(key_of("auto", 100_000, classes=10)) > 10**11  # 400 GB, which nobody has
    assert forward_bytes(key_of("auto", 100_000, classes=10), 32, "step") > 4 * 10**11
    assert torch.equal(before, torch.get_rng_state())


def measured(key, batch, mode):
    model = model_of(key)
    replicas = 1 if mode == "use" else model.block
    network = model.build(replicas, (3, 8, 8), 4).train(mode != "use")
    x, y = torch.randn(batch, replicas * 3, 8, 8), torch.zeros(batch * replicas, dtype=torch.int64)
    with LiveBytes() as live, torch.set_grad_enabled(mode == "step"):
        logits = network(x)
        if mode == "step":
            F.cross_entropy(logits.reshape(len(y), -1), y, reduction="sum").backward()
    return live.peak


@pytest.mark.parametrize("mode", ["step", "statistics", "use"])
@pytest.mark.parametrize(("name", "h"), [("auto", 16), ("small", 16)])
def test_a_pass_on_meta_holds_what_a_real_one_does(name, h, mode):
    key = key_of(name, h)
    assert forward_bytes(key, 24, mode) == pytest.approx(measured(key, 24, mode), rel=0.05)


def test_a_pass_grows_with_its_batch():
    for mode in ("step", "statistics", "use"):
        sizes = [forward_bytes(key_of("small", 16), batch, mode) for batch in (1, 2, 30, 500)]
        assert sizes == sorted(sizes)
        assert sizes[-1] > 10 * sizes[0]


class Looking(nn.Module):
    """Asks its numbers something, which the meta device does not have."""

    def __init__(self, classes, error):
        super().__init__()
        self.linear, self.error = nn.Linear(IMAGE[0] * 64, classes), error

    def forward(self, x):
        if x.is_meta:
            raise self.error
        return self.linear(x.flatten(1))


@pytest.mark.parametrize("error", [RuntimeError("no numbers"), NotImplementedError(), TypeError("meta"), ValueError()])
def test_a_network_that_does_not_run_on_meta_has_no_bytes(registries, error):
    register(registries, "looking", lambda replicas, shape, classes: Looking(classes, error))
    assert {forward_bytes(key_of("looking"), 8, mode) for mode in ("step", "statistics", "use")} == {None}
    assert (last_layer_features(key_of("looking")), weight_count(key_of("looking"))) == (192, 192 * 4 + 4)


def test_a_network_that_looks_at_its_numbers_while_it_is_built(registries):
    def build(replicas, shape, classes):
        network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))
        assert float(network[1].weight.sum().item()) < 1e9
        return network

    register(registries, "summing", build)
    assert weight_count(key_of("summing")) == 192 * 4 + 4
    assert forward_bytes(key_of("summing"), 8, "use") == 4 * 8 * 4
