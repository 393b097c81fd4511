"""The Gram matrix K = V Vᵀ of a pool's rows, all that BAIT in row space asks of V (MATH.md, "BAIT in row space").

Layout: K [N, N] with N = n·r; row x·r + i is row i of candidate x. Only the blocks on and above the diagonal are
computed, then mirrored. Of a network V [N, d] never exists: groups of weights are added to K one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding, FactoredEmbedding
from fbench.fisher.gradients.capture import evaluating
from fbench.fisher.gradients.footprint import MEMORY_BUDGET, check_limits
from fbench.fisher.gradients.jacobian import check_inputs
from fbench.fisher.gradients.masked import masked_embedding
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.masks import Mask
from fbench.fisher.work import did

_BLOCK = 512
"""Rows of K at a time. The blocks on the diagonal are made whole: at N = 12,942 that is a 26th more than half."""


@torch.no_grad()
def gram_of_rows(V: Embedding) -> Tensor:
    """K = V Vᵀ [n·r, n·r] in the embedding's dtype, a last layer's from its factors, V never built.

    Raises:
        InputError: the inner products overflow the dtype.

    Example:
        >>> import fbench
        >>> gram_of_rows(fbench.dense_embedding(torch.tensor([[[1.0, 2.0]], [[0.0, 3.0]]]))).tolist()
        [[5.0, 6.0], [6.0, 9.0]]
    """
    K = torch.zeros(V.n * V.rows, V.n * V.rows, dtype=V.dtype, device=V.device)
    _add_upper(K, V)
    return _mirrored(K, V.rows)


@torch.no_grad()
def network_gram(
    model: nn.Module,
    inputs: Tensor,
    *,
    dtype: torch.dtype | None = None,
    batch_size: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    """K = V Vᵀ [n·(k−1), n·(k−1)] of a network on all its weights, frozen or not.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        inputs: [n, …], the pool.
        dtype: of K and of its sums; that of the gradients if not given.
        batch_size: samples in a pass; None takes as many as the budget holds.
        memory_budget: bytes beside K, half of them for the gradients by a group of weights, half for making them; one
            weight and one sample are always taken. The smaller it is, the more passes over the pool.

    Raises:
        InputError: a model without parameters, no inputs, a bad batch size or budget, logits that are not finite.

    Example:
        >>> network_gram(nn.Linear(4, 3), torch.randn(5, 4)).shape
        torch.Size([10, 10])
    """
    check_inputs(inputs)
    check_limits(batch_size, memory_budget)
    if len(inputs) == 0:
        raise InputError("inputs are empty; at least one sample is needed")
    one = _rows_of_one(model, inputs)
    N = len(inputs) * one.shape[1]
    K = torch.zeros(N, N, dtype=dtype or one.dtype, device=inputs.device)
    half = max(1, memory_budget // 2)
    for group in weight_groups(model, half // (N * one.element_size())):
        V = masked_embedding(model, inputs, group, batch_size=batch_size, memory_budget=half)
        _add_upper(K, V.to(dtype=K.dtype))
    return _mirrored(K, one.shape[1])


def weight_groups(model: nn.Module, most: int) -> Iterator[Mask]:
    """Masks of ``most`` weights or fewer that part a network's weights in their order, parameters whole where they fit.

    Raises:
        InputError: a model without parameters.

    Example:
        >>> [group.counts() for group in weight_groups(nn.Linear(2, 2), most=3)]
        [{'weight': 2, 'bias': 0}, {'weight': 2, 'bias': 0}, {'weight': 0, 'bias': 2}]
    """
    parameters = dict(model.named_parameters())
    if not parameters:
        raise InputError(f"the model {type(model).__name__} has no parameters to take gradients of")
    group = {name: torch.zeros(p.shape, dtype=torch.bool) for name, p in parameters.items()}
    free = most = max(1, most)
    for name, p in parameters.items():
        pieces = -(-p.numel() // most)
        for i in range(pieces):
            piece = slice(i * p.numel() // pieces, (i + 1) * p.numel() // pieces)
            if piece.stop - piece.start > free:
                yield Mask(group)
                group, free = {other: torch.zeros_like(layer) for other, layer in group.items()}, most
            group[name].view(-1)[piece] = True
            free -= piece.stop - piece.start
    yield Mask(group)


def _rows_of_one(model: nn.Module, inputs: Tensor) -> Tensor:
    """R [1, k−1, k] of the first sample, for its shape and dtype."""
    with evaluating(model):
        return logit_rows(model(inputs[:1]))


def _add_upper(K: Tensor, V: Embedding) -> None:
    """Add V Vᵀ to K's blocks on and above the diagonal."""
    step = _blocked(V.rows)
    for start in range(0, V.n, step):
        part = slice(start, min(start + step, V.n))
        rows = slice(start * V.rows, part.stop * V.rows)
        _add_products(V, K[rows, rows.start :], part)
        did(2 * (rows.stop - rows.start) * (len(K) - rows.start) * V.dim)


@singledispatch
def _add_products(V: Embedding, out: Tensor, part: slice) -> None:
    """Add to ``out`` [c·r, m·r] the products of the rows of the c candidates ``part`` with those from there on."""
    flat = V.dense().view(-1, V.dim)
    out.addmm_(flat[part.start * V.rows : part.stop * V.rows], flat[part.start * V.rows :].T)


@_add_products.register
def _(V: FactoredEmbedding, out: Tensor, part: slice) -> None:
    S, h = V.S.reshape(-1, V.k), V.h
    in_logits = S[part.start * V.rows : part.stop * V.rows] @ S[part.start * V.rows :].T
    of_features = h[part] @ h[part.start :].T
    shape = (len(of_features), V.rows, of_features.shape[1], V.rows)
    out += in_logits.view(shape).mul_(of_features[:, None, :, None]).view(out.shape)


def _mirrored(K: Tensor, rows: int) -> Tensor:
    """K with what is above its diagonal written below it, block by block."""
    step = _blocked(rows) * rows
    for start in range(0, len(K), step):
        block = slice(start, start + step)
        K[block.stop :, block] = K[block, block.stop :].T
        K[block, block] = K[block, block].triu() + K[block, block].triu(1).T
    if not bool(torch.isfinite(K.diagonal()).all()):
        raise InputError(f"the rows' inner products overflow {K.dtype}: use float64, or scale the features down")
    return K


def _blocked(rows: int) -> int:
    """Candidates in a block, r = ``rows`` each."""
    return max(1, _BLOCK // rows)
