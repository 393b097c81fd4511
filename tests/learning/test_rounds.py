"""Rounds: what the arms of a seed share, and that a run resumes from its selections alone."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

import fbench.learning.models  # noqa: F401  (registers the models)
from fbench.errors import ForeignError
from fbench.harness.registry import MODELS, STRATEGIES, Strategy
from fbench.learning import rounds as playing
from fbench.learning.data import Images, split
from fbench.learning.inference import evaluate
from fbench.learning.metrics import score_predictions
from fbench.learning.recipe import Recipe
from fbench.learning.rounds import Design, Outcome, batches_of, retrained
from fbench.learning.strategies import Acquisition, LearnerState, Proposal

START, BATCH, ROUNDS = 6, 3, 3
SEEDS = (0, 4)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> Images:
    """Three classes that can be learned: a bright band in another place, and noise."""
    g = torch.Generator().manual_seed(0)
    targets = torch.arange(150) % 3
    x = 0.7 * torch.rand(150, 1, 8, 8, generator=g)
    for label in range(3):
        x[targets == label, :, 2 * label : 2 * label + 2] += 0.5
    return Images("bands", x, targets, 3)


def design(images: Images, strategy: Strategy | str, seeds: Sequence[int] = SEEDS, rounds: int = ROUNDS) -> Design:
    return Design(
        strategy=STRATEGIES.get(strategy) if isinstance(strategy, str) else strategy,
        model=MODELS.get("small"),
        seeds=tuple(seeds),
        pools=[split(images, seed, pool_size=60, test_size=30) for seed in seeds],
        start=START,
        batch=BATCH,
        rounds=rounds,
        recipe=Recipe(epochs=3, train_batch=8),
        acquisition=Acquisition(mask_fraction=0.03, fisher_samples=20),
    )


def play(design: Design, bought: Sequence[Sequence[Sequence[int]]] = ()) -> Iterator[Sequence[Outcome]]:
    """The outcomes of the rounds to come."""
    rounds = playing.play_rounds(design, bought)
    return (played_round.outcomes for played_round in rounds if played_round.outcomes)


def bought(rounds: Sequence[Sequence[Outcome]]) -> list[list[list[int]]]:
    return [[list(outcome.bought) for outcome in outcomes] for outcomes in rounds]


def deterministic(rounds: Sequence[Sequence[Outcome]]) -> list[Any]:
    return [
        [(e.seed, e.labels, e.scores, e.train_accuracy, list(e.bought), dict(e.facts)) for e in outcomes]
        for outcomes in rounds
    ]


@pytest.fixture(scope="module")
def played(images: Images) -> dict[str, list[list[Outcome]]]:
    return {name: list(play(design(images, name))) for name in ("random", "bait", "bait+fish", "bait+random-mask")}


def test_a_round_has_an_outcome_for_every_seed(played: dict[str, list[list[Outcome]]]) -> None:
    for rounds in played.values():
        assert len(rounds) == ROUNDS + 1
        assert all([outcome.seed for outcome in outcomes] == list(SEEDS) for outcomes in rounds)


def test_labels_grow_by_b(played: dict[str, list[list[Outcome]]]) -> None:
    for rounds in played.values():
        for number, outcomes in enumerate(rounds):
            for outcome in outcomes:
                assert outcome.labels == START + number * BATCH
                assert len(outcome.bought) == (START if number == 0 else BATCH)


def test_nothing_is_bought_twice_and_all_of_it_is_the_pools(
    played: dict[str, list[list[Outcome]]], images: Images
) -> None:
    for rounds in played.values():
        for place, seed in enumerate(SEEDS):
            indices = [index for outcomes in rounds for index in outcomes[place].bought]
            assert len(indices) == len(set(indices)) == START + ROUNDS * BATCH
            assert set(indices) <= set(split(images, seed, pool_size=60).ids.tolist())


def test_arms_of_a_seed_share_their_start_and_what_it_teaches(
    played: dict[str, list[list[Outcome]]], images: Images
) -> None:
    first = {name: deterministic(rounds[:1]) for name, rounds in played.items()}
    assert all(of_arm == first["random"] for of_arm in first.values())
    starts = bought(played["random"][:1])[0]
    places = [
        torch.searchsorted(split(images, seed, pool_size=60).ids, torch.tensor(start)).tolist()
        for seed, start in zip(SEEDS, starts, strict=True)
    ]
    assert places[0] != places[1]  # seeds share neither the pool nor the places in it


def test_arms_differ_in_what_they_buy(played: dict[str, list[list[Outcome]]]) -> None:
    batches = [tuple(rounds[1][0].bought) for rounds in played.values()]
    assert len(set(batches)) == len(batches)


def test_a_round_zero_has_no_selection_time(played: dict[str, list[list[Outcome]]]) -> None:
    for rounds in played.values():
        assert all(outcome.select_s is None for outcome in rounds[0])
        assert all(outcome.select_s is not None and outcome.select_s > 0 for outcome in rounds[1])
        assert all(outcome.train_s > 0 for outcomes in rounds for outcome in outcomes)


def test_a_row_has_the_facts_of_its_strategy(played: dict[str, list[list[Outcome]]]) -> None:
    row = played["bait"][1][0].row()
    assert list(row) == ["labels", "accuracy", "nll", "train_s", "select_s", "dim", "regularisation", "d_eff"]
    assert "dim" not in played["random"][1][0].row()


@pytest.mark.parametrize("name", ["random", "bait+random-mask"])
@pytest.mark.parametrize("done", range(ROUNDS + 2))
def test_a_run_goes_on_from_its_selections(
    played: dict[str, list[list[Outcome]]], images: Images, name: str, done: int
) -> None:
    whole = played[name]
    rest = list(play(design(images, name), bought(whole[:done])))
    assert deterministic(rest) == deterministic(whole[done:])


def test_what_was_bought_is_believed_and_not_drawn_again(
    played: dict[str, list[list[Outcome]]], images: Images
) -> None:
    other = bought(played["random"][:1])
    other[0][0] = bought(played["random"][:2])[1][0] + other[0][0][BATCH:]
    rest = list(play(design(images, "random"), other))
    assert len(rest) == ROUNDS
    assert rest[0][0].scores != played["random"][1][0].scores


def test_a_seed_does_not_depend_on_those_beside_it(played: dict[str, list[list[Outcome]]], images: Images) -> None:
    alone = list(play(design(images, "bait", seeds=SEEDS[1:])))
    assert deterministic(alone) == [[facts[1]] for facts in deterministic(played["bait"])]


def test_fewer_rounds_are_the_first_ones(played: dict[str, list[list[Outcome]]], images: Images) -> None:
    assert deterministic(list(play(design(images, "bait", rounds=1)))) == deterministic(played["bait"][:2])


def test_a_strategy_that_draws_as_it_likes_moves_nothing_else(
    played: dict[str, list[list[Outcome]]], images: Images
) -> None:
    def propose(state: LearnerState, batch_size: int) -> Proposal:
        torch.manual_seed(state.round)
        torch.rand(1000)
        return STRATEGIES.get("random").propose(state, batch_size)

    before = torch.get_rng_state()
    noisy = list(play(design(images, Strategy("noisy", "", propose))))
    torch.set_rng_state(before)
    assert deterministic(noisy) == deterministic(played["random"])


@pytest.mark.parametrize(
    "broken",
    [
        lambda state, b: Proposal(state.unlabelled()[:1].repeat(b)),
        lambda state, b: Proposal(state.labelled[:b]),
        lambda state, b: Proposal(state.unlabelled()[: b - 1]),
    ],
    ids=["twice", "labelled", "too few"],
)
def test_a_strategy_that_breaks_its_promise_ends_the_arm(images: Images, broken: Any) -> None:
    rounds = play(design(images, Strategy("broken", "", broken)))
    assert len(next(rounds)) == len(SEEDS)
    with pytest.raises(ForeignError, match="distinct unlabelled ones were asked"):
        next(rounds)


@pytest.mark.parametrize("done", range(ROUNDS + 2))
def test_what_is_trained_once_more(played: dict[str, list[list[Outcome]]], images: Images, done: int) -> None:
    before = bought(played["random"])[:done]
    resumed = {
        first: list(playing.play_rounds(design(images, "random"), before, first=first)) for first in (False, True)
    }
    again = {
        first: [played_round.index for played_round in rounds if not played_round.outcomes]
        for first, rounds in resumed.items()
    }
    rest = list(range(done, ROUNDS + 1))
    assert [played_round.index for played_round in resumed[True] if played_round.outcomes] == rest
    if done in (0, ROUNDS + 1):
        assert again == {False: [], True: []}
    else:
        assert again == {False: [done - 1], True: sorted({0, done - 1})}
    for played_round in resumed[True]:
        assert [state.round for state in played_round.states] == [played_round.index + 1] * len(SEEDS)
        labels = START + played_round.index * BATCH
        assert [len(state.labelled) for state in played_round.states] == [labels] * len(SEEDS)


def test_a_round_trained_once_more_has_the_same_networks(images: Images) -> None:
    whole = list(playing.play_rounds(design(images, "random")))
    done = bought([played_round.outcomes for played_round in whole[:3]])
    again = list(playing.play_rounds(design(images, "random"), done, first=True))
    for mine, theirs in zip(again, (whole[0], whole[2], whole[3]), strict=True):
        for a, b in zip(mine.states, theirs.states, strict=True):
            assert all(torch.equal(x, b.network.state_dict()[name]) for name, x in a.network.state_dict().items())


@pytest.fixture(scope="module")
def warm(images: Images) -> list[playing.PlayedRound]:
    """An arm whose networks go on from round to round."""
    return list(playing.play_rounds(warm_design(images)))


def warm_design(images: Images) -> Design:
    return dataclasses.replace(design(images, "random"), warm=True, keep_predictions=True)


def test_a_warm_start_goes_on_from_the_last_rounds_network(warm: list[playing.PlayedRound], images: Images) -> None:
    still = dataclasses.replace(warm_design(images), recipe=Recipe(epochs=1, learning_rate=1e-30))
    for before, after in itertools.pairwise(warm):
        labelled = [state.labelled for state in after.states]
        begun, _ = playing._trained(still, labelled, after.index, after.begun)  # without a step: where they began
        for old, new in zip(before.states, begun, strict=True):
            assert torch.equal(old.network.classifier.weight, new.network.classifier.weight)
    assert warm[0].begun == ()


@pytest.mark.parametrize("done", [1, 2, ROUNDS + 1])
def test_a_warm_run_goes_on_from_its_selections(warm: list[playing.PlayedRound], images: Images, done: int) -> None:
    outcomes = [played_round.outcomes for played_round in warm]
    rest = list(play(warm_design(images), bought(outcomes[:done])))
    assert deterministic(rest) == deterministic(outcomes[done:])


def test_a_warm_network_is_trained_again_from_where_it_began(warm: list[playing.PlayedRound], images: Images) -> None:
    still = dataclasses.replace(warm_design(images), recipe=Recipe(epochs=1, learning_rate=1e-30))
    for before, again in zip(warm[1].states, retrained(still, warm[2]), strict=True):
        assert torch.equal(before.network.classifier.weight, again.network.classifier.weight)


def test_the_classes_of_what_was_bought_are_counted(warm: list[playing.PlayedRound], images: Images) -> None:
    for played_round in warm:
        rows = played_round.classes("random")
        for outcome in played_round.outcomes:
            counts = torch.bincount(images.targets[list(outcome.bought)], minlength=3).tolist()
            of_seed = {row["class"]: row["bought"] for row in rows if row["seed"] == outcome.seed}
            assert of_seed == {label: count for label, count in enumerate(counts) if count}


def test_kept_predictions_are_those_that_were_scored(warm: list[playing.PlayedRound]) -> None:
    (row, _), outcome = warm[1].predictions("random"), warm[1].outcomes[0]
    assert (row["strategy"], row["seed"], row["round"], row["samples"], row["classes"]) == ("random", 0, 1, 30, 3)
    assert outcome.predictions is not None
    assert score_predictions(*outcome.predictions) == outcome.scores


def test_scores_stand_in_a_table_of_their_own(warm: list[playing.PlayedRound]) -> None:
    (first, _), outcome = warm[1].scores("random"), warm[1].outcomes[0]
    beside = {**outcome.scores._asdict(), "train_accuracy": outcome.train_accuracy}
    assert first == {
        **{"strategy": "random", "seed": 0, "round": 1},
        **{name: value for name, value in beside.items() if name not in outcome.row()},
    }


def test_predictions_are_not_kept_unasked(images: Images) -> None:
    (first, _) = playing.play_rounds(design(images, "random", rounds=1))
    assert first.predictions("random") == []


def test_the_training_accuracy_is_that_of_the_labelled(warm: list[playing.PlayedRound], images: Images) -> None:
    for state, outcome in zip(warm[2].states, warm[2].outcomes, strict=True):
        right = evaluate(state.network, state.pool.images[state.labelled], state.pool.targets[state.labelled])
        assert outcome.train_accuracy == right.accuracy


def test_another_training_differs_in_its_batch_order_alone(images: Images) -> None:
    arm = design(images, "random", rounds=1)
    for played_round in playing.play_rounds(arm):
        first, second = retrained(arm, played_round), retrained(arm, played_round)
        for mine, other, same in zip(played_round.states, first, second, strict=True):
            assert mine.labelled.equal(other.labelled)
            assert (mine.round, mine.seed) == (other.round, other.seed)
            weights = [state.network.state_dict()["classifier.weight"] for state in (mine, other, same)]
            assert torch.equal(weights[1], weights[2])
            assert not torch.equal(weights[0], weights[1])
    still = playing._trained(
        dataclasses.replace(arm, recipe=Recipe(epochs=1, learning_rate=1e-30)), first_of(played_round), 1
    )
    moved = retrained(dataclasses.replace(arm, recipe=Recipe(epochs=1, learning_rate=1e-30)), played_round)
    for mine, other in zip(still[0], moved, strict=True):  # without a step both are the initial weights
        assert torch.equal(mine.network.classifier.weight, other.network.classifier.weight)


def first_of(played: playing.PlayedRound) -> list[torch.Tensor]:
    return [state.labelled for state in played.states]


def test_a_fisher_pass_made_before_is_counted_where_it_is_used(images: Images) -> None:
    for name in ("bait+fish", "random"):
        arm = design(images, name, rounds=1)
        rounds = playing.play_rounds(arm)
        for state in next(rounds).states:
            state.fisher.pair(10)
            state.fisher.seconds = 1000.0
        seconds = [outcome.select_s for outcome in next(rounds).outcomes]
        assert all(spent is not None and (spent > 1000) == (name == "bait+fish") for spent in seconds)


def test_batches_of_rows_in_any_order(played: dict[str, list[list[Outcome]]]) -> None:
    expected = bought(played["bait"])
    rows = [
        {"round": number, "seed": outcome.seed, "position": position, "index": index}
        for number, outcomes in enumerate(played["bait"])
        for outcome in outcomes
        for position, index in enumerate(outcome.bought)
    ]
    assert batches_of(rows, SEEDS) == expected
    assert batches_of(rows[::-1], SEEDS) == expected
    assert batches_of([], SEEDS) == []


def test_all_trains_once_on_every_label_and_its_result_stands_in_every_round(images: Images) -> None:
    arm = design(images, "all")
    rounds = list(playing.play_rounds(arm))
    assert [played_round.index for played_round in rounds] == list(range(ROUNDS + 1))
    first = rounds[0].outcomes
    assert all(played_round.outcomes is first for played_round in rounds)
    assert [(outcome.seed, outcome.labels, list(outcome.bought)) for outcome in first] == [(0, 60, []), (4, 60, [])]
    assert all(outcome.select_s is None and outcome.train_s > 0 for outcome in first)
    directly = playing._trained(arm, [torch.arange(60)] * 2, 0)[0]
    for mine, other in zip(rounds[0].states, directly, strict=True):
        assert torch.equal(mine.network.classifier.weight, other.network.classifier.weight)
        assert torch.equal(mine.pool.targets, other.pool.targets)
        assert mine.pool.targets.min() >= 0
    assert [played_round.selections("all") for played_round in rounds] == [[]] * (ROUNDS + 1)


@pytest.mark.parametrize("done", range(ROUNDS + 2))
def test_all_goes_on_from_the_rounds_that_are_done(images: Images, done: int) -> None:
    arm = design(images, "all", seeds=(0,))
    rounds = list(playing.play_rounds(arm, first=True, done=done))
    to_come = list(range(done, ROUNDS + 1))
    assert [played_round.index for played_round in rounds if played_round.outcomes] == to_come
    again = sorted({0, done - 1}) if 0 < done <= ROUNDS else []
    assert [played_round.index for played_round in rounds if not played_round.outcomes] == again
