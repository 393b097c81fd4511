"""What a strategy is handed, and what it may give back.

It sees the targets that it has bought and no others, no test image, and copies where what it writes would reach others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbench.harness import guard
from fbench.harness.global_state import isolated
from fbench.harness.guard import Refuse
from fbench.harness.registry import Strategy
from fbench.learning import seeds
from fbench.learning.data import NO_RECORDS, Pool
from fbench.learning.strategies import LearnerState, Proposal

UNBOUGHT = -1
"""The target of what has no label yet."""

MEASURED = ("case", "status", "reason", "strategy", "seed", "round", "labels", "accuracy", "nll", "train_s", "select_s")
"""Columns that are measured or known, which no fact of a strategy may overwrite."""

_GLOBAL = 4
"""Marks the stream of a strategy that draws from the process's generators off from those it is handed."""


def seen_pool(pool: Pool, labelled: Tensor) -> Pool:
    """The pool as a strategy sees it: targets of ``labelled`` alone, nothing of the test set.

    Example:
        >>> pool = Pool(torch.zeros(3, 1, 2, 2), torch.tensor([1, 0, 1]), torch.arange(3), *[torch.zeros(2)] * 2, 2)
        >>> seen = seen_pool(replace(pool, test_index=torch.arange(2)), torch.tensor([2]))
        >>> seen.targets.tolist(), len(seen.test_targets), seen.test_index
        ([-1, -1, 1], 0, None)
    """
    at = labelled.to(pool.targets.device)
    targets = torch.full_like(pool.targets, UNBOUGHT)
    targets[at] = pool.targets[at]
    return replace(
        pool,
        targets=targets,
        ids=pool.ids.clone(),
        test_images=pool.test_images[:0].clone(),
        test_targets=pool.test_targets[:0].clone(),
        test_index=None,
        test_records=NO_RECORDS,
    )


def proposal_of(strategy: Strategy, state: LearnerState, batch_size: int) -> Proposal:
    """What a strategy proposes, from generators of its own; everything that it changes in the process is put back.

    Raises:
        ForeignError: a user's strategy raised.
    """
    with isolated(seeds.derive("strategy", state.seed, state.round, _GLOBAL)):
        proposal: Proposal = strategy.propose(state, batch_size)
    return proposal


def private_state(strategy: Strategy, state: LearnerState) -> LearnerState:
    """The state as it is handed over: fbench's strategies write nowhere, a user's get copies of what others use.

    The network is the last that others see of it: the next round trains another.
    """
    if not guard.is_foreign(strategy.propose):
        return state
    pool = replace(seen_pool(state.pool, state.labelled), images=state.pool.images.clone())
    return replace(state, pool=pool, labelled=state.labelled.clone())


def accepted_proposal(strategy: Strategy, proposal: Any, state: LearnerState, batch_size: int) -> Proposal:
    """A strategy held to its promise: exactly B distinct unlabelled positions [B], as int64 on the CPU, and facts.

    Raises:
        ForeignError: it broke it; its case fails and says how.
    """
    refuse = guard.refuser(strategy.propose, f"strategy {strategy.name!r}")
    if not isinstance(proposal, Proposal):
        kind = type(proposal).__name__
        refuse(f"returned a {kind}; it must return a Proposal (fbench.learning.strategies)")
    positions = _positions(refuse, proposal.positions)
    free = set(state.unlabelled().tolist())
    listed = positions.tolist()
    repeated, taken = len(listed) - len(set(listed)), len(set(listed) - free)
    if len(listed) != batch_size or repeated or taken:
        refuse(
            f"proposed {len(listed)} positions, {repeated} of them repeated and {taken} labelled or "
            f"outside the pool; {batch_size} distinct unlabelled ones were asked"
        )
    return Proposal(positions, _facts(refuse, proposal.facts))


def _positions(refuse: Refuse, positions: Any) -> Tensor:
    if isinstance(positions, list | tuple | np.ndarray):
        try:
            positions = torch.as_tensor(np.asarray(positions))
        except (TypeError, ValueError):
            refuse("gave positions that are no numbers; give whole ones, [B]")
    if not isinstance(positions, Tensor):
        refuse(f"gave positions as a {type(positions).__name__}; give an int64 tensor [B]")
    whole = not (positions.is_floating_point() or positions.is_complex() or positions.dtype == torch.bool)
    if positions.dim() != 1 or (not whole and len(positions)):
        kind = str(positions.dtype).removeprefix("torch.")
        refuse(f"gave positions of shape {list(positions.shape)} in {kind}; give an int64 tensor [B]")
    return positions.detach().to("cpu", torch.int64)


def _facts(refuse: Refuse, facts: Any) -> dict[str, Any]:
    if not isinstance(facts, Mapping):
        refuse(f"gave facts as a {type(facts).__name__}; give a dict by column")
    taken = [name for name in MEASURED if name in facts]
    if taken:
        refuse(f"gave the fact {taken[0]!r}, which is measured; give it another name, of a column that is declared")
    return dict(facts)
