"""What a selection is made of, timed: trace kernels, a pick, the batched score, a step in the space of rows.

`pytest tests/benchmarks --benchmark-only` times it; an ordinary run calls everything once.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch

import fbench
from fbench.fisher.embeddings import FactoredEmbedding
from fbench.fisher.lanes.registers import LANES
from fbench.fisher.row_gram import gram_of_rows
from fbench.fisher.selection.candidates import lane_kernels
from fbench.fisher.selection.candidates.packed import pack_lower_lanes, share
from fbench.fisher.selection.candidates.plain import Plain
from fbench.fisher.selection.engines import SELECTION_METHODS
from fbench.fisher.selection.inverses import sandwich
from fbench.fisher.selection.row_information import RowInformation
from fbench.fisher.selection.row_space import RowEngine
from fbench.fisher.selection.trace import prepare_kernel, scores_of
from fbench.fisher.selection.unit_rows import UnitRows
from fbench.harness.registry import KERNELS

CLASSES, CHUNK, LABELLED = 10, 64, 20
BUILTIN = ("published", "fused", "factored", "incremental")
SIZES = [(512, 320), (128, 1280)]
"""Candidates and weights: of a small last layer, and of the thin ResNet-18's."""


@cache
def last_layer(n: int, d: int) -> FactoredEmbedding:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, CLASSES, generator=generator)
    return fbench.last_layer_embedding(logits, torch.randn(n, d // CLASSES, generator=generator))


@cache
def matrices(n: int, d: int) -> tuple[torch.Tensor, torch.Tensor]:
    F = last_layer(n, d).gram() / n
    return torch.linalg.inv(F + torch.eye(d)), F


@cache
def prepared(kernel: str, n: int, d: int):
    return prepare_kernel(kernel, last_layer(n, d), *matrices(n, d))


@pytest.mark.parametrize("inner", [True, False], ids=["", "no-inner"])
@pytest.mark.parametrize(("n", "d"), SIZES)
@pytest.mark.parametrize("kernel", BUILTIN)
def test_trace(timed, kernel, n, d, inner):
    V, (held, ready) = last_layer(n, d), prepared(kernel, n, d)
    parts = [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]
    work = (n, V.rows, d, inner, d // CLASSES)
    moved = held.bytes(n, V.rows, d, 4, d // CLASSES)
    scores = timed(
        lambda: [scores_of(held, ready, part, inner) for part in parts],
        "matrix product",
        flops=held.flops(*work),
        moved=moved,
    )
    assert bool((torch.cat(scores) > 0).all())


def test_every_kernel_of_ours_is_timed():
    assert {kernel.name for kernel in KERNELS if kernel.run.__module__.startswith("fbench.")} == set(BUILTIN)


@pytest.mark.parametrize("method", ["incremental", "factored", "diagonal"])
def test_pick(timed, method):
    """Score every candidate, take the best, and follow it: the step of a forward phase."""
    V, chosen = last_layer(512, 320), SELECTION_METHODS[method]
    information = chosen.information(V, torch.arange(LABELLED), 10, 1.0)
    engine = chosen.engine(V, information, 1)
    engine.load(torch.arange(0))

    def pick() -> torch.Tensor:
        best = engine.scores()[LABELLED:].argmax() + LABELLED
        engine.update(V[best.view(1)])
        return best

    assert LABELLED <= int(timed(pick, "matrix product", flops=4 * V.rows * 320 * 512)) < 512


def packed(V, G, H):
    """The compiled kernel, 16 candidates at a time."""
    arrays = [pack_lower_lanes(A).view(-1).numpy() for A in (G, H)]
    scores, traces = (torch.empty(V.n) for _ in range(2))
    arrays += [scores.numpy(), traces.numpy()]

    def run():
        share(V.n // LANES, lane_kernels.score, *arrays, 1, V.rows)
        return scores

    return run


def cholesky(V, G, H):
    """torch's batched factors."""
    held = Plain(V, 1.0, 1)
    held.fill(G, H)
    return held.scores


@pytest.mark.parametrize("way", [packed, cholesky])
def test_score(timed, way):
    """tr((I + G)⁻¹H) of 4,096 candidates, from G and H alone."""
    V = last_layer(4096, 160)
    inverse, F = matrices(4096, 160)
    G, H = V.quadratic(inverse), V.quadratic(sandwich(inverse.double(), F, torch.float32))
    r = V.rows
    scores = timed(way(V, G, H), "copy", flops=V.n * (r**3 / 3 + 2 * r**3), moved=8 * V.n * r * r)
    exact = torch.linalg.solve(torch.eye(r) + G, H).diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(scores, exact, rtol=1e-3)


@cache
def row_gram(n: int) -> torch.Tensor:
    return gram_of_rows(last_layer(n, 320))


def test_row_gram(timed):
    """V Vᵀ between all rows of a pool."""
    V = last_layer(200, 320)
    rows = V.n * V.rows
    assert timed(lambda: gram_of_rows(V), "matrix product", flops=rows * rows * 320).shape == (rows, rows)


def test_row_step(timed):
    """A pick in the space of rows."""
    K, picks = row_gram(200), 200
    V = UnitRows.of(K, CLASSES - 1)
    engine = RowEngine(V, RowInformation(K, V.rows, torch.arange(LABELLED), picks, 1.0, 320), 1, picks)
    engine.load(torch.arange(0))

    def step() -> torch.Tensor:
        best = engine.scores().argmax()
        engine.update(V[best.view(1)])
        return best

    assert 0 <= int(timed(step, "matrix product", flops=2 * V.rows * len(K) ** 2, moved=4 * len(K) ** 2)) < 200
