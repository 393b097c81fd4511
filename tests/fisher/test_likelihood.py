"""Rows in logit space: part by part as they are whole, and what they are the factor of."""

from __future__ import annotations

import pytest
import torch

from fbench.errors import InputError
from fbench.fisher import likelihood
from fbench.fisher.likelihood import logit_rows
from fbench.measure.live import LiveBytes


def logits(n: int, k: int, dtype: torch.dtype) -> torch.Tensor:
    g = torch.Generator().manual_seed(n + k)
    return (5 * torch.randn(n, k, generator=g, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (37, 2), (101, 3), (1000, 10), (130, 100)])
def test_parts_are_the_whole_bit_by_bit(n: int, k: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    z = logits(n, k, dtype)
    monkeypatch.setitem(likelihood._PART, "cpu", 10**9)
    whole = logit_rows(z)
    assert whole.shape == (n, k - 1, k)
    assert torch.equal(whole, likelihood._householder_rows(z))
    for candidates in (1, 3, 16, 33, n):  # a part ends within a register, and at its end
        monkeypatch.setitem(likelihood._PART, "cpu", candidates * k**2)
        assert torch.equal(logit_rows(z), whole)


@pytest.mark.parametrize("k", [2, 3, 30])
def test_they_are_a_factor_of_the_logits_information(k: int) -> None:
    """In many parts of one candidate each, and with certainty among them."""
    z = torch.cat([logits(5000, k, torch.float64), 1e3 * torch.eye(k, dtype=torch.float64)])
    p = torch.softmax(z, dim=1)
    expected = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    rows = logit_rows(z)
    torch.testing.assert_close(rows.mT @ rows, expected, rtol=0, atol=1e-14)


def test_no_more_than_a_part_is_held_beside_the_rows() -> None:
    z = logits(20_000, 10, torch.float32)
    with LiveBytes() as live:
        rows = logit_rows(z)
    assert rows.nbytes == 20_000 * 9 * 10 * 4
    assert live.peak < rows.nbytes + 5 * likelihood._PART["cpu"] * 4


def test_a_fault_is_named_by_its_place_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(likelihood._PART, "cpu", 9)
    z = logits(20, 3, torch.float32)
    z[17, 2] = torch.nan
    with pytest.raises(InputError, match=r"^logits\[17, 2\] is nan"):
        logit_rows(z)
