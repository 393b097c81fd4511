"""The order in which a network's parameters take part in a forward pass, and the type of layer that each belongs to.

"Layer" means one parameter tensor throughout, as in ``masks``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from fbench.fisher.gradients import capture

_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)


class ParameterLayer(NamedTuple):
    """A parameter tensor: its name, its layer's type, its number of weights.

    ``layer_type`` is ``convolution``, ``pointwise`` (a convolution of 1×1, as in shortcuts) or ``linear`` for weights,
    ``bias`` for the biases of these, ``norm`` or ``other``.
    """

    name: str
    layer_type: str
    parameters: int


def forward_order(model: nn.Module, inputs: Tensor) -> list[ParameterLayer]:
    """Every parameter of ``model``, ordered by when its module is first called.

    A module's own parameters keep the order in which they were registered; those of modules that are never called (a
    parameter that a forward method takes by hand) follow the parameter registered before them.

    Args:
        model: left as found.
        inputs: [n, …], a sample or two to run it on.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
        >>> [(layer.name, layer.layer_type) for layer in forward_order(model, torch.zeros(1, 1, 4, 4))]
        [('0.weight', 'convolution'), ('0.bias', 'bias'), ('2.weight', 'linear'), ('2.bias', 'bias')]
    """
    called = _called(model, inputs)
    ordered: list[tuple[int, int, ParameterLayer]] = []
    step = -1
    for place, (name, parameter) in enumerate(model.named_parameters()):
        owner, _, last = name.rpartition(".")
        step = called.get(owner, step)
        layer_type = _layer_type(model.get_submodule(owner), last)
        ordered.append((step, place, ParameterLayer(name, layer_type, parameter.numel())))
    return [layer for _, _, layer in sorted(ordered, key=lambda entry: entry[:2])]


@torch.no_grad()
def _called(model: nn.Module, inputs: Tensor) -> dict[str, int]:
    """When each module that has parameters of its own is first called, by name."""
    seen: dict[str, int] = {}

    def note(name: str) -> None:
        seen.setdefault(name, len(seen))

    owners = [(name, module) for name, module in model.named_modules() if module._parameters and name]
    hooks = [module.register_forward_pre_hook(lambda *_, name=name: note(name)) for name, module in owners]
    try:
        with capture.evaluating(model):
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _layer_type(module: nn.Module, parameter: str) -> str:
    if isinstance(module, _NORMS):
        return "norm"
    if not isinstance(module, _ConvNd | nn.Linear):
        return "other"
    if parameter == "bias":
        return "bias"
    if isinstance(module, nn.Linear):
        return "linear"
    return "pointwise" if math.prod(module.kernel_size) == 1 else "convolution"
