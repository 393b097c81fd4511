"""The field's approximations of BAIT as embeddings: they differ from the exact one only by what they leave out.

Letters as in ../MATH.md ("Approximations"): logits [n, k], features [n, h], p = softmax of the logits, V [n, r, d]
with column c·h + j the weight (class c, feature j). The exact last layer has r = k−1 rows and d = k·h.

| embedding | r | d | leaves out |
| --- | --- | --- | --- |
| ``top_classes`` | c | k·h | the gradients of unlikely labels; d and its matrices stay |
| ``binary`` | 1 | h | which class it is: only right or wrong |
| ``principal`` | k−1 | k·h' | directions in which the features hardly lie |

Top classes and the binary likelihood: Huseljic, Hahn, Herde, Rauch and Sick, "Fast Fishing: Approximating BAIT for
Efficient and Scalable Deep Active Image Classification" (2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.embeddings import FactoredEmbedding, last_layer_embedding
from fbench.fisher.likelihood import check_finite
from fbench.fisher.symmetric import add_gram

_PART = 1 << 15
"""Candidates whose temporaries are held together."""
_MOMENTS = {"cpu": 1 << 22, "cuda": 1 << 26}
"""Numbers of the features that are taken together."""


def top_classes(logits: Tensor, features: Tensor, c: int) -> FactoredEmbedding:
    """Rows √p_y ∇ log p_y of each candidate's c likeliest classes only: V [n, c, k·h].

    The p_y are the network's own, so that the information left out is lost and never made up for: V_xᵀV_x grows with
    c to the exact one at c = k. (The authors' code divides by the kept p's sum instead.) Equal p: lower class first.

    Args:
        logits: [n, k].
        features: [n, h], what enters the last layer.
        c: classes kept, from 1 to k.

    Raises:
        InputError: c outside its range, or what ``last_layer_embedding`` refuses.

    Example:
        >>> V = top_classes(torch.zeros(6, 5), torch.ones(6, 4), c=2)
        >>> V.rows, V.dim
        (2, 20)
    """
    p, h = _probabilities(logits, features)
    _check_range("c", c, p.shape[1], "the classes of the logits")
    S = p.new_empty(len(p), c, p.shape[1])
    for some, rows in zip(torch.split(p, _PART), torch.split(S, _PART), strict=True):
        rows.copy_(_likeliest_rows(some, c))
    return FactoredEmbedding(S.to(h.dtype), h)


def _likeliest_rows(p: Tensor, c: int) -> Tensor:
    kept = p.sort(dim=1, descending=True, stable=True).indices[:, :c, None]
    others = (-p[:, None, :]).expand(-1, c, -1).scatter(2, kept, 0)
    rows = others.scatter(2, kept, -others.sum(2, keepdim=True))  # 1 − p_y as the others' sum: all digits stay near 1
    return rows.mul_(p[:, :, None].gather(1, kept).sqrt())


def binary(logits: Tensor, features: Tensor) -> FactoredEmbedding:
    """The likelihood of two classes, right and wrong, by the top probability p̂: one row √(p̂(1−p̂)) h, d = h.

    Args:
        logits: [n, k].
        features: [n, h], what enters the last layer.

    Raises:
        InputError: what ``last_layer_embedding`` refuses.

    Example:
        >>> binary(torch.zeros(6, 2), 2 * torch.ones(6, 4)).dense()[0].tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """
    p, h = _probabilities(logits, features)
    top, at = p.max(dim=1, keepdim=True)
    wrong = p.scatter(1, at, 0).sum(1, keepdim=True)  # 1 − p̂, all digits kept
    return FactoredEmbedding((top * wrong).sqrt()[:, :, None].to(h.dtype), h)


def principal(logits: Tensor, features: Tensor, components: int) -> FactoredEmbedding:
    """The last layer on features projected on their leading directions: V [n, k−1, k·components].

    The directions are the leading eigenvectors of HᵀH, H [n, h] the features as they are. They are not centred: F and M
    are sums of V_xᵀV_x, second moments about 0, and a mean that was taken away would leave them without the direction
    in which features such as a ReLU's mostly lie. With all h directions the picks are the exact ones.

    Args:
        logits: [n, k].
        features: [n, h], what enters the last layer.
        components: h', from 1 to h.

    Raises:
        InputError: components outside their range, or what ``last_layer_embedding`` refuses.

    Example:
        >>> V = principal(torch.zeros(6, 5), torch.ones(6, 4), components=3)
        >>> V.rows, V.dim
        (4, 15)
    """
    exact = last_layer_embedding(logits, features)
    width = exact.h.shape[1]
    _check_range("components", components, width, "the features")
    moments, projected = exact.S.new_zeros(width, width), exact.S.new_empty(exact.n, components)
    for part in exact.chunks(width, _MOMENTS):
        add_gram(exact.h[part], moments)
    if not bool(torch.isfinite(moments).all()):
        raise InputError(f"the features' squares overflow {exact.dtype}: use float64, or scale the features down")
    directions = torch.linalg.eigh(moments.to(torch.float64)).eigenvectors
    leading = directions[:, width - components :].to(exact.dtype)  # eigenvalues ascend
    for part in exact.chunks(width, _MOMENTS):
        torch.mm(exact.h[part], leading, out=projected[part])
    return FactoredEmbedding(exact.S, projected)


def subsample(n: int, labelled: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Positions of a smaller pool: every labelled one and ``size`` random unlabelled ones, ascending.

    Take the embedding of these positions alone: candidates, and F with them, are then those of the smaller pool (the
    labelled weigh more in it than in the whole), and every cost that grows with n falls.

    Args:
        n: the pool's size.
        labelled: positions in it that have their labels.
        size: unlabelled positions to draw; all of them where fewer are left.
        generator: of the draw, on the CPU.

    Raises:
        InputError: a size below 1.

    Example:
        >>> kept = subsample(100, torch.tensor([7, 3]), 10, torch.Generator().manual_seed(0))
        >>> len(kept), {3, 7} <= set(kept.tolist())
        (12, True)
    """
    if size < 1:
        raise InputError(f"size is {size}: a subsample needs at least 1 unlabelled candidate")
    taken = torch.zeros(n, dtype=torch.bool)
    taken[labelled.cpu()] = True
    free = (~taken).nonzero()[:, 0]
    taken[free[torch.randperm(len(free), generator=generator)[:size]]] = True
    return taken.nonzero()[:, 0]


def _probabilities(logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities [n, k] and features [n, h], checked as the last layer's are without building its n·(k−1) rows."""
    logits, features = torch.as_tensor(logits).detach(), torch.as_tensor(features).detach()
    paired = logits.ndim == features.ndim == 2 and len(logits) == len(features) and logits.shape[1] > 1
    if not (paired and 0 not in features.shape and logits.is_floating_point() and features.is_floating_point()):
        last_layer_embedding(logits, features)  # raises, in its own words
    check_finite("logits", logits)
    check_finite("features", features)
    return torch.softmax(logits, dim=1), features


def _check_range(name: str, value: int, most: int, of_what: str) -> None:
    if not hasattr(value, "__index__") or not 1 <= value <= most:
        raise InputError(f"{name} is {value}: must be a whole number from 1 to {most}, {of_what}")
