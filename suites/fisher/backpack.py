"""BackPACK's DiagGGNExact (Dangel, Kunstner and Hennig 2020) on networks of ours, where it is installed.

BackPACK knows modules, so the functions between them are traced and replaced: ``relu``, the mean over pixels, and, by
its own converter, additions and ``flatten``. For a categorical likelihood the generalised Gauss-Newton matrix is the
Fisher, and its exact diagonal is ours.
"""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn


def missing() -> str:
    """Say why BackPACK cannot be used; empty if it can."""
    if importlib.util.find_spec("backpack") is None:
        return "BackPACK is not installed: pip install backpack-for-pytorch"
    return ""


def diagonal(model: nn.Module, inputs: Tensor, batch_size: int) -> dict[str, Tensor]:
    """The Fisher diagonal by parameter name, each of its parameter's shape, averaged over ``inputs`` [N, …].

    The model is copied and left alone.
    """
    from backpack import backpack, extend  # type: ignore[import-untyped, import-not-found, unused-ignore]
    from backpack.extensions import DiagGGNExact  # type: ignore[import-untyped, import-not-found, unused-ignore]

    network = extend(as_modules(model), use_converter=True).eval().requires_grad_(True)
    loss = extend(nn.CrossEntropyLoss(reduction="sum"))
    total = {name: p.new_zeros(p.shape) for name, p in network.named_parameters()}
    for start in range(0, len(inputs), batch_size):
        batch = inputs[start : start + batch_size]
        with warnings.catch_warnings(), _default_dtype(inputs.dtype), backpack(DiagGGNExact()):
            warnings.filterwarnings("ignore", message="Full backward hook is firing")  # its inputs need no gradient
            loss(network(batch), torch.zeros(len(batch), dtype=torch.long, device=batch.device)).backward()
        for name, p in network.named_parameters():
            total[name] += p.diag_ggn_exact
            del p.diag_ggn_exact, p.grad
    return {name: value / len(inputs) for name, value in total.items()}


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set torch's default dtype: BackPACK's way back through average pooling makes its kernel in it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def as_modules(model: nn.Module) -> fx.GraphModule:
    """A copy of the network in which ReLU and the mean over pixels are modules; parameters keep their names."""
    traced = fx.symbolic_trace(copy.deepcopy(model).eval())
    for number, node in enumerate(list(traced.graph.nodes)):
        module = _module_for(node)
        if module is None:
            continue
        name = f"as_module_{number}"
        traced.add_submodule(name, module)
        with traced.graph.inserting_after(node):
            node.replace_all_uses_with(traced.graph.call_module(name))
        replaced = next(added for added in traced.graph.nodes if added.target == name)
        replaced.args = (node.args[0],)
        traced.graph.erase_node(node)
    traced.recompile()
    return traced


def _module_for(node: Any) -> nn.Module | None:
    """The module that does what a traced node does; None where the node may stay."""
    if node.op == "call_function" and node.target in (F.relu, torch.relu):
        return nn.ReLU()
    if node.op == "call_method" and node.target == "mean" and node.args[1:] in (((2, 3),), ((-2, -1),)):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return None
