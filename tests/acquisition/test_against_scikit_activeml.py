"""The picks of scikit-activeml, which is another's: on the digits and on a table, with the same classifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import fbench
from fbench.acquisition.probcover import pure_radius
from fbench.acquisition.typiclust import clusters_of, most_typical

pool = pytest.importorskip("skactiveml.pool")
from skactiveml.classifier import SklearnClassifier  # noqa: E402

BATCH = 25


class Table:
    """A pool of 400, its start set of 30, and a classifier that was fitted on it."""

    def __init__(self, data: tuple[Any, Any]) -> None:
        rng = np.random.default_rng(0)
        order = rng.permutation(len(data[1]))[:400]
        self.X, self.targets = StandardScaler().fit_transform(data[0][order]), data[1][order]
        self.known = rng.permutation(400)[:30]
        self.y = np.full(400, np.nan)
        self.y[self.known] = self.targets[self.known]
        self.classes = np.unique(self.targets)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.clf = LogisticRegression(max_iter=2000).fit(self.X[self.known], self.targets[self.known])
        self.p = self.clf.predict_proba(self.X)

    def theirs(self, strategy: Any, batch: int = BATCH, **more: Any) -> list[int]:
        chosen: list[int] = np.asarray(strategy.query(self.X, self.y, batch_size=batch, **more)).tolist()
        return chosen

    def ours(self, strategy: str) -> list[int]:
        return fbench.query(self.X, self.y, self.clf, strategy=strategy, batch_size=BATCH).tolist()


@pytest.fixture(scope="module", params=[load_digits, load_breast_cancer], ids=["digits", "breast cancer"])
def table(request: pytest.FixtureRequest) -> Table:
    return Table(request.param(return_X_y=True))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("least-confidence", "least_confident"), ("margin", "margin_sampling"), ("entropy", "entropy")],
)
def test_uncertainty(table: Table, ours: str, theirs: str) -> None:
    strategy = pool.UncertaintySampling(method=theirs, random_state=0)
    clf = SklearnClassifier(LogisticRegression(max_iter=2000), classes=table.clf.classes_)
    assert table.ours(ours) == table.theirs(strategy, clf=clf)


def test_core_set(table: Table) -> None:
    assert table.ours("coreset") == table.theirs(pool.CoreSet(random_state=0))


def test_typiclust(table: Table) -> None:
    """On the same clusters, with its five neighbours and no cluster left out: equal up to ties of sizes."""
    clusters = clusters_of(torch.from_numpy(table.X), 30 + BATCH, torch.Generator().manual_seed(0))

    class Same:
        def __init__(self, n_clusters: int = 2) -> None:
            assert n_clusters == 30 + BATCH

        def fit_predict(self, X: Any) -> Any:
            return clusters.numpy()

    theirs = table.theirs(pool.TypiClust(cluster_algo=Same, random_state=0))
    free = torch.from_numpy(np.setdiff1d(np.arange(400), table.known))
    features, labelled = torch.from_numpy(table.X), torch.from_numpy(table.known)
    picks = most_typical(features, clusters, labelled, free, BATCH, neighbours=5, smallest=1).positions.tolist()
    sizes = torch.bincount(clusters)
    of_ours, of_theirs = ([int(sizes[clusters[x]]) for x in chosen] for chosen in (picks, theirs))
    assert of_ours == of_theirs
    untied = {x for x, size in zip(picks, of_ours, strict=True) if size > max(2, min(of_ours))}
    assert len(untied) > 5  # of two members neither is more typical
    assert untied <= set(theirs)


def test_the_radius_of_probcover_is_between_theirs(table: Table) -> None:
    """Theirs is the largest of a grid that is pure enough; ours is the largest there is."""
    points = torch.nn.functional.normalize(torch.from_numpy(table.X), dim=1)
    clusters = clusters_of(points, len(table.classes), torch.Generator().manual_seed(0))
    radius = pure_radius(points, clusters) ** 0.5

    class Same:
        def __init__(self, n_clusters: int = 2) -> None:
            assert n_clusters == len(table.classes)

        def fit_predict(self, X: Any) -> Any:
            return clusters.numpy()

    grid = np.arange(0.0, 2.0, 0.01)
    strategy = pool.ProbCover(n_classes=len(table.classes), deltas=grid, cluster_algo=Same, random_state=0)
    strategy.query(points.numpy(), table.y, batch_size=1)
    assert strategy.delta_max_ <= radius < strategy.delta_max_ + 0.01 + 1e-9


def test_the_first_pick_of_badge(table: Table) -> None:
    """The longest gradient; the others are drawn, from other generators."""
    clf = SklearnClassifier(LogisticRegression(max_iter=2000), classes=table.clf.classes_)
    assert table.ours("badge")[0] == table.theirs(pool.Badge(random_state=0), batch=1, clf=clf)[0]
