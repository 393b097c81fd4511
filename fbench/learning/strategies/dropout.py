"""BALD by dropout: candidates on whose label networks that share their weights, but drop other units, disagree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fbench.errors import UsageError
from fbench.harness.registry import strategy
from fbench.learning.strategies.baselines import holds_nothing
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal, Sizes

if TYPE_CHECKING:
    from torch import Tensor, nn

SAMPLED = 20
"""T, passes with other units dropped."""


def dropouts_of(network: nn.Module) -> list[nn.Module]:
    """The layers of a network that drop units, those that would drop none left out.

    Example:
        >>> from torch import nn
        >>> len(dropouts_of(nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.0), nn.Linear(2, 2))))
        1
    """
    from torch.nn.modules.dropout import _DropoutNd

    return [module for module in network.modules() if isinstance(module, _DropoutNd) and module.p > 0]


def needs_dropout(network: nn.Module) -> None:
    """Refuse a network of which all passes are alike.

    Raises:
        UsageError: it has no dropout.
    """
    if not dropouts_of(network):
        raise UsageError(
            f"bald samples networks by dropout, and {type(network).__name__} has none; take --model mlp "
            "--dropout 0.2, or another --model that has it, or leave bald out of --strategies"
        )


def sampled_probabilities(network: nn.Module, images: Tensor, samples: int) -> Tensor:
    """[T, n, k]: passes with dropout, from the process's generator; all else is as in evaluation."""
    import torch

    from fbench.learning.inference import predict

    with _dropping(network):
        return torch.stack([predict(network, images).softmax(1) for _ in range(samples)])


@contextmanager
def _dropping(network: nn.Module) -> Iterator[None]:
    """Layers that drop units do so in evaluation too; batch norm keeps its means."""
    layers = dropouts_of(network)
    hooks = [layer.register_forward_pre_hook(lambda module, _: _train(module, True)) for layer in layers]
    hooks += [layer.register_forward_hook(lambda module, *_: _train(module, False)) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _train(module: nn.Module, mode: bool) -> None:
    module.train(mode)  # a hook that returned the module would replace what it is a hook of


@strategy(
    "bald",
    f"the most information about the weights, from {SAMPLED} passes with dropout (Gal et al. 2017)",
    plan=holds_nothing,
    effort=lambda sizes: _effort(sizes),
    check=needs_dropout,
    regularised=False,
)
def bald(state: LearnerState, batch_size: int) -> Proposal:
    """The B candidates with the highest mutual information of label and weights."""
    from fbench.acquisition.uncertainty import mutual_information
    from fbench.acquisition.views import drawn_seed, top_scored
    from fbench.fisher.likelihood import check_finite
    from fbench.harness.global_state import isolated

    needs_dropout(state.network)
    with isolated(drawn_seed(state.generator())):  # dropout takes no generator
        p = sampled_probabilities(state.network, state.pool.images, SAMPLED)
    check_finite("probabilities", p)
    free = state.unlabelled().to(p.device)
    return Proposal(top_scored(mutual_information(p), free, batch_size).positions)


def _effort(sizes: Sizes) -> Effort:
    return Effort(float(SAMPLED), float(SAMPLED * sizes.n * sizes.classes))
