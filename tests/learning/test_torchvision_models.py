"""Classifiers of torchvision: a head for the classes, grey images, and what does not fit refused."""

from __future__ import annotations

import pytest
import torch
from reference import fisher_diagonal as by_loop
from torch import nn

from fbench.errors import InputError, UnknownNameError
from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.harness.registry import MODELS
from fbench.learning.inference import classifier_name, logits_and_features
from fbench.learning.model_checks import try_model, warn_of_model
from fbench.learning.training import initial_network


def test_a_bare_name_and_a_full_one_are_one_model() -> None:
    assert MODELS.get("shufflenet_v2_x0_5") is MODELS.get("torchvision:shufflenet_v2_x0_5")
    assert MODELS.get("resnet18").name == "resnet18"  # a registered name comes first
    assert MODELS.get("torchvision:resnet18").name == "torchvision:resnet18"


def test_what_torchvision_does_not_have_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'torchvision:resnet19'.*Known: .*torchvision:NAME"):
        MODELS.get("torchvision:resnet19")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_head_has_the_classes_and_grey_is_a_colour(channels: int) -> None:
    model = MODELS.get("torchvision:shufflenet_v2_x0_5")
    network = initial_network(model, 0, (channels, 8, 8), 7).eval()
    images = torch.rand(3, channels, 8, 8)
    logits, features = logits_and_features(network, images)
    assert (logits.shape, features.shape, classifier_name(network)) == ((3, 7), (3, 1024), "fc")
    assert torch.equal(logits, network(images))


def test_the_information_of_a_torchvision_network_is_the_loops() -> None:
    """Its residual sums are in place, which hooks must survive."""
    network = initial_network(MODELS.get("torchvision:resnet18"), 0, (1, 8, 8), 2).double().eval()
    images = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    expected = by_loop(network, images)
    for name, value in fisher_diagonal(network, images).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (
            "torchvision:densenet121",
            (3, 8, 8),
            r"densenet121 does not run on inputs of shape \[3, 8, 8\]: .*; give larger images",
        ),
        ("torchvision:resnet18", (2, 8, 8), r"takes images \[n, c, h, w\] of 1 or 3 channels, .* shape \[n, 2, 8, 8\]"),
        ("torchvision:resnet18", (64,), r"of 1 or 3 channels, and inputs have shape \[n, 64\]; take another model"),
        ("small", (64,), r"--model small takes images \[n, c, h, w\], and inputs have shape \[n, 64\]; take linear"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        initial_network(MODELS.get(name), 0, shape, 3)


def test_token_ids_need_a_model_that_embeds_them() -> None:
    with pytest.raises(InputError, match=r"--model linear takes floating-point inputs, and .* torch\.int64: token ids"):
        try_model(MODELS.get("linear"), (5,), 3, torch.int64)


def test_nothing_is_said_against_a_network_that_is_as_it_should_be(recwarn: pytest.WarningsRecorder) -> None:
    warn_of_model(MODELS.get("torchvision:shufflenet_v2_x0_5"), (1, 8, 8), 3)
    assert not recwarn.list
    assert isinstance(initial_network(MODELS.get("linear"), 0, (4,), 3), nn.Module)
