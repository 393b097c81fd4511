"""A pool whose features lie in a file: the picks are those of the same pool in memory, read a part at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import fbench
from fbench.errors import InputError
from fbench.fisher import embeddings, likelihood
from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection import approximations
from fbench.fisher.selection.approximations import binary, principal, top_classes
from fbench.fisher.selection.candidates import choice, packed
from fbench.stored_samples import StoredSamples

N, K, H, LABELLED = 211, 4, 6, [3, 200, 17, 45]
G = torch.Generator().manual_seed(1)
LOGITS, FEATURES = torch.randn(N, K, generator=G), torch.randn(N, H, generator=G)


class Shelf:
    """Samples that are read, how often each was, and the most that were read together."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.times, self.most = values, Counter[int](), 0
        self.samples = StoredSamples(self.read, torch.arange(len(values)), tuple(values.shape[1:]), values.dtype)

    def read(self, rows: Tensor) -> Tensor:
        self.times.update(rows.tolist())
        self.most = max(self.most, len(rows))
        return self.values[rows]

    def restart(self) -> None:
        self.times.clear()
        self.most = 0


@pytest.fixture(params=[(1 << 20, 10), (700, 3), (200, 7), (90, 1)], ids=str)
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of all sizes, few of which divide the pool: by numbers of a chunk, and by candidates read together."""
    numbers, candidates = request.param
    monkeypatch.setattr(approximations, "_PART", numbers)
    for limits in (embeddings._CHUNK_ELEMENTS, embeddings._QUADRATIC_ELEMENTS, approximations._MOMENTS):
        monkeypatch.setitem(limits, "cpu", numbers)
    monkeypatch.setattr(packed, "_CHUNK", 16 * numbers)
    monkeypatch.setattr(likelihood, "_CHECKED", numbers)
    monkeypatch.setattr(embeddings, "_READ_NUMBERS", 16)
    monkeypatch.setattr(embeddings, "_READ_CANDIDATES", 16 * candidates)
    monkeypatch.setattr(embeddings, "_GRAM_ELEMENTS", 3 * numbers)
    monkeypatch.setattr(embeddings, "_GRAM_TOGETHER", 3)


WAYS: dict[str, Callable[[Tensor, Tensor], Embedding]] = {
    "exact": fbench.last_layer_embedding,
    "top2": lambda logits, features: top_classes(logits, features, 2),
    "binary": binary,
    "pca:3": lambda logits, features: principal(logits, features, 3),
}


def assert_same(streamed: fbench.Selection, held: fbench.Selection) -> None:
    assert streamed.forward.tolist() == held.forward.tolist()
    assert streamed.indices.tolist() == held.indices.tolist()
    assert torch.equal(streamed.scores, held.scores)  # the parts are the same, and so is every rounding
    assert streamed.objective == held.objective


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["packed", "plain"])
@pytest.mark.parametrize("way", WAYS)
def test_picks_are_those_of_the_pool_in_memory(
    way: str, form: str, dtype: torch.dtype, chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "plain":
        monkeypatch.setattr(choice, "_MOST_ROWS", 0)
    shelf = Shelf(FEATURES)
    streamed, held = (
        fbench.bait_select(WAYS[way](LOGITS, features), 8, labelled=LABELLED, dtype=dtype, regularisation=0.1)
        for features in (shelf.samples, FEATURES)
    )
    assert_same(streamed, held)
    assert shelf.times.keys() == set(range(N))


def test_the_diagonals_too(chunks: None) -> None:
    streamed, held = (
        fbench.bait_select(fbench.last_layer_embedding(LOGITS, features), 8, labelled=LABELLED, method="diagonal")
        for features in (Shelf(FEATURES).samples, FEATURES)
    )
    assert_same(streamed, held)


@pytest.mark.parametrize("form", ["by products", "in place", "plain"])
def test_rows_of_any_kind(form: str, chunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_LONG_ROWS", 1 if form == "in place" else 10**9)
    if form == "plain":
        monkeypatch.setattr(choice, "_MOST_ROWS", 0)
    values = fbench.last_layer_embedding(LOGITS, FEATURES).dense()
    shelf = Shelf(values)
    streamed, held = (
        fbench.bait_select(fbench.dense_embedding(rows), 8, labelled=LABELLED) for rows in (shelf.samples, values)
    )
    assert_same(streamed, held)


OPERATIONS: dict[str, Callable[[Embedding], Tensor]] = {
    "project": lambda V: V.project(torch.ones(V.dim, 5)),
    "inner": lambda V: V.inner(),
    "inner through": lambda V: V.inner_through(torch.ones(V.dim, 5)),
    "gram": lambda V: V.gram(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("way", ["exact", "binary"])
def test_an_operation_reads_every_row_once_and_not_all_together(way: str, operation: str, chunks: None) -> None:
    shelf = Shelf(FEATURES)
    V, held = WAYS[way](LOGITS, shelf.samples), WAYS[way](LOGITS, FEATURES)
    shelf.restart()
    assert torch.equal(OPERATIONS[operation](V), OPERATIONS[operation](held))
    assert shelf.times == Counter(range(N))
    assert shelf.most <= V.read_together < N


def passes(V: Embedding, shelf: Shelf, method: str) -> list[tuple[int, int]]:
    """How often F, the start and every pick read the unlabelled rows, and how many they read more often."""
    search = fbench.fisher.selection.bait.Search(V, 5, labelled=LABELLED, method=method)
    counted = []
    for step in (search.fisher, search.start, *[lambda: search.forward(steps=1)] * 3):
        shelf.restart()
        step()
        reads = [shelf.times[x] for x in range(N) if x not in LABELLED]
        again = [x for x in range(N) if x not in LABELLED and shelf.times[x] > min(reads)]
        counted.append((min(reads), len(again)))
    return counted


@pytest.mark.parametrize(
    ("method", "expected"),
    [("incremental", [(1, 0), (1, N % 16), *[(1, 1)] * 3]), ("diagonal", [(1, 0), (0, 0), *[(1, 1)] * 3])],
)
def test_f_the_start_and_every_pick_read_the_file_once(
    method: str, expected: list[tuple[int, int]], chunks: None
) -> None:
    """The last candidates, which fill no block of lanes, are read once more at the start, and so is the pick."""
    shelf = Shelf(FEATURES)
    assert passes(fbench.last_layer_embedding(LOGITS, shelf.samples), shelf, method) == expected


def test_a_value_that_is_not_finite_is_named_wherever_it_lies(chunks: None) -> None:
    features = FEATURES.clone()
    features[207, 4] = torch.inf
    for given in (features, Shelf(features).samples):
        with pytest.raises(InputError, match=r"features\[207, 4\] is inf; every value must be finite"):
            fbench.last_layer_embedding(LOGITS, given)
