"""Bytes of the tensors alive: counted once each, until they are freed, on any device, through autograd too."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from fbench.measure.live import LiveBytes

N = 1000
BYTES = 4 * N


def test_a_result_counts_until_it_is_freed():
    with LiveBytes() as live:
        x = torch.empty(N)
        y = x + 1
        assert live.now == live.peak == 2 * BYTES
        del x
        assert (live.now, live.peak) == (BYTES, 2 * BYTES)
        del y
    assert (live.now, live.peak) == (0, 2 * BYTES)


def test_what_was_there_before_is_not_counted_nor_are_its_views():
    x = torch.ones(N)
    with LiveBytes() as live:
        kept = [x.view(10, -1), x[5:], x.detach(), *x.split(100), x.add_(1), x.contiguous()]
        assert (live.now, live.peak) == (0, 0)
    del kept


def test_views_of_a_result_are_the_same_bytes():
    with LiveBytes() as live:
        x = torch.ones(N)
        first, rest = x[:500], x.view(10, -1).mT
        assert live.now == BYTES
        del x, first
        assert live.now == BYTES  # a view keeps all of it
        del rest
        assert live.now == 0


def test_several_results_of_one_operation():
    with LiveBytes() as live:
        values, at = torch.ones(N).sort()
        assert (live.now, live.peak) == (3 * BYTES, 4 * BYTES)  # indices are of eight bytes, and the ones are let go
        assert len(values) == len(at)


def test_a_number_freed_and_made_again_is_counted_again():
    with LiveBytes() as live:
        for _ in range(50):  # the same address, and the same number of a storage, again and again
            x = torch.ones(N)
            del x
            assert live.now == 0
    assert live.peak == BYTES


def test_restart_begins_from_what_is_alive():
    with LiveBytes() as live:
        kept = torch.ones(N)
        torch.ones(9 * N)
        assert live.peak == 10 * BYTES
        live.restart()
        assert live.peak == live.now == BYTES
        torch.ones(N)
        assert live.peak == 2 * BYTES
    del kept


def test_bytes_inside_an_operation_are_told():
    asked = []

    def inside(operation, arguments, result):
        asked.append(operation)
        return 7 * BYTES if operation is torch.ops.aten.mm.default else 0

    x = torch.ones(10, 10)
    with LiveBytes(inside) as live:
        y = x @ x
        assert (live.now, live.peak) == (400, 400 + 7 * BYTES)
        live.restart()
        y + 1
    assert live.peak == 800
    assert torch.ops.aten.mm.default in asked


def test_nothing_is_held_on_the_meta_device():
    with LiveBytes() as live:
        x = torch.empty(10**12, device="meta")
        y = x.double()
        assert live.now == 12 * 10**12
        del x, y
    assert live.now == 0


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_way_back_is_counted(device):
    """Activations until their gradient is done, and a gradient for every parameter after that."""
    network = nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU(), nn.Linear(64, 64, bias=False)).to(device)
    x, step = torch.ones(256, 64, device=device), 4 * 256 * 64
    with LiveBytes() as live:
        loss = network(x).sum()
        assert live.now == step + 4  # ReLU's result, which the way back needs, and the sum
        torch.autograd.backward(loss)
        del loss
        gc.collect()
        assert live.now == sum(4 * layer.numel() for layer in network.parameters())
    assert 2 * step <= live.peak <= 4 * step + 2 * 4 * 64 * 64 + 64


def test_both_devices_count_alike():
    def peak(device):
        network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
        network = network.to(device)
        with LiveBytes() as live:
            torch.autograd.backward(network(torch.ones(32, 1, 8, 8, device=device)).sum())
        return live.peak

    assert peak("cpu") == pytest.approx(peak("meta"), rel=0.02)


def test_two_at_once_count_the_same():
    with LiveBytes() as outer:
        x = torch.ones(N)
        with LiveBytes() as inner:
            y = torch.ones(2 * N)
            assert (outer.now, inner.now) == (3 * BYTES, 2 * BYTES)
        del y
        assert (outer.now, inner.now) == (BYTES, 0)
        del x
    assert (outer.peak, inner.peak) == (3 * BYTES, 2 * BYTES)


def test_what_outlives_the_block_is_still_let_go():
    with LiveBytes() as live:
        x = torch.ones(N)
    torch.ones(N)
    assert live.now == live.peak == BYTES
    del x
    assert live.now == 0


def test_an_error_inside_leaves_the_count_right():
    live = LiveBytes()
    with pytest.raises(RuntimeError, match="mat1"), live:
        torch.ones(2, 3) @ torch.ones(2, 3)
    gc.collect()
    assert (live.now, live.peak) == (0, 48)
