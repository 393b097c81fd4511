"""Rounds of active learning for a block of seeds: train, evaluate, choose B more, again.

Round r holds start + r·B labels. Nothing is carried from round to round but what was labelled: weights are fresh
every time, so a run resumes from its selections alone (by training the last committed round once more).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fbench.harness.contract import Row
from fbench.harness.registry import Model, Strategy
from fbench.learning import seeds as streams
from fbench.learning.data import Pool
from fbench.learning.inference import evaluate
from fbench.learning.proposals import accepted_proposal, private_state, proposal_of, seen_pool
from fbench.learning.strategies import Acquisition, LearnerState, Proposal
from fbench.learning.training import Recipe, train_block
from fbench.measure.timing import elapsed

Chosen = tuple[Proposal, float | None, float]
"""A proposal, the seconds it took (None for the start set), and those of a Fisher pass among them made before."""


@dataclass(frozen=True)
class Design:
    """One arm: everything that is fixed over its rounds. ``pools`` has one pool for every seed."""

    strategy: Strategy
    model: Model
    seeds: Sequence[int]
    pools: Sequence[Pool]
    start: int
    batch: int
    rounds: int
    recipe: Recipe
    acquisition: Acquisition


@dataclass(frozen=True)
class Outcome:
    """What was measured of one seed after one round.

    ``bought`` are data-set indices in the order chosen, the start set in round 0. ``train_s`` is the block's training
    time over its seeds, ``select_s`` the time to choose ``bought``, and ``lent_s`` the part of it that a Fisher pass
    took which had been made before.
    """

    seed: int
    labels: int
    accuracy: float
    nll: float
    train_s: float
    select_s: float | None
    bought: Sequence[int]
    facts: Mapping[str, float]
    lent_s: float = 0.0

    def row(self) -> dict[str, float | None]:
        """The columns of ``results`` that were measured."""
        names = ("labels", "accuracy", "nll", "train_s", "select_s")
        return {**{name: getattr(self, name) for name in names}, **self.facts}


def batches_of(rows: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[list[list[int]]]:
    """Committed ``selections`` rows as data-set indices by round, seed and position.

    Example:
        >>> rows = [{"seed": 7, "round": 0, "position": i, "index": index} for i, index in enumerate([30, 4])]
        >>> batches_of(rows, seeds=[7])
        [[[30, 4]]]
    """
    rounds = max((row["round"] for row in rows), default=-1) + 1
    bought: list[list[list[int]]] = [[[] for _ in seeds] for _ in range(rounds)]
    for row in sorted(rows, key=lambda row: row["position"]):
        bought[row["round"]][seeds.index(row["seed"])].append(row["index"])
    return bought


@dataclass(frozen=True)
class PlayedRound:
    """A round of a block of seeds.

    Attributes:
        index: 0 is the start set's.
        states: of every seed, with its trained network, as the choice of the next round will see it.
        outcomes: of every seed; none where the round was committed before and is only trained once more.
    """

    index: int
    states: Sequence[LearnerState]
    outcomes: Sequence[Outcome] = ()

    def keys(self, strategy: str) -> list[Row]:
        """The columns that a row of each seed begins with: strategy, seed and round."""
        return [{"strategy": strategy, "seed": outcome.seed, "round": self.index} for outcome in self.outcomes]

    def selections(self, strategy: str) -> list[Row]:
        """A row for every label bought, as ``batches_of`` reads them."""
        pairs = zip(self.keys(strategy), self.outcomes, strict=True)
        return [{**key, "position": i, "index": at} for key, outcome in pairs for i, at in enumerate(outcome.bought)]


def play_rounds(
    design: Design, bought: Sequence[Sequence[Sequence[int]]] = (), *, first: bool = False, done: int | None = None
) -> Iterator[PlayedRound]:
    """Every round that is still to come, after the last one that is done, which is trained once more.

    Args:
        design: the arm.
        bought: data-set indices, by round and seed, of the rounds that are done already.
        first: have round 0 trained once more, too, where it is done.
        done: how many rounds are; those that bought something by default, but ``all`` buys nothing.
    """
    first_pool = design.pools[0]
    _warm_up(design.model, tuple(first_pool.images.shape[1:]), first_pool.classes, design.acquisition.devices[0])
    done = len(bought) if done is None else done
    if done > design.rounds:
        return
    if design.strategy.whole:
        yield from _whole_rounds(design, done, again=sorted({0, done - 1}) if first and done else ())
        return
    states: Sequence[LearnerState] = ()
    for index in sorted({0, done - 1} if first else {done - 1}) if done else ():
        states = _trained(design, _labelled(design, bought[: index + 1]), index)[0]
        yield PlayedRound(index, states)
    for index in range(done, design.rounds + 1):
        chosen = _choose(design, states) if states else _start(design)
        before = [state.labelled for state in states] or _labelled(design, ())
        labelled = [torch.cat([old, new.positions.cpu()]) for old, (new, *_) in zip(before, chosen, strict=True)]
        states, train_s = _trained(design, labelled, index)
        outcomes = [_outcome(design, i, states[i], train_s, chosen[i]) for i in range(len(states))]
        yield PlayedRound(index, states, outcomes)


def _whole_rounds(design: Design, done: int, again: Sequence[int]) -> Iterator[PlayedRound]:
    """Networks that saw every label of their pool, trained once: what they reach stands in every round's row."""
    states, train_s = _trained(design, [torch.arange(len(pool.ids)) for pool in design.pools], 0)
    nothing: Chosen = (Proposal(torch.arange(0)), None, 0.0)
    outcomes = [_outcome(design, i, state, train_s, nothing) for i, state in enumerate(states)]
    yield from (PlayedRound(index, states) for index in again)
    for index in range(done, design.rounds + 1):
        yield PlayedRound(index, states, outcomes)


def retrained(design: Design, played: PlayedRound) -> list[LearnerState]:
    """The states of a round with networks of another batch order: the same labels and initial weights."""
    return _trained(design, [state.labelled for state in played.states], played.index, again=1)[0]


@functools.cache
def _warm_up(model: Model, shape: tuple[int, ...], classes: int, device: str) -> None:
    """One throw-away training: what torch does once in a process is not a training's time."""
    images, targets = torch.zeros(1, 2, *shape), torch.zeros(1, 2, dtype=torch.int64)
    train_block(model, images, targets, [0], classes=classes, recipe=Recipe(epochs=1), device=device)


def _labelled(design: Design, bought: Sequence[Sequence[Sequence[int]]]) -> list[Tensor]:
    """Pool positions of what each seed has bought, data-set indices by round and seed."""
    return [_positions(pool, [of_round[i] for of_round in bought]) for i, pool in enumerate(design.pools)]


def _positions(pool: Pool, rounds: Sequence[Sequence[int]]) -> Tensor:
    """Pool positions of data-set indices; ``pool.ids`` ascends."""
    ids = torch.tensor([index for bought in rounds for index in bought], dtype=torch.int64)
    return torch.searchsorted(pool.ids.cpu(), ids)


def _start(design: Design) -> list[Chosen]:
    """A uniform start, the same for every arm of a seed."""
    chosen: list[Chosen] = []
    for seed, pool in zip(design.seeds, design.pools, strict=True):
        order = torch.randperm(len(pool.ids), generator=streams.generator("start", seed, 3))
        chosen.append((Proposal(order[: design.start]), None, 0.0))
    return chosen


def _trained(
    design: Design, labelled: Sequence[Tensor], index: int, *, again: int = 0
) -> tuple[list[LearnerState], float]:
    """The states with a round's networks, and the seconds that one of them took."""
    device = design.acquisition.devices[0]
    at = [positions.to(pool.images.device) for positions, pool in zip(labelled, design.pools, strict=True)]
    with elapsed(device) as spent:
        networks = train_block(
            design.model,
            [pool.images[i] for pool, i in zip(design.pools, at, strict=True)],
            [pool.targets[i] for pool, i in zip(design.pools, at, strict=True)],
            design.seeds,
            classes=design.pools[0].classes,
            recipe=design.recipe,
            device=device,
            round_index=index,
            again=again,
        )
    seen = [seen_pool(pool, have) for pool, have in zip(design.pools, labelled, strict=True)]
    parts = zip(networks, seen, labelled, design.seeds, strict=True)
    states = [LearnerState(net, pool, have, seed, index + 1, design.acquisition) for net, pool, have, seed in parts]
    return states, spent.seconds / len(design.seeds)


def _choose(design: Design, states: Sequence[LearnerState]) -> list[Chosen]:
    """A batch for every seed; a Fisher pass that was made before, and is used here, is counted here."""
    chosen: list[Chosen] = []
    for state in states:
        handed = private_state(design.strategy, state)
        made = handed.fisher.seconds
        with elapsed(design.acquisition.devices[0]) as spent:
            proposed = proposal_of(design.strategy, handed, design.batch)
        proposal = accepted_proposal(design.strategy, proposed, state, design.batch)
        lent = made if handed.fisher.used else 0.0
        chosen.append((proposal, spent.seconds + lent, lent))
    return chosen


def _outcome(design: Design, i: int, state: LearnerState, train_s: float, chosen: Chosen) -> Outcome:
    pool, (proposal, select_s, lent_s) = design.pools[i], chosen
    accuracy, nll = evaluate(state.network, pool.test_images, pool.test_targets)
    bought = pool.ids.cpu()[proposal.positions.cpu()].tolist()
    return Outcome(
        design.seeds[i], len(state.labelled), accuracy, nll, train_s, select_s, bought, proposal.facts, lent_s
    )
