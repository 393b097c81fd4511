"""Batches of one network, scored: against M and F as they are defined, on all weights of a network that fits."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import pytest
import reference
import torch
from torch import Tensor

import fbench
import fbench.learning.models
from fbench.harness.contract import Row
from fbench.harness.registry import MODELS, STRATEGIES, Strategy
from fbench.learning.data import Images, split
from fbench.learning.recipe import Recipe
from fbench.learning.rounds import Design, PlayedRound, play_rounds
from fbench.learning.strategies import Acquisition, LearnerState, Proposal
from fbench.suites.compare import state_scores
from fbench.suites.compare.state_scores import StateScores, pool_of_f

START, BATCH, SEEDS = 6, 4, (0, 3)
RESULT = ("objective", "objective_before", "redundancy", "regularisation", "samples", "network")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def design(strategy: str | Strategy, regularisation: str = "1") -> Design:
    """Four classes of blurred points: a linear network has d = 4·(12 + 1) weights, a pool of 40 has N = 120 rows."""
    g = torch.Generator().manual_seed(0)
    targets = torch.arange(90) % 4
    images = Images("blobs", torch.randn(90, 12, generator=g) + 2 * torch.eye(12)[targets], targets, 4)
    return Design(
        strategy=STRATEGIES.get(strategy) if isinstance(strategy, str) else strategy,
        model=MODELS.get("linear"),
        seeds=SEEDS,
        pools=[split(images, seed, pool_size=40, test_size=18) for seed in SEEDS],
        start=START,
        batch=BATCH,
        rounds=2,
        recipe=Recipe(epochs=3, train_batch=8),
        acquisition=Acquisition(regularisation=regularisation, dtype="float64"),
    )


def scored(arm: Design) -> tuple[list[Row], list[LearnerState], PlayedRound]:
    """The rows of an arm, and the states of round 0 as they were, and the round that bought the batches."""
    scores, rows, before = StateScores([arm.acquisition.regularisation]), [], []
    for played in play_rounds(arm):
        before = before or [replace(state, network=copy.deepcopy(state.network)) for state in played.states]
        seen = scores.see(played, arm.strategy.name)
        assert bool(seen) is (played.index == 1 and not arm.strategy.whole)
        rows += seen
        if played.index == 1:
            first = played
    return rows, before, first


def all_rows(state: LearnerState) -> Tensor:
    """V [n, k − 1, d] of every weight."""
    every = {name: torch.ones(p.shape, dtype=torch.bool) for name, p in state.network.named_parameters()}
    return fbench.masked_embedding(state.network.double(), state.pool.images.double(), every).dense()


@pytest.mark.parametrize("name", ["random", "bait", "bait-full"])
@pytest.mark.parametrize("regularisation", ["1", "0.01", "rel:0.1"])
def test_a_batch_is_scored_as_defined(name: str, regularisation: str) -> None:
    rows, states, played = scored(design(name, regularisation))
    assert [(row["strategy"], row["seed"], row["round"]) for row in rows] == [(name, seed, 1) for seed in SEEDS]
    for row, state, outcome in zip(rows, states, played.outcomes, strict=True):
        V, labelled = all_rows(state), state.labelled.tolist()
        batch = torch.searchsorted(state.pool.ids, torch.tensor(outcome.bought)).tolist()
        lam = reference.strength(V, regularisation if ":" in regularisation else float(regularisation))
        assert row["regularisation"] == pytest.approx(lam, rel=1e-5)
        assert row["objective"] == pytest.approx(reference.objective(V, labelled, batch, BATCH, lam), rel=1e-4)
        assert row["objective_before"] == pytest.approx(reference.objective(V, labelled, [], BATCH, lam), rel=1e-4)
        assert 0 < row["redundancy"] < 1
        assert (row["samples"], row["candidates"], row["weights"]) == (40, 34, 52)
        assert row["d"] == outcome.facts.get("dim")
        if name == "bait-full":  # the selection on the same rows has told the same
            how = {"labelled": labelled, "regularisation": state.acquisition.regularisation}
            primal = fbench.bait_select(fbench.dense_embedding(V), BATCH, **how)
            assert primal.indices.tolist() == batch
            assert row["objective"] == pytest.approx(primal.objective, rel=1e-4)


def spoil(state: LearnerState, batch_size: int) -> Proposal:
    with torch.no_grad():
        for weight in state.network.parameters():
            weight.zero_()
    return STRATEGIES.get("random").propose(state, batch_size)


def test_the_network_of_round_0_is_the_same_for_all_arms_bit_for_bit() -> None:
    arms: list[str | Strategy] = ["random", "bait", "bait-full", Strategy("spoiler", "zeroes what it gets", spoil)]
    by_arm = [scored(design(arm))[0] for arm in arms]
    networks = [[row["network"] for row in rows] for rows in by_arm]
    assert all(network == networks[0] for network in networks)
    assert len(set(networks[0])) == len(SEEDS)
    assert [row["objective_before"] for row in by_arm[-1]] == [row["objective_before"] for row in by_arm[0]]


def test_an_arm_that_buys_nothing_has_no_rows() -> None:
    assert scored(design("all"))[0] == []


def test_a_run_that_goes_on_after_round_0_is_scored_alike() -> None:
    whole, _, _ = scored(design("bait"))
    first = next(iter(play_rounds(design("bait"))))
    bought = [[outcome.bought for outcome in first.outcomes]]
    scores = StateScores(["1"])
    seen = [row for played in play_rounds(design("bait"), bought) for row in scores.see(played, "bait")]
    assert [[row[name] for name in RESULT] for row in seen] == [[row[name] for name in RESULT] for row in whole]


def test_a_part_of_the_pool_is_the_same_for_all_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """F is over that part; the batch counts in M wherever it lies."""
    monkeypatch.setattr(state_scores, "samples_of_f", lambda n, rows, dtype: 15)
    parts = {}
    for name in ("random", "bait-full"):
        rows, states, played = scored(design(name))
        parts[name] = [pool_of_f(state, 15).tolist() for state in states]
        for row, state, outcome in zip(rows, states, played.outcomes, strict=True):
            part, V = pool_of_f(state, 15), all_rows(state)
            assert set(state.labelled.tolist()) <= set(part.tolist())
            batch = torch.searchsorted(state.pool.ids, torch.tensor(outcome.bought)).tolist()
            M = reference.m_with(V, state.labelled.tolist(), BATCH, 1.0, batch)
            expected = float(torch.trace(torch.linalg.solve(M, reference.fisher(V[part]))))
            assert row["samples"] == 15
            assert row["objective"] == pytest.approx(expected, rel=1e-4)
    assert parts["random"] == parts["bait-full"]
    assert parts["random"][0] != parts["random"][1]
