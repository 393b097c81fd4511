"""The calling convention of scikit-learn's active-learning libraries: the same picks as ``bait_select``'s."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import fbench
from fbench.acquisition.pool_strategies import POOL_STRATEGIES
from fbench.acquisition.views import PoolView
from fbench.errors import InputError, UnknownNameError
from fbench.pick import query as query_module

NAN = float("nan")
X, TARGETS = load_digits(return_X_y=True)
X, TARGETS = X[:400] / 16, TARGETS[:400]
KNOWN = np.arange(0, 400, 13)


def labels(missing: Any = NAN, dtype: Any = float) -> Any:
    y = np.full(len(X), missing, dtype=dtype)
    y[KNOWN] = TARGETS[KNOWN]
    return y


@pytest.fixture(scope="module")
def clf() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(X[KNOWN], TARGETS[KNOWN])


def directly(clf: Any, features: Any = X, batch_size: int = 10, **how: Any) -> fbench.Selection:
    logits = torch.from_numpy(np.log(clf.predict_proba(X)))
    embedding = fbench.last_layer_embedding(logits, torch.from_numpy(np.asarray(features)))
    return fbench.bait_select(embedding, batch_size, labelled=KNOWN, **how)


def test_the_picks_are_those_of_bait_select(clf: Any) -> None:
    indices = fbench.query(X, labels(), clf, batch_size=10)
    assert indices.dtype == np.int64
    assert indices.tolist() == directly(clf).indices.tolist()
    assert not set(indices.tolist()) & set(KNOWN.tolist())


def test_one_is_the_default_and_options_are_passed_on(clf: Any) -> None:
    assert len(fbench.query(X, labels(), clf)) == 1
    how = {"regularisation": 0.01, "oversample": 1.0}
    assert fbench.query(X, labels(), clf, batch_size=10, **how).tolist() == directly(clf, **how).indices.tolist()


def test_buying_labels_helps_a_classifier(clf: Any) -> None:
    """A loop as its users write it: ten labels at a time, ten times."""
    y = labels()
    for _ in range(10):
        known = ~np.isnan(y)
        fitted = LogisticRegression(max_iter=500).fit(X[known], y[known])
        indices = fbench.query(X, y, fitted, batch_size=10)
        y[indices] = TARGETS[indices]
    known = ~np.isnan(y)
    assert known.sum() == len(KNOWN) + 100
    after = LogisticRegression(max_iter=500).fit(X[known], y[known])
    rest = ~known
    assert after.score(X[rest], TARGETS[rest]) > clf.score(X[rest], TARGETS[rest]) + 0.05


@pytest.mark.parametrize(
    ("missing", "dtype"),
    [(NAN, float), (np.nan, object), (None, object), (-1, int), ("none", object)],
    ids=["nan", "nan among objects", "None", "a number", "a word"],
)
def test_what_marks_a_missing_label(clf: Any, missing: Any, dtype: Any) -> None:
    indices = fbench.query(X, labels(missing, dtype), clf, batch_size=5, missing_label=missing)
    assert indices.tolist() == fbench.query(X, labels(), clf, batch_size=5).tolist()


def test_utilities_are_the_scores_of_the_chosen(clf: Any) -> None:
    indices, utilities = fbench.query(X, labels(), clf, batch_size=10, return_utilities=True)
    chosen = directly(clf)
    scores = dict(zip(chosen.forward.tolist(), chosen.scores.tolist(), strict=True))
    assert utilities.shape == (10, len(X))
    assert np.nanargmax(utilities, axis=1).tolist() == indices.tolist()
    assert np.isnan(utilities).sum() == utilities.size - 10
    np.testing.assert_allclose(np.nanmax(utilities, axis=1), [scores[index] for index in indices.tolist()])


def test_candidates_and_the_labelled_are_the_whole_pool(clf: Any) -> None:
    allowed = np.array([391, 5, 7, 9, 100, 101, 102, 200, 300, 5])
    indices, utilities = fbench.query(
        X, labels(), clf, candidates=allowed, batch_size=4, return_utilities=True, oversample=1.0
    )
    assert len(set(indices.tolist())) == 4
    assert set(indices.tolist()) <= set(allowed.tolist())
    assert utilities.shape == (4, len(X))
    pool = sorted({*allowed.tolist(), *KNOWN.tolist()})
    logits = torch.from_numpy(np.log(clf.predict_proba(X[pool])))
    few = fbench.last_layer_embedding(logits, torch.from_numpy(X[pool]))
    known = [pool.index(index) for index in KNOWN.tolist()]
    chosen = fbench.bait_select(few, 4, labelled=known, oversample=1.0)
    assert indices.tolist() == [pool[index] for index in chosen.indices.tolist()]


def test_candidates_in_a_list(clf: Any) -> None:
    assert fbench.query(X, labels(), clf, candidates=[5]).tolist() == [5]


def test_logits_and_features_of_ones_own_network() -> None:
    rng = np.random.default_rng(0)
    logits, features = rng.normal(size=(400, 4)).astype("f4"), rng.normal(size=(400, 5)).astype("f4")
    indices = fbench.query(X, labels(), logits=logits, features=torch.from_numpy(features), batch_size=6)
    embedding = fbench.last_layer_embedding(logits, features)
    assert indices.tolist() == fbench.bait_select(embedding, 6, labelled=KNOWN).indices.tolist()


def test_a_classifiers_own_features(clf: Any) -> None:
    wide = np.hstack([X, np.ones((len(X), 1))])
    indices = fbench.query(X, labels(), clf, batch_size=10, embed=lambda x: np.hstack([x, np.ones((len(x), 1))]))
    assert indices.tolist() == directly(clf, wide).indices.tolist()
    both = fbench.query(X, labels(), clf, batch_size=10, embed=lambda x: x[:, :0], features=wide)
    assert both.tolist() == indices.tolist()


@pytest.mark.parametrize("method", ["top2", "binary", "diagonal", "pca:5"])
def test_approximations(clf: Any, method: str) -> None:
    indices = fbench.query(X, labels(), clf, batch_size=10, method=method)
    assert len(set(indices.tolist()) - set(KNOWN.tolist())) == 10


def test_whole_numbers_are_features_too(clf: Any) -> None:
    whole = (X * 16).astype(np.uint8)
    indices = fbench.query(whole, labels(), logits=np.log(clf.predict_proba(X)), batch_size=5)
    wide = torch.from_numpy(whole.astype(float))
    embedding = fbench.last_layer_embedding(torch.from_numpy(np.log(clf.predict_proba(X))), wide)
    assert indices.tolist() == fbench.bait_select(embedding, 5, labelled=KNOWN).indices.tolist()


def test_a_probability_of_zero_is_raised() -> None:
    """As a tree gives it: no logit is infinite, and the sure sample is worth next to nothing."""
    p = np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    tree = SimpleNamespace(predict_proba=lambda X: p[: len(X)])
    indices, utilities = fbench.query(np.ones((3, 2)), [NAN] * 3, tree, batch_size=2, return_utilities=True)
    assert indices.tolist()[0] == 1
    assert 0 <= utilities[1, indices[1]] < 1e-10


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"clf": None}, "no clf: give a fitted classifier that has predict_proba, or logits"),
        (
            {"clf": LogisticRegression()},
            "clf, a LogisticRegression, is not fitted; fit it on the labelled samples first",
        ),
        (
            {"clf": SimpleNamespace(predict_proba=lambda X: 1 / 0)},
            r"clf.predict_proba\(X\) raised ZeroDivisionError: division by zero; give X as the classifier was fitted",
        ),
        (
            {"y": np.arange(400.0)},
            r"y has a label for each of its 400 samples, and none is left .*l \(nan\)",
        ),
        ({"clf": SimpleNamespace()}, "clf, a SimpleNamespace, has no predict_proba: give a fitted classifier"),
        ({"y": [[1.0]]}, r"y has shape \[1, 1\]; it must be \[n\], one label a sample"),
        ({"y": [1.0, NAN]}, r"logits have shape \[400, 8\] beside 2 labels in y; they must be \[2, …\]"),
        ({"features": X[:5]}, r"features have shape \[5, 64\] beside 400 labels in y"),
        ({"features": np.array(["a"] * 400)}, "features have dtype <U1; they must be numbers"),
        ({"features": X.astype(object)}, "features have dtype object; they must be numbers"),
        ({"features": X[:, 0]}, r"features have shape \[400\] beside logits"),
        ({"candidates": X[:3]}, r"candidates have shape \[3, 64\] and dtype float64; give indices into X"),
        ({"candidates": [5, 400]}, "candidate 400 is outside X: must be from 0 to 399"),
        ({"candidates": [-1]}, "candidate -1 is outside X"),
        ({"candidates": [5, 13]}, "candidate 13 has its label already; leave it out"),
        ({"batch_size": 370}, "batch_size 370: must be from 1 to 369, what is left unlabelled"),
        ({"candidates": [5, 6], "batch_size": 3}, "batch_size 3: must be from 1 to 2"),
        ({"regularisation": 0}, "regularisation 0: must be a positive number"),
    ],
)
def test_mistakes(clf: Any, how: dict[str, Any], message: str) -> None:
    asked = {"y": labels(), "clf": clf, **how}
    with pytest.raises(InputError, match=message):
        fbench.query(X, asked.pop("y"), **asked)


def test_an_unknown_method(clf: Any) -> None:
    with pytest.raises(UnknownNameError, match="unknown method 'pcb'"):
        fbench.query(X, labels(), clf, method="pcb")


def test_nan_is_named(clf: Any) -> None:
    broken = X.copy()
    broken[3, 2] = np.nan
    with pytest.raises(InputError, match=r"features\[3, 2\] is nan"):
        fbench.query(broken, labels(), logits=np.zeros((400, 3)))


@pytest.mark.parametrize("name", sorted(POOL_STRATEGIES))
def test_another_strategy(clf: Any, name: str) -> None:
    asked = {"strategy": name, "batch_size": 10, "random_state": 2}
    indices, utilities = fbench.query(X, labels(), clf, return_utilities=True, **asked)
    log_p = torch.from_numpy(np.log(clf.predict_proba(X)))
    arrays = {"logits": log_p, "features": torch.from_numpy(X)}
    view = PoolView(
        400,
        torch.from_numpy(KNOWN),
        torch.Generator().manual_seed(2),
        **{need: arrays[need] for need in POOL_STRATEGIES[name].needs},
    )
    picks = POOL_STRATEGIES[name].pick(view, 10)
    assert indices.tolist() == picks.positions.tolist()
    np.testing.assert_array_equal(utilities[np.arange(10), indices], picks.scores.numpy())
    assert np.isnan(np.delete(utilities[0], indices[0])).all()


def test_what_needs_no_probabilities_needs_no_classifier() -> None:
    assert len(fbench.query(X, labels(), strategy="coreset", batch_size=3)) == 3
    assert len(fbench.query(X, labels(), strategy="random", batch_size=3)) == 3
    with pytest.raises(InputError, match="no clf: give a fitted classifier"):
        fbench.query(X, labels(), strategy="margin")


def test_without_a_seed_it_draws_anew() -> None:
    asked: dict[str, Any] = {"strategy": "random", "batch_size": 20}
    draws = [fbench.query(X, labels(), random_state=seed, **asked).tolist() for seed in (None, None, np.int64(1), 1)]
    assert draws[0] != draws[1]
    assert draws[2] == draws[3]


def test_candidates_and_the_labelled_are_the_pool_of_another_strategy_too(clf: Any) -> None:
    indices = fbench.query(X, labels(), clf, strategy="badge", candidates=[391, 5, 7, 9], batch_size=4)
    assert sorted(indices.tolist()) == [5, 7, 9, 391]


@pytest.mark.parametrize(
    ("y", "missing"),
    [
        ([0, 1, -1, -1], [2, 3]),
        ([0, 1, None, None], [2, 3]),
        ([0.0, -1.0, NAN, NAN], [2, 3]),
        ([0, -1, None, NAN], [2, 3]),
        (["a", "b", None, None], [2, 3]),
        ([False, True, None, None], [2, 3]),
    ],
    ids=["-1", "None", "-1 is a class beside NaN", "both", "words", "truth values"],
)
def test_what_is_missing_as_it_is_usually_written(y: Any, missing: list[int]) -> None:
    indices = fbench.query(np.eye(4), y, logits=np.zeros((4, 2)), batch_size=2)
    assert sorted(indices.tolist()) == missing


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.coo_array, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_sparse_matrix_is_made_dense(kind: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_module, "_ROWS", 7)
    whole = np.round(X * 16).astype(dtype)
    dense = query_module._dense(kind(whole))
    assert dense.dtype == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_array_equal(dense, whole)
    asked: dict[str, Any] = {"strategy": "coreset", "batch_size": 5}
    assert fbench.query(kind(whole), labels(), **asked).tolist() == fbench.query(whole, labels(), **asked).tolist()


def test_a_classifier_sees_the_sparse_matrix_itself(clf: Any) -> None:
    indices = fbench.query(sparse.csr_matrix(X), labels(), clf, strategy="margin", batch_size=5)
    assert indices.tolist() == fbench.query(X, labels(), clf, strategy="margin", batch_size=5).tolist()


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"strategy": "margn"}, UnknownNameError, "unknown strategy 'margn'; did you mean 'margin'"),
        ({"method": "top2"}, InputError, "method top2 is BAIT's; leave it out with strategy 'margin'"),
        ({"regularisation": "rel:1"}, InputError, "regularisation rel:1 is BAIT's"),
        ({"batch_size": 0}, InputError, "batch_size 0: must be from 1 to 369, what is left unlabelled in the pool"),
        ({"batch_size": 370}, InputError, "batch_size 370: must be from 1 to 369"),
        ({"batch_size": 2.0}, InputError, "batch_size 2.0: must be from 1"),
        ({"random_state": -1}, InputError, r"random_state -1: must be from 0 to 2\^63 − 1, or None"),
        ({"random_state": 2**63}, InputError, "random_state 9223372036854775808: must be from 0"),
        ({"random_state": 0.5}, InputError, "random_state 0.5: must be a whole number, or None for another one each"),
    ],
)
def test_mistakes_with_another_strategy(clf: Any, how: dict[str, Any], error: Any, message: str) -> None:
    asked = {"strategy": "badge" if "random_state" in how else "margin", **how}
    with pytest.raises(error, match=message):
        fbench.query(X, labels(), clf, **asked)


def test_another_number_of_features_than_the_classifiers(clf: Any) -> None:
    with pytest.raises(
        InputError, match="X has 60 features, and clf was fitted on 64; give X as it was fitted on, and o"
    ):
        fbench.query(X[:, :60], labels(), clf)
    with pytest.raises(InputError, match="X has 60 features"):
        fbench.query(sparse.csr_array(X[:, :60]), labels(), clf, strategy="margin")


def test_a_label_that_the_classifier_never_saw_is_told_of(clf: Any) -> None:
    y = labels()
    y[~np.isnan(y)] += 5
    message = "y has the label [0-9.]+ and 4 more, which clf was not fitted on; fit it on all the labels"
    with pytest.warns(UserWarning, match=message):
        unseen = fbench.query(X, y, clf, batch_size=3)
    assert unseen.tolist() == fbench.query(X, labels(), clf, batch_size=3).tolist()
