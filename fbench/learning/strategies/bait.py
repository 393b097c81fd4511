"""BAIT on a network's last layer, exact and approximated.

Every BAIT arm runs in one dtype, with one λ, one oversampling and backward removals alike: arms differ in their
embedding and in nothing else.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from fbench.fisher.selection.methods import EMBEDDING_METHODS
from fbench.harness.registry import strategy
from fbench.learning.strategies.classifier import classifier_width
from fbench.learning.strategies.protocol import LearnerState, Proposal, Sizes

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding

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
    return Proposal(kept[chosen.positions], chosen.facts | {"considered": len(kept)})


def _select_last(
    state: LearnerState, batch_size: int, method: str = "exact", number: int = 0, images: Tensor | None = None
) -> Proposal:
    """BAIT by one of ``fisher.selection.methods``; ``labelled`` are positions in ``images``, by default the pool's."""
    from fbench.learning.inference import logits_and_features

    way = EMBEDDING_METHODS[method]
    images = state.pool.images if images is None else images
    logits, features = logits_and_features(state.network, images, leave_stored=True)
    return bait_proposal(state, batch_size, way.make(logits, features, number), way.engine)


def bait_proposal(state: LearnerState, batch_size: int, embedding: Embedding, method: str = "incremental") -> Proposal:
    """BAIT on an embedding of the pool, by the settings that its arms share."""
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
