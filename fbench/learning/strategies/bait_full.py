"""BAIT on all the weights of a network, in the space of rows: what every mask and every last layer approximates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbench.fisher.planning.plan import ITEMSIZE
from fbench.fisher.planning.row_space import considered, growth_in_rows, most_rows, row_operations
from fbench.harness.registry import strategy
from fbench.learning.strategies.baselines import holds_nothing
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal, Sizes
from fbench.learning.strategies.sized import all_weights

if TYPE_CHECKING:
    from torch import Tensor

_GRADIENTS = 0.75
"""Passes forward that a row's gradients of an image cost, among many in large batches."""


def considered_in(sizes: Sizes) -> int:
    """How many candidates a batch is chosen from: the pool, or a part of it where its rows are too many.

    Raises:
        TooLargeError: not even the labelled and the batch.

    Example:
        >>> sizes = Sizes(n=50_000, labels=100, batch=20, classes=10, features=128, masked=0)
        >>> considered_in(sizes)
        1820
    """
    return considered(sizes.n, sizes.classes - 1, sizes.labels, sizes.batch, sizes.dtype)


def _effort(sizes: Sizes) -> Effort:
    rows, itemsize = sizes.classes - 1, ITEMSIZE[sizes.dtype]
    n = considered_in(sizes)
    bought = rows * (sizes.labels + sizes.counts.picks)
    return Effort(
        passes=(1 + rows * _GRADIENTS) * n / sizes.n,
        operations=row_operations(n * rows, rows, sizes.weights, sizes.labels, sizes.counts),
        held=itemsize * (n * rows) ** 2 + growth_in_rows(n * rows, bought, itemsize),
    )


@strategy(
    "bait-full",
    f"BAIT on all the weights; of a pool with more than {most_rows('float32'):,} rows n·(k−1) on a random part",
    plan=holds_nothing,
    effort=_effort,
)
def bait_full(state: LearnerState, batch_size: int) -> Proposal:
    """BAIT from the inner products of all weights' gradients; the labelled are always among those considered."""
    import torch

    from fbench.fisher.row_gram import network_gram
    from fbench.fisher.selection.row_space import bait_select_rows

    how, labelled, rows = state.acquisition, state.labelled.cpu(), state.pool.classes - 1
    n, images = len(state.pool.ids), state.pool.images
    kept = _kept(state, considered(n, rows, len(labelled), batch_size, how.dtype))
    if len(kept) < n:
        images = images[kept.to(images.device)]
    dim = all_weights(state.network)
    chosen = bait_select_rows(
        network_gram(state.network, images, dtype=getattr(torch, how.dtype)),
        rows,
        batch_size,
        labelled=torch.searchsorted(kept, labelled),
        dim=dim,
        regularisation=how.regularisation,
        oversample=how.oversample,
    )
    facts = {"dim": dim, "regularisation": chosen.regularisation, "d_eff": chosen.effective_dimension}
    return Proposal(kept[chosen.indices], facts | {"considered": len(kept)})


def _kept(state: LearnerState, size: int) -> Tensor:
    """Positions of the ``size`` candidates that are considered, ascending: all, or the labelled and random others."""
    import torch

    from fbench.fisher.selection.approximations import subsample

    n, labelled = len(state.pool.ids), state.labelled.cpu()
    return torch.arange(n) if size == n else subsample(n, labelled, size - len(labelled), state.generator(3))
