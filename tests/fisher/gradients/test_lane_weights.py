"""Gradients in lanes against the plain contraction: gathered, hashed and squared, whatever A's strides."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("numba")

from fbench.fisher.gradients import lane_weights, layers
from fbench.fisher.gradients.lane_weights import LaneWeights
from fbench.fisher.gradients.layers import Block, Factors, InLanes, Pairs, Whole, factors, output_factor
from fbench.fisher.lanes import cores
from fbench.fisher.lanes.packing import unpack_lanes

LAYERS = {
    "strided": (nn.Conv2d(2, 5, 3, stride=2, padding=1), (2, 7, 5)),
    "dilated": (nn.Conv2d(3, 4, 2, dilation=2), (3, 6, 6)),
    "grouped": (nn.Conv1d(6, 4, 3, groups=2), (6, 7)),
    "sequence": (nn.Linear(11, 3), (5, 11)),
    "volume": (nn.Conv3d(1, 2, 2), (1, 3, 3, 3)),
}


def problem(name: str, n: int, dtype: torch.dtype = torch.float64) -> tuple[Factors, Tensor]:
    layer, shape = LAYERS[name]
    generator = torch.Generator().manual_seed(n)
    a = torch.randn(2 * n, *shape, generator=generator, dtype=dtype)[::2]  # every other sample of a larger pool
    with torch.no_grad():
        delta = torch.randn(layer.to(dtype)(a).shape, generator=generator, dtype=dtype)
    return factors(layer, a), output_factor(layer, delta)


def in_lanes(A: Factors) -> LaneWeights:
    return LaneWeights(A.view, A.axes, A.outputs, A.groups)


@pytest.mark.parametrize("n", [1, 16, 37])
@pytest.mark.parametrize("name", LAYERS)
def test_every_use_is_that_of_the_plain_contraction(name: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    A, D = problem(name, n)
    G = A.gradients(D, "weight", slice(None))
    m, lanes, generator = G.shape[1], in_lanes(A), torch.Generator().manual_seed(0)
    for some in (torch.arange(m), torch.randperm(m, generator=generator)[: m // 2], torch.tensor([m - 1])):
        torch.testing.assert_close(lanes.gathered(D, *lanes.places(some)), G[:, some], rtol=1e-12, atol=1e-14)
    buckets = torch.randint(3, (m,), generator=generator)
    signs = (torch.randint(2, (m,), generator=generator) * 2 - 1).to(G)
    sums = lanes.room(3)
    lanes.add_hashed(D, buckets, signs, sums)
    expected = torch.zeros(n, 3, dtype=G.dtype).index_add_(1, buckets, G * signs)
    torch.testing.assert_close(unpack_lanes(sums, n), expected, rtol=1e-12, atol=1e-13)
    for near in (1, 1 << 17):  # a block at a time, and all of them
        monkeypatch.setattr(lane_weights, "_NEAR", near)
        total = torch.ones(A.outputs, A.inputs // A.groups, dtype=G.dtype)
        lanes.add_squares(D, total)
        torch.testing.assert_close(total.flatten(), 1 + G.square().sum(0), rtol=1e-12, atol=0)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_LEAST_BLOCKS", 1)
    A, D = problem("strided", 37)
    seen, before = [], torch.get_num_threads()
    for threads in (3, 1):
        torch.set_num_threads(threads)
        lanes, total = in_lanes(A), torch.zeros(A.outputs, A.inputs, dtype=D.dtype)
        lanes.add_squares(D, total)
        seen.append((total, lanes.gathered(D, *lanes.places(torch.arange(9)))))
    torch.set_num_threads(before)
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)


def test_which_form_a_mask_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In lanes where positions are few, the others elsewhere: half precision, many positions, no numba."""
    A, _ = problem("strided", 2)
    some = torch.tensor([0, 3])
    assert isinstance(A.at("weight", some), InLanes)
    assert not isinstance(problem("strided", 2, torch.bfloat16)[0].at("weight", some), InLanes)
    monkeypatch.setattr(layers, "_LANE_POSITIONS", 2)
    assert isinstance(A.at("weight", some), Block)
    monkeypatch.setattr(layers, "_LANE_POSITIONS", 64)
    monkeypatch.setattr(layers, "_has_numba", lambda: False)
    monkeypatch.setattr(layers, "_BLOCK_FILL", 0)
    assert isinstance(A.at("weight", some), Pairs)
    assert isinstance(A.at("weight", torch.arange(A.outputs * A.inputs)), Whole)


@pytest.mark.parametrize("L", [2, 16, 37, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pairs_are_those_of_a_gather(L: int, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(L)
    D, out = torch.randn(40, 7, 2 * L, generator=g, dtype=dtype)[:, :, ::2], torch.tensor([5, 0, 5])
    A = torch.randn(40, 3, L, generator=g, dtype=dtype)
    exact = 1e-5 if dtype == torch.float32 else 1e-12
    got = lane_weights.pair_sums(D, A, out)
    torch.testing.assert_close(got, (D[:, out] * A).sum(-1), rtol=exact, atol=exact)
