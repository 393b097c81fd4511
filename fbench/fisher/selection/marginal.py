"""The incremental kernel: what one more pick costs when G_x and H_x of the state before it are known.

The mathematics is in ../MATH.md, "Four ways to the same numbers" and "A pick's rows".

A kernel is given M⁻¹ and F of the state whose scores are asked for. The state before has a part a² of the first
candidate less: a ≤ 1 such that M stays positive definite without it, whatever M is. The pick's work is the same
for every a.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection.candidates.choice import candidates
from fbench.fisher.selection.candidates.plain import Candidates
from fbench.fisher.selection.curvature import pick_rows
from fbench.fisher.selection.inverses import symmetric


@dataclass(frozen=True)
class Marginal:
    """G and H of every candidate before the pick, and the pick's rows as ``Candidates.after`` wants them."""

    before: Candidates
    arranged: Tensor


@torch.no_grad()
def prepare_marginal(V: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> Marginal:
    """The state before the pick (for ``sign`` −1, before the removal) that leads to M⁻¹, ``inverse`` [d, d], and F.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> V = dense_embedding(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
        >>> type(prepare_marginal(V, torch.eye(2), torch.eye(2)).before.V).__name__
        'DenseEmbedding'
    """
    P, F, V_s = (t.double() for t in (inverse, fisher, V[:1].dense()[0]))
    W = V_s @ P  # [r, d]
    G = symmetric(W @ V_s.T)
    a2 = min(1.0, 0.5 / max(float(torch.linalg.eigvalsh(G)[-1]), 1e-12))
    eye = torch.eye(len(G), dtype=G.dtype, device=G.device)
    P = symmetric(P + sign * a2 * (W.T @ torch.linalg.solve(eye - sign * a2 * G, W)))
    Q = symmetric(P @ F @ P)
    V_s = a2**0.5 * V_s
    rows = pick_rows(torch.cat([V_s @ P, V_s @ Q], dim=1), V_s, sign).to(V.dtype)
    before = candidates(V, 1.0, sign)
    before.load(P.to(V.dtype), Q.to(V.dtype))
    return Marginal(before, before.arrange(rows))


@torch.no_grad()
def run_marginal(prepared: Marginal, part: slice, with_inner: bool = True) -> Tensor:
    """The scores [c] of the candidates of ``part`` after the pick; without the inner matrix the traces of H_x.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> V = dense_embedding(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]], dtype=torch.float64))
        >>> eye = torch.eye(2, dtype=torch.float64)
        >>> [round(score, 6) for score in run_marginal(prepare_marginal(V, eye, eye), slice(0, 2)).tolist()]
        [0.5, 0.5]
    """
    return prepared.before.after(prepared.arranged, part)[0 if with_inner else 1]
