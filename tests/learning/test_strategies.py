"""Strategies: B distinct unlabelled positions each, from what a strategy may look at and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

import fbench.fisher.gradients.diagonal
import fbench.fisher.selection.bait
import fbench.learning.models
from fbench.acquisition.pool_strategies import POOL_STRATEGIES
from fbench.acquisition.uncertainty import mutual_information
from fbench.acquisition.views import Picks, PoolView, drawn_seed
from fbench.errors import ForeignError, TooLargeError, UsageError
from fbench.fisher import embeddings, likelihood
from fbench.fisher.embeddings import Embedding, last_layer_embedding
from fbench.fisher.gradients.masked import masked_embedding
from fbench.fisher.masks import Mask, kept
from fbench.fisher.planning import row_space
from fbench.fisher.planning.plan import shape_of
from fbench.fisher.selection.approximations import binary, principal, subsample, top_classes
from fbench.fisher.selection.bait import Selection, bait_select
from fbench.harness.global_state import isolated
from fbench.harness.registry import MODELS, STRATEGIES
from fbench.learning import fisher_draws, inference, seeds
from fbench.learning.data import Pool
from fbench.learning.inference import logits_and_features
from fbench.learning.proposals import accepted_proposal
from fbench.learning.recipe import Recipe
from fbench.learning.strategies import (
    Acquisition,
    LearnerState,
    Proposal,
    Sizes,
    classifier_parameters,
    classifier_width,
)
from fbench.learning.strategies.bait import components_of
from fbench.learning.strategies.baselines import baseline_proposal
from fbench.learning.strategies.dropout import SAMPLED, dropouts_of, sampled_probabilities
from fbench.learning.strategies.masked import fish_mask
from fbench.learning.training import train_block
from fbench.stored_samples import StoredSamples

APPROXIMATE = ("bait-top2", "bait-binary", "bait-diagonal", "bait-subsample", "bait-pca")
CONTROLS = ("bait+fish-layer", "bait+fish-body", "bait+magnitude", "bait+random-global", "bait+random-mask")
BAIT = ("bait", "bait+fish", "bait+sketch", *CONTROLS, *APPROXIMATE)
BASELINE_ARMS = ("least-confidence", "margin", "entropy", "coreset", "badge", "typiclust", "probcover")
BUILT_IN = ("random", *BAIT, "bait-full", *BASELINE_ARMS)
N, LABELLED, CLASSES = 60, (7, 3, 41, 20, 58, 11, 30, 2), 4
FRACTION = 0.03


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained() -> LearnerState:
    g = torch.Generator().manual_seed(0)
    images = torch.rand(N, 1, 8, 8, generator=g)
    targets = torch.randint(CLASSES, (N,), generator=g)
    pool = Pool(images, targets, torch.arange(N) * 3, images[:5], targets[:5], CLASSES)
    labelled = torch.tensor(LABELLED)
    network = train_block(
        MODELS.get("small"), [images[labelled]], [targets[labelled]], [0], classes=CLASSES, recipe=Recipe(epochs=4)
    )[0]
    acquisition = Acquisition(mask_fraction=FRACTION, fisher_samples=16)
    return LearnerState(network, pool, labelled, seed=0, round=1, acquisition=acquisition)


def with_acquisition(state: LearnerState, **changed: Any) -> LearnerState:
    return dataclasses.replace(state, acquisition=dataclasses.replace(state.acquisition, **changed))


def propose(name: str, state: LearnerState, batch_size: int = 6) -> list[int]:
    proposal: list[int] = STRATEGIES.get(name).propose(state, batch_size).positions.tolist()
    return proposal


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("batch_size", [1, 6, N - len(LABELLED)])
def test_exactly_b_distinct_unlabelled(trained: LearnerState, name: str, batch_size: int) -> None:
    proposal = propose(name, trained, batch_size)
    assert len(proposal) == len(set(proposal)) == batch_size
    assert not set(proposal) & set(LABELLED)
    assert set(proposal) <= set(range(N))
    accepted_proposal(STRATEGIES.get(name), Proposal(torch.tensor(proposal)), trained, batch_size)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_same_state_gives_the_same_batch(trained: LearnerState, name: str) -> None:
    before = torch.get_rng_state()
    first = propose(name, trained)
    torch.rand(17)
    assert propose(name, trained) == first
    torch.set_rng_state(before)


@pytest.mark.parametrize("name", BUILT_IN)
def test_targets_of_the_unlabelled_are_not_looked_at(trained: LearnerState, name: str) -> None:
    free = trained.unlabelled()
    targets = trained.pool.targets.clone()
    targets[free] = targets[free].flip(0)
    assert not torch.equal(targets, trained.pool.targets)
    blind = dataclasses.replace(trained, pool=dataclasses.replace(trained.pool, targets=targets))
    assert propose(name, blind) == propose(name, trained)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_network_is_left_as_it_was(trained: LearnerState, name: str) -> None:
    before = {key: value.clone() for key, value in trained.network.state_dict().items()}
    propose(name, trained)
    torch.testing.assert_close(dict(trained.network.state_dict()), before, rtol=0, atol=0)
    assert not trained.network.training
    assert all(p.grad is None for p in trained.network.parameters())


@pytest.fixture
def selections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Embedding, dict[str, Any], Selection]]:
    """Every embedding that a selection was asked for, how, and what it gave."""
    asked: list[tuple[Embedding, dict[str, Any], Selection]] = []

    def spy(embedding: Embedding, batch_size: int, **named: Any) -> Selection:
        asked.append((embedding, named, bait_select(embedding, batch_size, **named)))
        return asked[-1][2]

    monkeypatch.setattr(fbench.fisher.selection.bait, "bait_select", spy)
    return asked


def test_every_built_in_strategy_is_tested_here() -> None:
    ours = {name.name for name in STRATEGIES if name.propose.__module__.startswith("fbench.learning.strategies.")}
    assert ours == {*BUILT_IN, "bald", "all"}


@pytest.mark.parametrize("name", BAIT)
@pytest.mark.parametrize(("dtype", "oversample"), [("float32", 2.0), ("float64", 1.5)])
def test_a_plan_says_what_the_selection_is_given(
    trained: LearnerState, selections: Any, name: str, dtype: str, oversample: float
) -> None:
    batch_size, network = 3, trained.network
    propose(name, with_acquisition(trained, dtype=dtype, oversample=oversample), batch_size)
    [(embedding, named, chosen)] = selections
    total = sum(p.numel() for p in network.parameters())
    sizes = Sizes(
        n=N,
        labels=len(LABELLED),
        batch=batch_size,
        classes=CLASSES,
        features=classifier_width(network),
        masked=kept(FRACTION, total),
        dtype=dtype,
        oversample=oversample,
    )
    declared = STRATEGIES.get(name).plan
    assert declared is not None
    plan = declared(sizes)
    assert plan.shape == shape_of(embedding)
    assert (plan.method, plan.dtype) == (named["method"], dtype)
    removed = len(chosen.forward) - len(chosen.indices)
    assert (plan.sizes.picks, plan.sizes.removals) == (len(chosen.forward), removed)


@pytest.mark.parametrize("name", ["random", *BASELINE_ARMS, "bald", "all", "bait-full"])
def test_baselines_have_no_plan_since_they_hold_nothing(name: str) -> None:
    plan = STRATEGIES.get(name).plan
    assert plan is not None
    assert plan(Sizes(10, 1, 1, 2, 2, 2)) is None


@pytest.mark.parametrize("name", ["random", *BASELINE_ARMS, "bald"])
def test_baselines_say_what_a_batch_costs_them(name: str) -> None:
    declared = STRATEGIES.get(name).effort
    assert declared is not None
    small, large = (declared(Sizes(n, 10, 5, 4, 16, 0)) for n in (100, 1000))
    assert small.passes == {"random": 0.0, "bald": SAMPLED}.get(name, 1.0)
    assert 0 < 9 * small.operations < large.operations


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("bait", last_layer_embedding),
        ("bait-top2", lambda logits, features: top_classes(logits, features, 2)),
        ("bait-binary", binary),
        ("bait-diagonal", last_layer_embedding),
        ("bait-pca", lambda logits, features: principal(logits, features, components_of(features.shape[1]))),
    ],
)
def test_an_approximation_selects_on_its_embedding(
    trained: LearnerState, selections: Any, name: str, make: Any
) -> None:
    propose(name, trained)
    expected = make(*logits_and_features(trained.network, trained.pool.images))
    [(embedding, named, _)] = selections
    torch.testing.assert_close(embedding.dense(), expected.dense(), rtol=0, atol=0)
    assert named["method"] == ("diagonal" if name == "bait-diagonal" else "incremental")


def test_a_subsample_is_chosen_from_and_no_more(trained: LearnerState, selections: Any) -> None:
    proposal = propose("bait-subsample", trained, 3)
    logits, features = logits_and_features(trained.network, trained.pool.images)
    kept_positions = subsample(N, torch.tensor(LABELLED), 10 * 3, trained.generator(2))
    whole = last_layer_embedding(logits, features)[kept_positions]
    [(embedding, named, _)] = selections
    torch.testing.assert_close(embedding.dense(), whole.dense())
    assert kept_positions[named["labelled"]].tolist() == list(LABELLED)
    assert set(proposal) <= set(kept_positions.tolist()) - set(LABELLED)
    later = dataclasses.replace(trained, round=2)
    assert subsample(N, torch.tensor(LABELLED), 30, later.generator(2)).tolist() != kept_positions.tolist()


@pytest.mark.parametrize(("features", "components"), [(1, 1), (4, 1), (5, 2), (512, 128)])
def test_how_many_directions_are_kept(features: int, components: int) -> None:
    assert components_of(features) == components


def test_random_is_uniform(trained: LearnerState) -> None:
    draws, batch_size = 400, 5
    counts = torch.zeros(N)
    for seed in range(draws):
        counts[propose("random", dataclasses.replace(trained, seed=seed), batch_size)] += 1
    free = trained.unlabelled()
    assert counts.sum() == counts[free].sum() == draws * batch_size
    expected = draws * batch_size / len(free)
    # Draws without replacement vary by (m−B)/(m−1) of what independent ones would.
    statistic = float(((counts[free] - expected) ** 2 / expected).sum()) * (len(free) - 1) / (len(free) - batch_size)
    assert stats.chi2.cdf(statistic, len(free) - 1) < 0.999


def test_random_is_drawn_from_the_strategy_family(trained: LearnerState) -> None:
    free = trained.unlabelled()
    order = torch.randperm(len(free), generator=seeds.generator("strategy", 0, 1))
    assert propose("random", trained) == free[order[:6]].tolist()
    assert propose("random", dataclasses.replace(trained, round=2)) != propose("random", trained)
    assert propose("random", dataclasses.replace(trained, seed=1)) != propose("random", trained)


def test_one_arms_draws_move_nothing_in_another(trained: LearnerState) -> None:
    expected = {name: propose(name, trained) for name in BUILT_IN}
    torch.rand(1000, generator=trained.generator())
    torch.rand(1000, generator=trained.generator(0))
    for name in reversed(BUILT_IN):
        assert propose(name, trained) == expected[name]


@pytest.mark.parametrize(("regularisation", "oversample"), [("1", 2.0), ("0.01", 1.0), ("rel:0.1", 3.0)])
def test_bait_is_bait_select_on_the_last_layer(trained: LearnerState, regularisation: str, oversample: float) -> None:
    state = with_acquisition(trained, regularisation=regularisation, oversample=oversample)
    embedding = last_layer_embedding(*logits_and_features(state.network, state.pool.images))
    expected = bait_select(
        embedding, 6, labelled=state.labelled, regularisation=regularisation, oversample=oversample, dtype=torch.float32
    )
    proposal = STRATEGIES.get("bait").propose(state, 6)
    assert proposal.positions.tolist() == expected.indices.tolist()
    assert proposal.facts == {
        "dim": 16 * CLASSES,
        "regularisation": expected.regularisation,
        "d_eff": expected.effective_dimension,
    }


def everything(network: torch.nn.Module) -> Mask:
    return Mask({name: torch.ones_like(p, dtype=torch.bool) for name, p in network.named_parameters()})


@pytest.mark.parametrize(("dtype", "regularisation"), [("float64", "0.1"), ("float32", "rel:10")])
def test_bait_full_is_bait_select_on_all_the_weights(trained: LearnerState, dtype: str, regularisation: str) -> None:
    state = with_acquisition(trained, dtype=dtype, regularisation=regularisation)
    with isolated(0):
        network = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 2), torch.nn.Tanh(), torch.nn.Linear(2, CLASSES)
        )
    state = dataclasses.replace(state, network=network)
    embedding = masked_embedding(network, state.pool.images, everything(network))
    how = {"regularisation": regularisation, "dtype": getattr(torch, dtype)}
    expected = bait_select(embedding, 6, labelled=state.labelled, **how)
    proposal = STRATEGIES.get("bait-full").propose(state, 6)
    assert proposal.positions.tolist() == expected.indices.tolist()
    assert proposal.facts["dim"] == parameters(state)
    assert proposal.facts["considered"] == N
    assert proposal.facts["d_eff"] == pytest.approx(expected.effective_dimension, rel=1e-3)


def test_bait_full_considers_what_fits(trained: LearnerState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The labelled and random others, drawn anew every round; fewer than the labelled and the batch are refused."""
    monkeypatch.setattr(row_space, "GRAM_BYTES", 4 * (30 * (CLASSES - 1)) ** 2)
    kept_positions = subsample(N, torch.tensor(LABELLED), 30 - len(LABELLED), trained.generator(3))
    proposal = STRATEGIES.get("bait-full").propose(trained, 6)
    assert proposal.facts["considered"] == 30
    assert set(proposal.positions.tolist()) <= set(kept_positions.tolist()) - set(LABELLED)
    images = trained.pool.images[kept_positions]
    part = dataclasses.replace(
        trained,
        pool=dataclasses.replace(trained.pool, images=images, ids=kept_positions),
        labelled=torch.searchsorted(kept_positions, trained.labelled),
    )
    alone = STRATEGIES.get("bait-full").propose(part, 6)
    assert kept_positions[alone.positions].tolist() == proposal.positions.tolist()
    monkeypatch.setattr(row_space, "GRAM_BYTES", 4 * (13 * (CLASSES - 1)) ** 2)
    message = "^8 labelled and 6 to buy are more than the 13 candidates that BAIT on all weights can consider: K of 3 "
    with pytest.raises(TooLargeError, match=message):
        propose("bait-full", trained)


def test_bait_full_says_what_it_costs_and_holds() -> None:
    effort_of = STRATEGIES.get("bait-full").effort
    assert effort_of is not None
    sizes = Sizes(n=1438, labels=100, batch=20, classes=10, features=16, masked=0, weights=9648)
    effort, larger = effort_of(sizes), effort_of(dataclasses.replace(sizes, n=50_000))
    assert effort.operations > 9648 * (1438 * 9) ** 2
    assert effort.held == 2 * 4 * (1438 * 9) ** 2
    assert larger.held == 2 * 4 * (1820 * 9) ** 2
    assert larger.passes * 50_000 == pytest.approx(effort.passes * 1438 * 1820 / 1438)


def test_bait_on_fish_is_bait_select_on_the_masked_embedding(trained: LearnerState) -> None:
    embedding = masked_embedding(trained.network, trained.pool.images, fish_mask(trained))
    expected = bait_select(embedding, 6, labelled=trained.labelled, regularisation=1.0, dtype=torch.float32)
    proposal = STRATEGIES.get("bait+fish").propose(trained, 6)
    assert proposal.positions.tolist() == expected.indices.tolist()
    assert proposal.facts["dim"] == kept(FRACTION, parameters(trained))


def parameters(state: LearnerState) -> int:
    return sum(p.numel() for p in state.network.parameters())


@pytest.mark.parametrize("fraction", [0.012, 0.02, 0.29, 1.0])
def test_a_fish_mask_keeps_the_classifier_and_the_fraction(trained: LearnerState, fraction: float) -> None:
    mask = fish_mask(with_acquisition(trained, mask_fraction=fraction))
    assert classifier_parameters(trained.network) == ["classifier.weight"]
    assert bool(mask["classifier.weight"].all())
    assert mask.size == kept(fraction, parameters(trained))
    assert mask.always == ("classifier.weight",)


def test_a_fish_mask_keeps_the_largest_of_the_rest(trained: LearnerState) -> None:
    state = with_acquisition(trained, fisher_samples=N)
    mask = fish_mask(state)
    diagonal = fbench.fisher.gradients.diagonal.fisher_diagonal(state.network, state.pool.images)
    free = [name for name in mask if name not in mask.always]
    inside = torch.cat([diagonal[name][mask[name]] for name in free])
    outside = torch.cat([diagonal[name][~mask[name]] for name in free])
    assert len(inside) == kept(FRACTION, parameters(state)) - 16 * CLASSES
    assert inside.min() >= outside.max() * (1 - 1e-5)  # the order of the images changes the last bits


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, trained: LearnerState) -> Callable[..., list[int]]:
    """The pool positions whose images a FISH mask was computed on."""
    seen: list[Tensor] = []
    real = fisher_draws.fisher_diagonals

    def spy(network: Any, draws: Sequence[Tensor], **how: Any) -> Any:
        seen.append(torch.cat(list(draws)))
        return real(network, draws, **how)

    monkeypatch.setattr(fisher_draws, "fisher_diagonals", spy)

    def draw(**changed: Any) -> list[int]:
        seed = changed.pop("seed", 0)
        fish_mask(dataclasses.replace(with_acquisition(trained, **changed), seed=seed))
        same = (seen.pop()[:, None] == trained.pool.images[None]).flatten(2).all(2)
        return [int(row.nonzero()[0, 0]) for row in same]

    return draw


@pytest.mark.parametrize(
    ("population", "allowed"),
    [("pool", set(range(N))), ("unlabelled", set(range(N)) - set(LABELLED)), ("labelled", set(LABELLED))],
)
def test_the_fisher_is_drawn_from_where_it_was_asked(
    drawn: Callable[..., list[int]], population: str, allowed: set[int]
) -> None:
    proposal = drawn(fisher_on=population, fisher_samples=1024)
    assert set(proposal) == allowed
    assert len(proposal) == len(allowed)
    few = drawn(fisher_on=population, fisher_samples=5)
    assert len(set(few)) == 5
    assert set(few) <= allowed
    assert few != sorted(allowed)[:5]
    assert drawn(fisher_on=population, fisher_samples=5, seed=1) != few


def test_a_draw_of_the_pool_holds_labelled_and_unlabelled(drawn: Callable[..., list[int]]) -> None:
    proposal = set(drawn(fisher_on="pool", fisher_samples=40))
    assert proposal & set(LABELLED)
    assert proposal - set(LABELLED)


def test_the_random_mask_has_the_fish_masks_count_everywhere(
    trained: LearnerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks: list[Mask] = []

    def spy(network: Any, images: Tensor, mask: Mask, **how: Any) -> Any:
        masks.append(mask)
        return masked_embedding(network, images, mask, **how)

    monkeypatch.setattr("fbench.fisher.gradients.masked.masked_embedding", spy)
    propose("bait+fish", trained)
    propose("bait+random-mask", trained)
    propose("bait+random-mask", dataclasses.replace(trained, round=2))
    fish, control, later = masks
    assert control.counts() == fish.counts()
    assert control.always == fish.always
    overlap = control.jaccard(fish)
    assert overlap is not None
    assert overlap < 0.5
    assert later.jaccard(control) != 1


@pytest.mark.parametrize("name", BAIT)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_selection_runs_in_the_dtype_asked_for(
    trained: LearnerState, monkeypatch: pytest.MonkeyPatch, name: str, dtype: str
) -> None:
    asked: list[Any] = []

    def spy(*keywords: Any, **named: Any) -> Any:
        asked.append(named)
        return bait_select(*keywords, **named)

    monkeypatch.setattr(fbench.fisher.selection.bait, "bait_select", spy)
    state = with_acquisition(trained, dtype=dtype, devices=("cpu", "cpu"))
    proposal = propose(name, state)
    assert asked[0]["dtype"] is getattr(torch, dtype)
    assert asked[0]["devices"] == ("cpu", "cpu")
    assert len(set(proposal)) == 6


@pytest.mark.parametrize(
    "positions",
    [[0, 0, 1], [0, 1, LABELLED[0]], [0, 1], [0, 1, 4, 5], [0, 1, N], [0, 1, -1]],
    ids=["twice", "labelled", "too few", "too many", "beyond the pool", "negative"],
)
def test_a_broken_promise_is_refused(trained: LearnerState, positions: list[int]) -> None:
    with pytest.raises(ForeignError, match=rf"proposed {len(positions)} positions.*; 3 distinct unlabelled ones"):
        accepted_proposal(STRATEGIES.get("bait"), Proposal(torch.tensor(positions)), trained, 3)


def test_a_bare_tensor_is_no_proposal(trained: LearnerState) -> None:
    with pytest.raises(ForeignError, match="returned a Tensor; it must return a Proposal"):
        accepted_proposal(STRATEGIES.get("bait"), torch.tensor([0, 1, 4]), trained, 3)


def test_unlabelled_ascends_and_leaves_out_the_labelled(trained: LearnerState) -> None:
    assert trained.unlabelled().tolist() == sorted(set(range(N)) - set(LABELLED))


def test_nan_in_the_pool_is_named_and_not_ranked(trained: LearnerState) -> None:
    images = trained.pool.images.clone()
    images[50] = torch.nan
    broken = dataclasses.replace(trained, pool=dataclasses.replace(trained.pool, images=images))
    for name in (*BAIT, *BASELINE_ARMS):
        with pytest.raises(ValueError, match=r"(?i)nan|finite"):
            propose(name, with_acquisition(broken, fisher_samples=N))


@pytest.mark.parametrize("name", BASELINE_ARMS)
def test_a_baseline_arm_is_the_baseline_on_the_networks_tensors(trained: LearnerState, name: str) -> None:
    logits, features = logits_and_features(trained.network, trained.pool.images)
    view = PoolView(N, trained.labelled, trained.generator(), logits, features)
    assert propose(name, trained) == POOL_STRATEGIES[name].pick(view, 6).positions.tolist()


def test_a_baseline_computes_in_the_dtype_asked_for(trained: LearnerState) -> None:
    seen: list[PoolView] = []

    def choose(view: PoolView, count: int) -> Picks:
        seen.append(view)
        return POOL_STRATEGIES["badge"].choose(view, count)

    spied = dataclasses.replace(POOL_STRATEGIES["badge"], choose=choose)
    baseline_proposal(spied, with_acquisition(trained, dtype="float64"), 3)
    assert {part.dtype for part in (seen[0].logits, seen[0].features) if part is not None} == {torch.float64}


def test_all_names_every_candidate_that_is_left(trained: LearnerState) -> None:
    whole = STRATEGIES.get("all")
    assert whole.whole
    assert whole.propose(trained, 3).positions.tolist() == trained.unlabelled().tolist()


@pytest.fixture(scope="module")
def dropping(trained: LearnerState) -> LearnerState:
    """The same state with a network that drops half of what enters its classifier."""
    g = torch.Generator().manual_seed(1)
    first, last = torch.nn.Linear(64, 16), torch.nn.Linear(16, CLASSES)
    network = torch.nn.Sequential(
        torch.nn.Flatten(), first, torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.5), last
    ).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.3, generator=g)
    return dataclasses.replace(trained, network=network)


def test_bald_takes_the_most_mutual_information(dropping: LearnerState) -> None:
    before = torch.get_rng_state()
    first = propose("bald", dropping)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert propose("bald", dropping) == first
    assert propose("bald", dataclasses.replace(dropping, round=2)) != first
    with isolated(drawn_seed(dropping.generator())):
        information = mutual_information(sampled_probabilities(dropping.network, dropping.pool.images, SAMPLED))
    free = dropping.unlabelled()
    assert first == free[information[free].argsort(descending=True)[:6]].tolist()


def test_only_dropout_is_at_work_and_all_is_as_before(dropping: LearnerState) -> None:
    network, images = dropping.network, dropping.pool.images
    assert isinstance(network, torch.nn.Sequential)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    with isolated(0):
        p = sampled_probabilities(network, images, 1000)
    assert p.shape == (1000, N, CLASSES)
    [layer] = dropouts_of(network)
    assert not layer.training
    assert not network.training
    assert not layer._forward_hooks
    torch.testing.assert_close(dict(network.state_dict()), state)
    with isolated(1), torch.no_grad():
        entering = network[:3](images)
        by_hand = torch.stack([network[4](torch.dropout(entering, 0.5, True)).softmax(1) for _ in range(1000)])
    assert by_hand.std(0).max() > 0.1
    torch.testing.assert_close(p.mean(0), by_hand.mean(0), atol=0.06, rtol=0)
    torch.testing.assert_close(p.std(0), by_hand.std(0), atol=0.06, rtol=0)


def test_bald_needs_dropout(trained: LearnerState) -> None:
    match = "bald samples networks by dropout, and SmallNet has none; take --model mlp --dropout 0.2, or another"
    with pytest.raises(UsageError, match=match):
        propose("bald", trained)
    check = STRATEGIES.get("bald").check
    assert check is not None
    with pytest.raises(UsageError, match=match):
        check(trained.network)


def test_a_masks_embedding_makes_no_pass_that_its_diagonal_made(
    trained: LearnerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes are kept for one use, and only where the mask is what they are made for."""
    n, asked = len(trained.pool.ids), with_acquisition(trained, fisher_samples=20)
    passes: list[int] = []
    real = fbench.fisher.gradients.masked.gathered

    def spy(network: Any, images: Tensor, *rest: Any) -> Any:
        passes.append(len(images))
        return real(network, images, *rest)

    monkeypatch.setattr(fbench.fisher.gradients.masked, "gathered", spy)
    first = STRATEGIES.get("bait+fish").propose(dataclasses.replace(asked), 5)
    watched = dataclasses.replace(asked)
    watched.fisher.pair(10)  # somebody asked for the diagonals before
    second = STRATEGIES.get("bait+fish").propose(watched, 5)
    STRATEGIES.get("bait+random-global").propose(dataclasses.replace(asked), 5)
    assert passes == [n - 20, n, n]
    assert torch.equal(first.positions, second.positions)


@pytest.mark.parametrize("name", ["bait", "bait-top2", "bait-binary", "bait-diagonal", "bait-subsample", "bait-pca"])
def test_a_linear_head_on_a_file_chooses_as_in_memory_and_holds_none_of_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "_READ_CANDIDATES", 16)
    monkeypatch.setattr(embeddings, "_READ_NUMBERS", 16)
    monkeypatch.setattr(likelihood, "_CHECKED", 64)
    values = torch.rand(1500, 6, generator=torch.Generator().manual_seed(0))
    read: list[int] = []

    def rows_of(rows: Tensor) -> Tensor:
        read.append(len(rows))
        return values[rows]

    stored = StoredSamples(rows_of, torch.arange(1500), (6,), values.dtype)
    targets = torch.arange(1500) % 3
    network = MODELS.get("linear").build(1, (6,), 3)
    torch.nn.init.normal_(network.classifier.weight, generator=torch.Generator().manual_seed(1))
    chosen = []
    for images in (values, stored):
        pool = Pool(images, targets, torch.arange(1500), values[:5], targets[:5], 3)
        state = LearnerState(network, pool, torch.tensor([3, 1000]), seed=0, round=1, acquisition=Acquisition())
        chosen.append(propose(name, state, 4))
    assert chosen[0] == chosen[1]
    assert max(read) <= inference.BATCH
