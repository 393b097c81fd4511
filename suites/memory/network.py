"""The network of a round, and the bytes that it takes in training and in a forward pass, counted from its shapes.

Activations are counted on the ``meta`` device, where the real network runs on a batch of any size and holds nothing.
"""

from __future__ import annotations

import copy
import functools
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import nn

from fbench.harness.registry import MODELS, Model
from fbench.learning.inference import classifier_name
from fbench.learning.networks import ResNet18
from fbench.measure.live import LiveBytes


def model_of(name: str, h: int) -> Model:
    """The model of that name; ``auto`` is a ResNet-18 whose last stage is h wide: thin at 128, the full one at 512."""
    if name != "auto":
        return MODELS.get(name)
    widths = [max(1, h // 8), max(1, h // 4), max(1, h // 2), h]

    def build(replicas: int, channels: int, size: int, classes: int) -> nn.Module:
        return ResNet18(replicas, channels, classes, widths=widths)

    return Model("auto", f"ResNet-18, {h} wide", build)


@functools.lru_cache(maxsize=8)
def features_of(name: str, image: tuple[int, int], classes: int) -> int:
    """The features h that enter a registered model's last layer.

    Raises:
        InputError: it has no linear layer.
    """
    network = _blank(name, 0, image, classes)
    return cast("nn.Linear", network.get_submodule(classifier_name(network))).in_features


def parameters_bytes(name: str, h: int, image: tuple[int, int], classes: int) -> int:
    """Parameters and buffers of one network."""
    network = _blank(name, h, image, classes)
    return sum(each.nbytes for each in (*network.parameters(), *network.buffers()))


def weights(name: str, h: int, image: tuple[int, int], classes: int) -> int:
    """How many weights one network has."""
    return sum(each.numel() for each in _blank(name, h, image, classes).parameters())


@functools.lru_cache(maxsize=32)
def _blank(name: str, h: int, image: tuple[int, int], classes: int, replicas: int = 1) -> nn.Module:
    """The network without its numbers, on the ``meta`` device, so that one of any size is planned for.

    A model that looks at its numbers while it is built has them.
    """
    model = model_of(name, h)
    try:
        with torch.device("meta"):
            return cast("nn.Module", model.build(replicas, image[0], image[1], classes))
    except (NotImplementedError, RuntimeError, TypeError):
        with torch.random.fork_rng(devices=[]):
            return cast("nn.Module", model.build(replicas, image[0], image[1], classes))


@functools.lru_cache(maxsize=64)
def forward_bytes(
    name: str, h: int, image: tuple[int, int], classes: int, batch: int, mode: Literal["step", "statistics", "use"]
) -> int | None:
    """The most bytes alive in a pass over a batch beside the network and its images.

    Of ``mode``: ``step``, forward and back, the parameters' gradients included; ``statistics``, forward with batch
    norm in training, as after the last step; ``use``, forward alone. The first two are of all replicas of a training.
    None for a network that does not run on the ``meta`` device.
    """
    replicas = 1 if mode == "use" else model_of(name, h).block
    try:
        network = copy.deepcopy(_blank(name, h, image, classes, replicas)).to("meta").train(mode != "use")
        x = torch.empty(batch, replicas * image[0], image[1], image[1], device="meta")
        y = torch.empty(batch * replicas, dtype=torch.int64, device="meta")
        with LiveBytes() as live, torch.set_grad_enabled(mode == "step"):
            logits = network(x)
            if mode == "step":
                torch.autograd.backward(F.cross_entropy(logits.reshape(len(y), -1), y, reduction="sum"))
        return int(live.peak)
    except Exception:  # of somebody else's model, and anything may be: its phases are then not predicted
        return None
