"""BAIT on the gradients of masked weights: FISH masks, and the masks that are their controls.

A rule chooses a mask's weights, and every rule is an arm: one row of ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fbench.learning.strategies.bait import bait_proposal
from fbench.learning.strategies.classifier import classifier_parameters, kept_whole
from fbench.learning.strategies.protocol import LearnerState, Proposal
from fbench.learning.strategies.sized import SizedArm, SizeLimits, add_sized, all_weights, size_of

if TYPE_CHECKING:
    from torch import nn

    from fbench.fisher.masks import Mask


def fish_mask(state: LearnerState, size: int = 0) -> Mask:
    """The FISH mask of the state's network, on ``size`` weights if not on as many as its fraction gives.

    The diagonal is that of N random images of the pool; the classifier is kept whole if the network has other weights.
    """
    from fbench.fisher.masks import largest_mask

    return largest_mask(state.fisher.whole(keep=True), size or size_of(state), always=kept_whole(state.network))


def _fish_by_layer(state: LearnerState, size: int) -> Mask:
    from fbench.fisher.masks import even_counts, largest_mask

    diagonal, always = state.fisher.whole(keep=True), kept_whole(state.network)
    return largest_mask(diagonal, even_counts(diagonal, size, always=always), always=always)


def _fish_without_classifier(state: LearnerState, size: int) -> Mask:
    from fbench.fisher.masks import Mask, largest_mask

    diagonal, left_out = state.fisher.whole(keep=True), classifier_parameters(state.network)
    below = largest_mask({name: F for name, F in diagonal.items() if name not in left_out}, size)
    return Mask({name: below[name] if name in below else F.new_zeros(F.shape).bool() for name, F in diagonal.items()})


def _largest_weights(state: LearnerState, size: int) -> Mask:
    from fbench.fisher.masks import largest_mask

    magnitudes = {name: p.detach().abs() for name, p in state.network.named_parameters()}
    return largest_mask(magnitudes, size, always=kept_whole(state.network))


def _random_anywhere(state: LearnerState, size: int) -> Mask:
    from fbench.fisher.masks import random_mask

    parameters, always = dict(state.network.named_parameters()), kept_whole(state.network)
    return random_mask(parameters, size, generator=state.generator(3), always=always)


def _random_like_fish(state: LearnerState, size: int) -> Mask:
    from fbench.fisher.masks import random_mask

    fish = fish_mask(state, size)
    return random_mask(fish, fish.counts(), generator=state.generator(1), always=fish.always)


def beside_classifier(network: nn.Module) -> SizeLimits:
    """More weights than the classifier's, which are kept if there are others; all of them at most."""
    head = sum(network.get_parameter(name).numel() for name in kept_whole(network))
    return SizeLimits(head + 1, all_weights(network), f", the classifier's {head:,} always among them" if head else "")


def below_classifier(network: nn.Module) -> SizeLimits:
    """Any of the weights that are not the classifier's."""
    head = sum(network.get_parameter(name).numel() for name in classifier_parameters(network))
    return SizeLimits(1, all_weights(network) - head, f", the classifier's {head:,} never among them")


@dataclass(frozen=True)
class MaskRule:
    """A way to choose a mask's weights.

    Attributes:
        name: of the arm.
        description: one line for ``fbench list``.
        choose: a function from (state, size) to a mask of exactly ``size`` weights.
        limits: which sizes a network allows.
    """

    name: str
    description: str
    choose: Callable[[LearnerState, int], Mask]
    limits: Callable[[nn.Module], SizeLimits] = beside_classifier


RULES = (
    MaskRule(
        "bait+fish",
        "BAIT on the weights with the largest Fisher information (FISH mask), the classifier kept",
        fish_mask,
    ),
    MaskRule(
        "bait+fish-layer",
        "BAIT on the largest Fisher information of every layer, the same share of each, the classifier kept",
        _fish_by_layer,
    ),
    MaskRule(
        "bait+fish-body",
        "BAIT on the weights with the largest Fisher information, the classifier left out",
        _fish_without_classifier,
        below_classifier,
    ),
    MaskRule(
        "bait+magnitude",
        "BAIT on the weights with the largest absolute values, the classifier kept",
        _largest_weights,
    ),
    MaskRule(
        "bait+random-global",
        "BAIT on weights drawn at random from the whole network, the classifier kept",
        _random_anywhere,
    ),
    MaskRule(
        "bait+random-mask",
        "BAIT on random weights, as many in every layer as the FISH mask keeps: its control",
        _random_like_fish,
    ),
)


def _arm(rule: MaskRule) -> SizedArm:
    def propose(state: LearnerState, batch_size: int, size: int) -> Proposal:
        from fbench.fisher.gradients.masked import masked_embedding

        mask = rule.choose(state, size)
        V = masked_embedding(state.network, state.pool.images, mask, kept=state.fisher.passes())
        return bait_proposal(state, batch_size, V)

    return SizedArm(rule.name, rule.description, propose, rule.limits)


for _rule in RULES:
    add_sized(_arm(_rule))
