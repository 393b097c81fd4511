"""The automatic chunk: the knee of a planted τ(m), under a memory budget, and when the time is short."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import torch

import fbench
from fbench.errors import InputError, UnknownNameError
from fbench.measure.timing import PassTimes
from fbench.pick import chunk_choice
from fbench.pick.chunk_choice import choose_chunk

N, D = 512, 6


@pytest.fixture(scope="module")
def problem():
    g = torch.Generator().manual_seed(0)
    V = fbench.last_layer_embedding(torch.randn(N, 3, generator=g), torch.randn(N, 2, generator=g))
    return V, torch.eye(D), V.gram() / N


class Planted:
    """A meter by which a chunk of m candidates takes ``tau(m)``, 2 % more or less from one call to the next."""

    device = "cpu"

    def __init__(self, tau):
        self.tau, self.calls, self.passes = tau, Counter(), Counter()

    def time(self, run, indices):
        results = [run(i) for i in indices]
        sizes = {len(scores) for scores in results if scores is not None}  # None is of warming up
        for m in sizes:
            self.calls[m] += 1
            self.passes[m] += len(results)
        return PassTimes([self.tau(m) * (0.98 + 0.02 * (self.calls[m] % 3)) for m in sizes for _ in results], results)


@pytest.fixture
def plant(monkeypatch):
    """Plants a τ, and gives the meter that has it."""

    def planted(tau):
        timer = Planted(tau)
        monkeypatch.setattr(chunk_choice, "meter", lambda device: timer)
        monkeypatch.setattr(chunk_choice, "warm_up_passes", lambda meter, run, seconds: run(0) is None)
        return timer

    return planted


def affine(m):
    """A candidate costs 1 + 1/m: 1.002 in the largest chunk, and under the upper end of that from 46 on."""
    return 1.0 + m


@pytest.mark.parametrize("kernel", ["published", "fused", "factored", "incremental"])
def test_the_knee_is_the_smallest_that_is_as_fast(problem, plant, kernel):
    plant(affine)
    assert choose_chunk(*problem, max_time=60, kernel=kernel) == 64


def test_where_larger_chunks_leave_the_cache_smaller_ones_are_chosen(problem, plant):
    plant(lambda m: 5.0 + m * (1 if m <= 128 else 2))
    assert choose_chunk(*problem, max_time=60) == 128


def test_where_every_size_is_alike_it_is_the_smallest(problem, plant):
    planted = plant(lambda m: float(m))
    assert choose_chunk(*problem, max_time=60) == 16
    assert sorted(planted.calls) == [16, 32, 64, 128, 256, 512]
    assert set(planted.calls.values()) == {12}


@pytest.mark.parametrize(("most", "sizes"), [(100, [16, 32, 64, 100]), (16, [16]), (5, [5]), (9999, [16, 32, 60])])
def test_sizes_double_up_to_the_most_and_the_pool(plant, problem, most, sizes):
    V, *matrices = problem
    planted = plant(affine)
    assert choose_chunk(V[:60] if most == 9999 else V, *matrices, most=most) in sizes
    assert sorted(planted.calls) == sizes


def test_chunks_move_through_the_pool(problem, plant, monkeypatch):
    parts = []
    kernel, prepared = chunk_choice.prepare_kernel("fused", *problem)

    def watched(matrices, part, with_inner):
        parts.append((part.start, part.stop, with_inner))
        return kernel.run(matrices, part, with_inner)

    watching = dataclasses.replace(kernel, run=watched), prepared
    monkeypatch.setattr(chunk_choice, "prepare_kernel", lambda name, *matrices: watching)
    plant(affine)
    choose_chunk(*problem, max_time=60, with_inner=False, most=32)
    assert {stop - start for start, stop, _ in parts} == {16, 32}
    assert {inner for *_, inner in parts} == {False}
    assert {start for start, stop, _ in parts if stop - start == 32} == set(range(0, 12 * 32, 32))
    assert max(stop for _, stop, _ in parts) <= N


def test_a_budget_leaves_the_larger_ones_out(problem, plant, monkeypatch):
    plant(affine)
    monkeypatch.setattr(chunk_choice, "_peak", lambda run, device: 1000 * len(run(0)))
    assert choose_chunk(*problem, max_time=60, memory_budget=40_000) == 32
    assert choose_chunk(*problem, max_time=60, memory_budget=10**9) == 64


def test_peaks_are_measured_where_there_is_a_budget(problem, plant):
    plant(affine)
    assert choose_chunk(*problem, max_time=60, memory_budget=2**50) == 64


def test_no_size_fits_the_budget(problem, plant, monkeypatch):
    plant(affine)
    monkeypatch.setattr(chunk_choice, "_peak", lambda run, device: 16_000)
    with pytest.raises(InputError, match=r"no chunk of 'fused' fits a memory budget of 1,000 bytes; allow more"):
        choose_chunk(*problem, max_time=60, memory_budget=1000)


def test_when_the_time_is_spent_no_further_block_begins(problem, plant):
    planted = plant(affine)
    assert choose_chunk(*problem, max_time=0) == N  # one block gives no interval: the fastest it is
    assert set(planted.calls.values()) == {1}
    assert planted.passes == {16: 10, 32: 10, 64: 8, 128: 4, 256: 2, 512: 1}


@pytest.mark.parametrize("most", [0, -3])
def test_a_chunk_holds_a_candidate(problem, most):
    with pytest.raises(InputError, match=f"most {most}: must be at least 1"):
        choose_chunk(*problem, max_time=60, most=most)


def test_an_unknown_kernel_names_the_nearest(problem):
    with pytest.raises(UnknownNameError, match=r"'fusd'.*'fused'"):
        choose_chunk(*problem, max_time=60, kernel="fusd")


def test_by_a_real_clock_it_is_one_of_the_sizes(problem):
    assert choose_chunk(*problem, max_time=0.05) in (16, 32, 64, 128, 256, 512)


@pytest.mark.parametrize("which", ["inverse", "fisher"])
def test_matrices_of_another_size_are_named_as_by_trace(problem, which):
    V, inverse, fisher = problem
    matrices = {"inverse": inverse, "fisher": fisher} | {which: torch.eye(D + 1)}
    with pytest.raises(InputError, match=rf"{which} has shape \[7, 7\]; the embedding needs \[6, 6\]"):
        choose_chunk(V, matrices["inverse"], matrices["fisher"])
