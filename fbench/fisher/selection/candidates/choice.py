"""Which form keeps a shard's G and H: ``Plain``, or for few rows ``Packed`` on a CPU and ``Fused`` on a CUDA device."""

from __future__ import annotations

import importlib.util
from functools import cache

import torch

from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection.candidates.plain import Candidates, Plain

_MOST_ROWS = 32
"""Above it a block of 16 candidates outgrows the first cache, and LAPACK and BLAS a candidate are faster."""


@cache
def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def candidates(V: Embedding, alpha: float, sign: int) -> Candidates:
    """The fastest form that this shard's device, dtype and rows allow.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> type(candidates(dense_embedding(torch.ones(4, 40, 2)), 0.5, 1)).__name__  # many rows
        'Plain'
    """
    few = V.rows <= _MOST_ROWS
    if few and V.device.type == "cpu" and _has("numba"):
        from fbench.fisher.selection.candidates.packed import Packed

        return Packed(V, alpha, sign)
    if few and V.device.type == "cuda" and V.dtype == torch.float32 and _has("triton"):
        from fbench.fisher.selection.candidates.fused import Fused, works

        if works(V.device):
            return Fused(V, alpha, sign)
    return Plain(V, alpha, sign)
