"""Uncertainty sampling: scores [n] from probabilities [n, k], the most uncertain highest.

Settles, "Active Learning Literature Survey" (2009), section 3.1, has all three. 1 − p̂ is taken as the sum of the other
probabilities, so that candidates of which a network is nearly sure keep all their digits, and their order.
"""

from __future__ import annotations

import torch
from torch import Tensor


def least_confidence(p: Tensor) -> Tensor:
    """1 − p̂, p̂ the largest probability of each candidate (Lewis and Gale 1994).

    Example:
        >>> least_confidence(torch.tensor([[0.75, 0.25], [0.5, 0.5]])).tolist()
        [0.25, 0.5]
    """
    at = p.argmax(dim=1, keepdim=True)
    return p.scatter(1, at, 0).sum(1)


def smallest_margin(p: Tensor) -> Tensor:
    """1 − (p̂ − p₂), p₂ the second largest probability (Scheffer, Decomain and Wrobel 2001).

    Example:
        >>> smallest_margin(torch.tensor([[0.75, 0.25], [0.5, 0.5]])).tolist()
        [0.5, 1.0]
    """
    at = p.argmax(dim=1, keepdim=True)
    others = p.scatter(1, at, 0)
    return others.sum(1) + others.amax(1)


def entropy(p: Tensor) -> Tensor:
    """−Σ p log p in nats (Shannon 1948).

    Example:
        >>> entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]])).tolist()
        [0.0, 0.6931471824645996]
    """
    nats: Tensor = torch.special.entr(p)
    return nats.sum(1)


def mutual_information(p: Tensor) -> Tensor:
    """BALD: H[mean p] − mean H[p] over T sampled networks, p [T, n, k] (Houlsby et al. 2011, eq. 2).

    The samples are passes with dropout (Gal, Islam and Ghahramani 2017, section 3). What rounding leaves below 0 is 0.

    Example:
        >>> agree, differ = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
        >>> mutual_information(torch.tensor([agree, differ]).transpose(0, 1)).tolist()
        [0.0, 0.6931471824645996]
    """
    expected = torch.stack([entropy(sample) for sample in p]).mean(0)
    return (entropy(p.mean(0)) - expected).clamp(min=0)
