"""A synthetic pool with what real ones have: correlated features, a last layer that made the logits, doubt that varies.

Random features would be too kind: with independent ones every direction of F is alike, no candidate is redundant,
and any batch is nearly as good as the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LATENT = 48
"""Latent factors behind the features: what a penultimate layer of hundreds of units spreads over."""
_DECAY = 1.0
"""Their standard deviations fall as j to the minus this."""
_SPREAD = 5.0
"""Standard deviation of the logits: the largest p is then 0.8 at the median, 0.45 in the least sure tenth."""


@dataclass(frozen=True)
class Outputs:
    """A network's outputs on a pool.

    Attributes:
        logits: [n, k].
        features: [n, h], what enters the last layer.
        labelled: positions that have their labels, ascending.
    """

    logits: Tensor
    features: Tensor
    labelled: Tensor

    def to(self, device: str, dtype: torch.dtype) -> Outputs:
        """The same on another device, in another dtype; the positions stay on the CPU."""
        return Outputs(self.logits.to(device, dtype), self.features.to(device, dtype), self.labelled)


def synthetic_outputs(n: int, k: int, h: int, labelled: int, seed: int) -> Outputs:
    """A pool of n candidates; every value is exact in float32, so that all dtypes see the same one.

    Features are ReLUs of a mix of latent factors whose spectrum decays, with a bias and a little noise of their own,
    scaled to a mean square of 1; logits are a random last layer's, centred and scaled.

    Args:
        n: candidates.
        k: classes.
        h: features.
        labelled: how many of the candidates have their labels, drawn uniformly.
        seed: of all of it.

    Example:
        >>> outputs = synthetic_outputs(n=100, k=10, h=32, labelled=5, seed=0)
        >>> outputs.logits.shape, outputs.features.shape, outputs.labelled.shape
        (torch.Size([100, 10]), torch.Size([100, 32]), torch.Size([5]))
    """
    g = torch.Generator().manual_seed(seed)
    latent = min(_LATENT, max(2, h))
    scale = torch.arange(1, latent + 1, dtype=torch.float32) ** -_DECAY
    factors = torch.randn(n, latent, generator=g) * scale
    mix = torch.randn(latent, h, generator=g) / scale.norm()
    noise = 0.1 * torch.randn(n, h, generator=g)
    features = (factors @ mix + noise + 0.3 * torch.randn(h, generator=g)).relu_()
    features /= features.square().mean().sqrt().clamp_min(1e-6)
    logits = features @ (torch.randn(h, k, generator=g) / h**0.5)
    logits -= logits.mean(0)
    logits *= _SPREAD / logits.std().clamp_min(1e-6)
    chosen = torch.randperm(n, generator=g)[:labelled].sort().values
    return Outputs(logits, features, chosen)
