"""BAIT on the gradients of masked weights: FISH masks, and the random ones that are their control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbench.harness.registry import strategy
from fbench.learning.strategies.bait import bait_proposal
from fbench.learning.strategies.classifier import kept_whole
from fbench.learning.strategies.protocol import LearnerState, Proposal, Sizes

if TYPE_CHECKING:
    from fbench.fisher.masks import Mask


@strategy(
    "bait+fish",
    "BAIT on the weights with the largest Fisher information (FISH mask), the classifier kept",
    plan=Sizes.mask,
)
def bait_fish(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT on a FISH mask."""
    return _select_masked(state, batch_size, fish_mask(state))


@strategy(
    "bait+random-mask",
    "BAIT on random weights, as many in every layer as the FISH mask keeps: its control",
    plan=Sizes.mask,
)
def bait_random_mask(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT on weights drawn at random with the FISH mask's own count in every layer."""
    from fbench.fisher.masks import random_mask

    fish = fish_mask(state)
    control = random_mask(fish, fish.counts(), generator=state.generator(1), always=fish.always)
    return _select_masked(state, batch_size, control)


def fish_mask(state: LearnerState) -> Mask:
    """The FISH mask of the state's network: N random images of the pool, the classifier kept whole if it has others."""
    from fbench.fisher.masks import top_mask

    return top_mask(state.fisher.whole(), state.acquisition.mask_fraction, always=kept_whole(state.network))


def _select_masked(state: LearnerState, batch_size: int, mask: Mask) -> Proposal:
    from fbench.fisher.gradients.masked import masked_embedding

    return bait_proposal(state, batch_size, masked_embedding(state.network, state.pool.images, mask))
