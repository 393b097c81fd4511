"""BAIT on the gradients of masked weights: FISH masks, and the masks that are their controls.

A rule chooses a mask's weights, and every rule is an arm: one row of ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fbench.learning.strategies.bait import bait_proposal
from fbench.learning.strategies.classifier import kept_whole
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

    return largest_mask(state.fisher.whole(), size or size_of(state), always=kept_whole(state.network))


def _random_like_fish(state: LearnerState, size: int) -> Mask:
    from fbench.fisher.masks import random_mask

    fish = fish_mask(state, size)
    return random_mask(fish, fish.counts(), generator=state.generator(1), always=fish.always)


def beside_classifier(network: nn.Module) -> SizeLimits:
    """More weights than the classifier's, which are kept: all of them at most."""
    return _limits(network, "always", lambda total, head: (head + 1, total))


def _limits(network: nn.Module, when: str, between: Callable[[int, int], tuple[int, int]]) -> SizeLimits:
    """From and to how many weights, given all of them and those of a classifier that has others below it."""
    parameters = dict(network.named_parameters())
    head = sum(parameters[name].numel() for name in kept_whole(network))
    least, most = between(all_weights(network), head)
    return SizeLimits(least, most, f", the classifier's {head:,} {when} among them" if head else "")


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
        "bait+random-mask",
        "BAIT on random weights, as many in every layer as the FISH mask keeps: its control",
        _random_like_fish,
    ),
)


def _arm(rule: MaskRule) -> SizedArm:
    def propose(state: LearnerState, batch_size: int, size: int) -> Proposal:
        from fbench.fisher.gradients.masked import masked_embedding

        mask = rule.choose(state, size)
        return bait_proposal(state, batch_size, masked_embedding(state.network, state.pool.images, mask))

    return SizedArm(rule.name, rule.description, propose, rule.limits)


for _rule in RULES:
    add_sized(_arm(_rule))
