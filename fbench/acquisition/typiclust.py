"""TypiClust: the most typical candidate of each of the largest clusters that hold no label yet.

Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets" (2022),
algorithm 1 and equation 4; the numbers are those of its appendix and of the authors' code.
"""

from __future__ import annotations

import itertools
import warnings

import torch
from torch import Tensor

from fbench.acquisition.distances import blocks, squared_distances
from fbench.acquisition.views import Picks, drawn_seed

MOST_CLUSTERS = 500
NEIGHBOURS = 20
SMALLEST = 5
"""Clusters at most, neighbours that typicality counts, and members below which a cluster waits for all others."""
_LLOYD = 5_000_000
"""Points times clusters up to which k-means sees all points in every step; beyond, mini-batches."""


def clusters_of(features: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """A cluster's number for every point [n], by k-means into ``count`` clusters, or fewer where points coincide.

    Example:
        >>> two = torch.tensor([[0.0], [0.1], [9.0], [9.1]])
        >>> first, second, third, fourth = clusters_of(two, 2, torch.Generator().manual_seed(0)).tolist()
        >>> first == second, third == fourth, first == third
        (True, True, False)
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    small = len(features) * count <= _LLOYD
    kind, more = (KMeans, {}) if small else (MiniBatchKMeans, {"batch_size": 5000})
    means = kind(n_clusters=min(count, len(features)), n_init=1, random_state=drawn_seed(generator), **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it has fewer distinct points than clusters
        return torch.from_numpy(means.fit_predict(features.cpu().numpy())).to(torch.int64)


def typiclust(features: Tensor, labelled: Tensor, free: Tensor, count: int, generator: torch.Generator) -> Picks:
    """The ``count`` picks of TypiClust, from L + B clusters; a score is the typicality.

    Args:
        features: [n, h].
        labelled: [L], positions that have their label.
        free: [m], positions that may be chosen.
        count: B, m at most.
        generator: of k-means, on the CPU.

    Example:
        >>> two = torch.tensor([[0.0], [0.2], [0.4], [9.0], [9.1]])
        >>> picks = typiclust(two, torch.tensor([0]), torch.arange(1, 5), 1, torch.Generator().manual_seed(0))
        >>> picks.positions.tolist()
        [3]
    """
    clusters = clusters_of(features, min(len(labelled) + count, MOST_CLUSTERS), generator)
    return most_typical(features.cpu(), clusters, labelled.cpu(), free.cpu(), count)


def most_typical(
    features: Tensor,
    clusters: Tensor,
    labelled: Tensor,
    free: Tensor,
    count: int,
    *,
    neighbours: int = NEIGHBOURS,
    smallest: int = SMALLEST,
) -> Picks:
    """The most typical free member of a cluster after another, round and round until there are ``count``.

    Clusters with the fewest labels come first, of these the largest, of these the lowest number; those of fewer than
    ``smallest`` members come last. Typicality is 1 / (mean distance to the ``neighbours`` nearest free members); equal
    ones: the lower position.

    Args:
        features: [n, h].
        clusters: [n], the number of every point's cluster.
        labelled: [L], positions that have their label.
        free: [m], positions that may be chosen.
        count: B, m at most.
        neighbours: K of equation 4, or all members where there are fewer.
        smallest: members of a cluster that does not wait.

    Example:
        >>> line = torch.tensor([[0.0], [1.0], [2.0], [7.0]])
        >>> none, all_of = torch.tensor([], dtype=torch.int64), torch.arange(4)
        >>> most_typical(line, torch.tensor([0, 0, 0, 1]), none, all_of, 2, smallest=1).positions.tolist()
        [1, 3]
    """
    size = torch.bincount(clusters)
    labels = torch.bincount(clusters[labelled], minlength=len(size))
    order = sorted(range(len(size)), key=lambda c: (int(size[c]) < smallest, int(labels[c]), -int(size[c])))
    members = {c: free[clusters[free] == c] for c in order}
    positions: list[int] = []
    scores: list[float] = []
    turns = itertools.cycle(c for c in order if len(members[c]))
    while len(positions) < count:
        c = next(turns)
        if len(members[c]):
            typicality = _typicality(features[members[c]], neighbours)
            at = int(typicality.argmax())
            positions.append(int(members[c][at]))
            scores.append(float(typicality[at]))
            members[c] = torch.cat([members[c][:at], members[c][at + 1 :]])
    return Picks(torch.tensor(positions), torch.tensor(scores, dtype=torch.float64))


def _typicality(points: Tensor, neighbours: int) -> Tensor:
    """Typicality [m] among m points; infinite for one that is alone, or lies on its neighbours."""
    points = points.to(torch.float64)
    points = points - points.mean(0)
    k = min(neighbours, len(points) - 1)
    if not k:
        return torch.full((1,), torch.inf, dtype=torch.float64)
    means = torch.empty(len(points), dtype=torch.float64)
    for part in blocks(len(points), len(points)):
        apart = squared_distances(points[part], points)
        apart[torch.arange(len(apart)), torch.arange(len(points))[part]] = torch.inf
        means[part] = apart.topk(k, largest=False).values.sqrt().mean(1)
    return 1 / means
