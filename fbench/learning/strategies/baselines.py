"""Arms of the field's baselines, and the line that no arm can be expected to pass: all labels bought at once."""

from __future__ import annotations

from fbench.acquisition.pool_strategies import POOL_STRATEGIES, PoolStrategy
from fbench.harness.registry import STRATEGIES, Strategy, strategy
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal, Sizes


def baseline_proposal(baseline: PoolStrategy, state: LearnerState, batch_size: int) -> Proposal:
    """What a baseline chooses from the network's logits and features, or from neither where it needs none."""
    import torch

    from fbench.acquisition.views import PoolView
    from fbench.learning.inference import logits_and_features

    view = PoolView(len(state.pool.ids), state.labelled.cpu(), state.generator())
    if baseline.needs:
        dtype = getattr(torch, state.acquisition.dtype)
        logits, features = (part.to(dtype) for part in logits_and_features(state.network, state.pool.images))
        view = PoolView(view.n, view.labelled, view.generator, logits, features)
    return Proposal(baseline.pick(view, batch_size).positions)


def _arm(baseline: PoolStrategy) -> Strategy:
    def propose(state: LearnerState, batch_size: int) -> Proposal:
        return baseline_proposal(baseline, state, batch_size)

    def effort(sizes: Sizes) -> Effort:
        work = baseline.operations(sizes.n, sizes.labels, sizes.batch, sizes.classes, sizes.features)
        return Effort(float(bool(baseline.needs)), work)

    return Strategy(baseline.name, baseline.description, propose, plan=holds_nothing, effort=effort, regularised=False)


def holds_nothing(sizes: Sizes) -> None:
    """The plan of an arm that keeps no matrix: next to nothing beside its network's logits and features."""


for _baseline in POOL_STRATEGIES.values():
    STRATEGIES.add(_arm(_baseline))


@strategy(
    "all",
    "every label of the pool from the start, trained once a seed: the line to reach",
    plan=holds_nothing,
    whole=True,
    regularised=False,
)
def everything(state: LearnerState, batch_size: int) -> Proposal:
    """All that has no label, whatever was asked for: ``rounds`` trains on the whole pool and buys nothing after it."""
    return Proposal(state.unlabelled())
