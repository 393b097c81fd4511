"""Information matrices: the pool's F, the labelled start of M, and the scale λ that makes M invertible.

Letters as in MATH: F [d, d] the mean of V_xᵀV_x over the whole pool; M [d, d] what the labels (will) tell.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.regularisation import parse_regularisation


def fisher(embedding: Embedding) -> Tensor:
    """F [d, d]: the mean of V_xᵀV_x over every candidate, labelled and unlabelled.

    Raises:
        InputError: the squares overflow the embedding's dtype.
    """
    F = embedding.gram() / embedding.n
    if not bool(torch.isfinite(F).all()):
        raise InputError(f"the embedding's squares overflow {F.dtype}: use float64, or scale the features down")
    return F


def symmetric(A: Tensor) -> Tensor:
    """(A + Aᵀ)/2: a product that is symmetric in theory, but whose halves were rounded apart.

    It matters: along a direction that no sample sees, M is λ alone and Q's rounding is of order 1/λ².
    """
    return (A + A.mT) / 2


def initial_information(embedding: Embedding, labelled: Tensor, batch_size: int, lam: float) -> Tensor:
    """M [d, d] in float64 before the first pick: λI + n_L/(n_L+B) · mean of V_xᵀV_x over the labelled.

    The mean is over samples, never a sum of batch means, which would make λ depend on a batch size.
    """
    M = lam * torch.eye(embedding.dim, dtype=torch.float64, device=embedding.device)
    n_L = len(labelled)
    if n_L:
        M += embedding[labelled].to(dtype=torch.float64).gram() / (n_L + batch_size)
    return M


def resolve_regularisation(regularisation: float | str, F: Tensor) -> float:
    """λ as a number, for this F.

    Raises:
        InputError: not a positive finite number, nor ``rel:`` and one; or relative to an F that is 0.
    """
    value, relative = parse_regularisation(regularisation)
    lam = value * float(F.diagonal().mean()) if relative else value
    if lam <= 0:
        raise InputError(f"regularisation {regularisation}: the Fisher information is 0; give λ as a number")
    return lam


def effective_dimension(F: Tensor, lam: float) -> float:
    """d_eff = tr F(F + λI)⁻¹ = d − λ tr (F + λI)⁻¹: how many directions λ leaves standing."""
    d = len(F)
    shifted = F.to(torch.float64) + lam * torch.eye(d, dtype=torch.float64, device=F.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(shifted))
    return d - lam * float(inverse.diagonal().sum())


def inverse_of(M: Tensor) -> Tensor:
    """M⁻¹ of a symmetric positive definite M [d, d], by Cholesky in float64.

    Raises:
        InputError: M is not positive definite in float64.
    """
    factor, fault = torch.linalg.cholesky_ex(M.to(torch.float64))
    if int(fault):
        raise InputError("the information matrix M is not positive definite in float64; raise the regularisation")
    return torch.cholesky_inverse(factor)
