"""A last layer of many classes: F and V_x A V_xᵀ by products of pairs of features, in half the operations.

V_x = S_x ⊗ h_xᵀ, so that V_xᵀV_x has the blocks w_x[a, b] · h_xh_xᵀ with w_x = S_xᵀS_x: symmetric in the classes a, b
and in the features i, j alike. A pair of features and a pair of classes suffices for four entries of F:

    F[ai, bj] = Σ_x (h_i h_j) w_ab  for i ≤ j, a ≤ b,        Φ_x[a, b] = Σ_{i ≤ j} (h_i h_j) (A_ab[i, j] + A_ab[j, i]),

the diagonal i = j once. Pairs are taken in strips: every j from the strip's first feature on, for each i in it. Both
are one product of [c, pairs] and [·, k(k+1)/2] numbers for c candidates, which pays where classes are many enough to
use up what the pairs cost to make.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fbench.fisher.work import did

LEAST_CLASSES, LEAST_CANDIDATES = 20, 1024
"""From so many on it is faster than class by class: with 26 classes, 128 features and 15,000 candidates F takes 0.61 of
the time and V_x A V_xᵀ 0.68; with 10 there is no gain, with 4 it takes longer (one core, AVX2)."""
STRIP, TOGETHER = 16, 512
"""Features of a strip, and candidates of a chunk: their pairs are made and used up in a core's caches."""


def pays(n: int, k: int, device_type: str) -> bool:
    """Whether n candidates of k classes are summed over faster by pairs; on a CPU, where it was measured.

    Example:
        >>> pays(15_000, 26, "cpu"), pays(15_000, 10, "cpu"), pays(15_000, 26, "cuda")
        (True, False, False)
    """
    return device_type == "cpu" and k >= LEAST_CLASSES and n >= LEAST_CANDIDATES


def add_pair_gram(S: Tensor, h: Tensor, out: Tensor, factor: float) -> None:
    """Add factor · Σ_x V_xᵀV_x to ``out`` [k·h, k·h] in place, for S [n, r, k] and h [n, h].

    Example:
        >>> S, h = torch.tensor([[[1.0, -1.0]]]), torch.tensor([[2.0]])
        >>> out = torch.zeros(2, 2)
        >>> add_pair_gram(S, h, out, 0.5)
        >>> out.tolist()
        [[2.0, -2.0], [-2.0, 2.0]]
    """
    k, width = S.shape[2], h.shape[1]
    a, b = torch.triu_indices(k, k)
    sums = [out.new_zeros(_pairs(strip, width), len(a)) for strip in _strips(width)]
    for part in range(0, len(h), TOGETHER):
        features, rows = h[part : part + TOGETHER], S[part : part + TOGETHER]
        weights = (rows.mT @ rows).mul_(factor)[:, a, b]
        for strip, total in zip(_strips(width), sums, strict=True):
            total.addmm_(_products(features, strip).T, weights)
            did(2 * len(features) * total.numel())
    blocks = out.view(k, width, k, width)
    for strip in _strips(width):
        _spread(sums.pop(0), blocks, strip)


def _spread(total: Tensor, blocks: Tensor, strip: slice) -> None:
    """Add a strip's sums [pairs, k(k+1)/2] to all entries of F [k, h, k, h] that have them."""
    k, width, first = blocks.shape[0], blocks.shape[1], 0
    inside, beyond = strip.stop - strip.start, slice(strip.stop, width)
    for a in range(k):
        of_a = total[:, first : first + k - a].view(inside, -1, k - a).permute(0, 2, 1)  # [i, b, j], b ≥ a, j ≥ strip
        first += k - a
        right = of_a[:, :, inside:]
        blocks[a, strip, a:, strip.start :] += of_a
        blocks[a, beyond, a:, strip] += right.permute(2, 1, 0)
        blocks[a + 1 :, strip, a, strip.start :] += of_a[:, 1:].transpose(0, 1)
        blocks[a + 1 :, beyond, a, strip] += right[:, 1:].permute(1, 2, 0)


class PairForms:
    """V_x A V_xᵀ for a symmetric A [k·h, k·h], whose pairs are gathered once.

    Example:
        >>> S, h = torch.tensor([[[1.0, -1.0]]]), torch.tensor([[2.0]])
        >>> PairForms(torch.tensor([[3.0, 1.0], [1.0, 1.0]]), k=2).of(S, h).tolist()
        [[[8.0]]]
    """

    def __init__(self, A: Tensor, k: int) -> None:
        self._k, width = k, len(A) // k
        blocks = A.view(k, width, k, width)
        self._strips = [(strip, _gathered(blocks, strip)) for strip in _strips(width)]

    def of(self, S: Tensor, h: Tensor) -> Tensor:
        """V_x A V_xᵀ = S_x Φ_x S_xᵀ [n, r, r], for S [n, r, k] and h [n, h]."""
        out = S.new_empty(len(S), S.shape[1], S.shape[1])
        a, b = torch.triu_indices(self._k, self._k)
        for part in range(0, len(h), TOGETHER):
            features, rows = h[part : part + TOGETHER], S[part : part + TOGETHER]
            upper = features.new_zeros(len(features), len(a))
            for strip, gathered in self._strips:
                upper.addmm_(_products(features, strip), gathered)
                did(2 * len(features) * gathered.numel())
            phi = features.new_empty(len(features), self._k, self._k)
            phi[:, a, b] = phi[:, b, a] = upper
            torch.bmm(rows @ phi, rows.mT, out=out[part : part + TOGETHER])
        return out


def _gathered(blocks: Tensor, strip: slice) -> Tensor:
    """What a strip's pairs are multiplied by: [pairs, k(k+1)/2]."""
    k, width, first = blocks.shape[0], blocks.shape[1], 0
    inside, beyond = strip.stop - strip.start, slice(strip.stop, width)
    out = blocks.new_empty(inside, width - strip.start, k * (k + 1) // 2)
    for a in range(k):
        of_a = out[:, :, first : first + k - a]  # [i, j, b]
        of_a.copy_(blocks[a, strip, a:, strip.start :].permute(0, 2, 1))
        of_a[:, inside:] += blocks[a, beyond, a:, strip].permute(2, 0, 1)
        first += k - a
    return out.view(-1, out.shape[2])


def _products(features: Tensor, strip: slice) -> Tensor:
    """h_i h_j of every i in the strip and j from its first on: [c, pairs]."""
    return (features[:, strip, None] * features[:, None, strip.start :]).flatten(1)


def _strips(width: int) -> Iterator[slice]:
    return (slice(first, min(first + STRIP, width)) for first in range(0, width, STRIP))


def _pairs(strip: slice, width: int) -> int:
    return int(strip.stop - strip.start) * int(width - strip.start)
