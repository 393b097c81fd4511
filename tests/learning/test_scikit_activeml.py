"""``skactiveml:NAME``: another library's strategies as arms, on our networks, held to our promise."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import fbench.learning.models  # noqa: F401  (registers the models)
from fbench.errors import ForeignError, UnknownNameError, UsageError
from fbench.harness.registry import MODELS, STRATEGIES
from fbench.learning.arm_options import parse_strategies
from fbench.learning.data import Pool
from fbench.learning.inference import logits_and_features
from fbench.learning.network_head import NetworkHead
from fbench.learning.proposals import accepted_proposal
from fbench.learning.recipe import Recipe
from fbench.learning.strategies import Acquisition, LearnerState, Sizes
from fbench.learning.strategies.scikit_activeml import pool_strategies, scikit_strategy
from fbench.learning.training import train_block

skactiveml = pytest.importorskip("skactiveml")
pytest.importorskip("skactiveml.pool")
N, LABELLED, CLASSES = 60, (7, 3, 41, 20, 58, 11, 30, 2), 4


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def state_of(classes: int) -> LearnerState:
    """A network trained on eight labels of a pool of 60 images."""
    g = torch.Generator().manual_seed(0)
    images, targets = torch.rand(N, 1, 8, 8, generator=g), torch.arange(N) % classes
    labelled = torch.tensor(LABELLED)
    seen = torch.full_like(targets, -1)
    seen[labelled] = targets[labelled]
    pool = Pool(images, seen, torch.arange(N), images[:0], targets[:0], classes)
    network = train_block(
        MODELS.get("small"), [images[labelled]], [targets[labelled]], [0], classes=classes, recipe=Recipe(epochs=4)
    )[0]
    return LearnerState(network, pool, labelled, seed=0, round=1, acquisition=Acquisition())


@pytest.fixture(scope="module")
def trained(one_thread: None) -> LearnerState:
    return state_of(CLASSES)


@pytest.fixture(scope="module")
def two_classes(one_thread: None) -> LearnerState:
    return state_of(2)


def propose(name: str, state: LearnerState, batch_size: int = 6) -> list[int]:
    strategy = STRATEGIES.get(f"skactiveml:{name}")
    proposal = accepted_proposal(strategy, strategy.propose(state, batch_size), state, batch_size)
    positions: list[int] = proposal.positions.tolist()
    return positions


REFUSED = {
    "ExpectedErrorReduction": "is only what others are made from; take MonteCarloEER or ValueOfInformationEER",
    **dict.fromkeys(
        (
            "ExpectedModelChangeMaximization",
            "ExpectedModelOutputChange",
            "ExpectedModelVarianceReduction",
            "GreedySamplingTarget",
            "KLDivergenceMaximization",
            "RegressionTreeBasedAL",
        ),
        "is for regression, and an arm classifies; take one for classification",
    ),
    **dict.fromkeys(
        ("ParallelUtilityEstimationWrapper", "SubSamplingWrapper"),
        "is a wrapper around another strategy; name that one itself",
    ),
}
SLOW = {"MonteCarloEER", "ValueOfInformationEER", "CostEmbeddingAL"}
"""They try every label of every candidate, or embed classes: one proposal is enough of them."""


@pytest.mark.parametrize("name", sorted(pool_strategies()))
def test_every_pool_strategy_is_an_arm_or_says_why_not(two_classes: LearnerState, name: str) -> None:
    """The batch is accepted, and the same again when it is asked again."""
    if name in REFUSED:
        with pytest.raises(UsageError, match=f"^strategy skactiveml:{name} {REFUSED[name]}$"):
            STRATEGIES.get(f"skactiveml:{name}")
        return
    first = propose(name, two_classes, 3)
    assert name in SLOW or propose(name, two_classes, 3) == first


@pytest.mark.parametrize(
    "name", ["Badge", "Clue", "DiscriminativeAL", "FourDs", "ProbabilisticAL", "QueryByCommittee", "Quire"]
)
def test_they_take_classes_that_no_label_is_of_yet(name: str) -> None:
    assert len(set(propose(name, state_of(10)))) == 6


@pytest.mark.parametrize(("theirs", "ours"), [("UncertaintySampling", "least-confidence"), ("CoreSet", "coreset")])
def test_they_choose_as_our_own_do_on_the_same_network(trained: LearnerState, theirs: str, ours: str) -> None:
    assert propose(theirs, trained) == STRATEGIES.get(ours).propose(trained, 6).positions.tolist()


def test_a_head_gives_the_networks_probabilities(trained: LearnerState) -> None:
    logits, features = logits_and_features(trained.network, trained.pool.images)
    layer = trained.network.classifier
    known = features[list(LABELLED)].double().numpy()
    head = NetworkHead(layer.weight.detach().double().numpy(), np.zeros(CLASSES), known)
    head.fit(known, trained.pool.targets[list(LABELLED)].numpy())
    p = head.predict_proba(features.double().numpy())
    np.testing.assert_allclose(p, logits.softmax(1).numpy(), atol=1e-5)
    assert head.predict(features.double().numpy()).tolist() == logits.argmax(1).tolist()


def test_a_head_that_is_fitted_on_other_labels_is_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 2 + 1
    head = NetworkHead(np.ones((3, 3)), np.zeros(3), X[:5]).fit(X, y)
    expected = LogisticRegression().fit(X, y)
    assert head.classes_.tolist() == [1, 2]
    np.testing.assert_array_equal(head.predict_proba(X), expected.predict_proba(X))
    assert head.predict(X).tolist() == expected.predict(X).tolist()


def test_a_name_is_found_when_it_is_asked_for() -> None:
    assert parse_strategies("random,skactiveml:Badge") == ("random", "skactiveml:Badge")
    assert STRATEGIES.get("skactiveml:Badge") is STRATEGIES.get("skactiveml:Badge")
    assert "skactiveml:Badge" not in STRATEGIES.names()
    sizes = Sizes(n=100, labels=10, batch=5, classes=4, features=16, masked=0)
    strategy = STRATEGIES.get("skactiveml:Badge")
    assert strategy.plan is not None
    assert strategy.effort is not None
    assert strategy.plan(sizes) is None
    assert strategy.effort(sizes).passes == 1


def test_another_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'skactiveml:Bagde'; did you mean 'skactiveml:Badge'"):
        STRATEGIES.get("skactiveml:Bagde")
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'skactiveml:uncertainty_scores'") as caught:
        STRATEGIES.get("skactiveml:uncertainty_scores")
    offered = re.findall(r"skactiveml:(\w+)", str(caught.value).partition("Known:")[2])
    assert set(offered) == pool_strategies().keys() - REFUSED.keys()


def test_what_asks_for_more_than_an_arm_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy(skactiveml.pool.RandomSampling):  # type: ignore[misc]  # scikit-activeml is untyped
        def query(self, X: Any, y: Any, oracle: Any, batch_size: int = 1) -> Any: ...

    monkeypatch.setattr("skactiveml.pool.Quire", Greedy)
    scikit_strategy.cache_clear()
    match = r"skactiveml:Quire asks for oracle, which an arm cannot give it; take another, or register a strategy of"
    with pytest.raises(UsageError, match=match):
        STRATEGIES.get("skactiveml:Quire")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("IntervalEstimationThreshold", "chooses among annotators, and a comparison has one; take one that chooses"),
        ("StreamRandomSampling", "decides on a stream, sample by sample, and an arm chooses from a pool; take one of"),
    ],
)
def test_strategies_of_other_kinds_say_what_they_are(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"^strategy skactiveml:{name} {reason}"):
        STRATEGIES.get(f"skactiveml:{name}")


def test_what_is_written_for_two_classes_is_refused_of_others(trained: LearnerState, two_classes: LearnerState) -> None:
    strategy = STRATEGIES.get("skactiveml:EpistemicUncertaintySampling")
    assert "its classifier a Parzen window on the features; two classes only" in strategy.description
    assert strategy.check is not None
    strategy.check(two_classes.network)
    with pytest.raises(UsageError, match=r"is written for 2 classes, and the data have 4; take another, such as skact"):
        strategy.check(trained.network)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skactiveml", None)
    scikit_strategy.cache_clear()
    match = r"strategy skactiveml:Badge needs scikit-activeml \(.*\); install it: pip install 'fbench\[skactiveml\]'"
    with pytest.raises(UsageError, match=match):
        STRATEGIES.get("skactiveml:Badge")


def test_what_it_raises_is_one_line_that_names_it(trained: LearnerState, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, X: Any, y: Any, candidates: Any = None, batch_size: int = 1) -> Any:
        raise ValueError("first\nsecond")

    monkeypatch.setattr("skactiveml.pool.CoreSet.query", broken)
    with pytest.raises(ForeignError, match=r"^strategy skactiveml:CoreSet raised ValueError: first$"):
        propose("CoreSet", trained)


def test_a_batch_that_repeats_is_refused(trained: LearnerState, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(self: Any, X: Any, y: Any, candidates: Any = None, batch_size: int = 1) -> Any:
        return np.zeros(batch_size, dtype=int)

    monkeypatch.setattr("skactiveml.pool.CoreSet.query", twice)
    match = "strategy 'skactiveml:CoreSet' proposed 6 positions, 5 of them repeated"
    with pytest.raises(ForeignError, match=match):
        propose("CoreSet", trained)
