"""Rounds of active learning for a block of seeds: train, evaluate, choose B more, again.

Round r holds start + r·B labels. Nothing is carried from round to round but what was labelled: weights are fresh
every time, so a run resumes from its selections alone (by training the last committed round once more). With warm
starts a network goes on from the last round's, and a run resumes by training all its rounds once more.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fbench.harness.contract import Row
from fbench.harness.registry import Model, Strategy
from fbench.learning import seeds as streams
from fbench.learning.data import Pool
from fbench.learning.inference import predict
from fbench.learning.metrics import NetworkScores, score_predictions
from fbench.learning.networks import StateDict
from fbench.learning.prediction_files import Predictions, prediction_row, samples_row
from fbench.learning.proposals import accepted_proposal, private_state, proposal_of, seen_pool
from fbench.learning.strategies import Acquisition, LearnerState, Proposal
from fbench.learning.training import Recipe, train_block
from fbench.measure.timing import elapsed

Chosen = tuple[Proposal, float | None, float]
"""A proposal, the seconds it took (None for a start set or a replay), and those of an earlier Fisher pass in them."""


@dataclass(frozen=True)
class Design:
    """One arm: everything that is fixed over its rounds. ``pools`` has one pool for every seed.

    ``warm``: networks go on from those of the last round. ``keep_predictions``: outcomes have them. ``starts``: pool
    positions of the start sets that are not drawn, by seed. ``replayed``: the picks are another program's, whose
    seconds nobody knows.
    """

    strategy: Strategy
    model: Model
    seeds: Sequence[int]
    pools: Sequence[Pool]
    start: int
    batch: int
    rounds: int
    recipe: Recipe
    acquisition: Acquisition
    warm: bool = False
    keep_predictions: bool = False
    starts: Mapping[int, Tensor] = field(default_factory=dict)
    replayed: bool = False


@dataclass(frozen=True)
class Outcome:
    """What was measured of one seed after one round.

    ``scores`` are those of the test set, ``train_accuracy`` is that of the labelled. ``bought`` are data-set indices in
    the order chosen, the start set in round 0, ``records`` their ids and metadata, and ``bought_classes`` what they
    turned out to be. ``train_s`` is the block's training time over its seeds, ``select_s`` the time to choose
    ``bought``, and ``lent_s`` the part of it that a Fisher pass took which had been made before.
    """

    seed: int
    labels: int
    scores: NetworkScores
    train_accuracy: float
    train_s: float
    select_s: float | None
    bought: Sequence[int]
    records: Sequence[Mapping[str, str | None]]
    bought_classes: Sequence[int]
    facts: Mapping[str, float]
    lent_s: float = 0.0
    predictions: Predictions | None = None

    def row(self) -> dict[str, float | None]:
        """The columns of ``results`` that were measured."""
        scores = {"accuracy": self.scores.accuracy, "nll": self.scores.nll}
        return {"labels": self.labels, **scores, "train_s": self.train_s, "select_s": self.select_s, **self.facts}

    def beside(self) -> dict[str, float]:
        """The columns of ``scores``: what was measured of the network beside what ``results`` has."""
        scores = {**self.scores._asdict(), "train_accuracy": self.train_accuracy}
        return {name: value for name, value in scores.items() if name not in ("accuracy", "nll")}


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
        begun: what the networks were trained from, of every seed; none where from weights of their own.
    """

    index: int
    states: Sequence[LearnerState]
    outcomes: Sequence[Outcome] = ()
    begun: Sequence[StateDict] = ()

    def keys(self, strategy: str) -> list[Row]:
        """The columns that a row of each seed begins with: strategy, seed and round."""
        return [{"strategy": strategy, "seed": outcome.seed, "round": self.index} for outcome in self.outcomes]

    def selections(self, strategy: str) -> list[Row]:
        """A row for every label bought, as ``batches_of`` reads them."""
        pairs = zip(self.keys(strategy), self.outcomes, strict=True)
        return [
            {**key, "position": i, "index": at, **record}
            for key, outcome in pairs
            for i, (at, record) in enumerate(zip(outcome.bought, outcome.records, strict=True))
        ]

    def scores(self, strategy: str) -> list[Row]:
        """A row for every seed with the scores that are not in its row of ``results``."""
        return [{**key, **outcome.beside()} for key, outcome in zip(self.keys(strategy), self.outcomes, strict=True)]

    def classes(self, strategy: str) -> list[Row]:
        """A row for every class that labels were bought of, with how many."""
        pairs = zip(self.keys(strategy), self.outcomes, strict=True)
        counts = [(key, Counter(outcome.bought_classes)) for key, outcome in pairs]
        return [{**key, "class": k, "bought": count[k]} for key, count in counts for k in sorted(count)]

    def predictions(self, strategy: str) -> list[Row]:
        """A row for every seed whose predictions are kept."""
        pairs = zip(self.keys(strategy), self.outcomes, strict=True)
        return [{**key, **prediction_row(outcome.predictions)} for key, outcome in pairs if outcome.predictions]

    def test_samples(self, strategy: str) -> list[Row]:
        """A row for every seed whose predictions are kept, in round 0: the test set is that of all rounds."""
        pairs = zip(self.keys(strategy), self.outcomes, strict=True) if self.index == 0 else ()
        return [{**key, **samples_row(outcome.predictions)} for key, outcome in pairs if outcome.predictions]


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
    shape, dtype = tuple(first_pool.images.shape[1:]), first_pool.images.dtype
    _warm_up(design.model, shape, dtype, first_pool.classes, design.acquisition.devices[0])
    done = len(bought) if done is None else done
    if done > design.rounds:
        return
    if design.strategy.whole:
        yield from _whole_rounds(design, done, again=sorted({0, done - 1}) if first and done else ())
        return
    states: Sequence[LearnerState] = ()
    weights: Sequence[StateDict] = ()
    shown = sorted({0, done - 1} if first else {done - 1}) if done else []
    for index in range(done) if design.warm else shown:
        begun = weights
        states = _trained(design, _labelled(design, bought[: index + 1]), index, begun)[0]
        weights = _weights(states) if design.warm else ()
        if index in shown:
            yield PlayedRound(index, states, begun=begun)
    for index in range(done, design.rounds + 1):
        chosen = _choose(design, states) if states else _start(design)
        before = [state.labelled for state in states] or _labelled(design, ())
        labelled = [torch.cat([old, new.positions.cpu()]) for old, (new, *_) in zip(before, chosen, strict=True)]
        begun = weights
        states, train_s = _trained(design, labelled, index, begun)
        weights = _weights(states) if design.warm else ()
        outcomes = [_outcome(design, i, states[i], train_s, chosen[i]) for i in range(len(states))]
        yield PlayedRound(index, states, outcomes, begun)


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
    labelled = [state.labelled for state in played.states]
    return _trained(design, labelled, played.index, played.begun, again=1)[0]


def _weights(states: Sequence[LearnerState]) -> list[StateDict]:
    """Copies of all networks' weights: a strategy may do with the networks themselves what it likes."""
    return [{name: value.clone() for name, value in state.network.state_dict().items()} for state in states]


@functools.cache
def _warm_up(model: Model, shape: tuple[int, ...], dtype: torch.dtype, classes: int, device: str) -> None:
    """One throw-away training: what torch does once in a process is not a training's time."""
    images, targets = torch.zeros(1, 2, *shape, dtype=dtype), torch.zeros(1, 2, dtype=torch.int64)
    train_block(model, images, targets, [0], classes=classes, recipe=Recipe(epochs=1), device=device)


def _labelled(design: Design, bought: Sequence[Sequence[Sequence[int]]]) -> list[Tensor]:
    """Pool positions of what each seed has bought, data-set indices by round and seed."""
    return [_positions(pool, [of_round[i] for of_round in bought]) for i, pool in enumerate(design.pools)]


def _positions(pool: Pool, rounds: Sequence[Sequence[int]]) -> Tensor:
    """Pool positions of data-set indices; ``pool.ids`` ascends."""
    ids = torch.tensor([index for bought in rounds for index in bought], dtype=torch.int64)
    return torch.searchsorted(pool.ids.cpu(), ids)


def _start(design: Design) -> list[Chosen]:
    """The start set of every seed, the same for every arm: the one that was brought, or a uniform draw."""
    chosen: list[Chosen] = []
    for seed, pool in zip(design.seeds, design.pools, strict=True):
        brought = design.starts.get(seed)
        chosen.append((Proposal(drawn_start(pool, seed, design.start) if brought is None else brought), None, 0.0))
    return chosen


def drawn_start(pool: Pool, seed: int, size: int) -> Tensor:
    """Pool positions of a seed's start set, drawn uniformly from those that may start [size], int64."""
    eligible = pool.starters()
    order = torch.randperm(len(eligible), generator=streams.generator("start", seed, 3))
    return eligible[order[:size]]


def _trained(
    design: Design, labelled: Sequence[Tensor], index: int, begun: Sequence[StateDict] = (), *, again: int = 0
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
            begun=begun,
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
        chosen.append((proposal, None if design.replayed else spent.seconds + lent, lent))
    return chosen


def _outcome(design: Design, i: int, state: LearnerState, train_s: float, chosen: Chosen) -> Outcome:
    pool, (proposal, select_s, lent_s) = design.pools[i], chosen
    logits = predict(state.network, pool.test_images)
    labelled = state.labelled.to(pool.images.device)
    fitted = predict(state.network, pool.images[labelled]).argmax(1) == pool.targets[labelled].to(logits.device)
    positions = proposal.positions.cpu()
    bought = pool.ids.cpu()[positions].tolist()
    return Outcome(
        seed=design.seeds[i],
        labels=len(state.labelled),
        scores=score_predictions(logits, pool.test_targets),
        train_accuracy=float(fitted.double().mean()),
        train_s=train_s,
        select_s=select_s,
        bought=bought,
        records=[pool.record_of(index) for index in bought],
        bought_classes=pool.targets.cpu()[positions].tolist(),
        facts=proposal.facts,
        lent_s=lent_s,
        predictions=_predictions(logits, pool) if design.keep_predictions else None,
    )


def _predictions(logits: Tensor, pool: Pool) -> Predictions:
    return Predictions(logits, pool.test_targets, pool.tested_ids(), pool.test_index)
