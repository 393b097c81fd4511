"""Products with symmetric matrices in blocks of columns against whole ones."""

from __future__ import annotations

import pytest
import torch

from fbench.fisher import symmetric

SIZES = [1, 95, 200, 328, 1000]


@pytest.mark.parametrize("d", SIZES)
def test_half_of_a_product_and_its_transpose_are_all_of_it(d: int) -> None:
    g = torch.Generator().manual_seed(d)
    V, A = torch.randn(7, d, generator=g, dtype=torch.float64), torch.randn(d, d, generator=g, dtype=torch.float64)
    A = A + A.T
    out = torch.full((7, d + 3), 5.0, dtype=torch.float64)
    X = symmetric.times_half(V, symmetric.half(A), out[:, :d]) @ V.T
    torch.testing.assert_close(X + X.T, V @ A @ V.T, rtol=1e-11, atol=1e-11)
    assert bool((out[:, d:] == 5).all())


@pytest.mark.parametrize("d", SIZES)
def test_a_gram_matrix_is_added_to_what_is_there(d: int) -> None:
    g = torch.Generator().manual_seed(d)
    V, A = torch.randn(7, d, generator=g, dtype=torch.float64), torch.randn(d, d, generator=g, dtype=torch.float64)
    A = A + A.T
    got = symmetric.add_gram(V, A.clone(), 0.3)
    torch.testing.assert_close(got, A + 0.3 * V.T @ V, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("d", SIZES)
def test_blocks_partition_the_columns(d: int) -> None:
    assert [i for block in symmetric.column_blocks(d) for i in range(block.start, block.stop)] == list(range(d))
    assert d * (d + 1) <= symmetric.half_operations(1, d) <= 2 * d**2
