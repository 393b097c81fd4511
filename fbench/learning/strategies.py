"""Strategies: which B candidates to label next, given a network, its pool and what is labelled.

A strategy is a function of a ``State`` and B that gives a ``Proposal``; register your own by
``@strategy(name, description)``, in a package's entry point or a ``--load`` file. Every BAIT arm runs in one dtype,
with one λ, one oversampling and backward removals alike: arms differ in their embedding and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fbench.errors import InputError
from fbench.learning import seeds
from fbench.registry import strategy

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from fbench.fisher.embeddings import Embedding
    from fbench.fisher.masks import Mask
    from fbench.learning.data import Pool


@dataclass(frozen=True)
class Acquisition:
    """What the BAIT arms share; fixed before a run.

    Attributes:
        regularisation: λ, or ``rel:c``.
        oversample: forward picks over B.
        mask_fraction: q of a FISH mask, the classifier included.
        fisher_samples: N, images behind the FISH diagonal, a random draw.
        fisher_on: ``pool``, ``unlabelled`` or ``labelled``: where they are drawn.
        dtype: ``float32`` or ``float64`` of the selection.
        devices: shards of the selection; the network lies on the first.
    """

    regularisation: str = "1"
    oversample: float = 2.0
    mask_fraction: float = 0.05
    fisher_samples: int = 1024
    fisher_on: str = "pool"
    dtype: str = "float32"
    devices: tuple[str, ...] = ("cpu",)


@dataclass(frozen=True)
class State:
    """What a strategy may look at.

    Attributes:
        network: trained on the labelled, in evaluation mode, on the pool's device.
        pool: n candidates; only the targets of ``labelled`` may be read.
        labelled: positions in the pool, in the order in which they were bought.
        seed: of the arm; ``round`` the one whose labels are to be bought.
        acquisition: settings of the BAIT arms.
    """

    network: nn.Module
    pool: Pool
    labelled: Tensor
    seed: int
    round: int
    acquisition: Acquisition

    def generator(self, *more: int) -> torch.Generator:
        """A generator of the strategy's own family: drawing from it moves nobody else's numbers."""
        return seeds.generator("strategy", self.seed, self.round, *more)

    def unlabelled(self) -> Tensor:
        """Positions without a label, ascending."""
        import torch

        free = torch.ones(len(self.pool.ids), dtype=torch.bool)
        free[self.labelled] = False
        return free.nonzero()[:, 0]


@dataclass(frozen=True)
class Proposal:
    """B distinct unlabelled positions in the order chosen, and facts for the row (``dim``, ``d_eff``)."""

    positions: Tensor
    facts: dict[str, float] = field(default_factory=dict)


@strategy("random", "uniform draws from the unlabelled pool: the baseline")
def random(state: State, batch_size: int) -> Proposal:
    """B unlabelled positions, uniformly."""
    import torch

    free = state.unlabelled()
    return Proposal(free[torch.randperm(len(free), generator=state.generator())[:batch_size]])


@strategy("bait", "BAIT on the last layer's gradients (Ash et al. 2021)")
def bait(state: State, batch_size: int) -> Proposal:
    """BAIT, the embedding factored and never built."""
    from fbench.fisher.embeddings import last_layer_embedding
    from fbench.learning.inference import logits_and_features

    return _select(state, batch_size, last_layer_embedding(*logits_and_features(state.network, state.pool.images)))


@strategy("bait+fish", "BAIT on the weights with the largest Fisher information (FISH mask), the classifier kept")
def bait_fish(state: State, batch_size: int) -> Proposal:
    """BAIT on a FISH mask."""
    return _select_masked(state, batch_size, fish_mask(state))


@strategy("bait+random-mask", "BAIT on random weights, as many in every layer as the FISH mask keeps: its control")
def bait_random_mask(state: State, batch_size: int) -> Proposal:
    """BAIT on weights drawn at random with the FISH mask's own count in every layer."""
    from fbench.fisher.masks import random_mask

    fish = fish_mask(state)
    control = random_mask(fish, fish.counts(), generator=state.generator(1), always=fish.always)
    return _select_masked(state, batch_size, control)


def fish_mask(state: State) -> Mask:
    """The FISH mask of the state's network: N random images of the pool, the classifier kept whole."""
    from fbench.fisher.diagonal import fisher_diagonal
    from fbench.fisher.masks import top_mask

    images = state.pool.images[_draw(state)]
    diagonal = fisher_diagonal(state.network, images)
    return top_mask(diagonal, state.acquisition.mask_fraction, always=classifier_parameters(state.network))


def classifier_parameters(network: nn.Module) -> list[str]:
    """Names of the last linear layer's parameters."""
    from fbench.learning.inference import classifier_name

    layer = classifier_name(network)
    return [name for name, _ in network.named_parameters() if name.rpartition(".")[0] == layer]


def _draw(state: State) -> Tensor:
    """N positions of the Fisher's population, at random, never the first N."""
    import torch

    everyone = torch.arange(len(state.pool.ids))
    population = {"pool": everyone, "unlabelled": state.unlabelled(), "labelled": state.labelled.cpu()}
    chosen = population[state.acquisition.fisher_on]
    order = torch.randperm(len(chosen), generator=state.generator(0))
    return chosen[order[: state.acquisition.fisher_samples]].to(state.pool.images.device)


def _select_masked(state: State, batch_size: int, mask: Mask) -> Proposal:
    from fbench.fisher.masked import masked_embedding

    return _select(state, batch_size, masked_embedding(state.network, state.pool.images, mask))


def _select(state: State, batch_size: int, embedding: Embedding) -> Proposal:
    import torch

    from fbench.fisher.bait import bait_select

    how = state.acquisition
    chosen = bait_select(
        embedding,
        batch_size,
        labelled=state.labelled,
        regularisation=how.regularisation,
        oversample=how.oversample,
        dtype=getattr(torch, how.dtype),
        devices=how.devices,
    )
    facts = {
        "dim": embedding.dim,
        "regularisation": chosen.regularisation,
        "d_eff": chosen.effective_dimension,
    }
    return Proposal(chosen.indices, facts)


def check_proposal(proposal: Proposal, state: State, batch_size: int) -> None:
    """Hold a strategy to its promise: a ``Proposal`` of exactly B distinct unlabelled positions.

    Raises:
        InputError: it broke it; its case fails and says how.
    """
    if not isinstance(proposal, Proposal):
        raise InputError(
            f"the strategy returned a {type(proposal).__name__}; it must return a Proposal (fbench.learning.strategies)"
        )
    positions = proposal.positions.tolist()
    free = set(state.unlabelled().tolist())
    repeated, taken = len(positions) - len(set(positions)), len(set(positions) - free)
    if len(positions) != batch_size or repeated or taken:
        raise InputError(
            f"the strategy proposed {len(positions)} positions, {repeated} of them repeated and {taken} labelled or "
            f"outside the pool; {batch_size} distinct unlabelled ones were asked"
        )
