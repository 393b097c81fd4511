"""Strategies: which B candidates to label next, given a network, its pool and what is labelled.

A strategy is a function of a ``LearnerState`` and B that gives a ``Proposal``; register your own by
``@strategy(name, description)``, in a package's entry point or a ``--load`` file. Every BAIT arm runs in one dtype,
with one λ, one oversampling and backward removals alike: arms differ in their embedding and in nothing else.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

from fbench.fisher.planning.plan import SelectionPlan, Shape, StepCounts, plan_selection
from fbench.fisher.selection.methods import EMBEDDING_METHODS
from fbench.harness.registry import strategy
from fbench.learning import seeds

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from fbench.fisher.embeddings import Embedding
    from fbench.fisher.masks import Mask
    from fbench.learning.data import Pool
    from fbench.learning.fisher_draws import FisherDraws


@dataclass(frozen=True)
class Acquisition:
    """What the BAIT arms share; fixed before a run.

    Attributes:
        regularisation: λ, or ``rel:c``.
        oversample: forward picks over B.
        mask_fraction: q of a FISH mask, the classifier included.
        fisher_samples: N, images behind the FISH diagonal, a random draw that stays all rounds.
        fisher_cuts: fewer of them whose diagonals somebody wants to see too (``FisherDraws``).
        fisher_on: ``pool``, ``unlabelled`` or ``labelled``: where they are drawn.
        dtype: ``float32`` or ``float64`` of the selection.
        devices: shards of the selection; the network lies on the first.
    """

    regularisation: str = "1"
    oversample: float = 2.0
    mask_fraction: float = 0.05
    fisher_samples: int = 1024
    fisher_cuts: tuple[int, ...] = ()
    fisher_on: str = "pool"
    dtype: str = "float32"
    devices: tuple[str, ...] = ("cpu",)


@dataclass(frozen=True)
class LearnerState:
    """What a strategy may look at.

    Attributes:
        network: trained on the labelled, in evaluation mode, on the pool's device.
        pool: n candidates; targets that have not been bought are −1, and there are no test images.
        labelled: positions in the pool, in the order in which they were bought.
        seed: the arm's.
        round: the round whose labels are to be bought.
        acquisition: the settings that the BAIT arms share.
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

    @cached_property
    def fisher(self) -> FisherDraws:
        """The network's Fisher diagonals on the run's draws."""
        return self.fisher_draws(0)

    def fisher_draws(self, pair: int) -> FisherDraws:
        """The network's Fisher diagonals on another pair of draws."""
        from fbench.learning.fisher_draws import FisherDraws, two_draws

        how, n = self.acquisition, len(self.pool.ids)
        draws = two_draws(self._fisher_population(), n, how.fisher_samples, self.seed, pair)
        return FisherDraws(self.network, self.pool.images, draws, how.fisher_cuts)

    def _fisher_population(self) -> Tensor:
        import torch

        match self.acquisition.fisher_on:
            case "unlabelled":
                return self.unlabelled()
            case "labelled":
                return self.labelled.cpu()
        return torch.arange(len(self.pool.ids))


@dataclass(frozen=True)
class Proposal:
    """B distinct unlabelled positions in the order chosen, and facts for the row (``dim``, ``d_eff``)."""

    positions: Tensor
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """What a strategy's plan is made from, before a network is trained.

    Attributes:
        n: candidates in the pool.
        labels: of them labelled before the last batch is chosen.
        batch: B.
        classes: k.
        features: h, entering the last layer.
        masked: weights that a mask keeps.
        dtype: of the selection.
        oversample: forward picks over B.
    """

    n: int
    labels: int
    batch: int
    classes: int
    features: int
    masked: int
    dtype: str = "float32"
    oversample: float = 2.0

    @property
    def counts(self) -> StepCounts:
        """How many forward picks and removals a batch takes."""
        return StepCounts.of(self.batch, self.oversample, self.n - self.labels)

    def last_layer(self, method: str = "exact", number: int = 0, *, n: int = 0) -> SelectionPlan:
        """The plan of BAIT on the last layer by one of ``fisher.selection.methods``, on n candidates if not all."""
        way = EMBEDDING_METHODS[method]
        shape = way.shape(n or self.n, self.classes, self.features, number)
        return plan_selection(shape, dtype=self.dtype, method=way.engine, counts=self.counts)

    def mask(self) -> SelectionPlan:
        """The plan of BAIT on a mask's dense embedding."""
        return plan_selection(Shape(self.n, self.classes - 1, self.masked), dtype=self.dtype, counts=self.counts)


SUBSAMPLE = 10
"""``bait-subsample`` draws this many times B candidates a round."""

COMPONENTS = 4
"""``bait-pca`` keeps one in this many of the features' principal directions, rounded up."""


def components_of(features: int) -> int:
    """How many directions of h features ``bait-pca`` keeps: known before a run, so that its cost is.

    Example:
        >>> components_of(512), components_of(10)
        (128, 3)
    """
    return -(-features // COMPONENTS)


@strategy("random", "uniform draws from the unlabelled pool: the baseline", plan=lambda sizes: None)
def random(state: LearnerState, batch_size: int) -> Proposal:
    """B unlabelled positions, uniformly."""
    import torch

    free = state.unlabelled()
    return Proposal(free[torch.randperm(len(free), generator=state.generator())[:batch_size]])


@strategy("bait", "BAIT on the last layer's gradients (Ash et al. 2021)", plan=Sizes.last_layer)
def bait(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT, the embedding factored and never built."""
    return _select_last(state, batch_size)


@strategy(
    "bait-top2",
    "BAIT on the gradients of each candidate's two likeliest classes (Huseljic et al. 2024)",
    plan=lambda sizes: sizes.last_layer("top", 2),
)
def bait_top2(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT on two classes a candidate: it keeps less for each of them, while d and the d×d matrices stay."""
    return _select_last(state, batch_size, "top", 2)


@strategy(
    "bait-binary",
    "BAIT on the likelihood of being right or wrong: d is the features' (Huseljic et al. 2024)",
    plan=lambda sizes: sizes.last_layer("binary"),
)
def bait_binary(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT with one row a candidate and d = h: the cheapest that still sees the features' correlations."""
    return _select_last(state, batch_size, "binary")


@strategy(
    "bait-diagonal",
    "BAIT with only the diagonals of F and M kept",
    plan=lambda sizes: sizes.last_layer("diagonal"),
)
def bait_diagonal(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT without a d×d matrix: d may be anything."""
    return _select_last(state, batch_size, "diagonal")


@strategy(
    "bait-pca",
    f"BAIT on the features' leading principal directions, one in {COMPONENTS} of them",
    plan=lambda sizes: sizes.last_layer("pca", components_of(sizes.features)),
)
def bait_pca(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT on all classes and fewer features: d falls with them, the d×d matrices with their square."""
    return _select_last(state, batch_size, "pca", components_of(classifier_width(state.network)))


@strategy(
    "bait-subsample",
    f"BAIT on a random {SUBSAMPLE}·B of the unlabelled pool and the labelled, drawn anew every round",
    plan=lambda sizes: sizes.last_layer(n=min(sizes.n, sizes.labels + SUBSAMPLE * sizes.batch)),
)
def bait_subsample(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT whose candidates and F are those of a random part of the pool."""
    import torch

    from fbench.fisher.selection.approximations import subsample

    labelled = state.labelled.cpu()
    kept = subsample(len(state.pool.ids), labelled, SUBSAMPLE * batch_size, state.generator(2))
    few = dataclasses.replace(state, labelled=torch.searchsorted(kept, labelled))
    chosen = _select_last(few, batch_size, images=state.pool.images[kept.to(state.pool.images.device)])
    return Proposal(kept[chosen.positions], chosen.facts)


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
    """The FISH mask of the state's network: N random images of the pool, the classifier kept whole."""
    from fbench.fisher.masks import top_mask

    always = classifier_parameters(state.network)
    return top_mask(state.fisher.whole(), state.acquisition.mask_fraction, always=always)


def classifier_parameters(network: nn.Module) -> list[str]:
    """Names of the last linear layer's parameters.

    Example:
        >>> from torch import nn
        >>> classifier_parameters(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        ['2.weight', '2.bias']
    """
    from fbench.learning.inference import classifier_name

    layer = classifier_name(network)
    return [name for name, _ in network.named_parameters() if name.rpartition(".")[0] == layer]


def classifier_width(network: nn.Module) -> int:
    """The number h of features that enter the last linear layer.

    Example:
        >>> from torch import nn
        >>> classifier_width(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        3
    """
    from fbench.learning.inference import classifier_name

    layer = cast("nn.Linear", network.get_submodule(classifier_name(network)))
    return layer.in_features


def _select_masked(state: LearnerState, batch_size: int, mask: Mask) -> Proposal:
    from fbench.fisher.gradients.masked import masked_embedding

    return _select(state, batch_size, masked_embedding(state.network, state.pool.images, mask))


def _select_last(
    state: LearnerState, batch_size: int, method: str = "exact", number: int = 0, images: Tensor | None = None
) -> Proposal:
    """BAIT by one of ``fisher.selection.methods``; ``labelled`` are positions in ``images``, by default the pool's."""
    from fbench.learning.inference import logits_and_features

    way = EMBEDDING_METHODS[method]
    logits, features = logits_and_features(state.network, state.pool.images if images is None else images)
    return _select(state, batch_size, way.make(logits, features, number), way.engine)


def _select(state: LearnerState, batch_size: int, embedding: Embedding, method: str = "incremental") -> Proposal:
    import torch

    from fbench.fisher.selection.bait import bait_select

    how = state.acquisition
    chosen = bait_select(
        embedding,
        batch_size,
        labelled=state.labelled,
        regularisation=how.regularisation,
        oversample=how.oversample,
        method=method,
        dtype=getattr(torch, how.dtype),
        devices=how.devices,
    )
    facts = {
        "dim": embedding.dim,
        "regularisation": chosen.regularisation,
        "d_eff": chosen.effective_dimension,
    }
    return Proposal(chosen.indices, facts)
