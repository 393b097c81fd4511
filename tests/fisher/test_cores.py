"""Work shared out to threads: every part once, torch's products on one thread each, errors raised."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
import torch

from fbench.fisher.lanes.cores import each_on_one_core, share


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_part_is_taken_once(threads: int) -> None:
    taken: list[int] = []
    each_on_one_core(range(40), taken.append)
    assert sorted(taken) == list(range(40))
    assert torch.get_num_threads() == threads


def test_a_product_within_is_made_on_one_thread(threads: int) -> None:
    counts, gradients = set(), set()

    def work(_: int) -> None:
        counts.add(torch.get_num_threads())
        gradients.add(torch.is_grad_enabled())

    with torch.no_grad():
        for _ in range(3):  # the second time the threads are there already
            each_on_one_core(range(20), work)
    assert counts == {1}
    assert gradients == {False}


def test_a_single_part_is_done_here() -> None:
    where: list[str] = []
    each_on_one_core([0], lambda part: where.append(threading.current_thread().name))
    assert where == [threading.current_thread().name]


def test_an_error_is_raised_when_all_have_ended(threads: int) -> None:
    taken: list[int] = []

    def work(part: int) -> None:
        if part == 3:
            raise ValueError("part 3")
        taken.append(part)

    with pytest.raises(ValueError, match="part 3"):
        each_on_one_core(range(6), work)
    assert sorted(taken) == ([0, 1, 2] if threads == 1 else [0, 1, 2, 4, 5])


def test_blocks_are_shared_out_without_gaps(threads: int) -> None:
    ranges: list[tuple[int, int]] = []
    share(99, lambda first, last: ranges.append((first, last)))
    ranges.sort()
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 99
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
