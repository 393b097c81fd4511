"""The order in which a network's parameters take part in a forward pass, and what kind of layer each is.

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


class Layer(NamedTuple):
    """A parameter tensor: its name, its kind, its number of weights.

    ``kind`` is ``convolution``, ``pointwise`` (a convolution of 1×1, as in shortcuts) or ``linear`` (their weights),
    ``bias`` (theirs), ``norm`` or ``other``.
    """

    name: str
    kind: str
    parameters: int


def forward_order(model: nn.Module, inputs: Tensor) -> list[Layer]:
    """Every parameter of ``model``, ordered by when its module is first called.

    A module's own parameters keep the order in which they were registered; those of modules that are never called (a
    parameter that a forward method takes by hand) follow the parameter registered before them.

    Args:
        model: left as found.
        inputs: [n, …], a sample or two to run it on.
    """
    called = _called(model, inputs)
    ordered: list[tuple[int, int, Layer]] = []
    step = -1
    for place, (name, parameter) in enumerate(model.named_parameters()):
        owner, _, own = name.rpartition(".")
        step = called.get(owner, step)
        ordered.append((step, place, Layer(name, _kind(model.get_submodule(owner), own), parameter.numel())))
    return [layer for _, _, layer in sorted(ordered, key=lambda each: each[:2])]


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


def _kind(module: nn.Module, own: str) -> str:
    if isinstance(module, _NORMS):
        return "norm"
    if not isinstance(module, _ConvNd | nn.Linear):
        return "other"
    if own == "bias":
        return "bias"
    if isinstance(module, nn.Linear):
        return "linear"
    return "pointwise" if math.prod(module.kernel_size) == 1 else "convolution"
