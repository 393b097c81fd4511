"""Formulas of a selection's memory against the tensors that are alive in a real one, phase by phase."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fbench
from fbench.fisher import embeddings, feature_pairs
from fbench.fisher.embeddings import Embedding
from fbench.fisher.lanes import registers
from fbench.fisher.planning import phases, shapes
from fbench.fisher.planning.phases import Held, SelectionSizes
from fbench.fisher.planning.shapes import Shape, shape_of
from fbench.fisher.selection import inverses
from fbench.fisher.selection.bait import Search
from fbench.fisher.selection.candidates import choice, packed
from fbench.measure.live import LiveBytes

LABELLED, B = 20, {"incremental": 8, "published": 2, "fused": 2, "factored": 2, "diagonal": 8}
"""A quarter where every pick scores anew, and holds what the one before it held."""
SIZES = {
    "matrices": (600, 10, 60),
    "candidates": (4000, 10, 12),
    "few classes": (6000, 3, 40),
}
WAYS = [
    ("incremental", False),
    ("incremental", True),
    ("published", True),
    ("published", False),
    ("fused", True),
    ("factored", False),
]


def made(n: int, k: int, h: int, dtype: torch.dtype, dense: bool) -> Embedding:
    g = torch.Generator().manual_seed(0)
    logits, features = torch.randn(n, k, generator=g), torch.randn(n, h, generator=g)
    V = fbench.last_layer_embedding(logits, features).to(dtype=dtype)
    return fbench.dense_embedding(V.dense()) if dense else V


def alive(V: Embedding, method: str, chunk: int, shards: int = 1, labelled: int = LABELLED) -> dict[str, int]:
    """The most bytes of tensors alive in each phase, beyond V."""
    peaks = {}
    with LiveBytes() as live:
        devices = ["cpu"] * shards
        search = Search(V, B[method], labelled=range(labelled), method=method, chunk_size=chunk, devices=devices)

        def phase(name: str, *steps: Any) -> None:
            live.restart()
            for step in steps:
                step()
            peaks[name] = live.peak

        phase("fisher", search.fisher)
        phase("init", search.start)
        phase("forward", search.forward, *([search.refresh] if method == "incremental" else []))
        phase("backward", search.backward, search.finish)
    return peaks


def written(
    V: Embedding, method: str, chunk: int, device_type: str = "cpu", shards: int = 1, labelled: int = LABELLED
) -> dict[str, Held]:
    sizes = SelectionSizes(
        shape_of(V), V.dtype.itemsize, device_type, shards, 2 * B[method], B[method], chunk, labelled
    )
    return phases.phases(method, sizes)


@pytest.mark.parametrize(("size", "dtype"), [*((size, torch.float32) for size in SIZES), ("matrices", torch.float64)])
@pytest.mark.parametrize(("method", "dense"), WAYS)
def test_every_phase_holds_what_its_formula_says(method: str, dense: bool, size: str, dtype: torch.dtype) -> None:
    V = made(*SIZES[size], dtype, dense)
    peaks, formulas = alive(V, method, 300), written(V, method, 300)
    assert list(formulas) == list(peaks)
    for phase, bytes_alive in peaks.items():
        # beside the megabytes of the larger parts a formula leaves out a few vectors of n and d numbers
        assert formulas[phase].bytes == pytest.approx(bytes_alive, rel=0.15, abs=6e5 * dtype.itemsize / 4), phase


@pytest.mark.parametrize("size", [(4000, 24, 8), (1100, 20, 60)], ids=["candidates", "pairs"])
def test_many_classes_are_summed_over_by_pairs(size: tuple[int, int, int]) -> None:
    V = made(*size, torch.float32, dense=False)
    peaks, formulas = alive(V, "incremental", 300, labelled=2), written(V, "incremental", 300, labelled=2)
    for phase, bytes_alive in peaks.items():
        assert formulas[phase].bytes == pytest.approx(bytes_alive, rel=0.15, abs=6e5), phase
    assert "sums over pairs of features" in formulas["fisher"].others


@pytest.mark.parametrize("size", [(3000, 25, 2), (1500, 4, 150)], ids=["r×r", "r×d"])
@pytest.mark.parametrize(("method", "dense"), [way for way in WAYS if way[0] != "incremental"])
def test_a_chunk_of_everyone(method: str, dense: bool, size: tuple[int, int, int]) -> None:
    """Few features: what is solved of a chunk is more than what is multiplied; many: the other way round."""
    V = made(*size, torch.float32, dense)
    peaks, formulas = alive(V, method, size[0]), written(V, method, size[0])
    for phase, bytes_alive in peaks.items():
        assert formulas[phase].bytes == pytest.approx(bytes_alive, rel=0.15, abs=6e5), phase


@pytest.mark.parametrize(("method", "dense"), WAYS)
def test_every_shard_has_matrices_of_its_own(method: str, dense: bool) -> None:
    V = made(600, 10, 40, torch.float32, dense)
    peaks, formulas = alive(V, method, 150, shards=4), written(V, method, 150, shards=4)
    for phase, bytes_alive in peaks.items():
        assert formulas[phase].bytes == pytest.approx(bytes_alive, rel=0.15), phase


def test_diagonals_take_next_to_nothing() -> None:
    V = made(6000, 10, 60, torch.float32, dense=False)
    peaks, formulas = alive(V, "diagonal", 300), written(V, "diagonal", 300)
    assert max(peaks.values()) < 5e6
    assert max(held.bytes for held in formulas.values()) == pytest.approx(max(peaks.values()), rel=0.3)


@pytest.mark.parametrize("dense", [False, True])
def test_a_gpus_formulas_with_large_chunks(dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU that is told to work as plain torch does on a GPU: whole stacks at once, whole matrices."""
    for limits in (embeddings._CHUNK_ELEMENTS, embeddings._QUADRATIC_ELEMENTS):
        monkeypatch.setitem(limits, "cpu", 1 << 26)
    monkeypatch.setattr(choice, "_MOST_ROWS", 0)
    V = made(4000, 6, 20, torch.float64, dense)  # in float64 no kernel of ours takes the place of plain torch
    peaks, formulas = alive(V, "incremental", 300), written(V, "incremental", 300, "cuda")
    for phase in ("fisher", "init", "forward", "backward"):
        assert formulas[phase].bytes == pytest.approx(peaks[phase], rel=0.15), phase


def test_rows_that_are_folded_in_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With small tiles, as against which a large d's rows stand out."""
    monkeypatch.setattr(inverses, "MATRIX_TILE", 32)
    monkeypatch.setattr(phases, "TILE", 32)
    V = made(300, 12, 60, torch.float64, dense=False)
    peaks, formulas = alive(V, "incremental", 300, labelled=40), written(V, "incremental", 300, labelled=40)
    rows = B["incremental"] * V.rows
    room = max(64, V.dim // 16)
    assert rows < 2 * room < 2 * rows  # of the forward picks alone there are more than there is room for
    for phase, held in formulas.items():
        assert held.bytes == pytest.approx(peaks[phase], rel=0.08), phase


def test_the_sizes_that_it_takes_from_elsewhere() -> None:
    """They are written down twice, since those modules import torch."""
    assert phases.CHUNK == embeddings._CHUNK_ELEMENTS
    paired = phases.PAIRED_CLASSES, phases.PAIRED_CANDIDATES, phases.PAIR_STRIP, phases.PAIRED_TOGETHER
    from_pairs = feature_pairs.LEAST_CLASSES, feature_pairs.LEAST_CANDIDATES, feature_pairs.STRIP
    assert paired == (*from_pairs, feature_pairs.TOGETHER)
    assert phases.QUADRATIC == embeddings._QUADRATIC_ELEMENTS
    assert (phases.READ_NUMBERS, phases.READ_CANDIDATES) == (embeddings._READ_NUMBERS, embeddings._READ_CANDIDATES)
    assert (phases.GRAM_TOGETHER, phases.GRAM) == (embeddings._GRAM_TOGETHER, embeddings._GRAM_ELEMENTS)
    assert (phases.LEAST_CHUNK, phases.CHUNKS) == (packed._LEAST_CHUNK, packed._CHUNKS)
    assert shapes.SPARED_BELOW == embeddings._SPARED_BELOW
    assert phases.TILE == inverses.MATRIX_TILE
    assert phases.PACKED_ROWS == choice._MOST_ROWS
    assert phases.BLOCK_LANES == registers.LANES
    rows = phases.LEAST_ROWS, phases.FEW_ROWS, phases.LONG_ROWS
    assert rows == (packed._LEAST_ROWS, packed._FEW_ROWS, packed._LONG_ROWS)


def test_a_pick_keeps_one_score_and_not_the_view_of_all() -> None:
    V = made(3000, 3, 4, torch.float32, dense=False)
    search = Search(V, 40, labelled=[])
    with LiveBytes() as live:
        search.set_up()
        before = live.now
        search.forward()
    assert live.now - before < 80 * 4 * 3000 / 8


def test_removals_name_what_is_theirs() -> None:
    sizes = SelectionSizes(Shape(600, 9, 1200), 4, "cpu", 1, 16, 8, 100)
    held = phases.phases("fused", sizes)["backward"]
    widened = ["F/α", "M", "M⁻¹", "two products on the way to Q"]
    assert set(held.matrices) == {"F", *(f"{name} in float64" for name in widened)}
