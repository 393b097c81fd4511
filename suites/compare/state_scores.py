"""One network a seed, a batch of every arm: each is scored by the objective under all weights of that network.

All arms of a seed share start set, initial weights and batch order, so the network of round 0 is one and the same, and
a batch of round 1 is what an arm proposes for it. Nothing is selected for the score, and nothing of it reaches the run.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from fbench.fisher.row_products import network_products
from fbench.fisher.selection.approximations import subsample
from fbench.fisher.selection.batch_objective import (
    batch_objective,
    redundancy,
    resolved_regularisation,
    sample_weights,
)
from fbench.harness.contract import Row
from fbench.learning import seeds
from fbench.learning.rounds import Outcome, PlayedRound
from fbench.learning.strategies import LearnerState
from fbench.learning.strategies.sized import all_weights

from .state_plan import samples_of_f

_STREAM = 5
"""Of a seed's stream of numbers before its rounds, apart from a sketch's and from the draws behind diagonals."""


class StateScores:
    """Remembers the networks of round 0, and scores what was bought for them, at every λ of ``regularisations``."""

    def __init__(self, regularisations: Sequence[str]) -> None:
        self._regularisations = regularisations
        self._states: list[LearnerState] = []

    def see(self, played: PlayedRound, strategy: str) -> list[Row]:
        """The rows of ``states`` of an arm's seeds, once its round 1 is played; none where it bought nothing."""
        if played.index == 0:
            # a strategy may do with the network that it is handed what it likes
            self._states = [replace(state, network=copy.deepcopy(state.network)) for state in played.states]
        if played.index != 1 or not self._states:
            return []
        scored = zip(played.keys(strategy), self._states, played.outcomes, strict=False)
        return [
            {**key, "lambda": typed, **row}
            for key, state, outcome in scored
            if outcome.bought
            for typed, row in score_batch(state, outcome, self._regularisations).items()
        ]


def score_batch(state: LearnerState, bought: Outcome, regularisations: Sequence[str]) -> dict[str, Row]:
    """The measured columns of ``states`` for the batch that was bought for this state's network, by λ as typed."""
    how, rows, n = state.acquisition, state.pool.classes - 1, len(state.pool.ids)
    labelled = state.labelled.cpu()
    batch = torch.searchsorted(state.pool.ids.cpu(), torch.tensor(bought.bought))
    over = pool_of_f(state, samples_of_f(n, rows, how.dtype))
    images = state.pool.images
    few = images[torch.cat([labelled, batch]).to(images.device)]
    products = network_products(state.network, few, images if len(over) == n else images[over.to(images.device)])
    dim = all_weights(state.network)
    weights = sample_weights(len(labelled), len(batch))
    before = weights.clone()
    before[len(labelled) :] = 0
    first = len(labelled) * rows
    same = {
        "d": bought.facts.get("dim"),
        "redundancy": redundancy(products.among[first:, first:], rows),
        "samples": len(over),
        "candidates": n - len(labelled),
        "weights": dim,
        "network": digest_of(state.network),
    }
    scored = {}
    for typed in regularisations:
        lam = resolved_regularisation(typed, products, dim)
        objective, without = (batch_objective(products, counted, lam) for counted in (weights, before))
        scored[typed] = {**same, "objective": objective, "objective_before": without, "regularisation": lam}
    return scored


def pool_of_f(state: LearnerState, size: int) -> Tensor:
    """Positions of the ``size`` samples that F is over, ascending: the labelled and random others, of all arms alike.

    The batch need not be among them, since arms propose different ones; nor is it the part that ``bait-full`` reads.
    """
    n, labelled = len(state.pool.ids), state.labelled.cpu()
    if size >= n:
        return torch.arange(n)
    generator = seeds.generator("strategy", state.seed, 0, 0, _STREAM)
    return subsample(n, labelled, max(1, size - len(labelled)), generator)


def digest_of(network: nn.Module) -> str:
    """The first 16 digits of the SHA-256 of a network's weights and buffers, bit for bit.

    Example:
        >>> digest_of(nn.Linear(1, 1)) == digest_of(nn.Linear(1, 1))
        False
    """
    hashed = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        hashed.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        hashed.update(_bytes_of(value))
    return hashed.hexdigest()[:16]


def _bytes_of(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
