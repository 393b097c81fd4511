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
from fbench.learning.building import blank_network
from fbench.learning.inference import classifier_name
from fbench.learning.networks import ResNet18
from fbench.measure.live import LiveBytes

from .spec import NetworkKey


def model_of(key: NetworkKey) -> Model:
    """The model of that name; ``auto`` is a ResNet-18 whose last stage is h wide: thin at 128, the full one at 512.

    Raises:
        UnknownNameError: no such model is registered.
    """
    if key.model != "auto":
        return MODELS.get(key.model)
    h = key.features
    widths = [max(1, h // 8), max(1, h // 4), max(1, h // 2), h]

    def build(replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
        return ResNet18(replicas, shape[0], classes, widths=widths)

    return Model("auto", f"ResNet-18, {h} wide", build)


@functools.lru_cache(maxsize=8)
def last_layer_features(key: NetworkKey) -> int:
    """The features h that enter the network's last layer.

    Raises:
        InputError: it has no linear layer.
    """
    network = _blank(key)
    return cast("nn.Linear", network.get_submodule(classifier_name(network))).in_features


def parameters_bytes(key: NetworkKey) -> int:
    """The bytes of one network's parameters and buffers."""
    network = _blank(key)
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def weight_count(key: NetworkKey) -> int:
    """How many weights one network has."""
    return sum(parameter.numel() for parameter in _blank(key).parameters())


@functools.lru_cache(maxsize=32)
def _blank(key: NetworkKey, replicas: int = 1) -> nn.Module:
    return blank_network(model_of(key), key.input_shape, key.classes, replicas)


@functools.lru_cache(maxsize=64)
def forward_bytes(key: NetworkKey, batch: int, mode: Literal["step", "statistics", "use"]) -> int | None:
    """The most bytes alive in a pass over a batch beside the network and its images.

    ``mode`` is ``step``: forward and back, the parameters' gradients included; ``statistics``: forward with batch norm
    in training, as after the last step; or ``use``: forward alone. The first two count all replicas of a training. A
    network that does not run on the ``meta`` device gives None.
    """
    replicas = 1 if mode == "use" else model_of(key).block
    channels, height, width = key.input_shape
    try:
        network = copy.deepcopy(_blank(key, replicas)).to("meta").train(mode != "use")
        x = torch.empty(batch, replicas * channels, height, width, device="meta")
        y = torch.empty(batch * replicas, dtype=torch.int64, device="meta")
        with LiveBytes() as live, torch.set_grad_enabled(mode == "step"):
            logits = network(x)
            if mode == "step":
                torch.autograd.backward(F.cross_entropy(logits.reshape(len(y), -1), y, reduction="sum"))
        return int(live.peak)
    except Exception:  # somebody else's model may raise anything: its phases are then not predicted
        return None
