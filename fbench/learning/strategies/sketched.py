"""BAIT on the gradients by all weights, hashed to D numbers: what needs no choice of weights at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbench.fisher.planning.operations import selection_operations
from fbench.learning import seeds
from fbench.learning.strategies.bait import bait_proposal
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal, Sizes
from fbench.learning.strategies.sized import SizedArm, SizeLimits, add_sized, all_weights

if TYPE_CHECKING:
    from torch import nn

    from fbench.fisher.gradients.sketched import CountSketch

SKETCH = "bait+sketch"
"""The arm, without its size."""
_STREAM = 4
"""Of the seed's stream of numbers before its rounds, apart from the draws behind its Fisher diagonals."""
_ADDITION = 110
"""Operations of a product that take as long as one addition to a bucket: 0.9 ns, at 127 in a ns (one core)."""


def sketch_of(state: LearnerState, size: int) -> CountSketch:
    """The sketch of the state's network to ``size`` numbers: the same in all rounds of a seed."""
    from fbench.fisher.gradients.sketched import draw_sketch

    generator = seeds.generator("strategy", state.seed, 0, 0, _STREAM)
    return draw_sketch(dict(state.network.named_parameters()), size, generator=generator)


def _propose(state: LearnerState, batch_size: int, size: int) -> Proposal:
    from fbench.fisher.gradients.sketched import sketched_embedding

    V = sketched_embedding(state.network, state.pool.images, sketch_of(state, size))
    return bait_proposal(state, batch_size, V)


def _effort(sizes: Sizes, size: int) -> Effort:
    """A pass forward, for every row one back and one for its gradients, then additions and the selection."""
    rows = sizes.classes - 1
    additions = _ADDITION * sizes.n * rows * sizes.weights
    return Effort(1.0 + 2 * rows, float(additions) + selection_operations(sizes.mask(size), sizes.counts))


def _up_to_all(network: nn.Module) -> SizeLimits:
    return SizeLimits(1, all_weights(network))


add_sized(
    SizedArm(
        SKETCH,
        "BAIT on the gradients by all weights, hashed with random signs to as many numbers as a mask keeps weights",
        _propose,
        _up_to_all,
        _effort,
    )
)
