"""A registered model as a module: for inputs of a shape, with logits [n, k] as its output and nothing beside them.

Many networks give a tuple, or an object with ``.logits``. A hook on the module takes the logits out of it, so that
whoever calls the network gets a tensor, and its layers keep their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fbench.errors import ForeignError
from fbench.harness.registry import Model

__all__ = ["blank_network", "build_network", "logits_of"]


def build_network(model: Model, replicas: int, shape: Sequence[int], classes: int) -> nn.Module:
    """``replicas`` networks in one module, for inputs of ``shape`` such as (c, h, w); its output are the logits.

    Example:
        >>> class Pair(nn.Linear):
        ...     def forward(self, x):
        ...         return super().forward(x), x
        >>> model = Model("pair", "gives its input too", lambda replicas, shape, classes: Pair(*shape, classes))
        >>> build_network(model, 1, (4,), 3)(torch.ones(2, 4)).shape
        torch.Size([2, 3])
    """
    network: nn.Module = model.build(replicas, tuple(shape), classes)
    if isinstance(network, nn.Module):  # what else a user may give is refused by ``model_checks``
        network.register_forward_hook(_only_logits)
    return network


def logits_of(output: Any) -> Any:
    """The logits in what a forward pass gave: ``.logits`` or ``["logits"]``, the first of a tuple, or all of it.

    Example:
        >>> logits_of((torch.zeros(2, 3), "hidden states")).shape
        torch.Size([2, 3])
    """
    if isinstance(output, Tensor):
        return output
    if hasattr(output, "logits"):
        return output.logits
    if isinstance(output, Mapping):
        return output.get("logits", output)
    if isinstance(output, tuple | list) and output:
        return output[0]
    return output


def blank_network(model: Model, shape: Sequence[int], classes: int, replicas: int = 1) -> nn.Module:
    """A network without its numbers, on the ``meta`` device, so that one of any size can be planned for.

    A model that looks at its numbers while it is built is built with them.

    Example:
        >>> model = Model("flat", "one layer", lambda replicas, shape, classes: nn.Linear(*shape, classes))
        >>> blank_network(model, (4,), 3).weight.device
        device(type='meta')
    """
    try:
        with torch.device("meta"):
            return build_network(model, replicas, shape, classes)
    except (ForeignError, NotImplementedError, RuntimeError, TypeError):
        with torch.random.fork_rng(devices=[]):
            return build_network(model, replicas, shape, classes)


def _only_logits(network: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    """Put the logits in the place of an output that has more than them."""
    return None if isinstance(output, Tensor) else logits_of(output)
