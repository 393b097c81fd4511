"""A watched run: the same labels as an unwatched one, no pass made twice, the same rows when it is taken up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

import fbench.learning.models  # noqa: F401  (registers the models)
from fbench.harness.contract import Row
from fbench.harness.registry import MODELS, STRATEGIES
from fbench.learning import fisher_draws
from fbench.learning.data import Images, split
from fbench.learning.recipe import Recipe
from fbench.learning.rounds import Design, play_rounds
from fbench.learning.strategies import Acquisition
from fbench.suites.drift import watcher as drift_watcher
from fbench.suites.drift.places import WHOLE
from fbench.suites.drift.snapshots import MaskGrid
from fbench.suites.drift.watcher import Watcher

ROUNDS, SEEDS, N = 3, (0, 4), 20
GRID = MaskGrid(samples=(8, N), redraws=(1, 2), fractions=(0.05, 0.1))
TIMES = ("train_s", "select_s", "retrain_s", "diagonal_s", "masks_s")
Rounds = list[dict[str, list[Row]]]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def design(strategy: str = "random", recipe: Recipe | None = None, **how: Any) -> Design:
    g = torch.Generator().manual_seed(0)
    targets = torch.arange(150) % 3
    x = 0.7 * torch.rand(150, 1, 8, 8, generator=g)
    for label in range(3):
        x[targets == label, :, 2 * label : 2 * label + 2] += 0.5
    images = Images("bands", x, targets, 3)
    settings = {"mask_fraction": 0.03, "fisher_samples": 2 * N, "fisher_cuts": GRID.samples, **how}
    return Design(
        strategy=STRATEGIES.get(strategy),
        model=MODELS.get("small"),
        seeds=SEEDS,
        pools=[split(images, seed, pool_size=60, test_size=30) for seed in SEEDS],
        start=6,
        batch=5,
        rounds=ROUNDS,
        recipe=recipe or Recipe(epochs=3, train_batch=4),
        acquisition=Acquisition(**settings),
    )


def watched(arm: Design, grid: MaskGrid = GRID, *, retrain: bool = True, bought: Sequence[Any] = ()) -> Rounds:
    watcher = Watcher(arm, grid, retrain=retrain)
    seen = [(played, watcher.see(played, arm.strategy.name)) for played in play_rounds(arm, bought, first=True)]
    assert all(not any(tables.values()) for played, tables in seen if not played.outcomes)
    return [tables for played, tables in seen if played.outcomes]


@pytest.fixture(scope="module")
def whole() -> Rounds:
    return watched(design())


def timeless(rounds: Rounds) -> Any:
    return [
        {name: [{k: v for k, v in row.items() if k not in TIMES} for row in rows] for name, rows in tables.items()}
        for tables in rounds
    ]


def test_a_round_has_every_seed_variant_and_layer(whole: Rounds) -> None:
    layers = len(list(MODELS.get("small").build(1, (1, 8, 8), 3).parameters()))
    assert len(whole) == ROUNDS + 1
    for number, tables in enumerate(whole):
        assert {row["round"] for rows in tables.values() for row in rows} == {number}
        assert {row["labels"] for rows in tables.values() for row in rows} == {6 + 5 * number}
        assert len(tables["drift"]) == len(SEEDS) * len(GRID.recipes) * 2 * (layers + 1)
        assert len(tables["fisher"]) == len(SEEDS) * 2 * (layers + 1)
        assert len(tables["masks"]) == len(SEEDS) * len(GRID.recipes) * layers
        assert [row["seed"] for row in tables["rounds"]] == list(SEEDS)
        for row in tables["rounds"]:
            assert min(row["train_s"], row["retrain_s"], row["diagonal_s"], row["masks_s"]) > 0


def test_overlaps_begin_with_the_second_round(whole: Rounds) -> None:
    for number, tables in enumerate(whole):
        for row in tables["drift"]:
            if row["layer"] == WHOLE:
                assert ("jaccard_previous" in row) == (number > 0)
                assert 0 <= row["jaccard_retrain"] <= 1
                assert 0 <= row["jaccard_redraw"] <= 1
            if number == 1:
                assert row["jaccard_previous"] == row["jaccard_first"]


def test_networks_that_never_learn_do_not_drift() -> None:
    """Without a step every network is the seed's initial one, but for batch norm's statistics, which images set."""
    arm = design(recipe=Recipe(epochs=1, learning_rate=1e-30))
    arm = dataclasses.replace(arm, start=60 - 5 * ROUNDS - 1)  # nearly the same images in every round
    last = watched(arm)[-1]["drift"]
    for row in last:
        if row["layer"] == WHOLE:
            assert row["jaccard_retrain"] == row["jaccard_redraw"]
            assert row["jaccard_previous"] > 0.8 * row["jaccard_redraw"]


@pytest.mark.parametrize("strategy", ["random", "bait+fish", "bait+random-mask"])
def test_watching_moves_nothing(strategy: str) -> None:
    half = MaskGrid(samples=(N,), fractions=(0.05,))
    plain = design(strategy, fisher_cuts=())
    cut = design(strategy, fisher_cuts=(N,))
    alone = [played.outcomes for played in play_rounds(plain)]
    watcher = Watcher(cut, half, retrain=True)
    together = []
    for played in play_rounds(cut, first=True):
        watcher.see(played, strategy)
        together.append(played.outcomes)
    for before, after in zip(alone, together, strict=True):
        assert [outcome.bought for outcome in before] == [outcome.bought for outcome in after]
        assert [outcome.scores for outcome in before] == [outcome.scores for outcome in after]


@pytest.mark.parametrize("strategy", ["random", "bait+fish"])
def test_a_network_has_one_fisher_pass(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = fisher_draws.fisher_diagonals

    def spy(network: Any, draws: Sequence[torch.Tensor], **how: Any) -> Any:
        seen.append(sum(map(len, draws)))
        return real(network, draws, **how)

    monkeypatch.setattr(fisher_draws, "fisher_diagonals", spy)
    watched(design(strategy, fisher_cuts=(N,)), MaskGrid(samples=(N,), fractions=(0.05,)), retrain=False)
    assert seen == [2 * N] * (ROUNDS + 1) * len(SEEDS)


def test_a_diagonal_that_is_selected_by_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a round is the sum of its parts."""
    monkeypatch.setattr(
        fisher_draws.FisherDraws, "seconds", property(lambda self: 1000.0, lambda self, _: None), raising=False
    )
    arm = design("bait+fish")
    watcher = Watcher(arm, GRID, retrain=False)
    rounds = play_rounds(arm, first=True)
    watcher.see(next(rounds), "bait+fish")
    chosen = next(rounds)
    rows = watcher.see(chosen, "bait+fish")["rounds"]
    assert all(outcome.select_s is not None and outcome.select_s > 1000 for outcome in chosen.outcomes)
    assert all(row["select_s"] < 900 for row in rows)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_that_is_taken_up_has_the_same_rows(whole: Rounds, done: int) -> None:
    bought = [[list(outcome.bought) for outcome in played.outcomes] for played in play_rounds(design())]
    assert timeless(watched(design(), bought=bought[:done])) == timeless(whole[done:])


def test_without_retraining_its_floor_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_watcher, "retrained", lambda *_: pytest.fail("trained again"))
    tables = watched(design(), MaskGrid(samples=(N,), fractions=(0.05,)), retrain=False)
    for by_name in tables:
        assert all("jaccard_retrain" not in row for row in by_name["drift"])
        assert all("spearman_retrain" not in row for row in by_name["fisher"])
        assert all(row["retrain_s"] is None for row in by_name["rounds"])


def test_where_one_batch_holds_all_labels_there_is_no_other_order() -> None:
    tables = watched(design(recipe=Recipe(epochs=2, train_batch=11)), MaskGrid(samples=(N,), fractions=(0.05,)))
    has = [any(row.get("jaccard_retrain") is not None for row in by_name["drift"]) for by_name in tables]
    assert has == [False, False, True, True]  # of 6, 11, 16 and 21 labels
    assert [tables[i]["rounds"][0]["retrain_s"] is None for i in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("population", ["unlabelled", "labelled"])
def test_other_populations_are_watched_too(population: str) -> None:
    tables = watched(
        design(fisher_on=population, fisher_samples=6, fisher_cuts=(3,)), MaskGrid(samples=(3,), fractions=(0.1,))
    )
    rows = [row for by_name in tables for row in by_name["drift"] if row["layer"] == WHOLE]
    assert all(0 <= row["jaccard_redraw"] <= 1 for row in rows)
    assert all(row["samples"] == 3 for row in rows)


@pytest.mark.gpu
def test_a_gpu_sees_the_same_kind_of_rows() -> None:
    arm = design(devices=("cuda",))
    arm = dataclasses.replace(arm, pools=[pool.to("cuda") for pool in arm.pools])
    here, there = watched(design()), watched(arm)
    for mine, theirs in zip(here, there, strict=True):
        for name in mine:
            assert [row.keys() for row in mine[name]] == [row.keys() for row in theirs[name]]
    first = [(a["kept"], b["kept"]) for a, b in zip(here[0]["drift"], there[0]["drift"], strict=True)]
    assert sum(abs(a - b) for a, b in first) < 0.2 * sum(a for a, _ in first)
