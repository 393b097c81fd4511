"""Inner products of a few samples' rows with a pool's: all that the objective of a batch asks of V, whatever d is.

Layout: T [e, d] has the r rows of each of m samples, e = m·r, V [N, d] those of the pool's n, N = n·r. Neither exists
of a network: groups of weights are added one after the other. What K [N, N] would take, these few rows do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.gradients.footprint import MEMORY_BUDGET, check_limits
from fbench.fisher.gradients.jacobian import check_inputs
from fbench.fisher.gradients.masked import masked_embedding
from fbench.fisher.row_gram import weight_groups
from fbench.fisher.work import did


@dataclass(frozen=True)
class RowProducts:
    """What is known of a few samples' rows T and a pool's rows V.

    Attributes:
        across: [e, N], T Vᵀ.
        among: [e, e], T Tᵀ, in float64.
        trace: tr V Vᵀ = n · tr F.
        rows: r, of each sample.
    """

    across: Tensor
    among: Tensor
    trace: float
    rows: int

    @property
    def n(self) -> int:
        """The pool's samples."""
        return self.across.shape[1] // self.rows


@torch.no_grad()
def products_of(few: Embedding, V: Embedding) -> RowProducts:
    """The products of the rows of ``few`` and of ``V``, two embeddings on the same weights.

    Example:
        >>> import fbench
        >>> V = fbench.dense_embedding(torch.tensor([[[1.0, 2.0]], [[0.0, 3.0]]]))
        >>> products = products_of(V[:1], V)
        >>> products.across.tolist(), products.among.tolist(), products.trace
        ([[5.0, 6.0]], [[5.0]], 14.0)
    """
    sums = _Sums(few.n * few.rows, V.n * V.rows, V.rows, V.dtype, V.device)
    sums.add(few, V)
    return sums.products()


@torch.no_grad()
def network_products(
    model: nn.Module,
    few: Tensor,
    inputs: Tensor,
    *,
    batch_size: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> RowProducts:
    """The products of ``few`` samples' rows with a pool's, ``inputs``, on all weights of a network, frozen or not.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        few: [m, …], samples that may be in the pool.
        inputs: [n, …], the pool.
        batch_size: samples in a pass; None takes as many as the budget holds.
        memory_budget: bytes beside the products, half of them for the gradients by a group of weights, half for making
            them; one weight and one sample are always taken.

    Raises:
        InputError: a model without parameters, no inputs, a bad batch size or budget, logits that are not finite, inner
            products that are not.

    Example:
        >>> products = network_products(nn.Linear(4, 3), torch.randn(2, 4), torch.randn(5, 4))
        >>> products.across.shape, products.among.shape, products.n
        (torch.Size([4, 10]), torch.Size([4, 4]), 5)
    """
    check_inputs(inputs)
    check_limits(batch_size, memory_budget)
    if min(len(few), len(inputs)) == 0:
        raise InputError("inputs are empty; at least one sample is needed")
    half, sums = max(1, memory_budget // 2), None
    width = half // ((len(inputs) + len(few)) * _rows_of(model, few) * inputs.element_size())
    for group in weight_groups(model, width):
        T, V = (masked_embedding(model, x, group, batch_size=batch_size, memory_budget=half) for x in (few, inputs))
        sums = sums or _Sums(T.n * T.rows, V.n * V.rows, V.rows, V.dtype, V.device)
        sums.add(T, V)
    assert sums is not None  # weight_groups refuses a model without parameters
    return sums.products()


def _rows_of(model: nn.Module, inputs: Tensor) -> int:
    """Rows of a sample, r = k − 1."""
    first = weight_groups(model, 1)
    return masked_embedding(model, inputs[:1], next(first)).rows


class _Sums:
    """Products summed up over groups of weights."""

    def __init__(self, e: int, N: int, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        self._rows, self._trace = rows, torch.zeros((), dtype=torch.float64, device=device)
        self._across = torch.zeros(e, N, dtype=dtype, device=device)
        self._among = torch.zeros(e, e, dtype=torch.float64, device=device)

    def add(self, few: Embedding, V: Embedding) -> None:
        T, rows = (embedding.dense().reshape(-1, embedding.dim) for embedding in (few, V))
        self._across.addmm_(T, rows.T)
        self._among.addmm_(T.double(), T.double().T)
        for start in range(0, len(rows), _AT_A_TIME):
            self._trace += rows[start : start + _AT_A_TIME].square().sum(dtype=torch.float64)
        did(2 * len(T) * (len(T) + len(rows)) * V.dim)

    def products(self) -> RowProducts:
        if not bool(torch.isfinite(self._across).all() & torch.isfinite(self._trace)):
            raise InputError(f"the rows' inner products overflow {self._across.dtype}: use float64")
        return RowProducts(self._across, self._among, float(self._trace), self._rows)


_AT_A_TIME = 1024
"""Rows whose squares are summed at a time."""
