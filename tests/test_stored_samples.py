"""Stored samples: what is read, and that everything else of torch gets what a tensor would have given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fbench.learning.data import Images, split
from fbench.learning.inference import logits_and_features
from fbench.stored_samples import StoredSamples

BASE = torch.randn(10, 3, 4, 4, generator=torch.Generator().manual_seed(0))


class Shelf:
    """Samples and a list of the rows that were read."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.samples = StoredSamples(self.read, torch.arange(10), (3, 4, 4), torch.float32)

    def read(self, rows: Tensor) -> Tensor:
        self.taken.append(rows.tolist())
        return BASE[rows]


@pytest.mark.parametrize(
    ("take", "rows"),
    [
        (lambda x: x[torch.tensor([7, 1])], [7, 1]),
        (lambda x: x[[2, 2]], [2, 2]),
        (lambda x: x[torch.arange(10) > 7], [8, 9]),
        (lambda x: x[3:5], [3, 4]),
        (lambda x: x[-2:], [8, 9]),
        (lambda x: x[::4], [0, 4, 8]),
        (lambda x: x[:0], []),
        (lambda x: x[3], [3]),
        (lambda x: torch.split(x, 4)[1] + 0, [4, 5, 6, 7]),
        (lambda x: x.clone()[1:2], [1]),
        (lambda x: x.detach()[1:2], [1]),
        (lambda x: x.to("cpu")[1:2], [1]),
        (lambda x: x.at(torch.tensor([9, 5]))[1:], [5]),
    ],
)
def test_what_is_asked_for_is_read_and_no_more(take: Callable[[Any], Tensor], rows: list[int]) -> None:
    shelf = Shelf()
    part = take(shelf.samples)
    assert type(part) is Tensor
    assert torch.equal(part, BASE[3] if part.dim() == 3 else BASE[rows])
    assert shelf.taken == [rows]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean((0, 2, 3)),
        lambda x: x[:, 1],
        lambda x: x.flatten(1),
        lambda x: torch.cat([x, BASE]),
        lambda x: BASE * x,
        lambda x: torch.isfinite(x).all(),
        lambda x: next(iter(x)),
        lambda x: x.split([1, 2], dim=1)[1],
        nn.Conv2d(3, 2, 3, padding=1),
    ],
)
def test_any_other_function_gets_all_of_it(function: Callable[[Any], Tensor]) -> None:
    shelf = Shelf()
    assert torch.equal(function(shelf.samples), function(BASE))
    assert all(rows == list(range(10)) for rows in shelf.taken)


def test_another_device_stays_stored() -> None:
    shelf = Shelf()
    moved = shelf.samples.to("meta")
    assert (moved.device.type, len(moved), shelf.taken) == ("meta", 10, [])
    assert moved[2:4].device.type == "meta"


def test_another_dtype_stays_stored_and_comes_with_what_is_read() -> None:
    shelf = Shelf()
    wide = shelf.samples.double()
    assert (type(wide), wide.dtype, shelf.taken) == (StoredSamples, torch.float64, [])
    assert torch.equal(wide[2:4], BASE[2:4].double())
    assert shelf.samples.to(torch.float32) is shelf.samples
    assert shelf.taken == [[2, 3]]


def test_it_says_what_it_is() -> None:
    assert repr(Shelf().samples) == "StoredSamples([10, 3, 4, 4], torch.float32)"


def test_a_pool_of_stored_samples_is_that_of_a_tensor() -> None:
    shelf, targets = Shelf(), torch.arange(10) % 2
    kept, held = (split(Images("x", x, targets, 2), 0, pool_size=6) for x in (shelf.samples, BASE))
    assert shelf.taken == []
    assert torch.equal(kept.images[:], held.images)
    assert torch.equal(kept.test_images[:], held.test_images)
    assert torch.equal(kept.to("cpu").images[1:3], held.images[1:3])


def test_a_network_reads_batch_by_batch() -> None:
    shelf, network = Shelf(), nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    kept = logits_and_features(network, shelf.samples, batch_size=4)
    assert [len(rows) for rows in shelf.taken] == [4, 4, 2]
    for stored, held in zip(kept, logits_and_features(network, BASE, batch_size=4), strict=True):
        assert torch.equal(stored, held)
