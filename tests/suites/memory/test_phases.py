"""One round, phase by phase: in order, with what was asked for, and nothing of it left behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from memory_sizes import METHODS, sizes

from fbench.fisher.selection.bait import Search
from fbench.measure.live import LiveBytes
from fbench.suites.memory import phases
from fbench.suites.memory.phases import play_round

TINY: dict[str, Any] = {"n": 60, "k": 3, "d": 12, "h": 4, "batch": 3, "labelled": 8, "image": (1, 4), "chunk_size": 16}

LAST_LAYER = ["data", "train", "embed", "fisher", "init", "forward", "backward"]
MASKED = ["data", "train", "diagonal", "mask", *LAST_LAYER[2:]]


def tiny(method: str, **more: Any) -> Any:
    return sizes(method, **{**TINY, **more})


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu")])
@pytest.mark.parametrize("method", [*METHODS, "diagonal:mask"])
def test_phases_come_in_order_and_do_not_nest(method: str, devices: tuple[str, ...]) -> None:
    seen: list[str] = []

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        seen.extend(["begin", name])
        yield
        seen.append("end")

    play_round(tiny(method), devices, phase)
    expected = MASKED if method.endswith(":mask") else LAST_LAYER
    assert seen == [word for name in expected for word in ("begin", name, "end")]


@pytest.mark.parametrize("method", [*METHODS, "diagonal:mask"])
def test_nothing_is_held_after_a_round(method: str) -> None:
    with LiveBytes() as live:
        for _ in range(2):
            play_round(tiny(method, dtype="float64"), ("cpu",), lambda name: nullcontext())
            gc.collect(1)
            assert live.now == 0
    assert live.peak > 0


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What every selection was given, and what came of it."""
    found: list[Any] = []

    class Telling(Search):
        def __init__(self, embedding: Any, batch_size: int, **how: Any) -> None:
            super().__init__(embedding, batch_size, **how)
            found.append([embedding, batch_size, how])

        def finish(self) -> Any:
            selection = super().finish()
            found[-1].append(selection)
            return selection

    monkeypatch.setattr(phases, "Search", Telling)
    return found


@pytest.mark.parametrize("method", [*METHODS, "diagonal:mask"])
def test_the_batch_is_right(method: str, searches: list[Any]) -> None:
    spec = tiny(method)
    play_round(spec, ("cpu",), lambda name: nullcontext())
    ((V, batch, how, selection),) = searches
    assert (V.n, V.rows, V.dim, V.dtype) == (spec.n, spec.shape.rows, spec.d, torch.float32)
    assert getattr(V, "k", 0) == spec.shape.classes
    assert batch == spec.batch
    assert list(how["labelled"]) == list(range(spec.labelled))
    assert (how["chunk_size"], how["oversample"]) == (spec.chunk_size, spec.oversample)
    assert len(selection.forward) == spec.counts.picks == 2 * spec.batch
    # methods that score anew take one removal of several, the others all of them
    left = spec.counts.picks - 1 if spec.method.chunked else spec.batch
    assert len(selection.indices) == left
    assert len(set(selection.indices.tolist())) == left
    assert int(selection.indices.min()) >= spec.labelled


def test_more_picks_may_be_asked_for(searches: list[Any]) -> None:
    play_round(tiny("fused", picks=100), ("cpu",), lambda name: nullcontext())
    assert len(searches[0][3].indices) == 3


def test_no_removals_where_nothing_is_picked_too_many(searches: list[Any]) -> None:
    for method in ("fused", "incremental"):
        play_round(tiny(method, oversample=1.0), ("cpu",), lambda name: nullcontext())
        assert len(searches[-1][3].indices) == 3


def test_a_state_that_is_updated_is_refreshed_once(searches: list[Any]) -> None:
    play_round(tiny("incremental"), ("cpu",), lambda name: nullcontext())
    assert searches[0][3].refreshes >= 1


def test_a_round_is_the_same_again(searches: list[Any]) -> None:
    for seed in (0, 0, 1):
        play_round(tiny("incremental:mask", seed=seed), ("cpu",), lambda name: nullcontext())
    first, again, other = (entry[0].values for entry in searches)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_callers_gradients_are_left_as_they_were() -> None:
    seen = {}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        yield
        seen[name] = torch.is_grad_enabled()

    with torch.enable_grad():
        play_round(tiny("fused:mask"), ("cpu",), phase)
        assert torch.is_grad_enabled()
    assert list(seen) == MASKED
    assert not any(seen.values())
