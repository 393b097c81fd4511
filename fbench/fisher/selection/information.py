"""Information matrices: the pool's F, what the labels tell, M, and the scale λ that makes M invertible.

Letters as in ../MATH.md ("BAIT"): F [d, d] the mean of V_xᵀV_x over the whole pool; M [d, d] what the labels (will)
tell. M is built anew from its samples whenever it is asked for, in float64: it carries no accumulated error, and no
room is held for it in between. Of few rows it is never built: their products tell all of it (``few_rows``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection import inverses
from fbench.fisher.selection.few_rows import FewRows, fewer_operations
from fbench.fisher.selection.inverses import inverse_in_place, sandwich, tiles
from fbench.fisher.selection.pools import CandidatePool
from fbench.fisher.selection.regularisation import lambda_at, parse_regularisation, too_many


class MadeAfresh(NamedTuple):
    """P and Q [d, d], P in float64 unless ``few`` rows made it, from which V_x P V_xᵀ takes fewer operations."""

    P: Tensor
    Q: Tensor
    few: FewRows | None = None


class Information:
    """F, λ, and M for any picks, of one selection.

    ``rel:c`` is c times the mean of F's diagonal over ``weights``, d if not given: more where V is reduced.

    Attributes:
        F: [d, d] in the embedding's dtype.
        lam: λ as a number.
        alpha: B/(n_L+B), the weight of a pick.
        jitter: the largest number that had to be added to M's diagonal; 0 where rounding did no harm.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> V = dense_embedding(torch.eye(2, dtype=torch.float64)[:, None])
        >>> information = Information(V, labelled=torch.tensor([0]), batch_size=1, regularisation=1.0)
        >>> information.alpha, information.F.tolist()
        (0.5, [[0.5, 0.0], [0.0, 0.5]])
        >>> information.matrix(torch.tensor([1])).tolist()
        [[1.5, 0.0], [0.0, 1.5]]
    """

    def __init__(
        self,
        V: Embedding | CandidatePool,
        labelled: Tensor,
        batch_size: int,
        regularisation: float | str,
        weights: int | None = None,
    ) -> None:
        self.V, self.labelled = V, labelled
        self.alpha = batch_size / (len(labelled) + batch_size)
        self._per_label = 1.0 / (len(labelled) + batch_size)
        self.F = self._fisher()
        mean = float((self.F.diagonal() if self.F.ndim == 2 else self.F).sum()) / (weights or V.dim)
        self.lam = resolve_regularisation(
            regularisation, mean, lambda c: lambda_of_spectrum(c, self._eigenvalues(), self.F.dtype)
        )
        self.jitter = 0.0

    def _fisher(self) -> Tensor:
        return pool_fisher(self.V)

    def _eigenvalues(self) -> Tensor:
        """F's, in float64."""
        eigenvalues: Tensor = torch.linalg.eigvalsh(self.F.to(torch.float64))
        return eigenvalues

    def matrix(self, picks: Tensor) -> Tensor:
        """M [d, d] in float64: λI + n_L/(n_L+B) · mean over the labelled + α · sum over ``picks``."""
        M = torch.zeros(self.V.dim, self.V.dim, dtype=torch.float64, device=self.V.device)
        M.diagonal().add_(self.lam)
        for index, weight in ((self.labelled, self._per_label), (picks, self.alpha)):
            step = max(1, inverses.MATRIX_TILE // self.V.rows)
            for start in range(0, len(index), step):
                self.V[index[start : start + step]].to(dtype=torch.float64).add_gram(M, weight)
        return M

    def curvature(self, picks: Tensor, dtype: torch.dtype) -> MadeAfresh:
        """P = M⁻¹ and Q = P F P [d, d], with ``picks`` in M."""
        few = self._few(picks)
        if few:
            Q = few.sandwich(self.F, dtype)
            return MadeAfresh(few.inverse(dtype), Q, few)
        P = self.inverse(picks)
        return MadeAfresh(P, sandwich(P, self.F, dtype))

    def objective(self, picks: Tensor) -> float:
        """tr(F M⁻¹) with ``picks`` in M."""
        few = self._few(picks)
        if few:
            return few.trace(self.F)
        inverse = self.inverse(picks)
        return sum(float((self.F[rows].to(torch.float64) * inverse[rows]).sum()) for rows in tiles(len(self.F)))

    def inverse(self, picks: Tensor) -> Tensor:
        """M⁻¹ [d, d] in float64, in the place of M."""
        inverse, jitter = inverse_in_place(lambda: self.matrix(picks))
        self.jitter = max(self.jitter, jitter)
        return inverse

    def _few(self, picks: Tensor) -> FewRows | None:
        """M by its rows, where they are few beside d."""
        m, d = (len(self.labelled) + len(picks)) * self.V.rows, self.V.dim
        if not fewer_operations(m, d):
            return None
        weighted = ((self.labelled, self._per_label), (picks, self.alpha))
        parts = [weight**0.5 * self.V[index].to(dtype=torch.float64).dense().view(-1, d) for index, weight in weighted]
        few = FewRows(torch.cat(parts), self.lam)
        self.jitter = max(self.jitter, few.jitter)
        return few

    def effective_dimension(self) -> float:
        """d_eff = tr F(F + λI)⁻¹ = d − λ tr (F + λI)⁻¹: how many directions λ leaves standing."""

        def shifted() -> Tensor:
            matrix = self.F.to(torch.float64, copy=True)
            matrix.diagonal().add_(self.lam)
            return matrix

        inverse, _ = inverse_in_place(shifted)
        return len(self.F) - self.lam * float(inverse.diagonal().sum())


class DiagonalInformation(Information):
    """``Information`` by diagonals alone: F [d] and M [d] hold d numbers, and no d×d matrix ever exists.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> V = dense_embedding(torch.eye(2, dtype=torch.float64)[:, None])
        >>> DiagonalInformation(V, torch.tensor([0]), 1, 1.0).matrix(torch.tensor([1])).tolist()
        [1.5, 1.5]
    """

    def _fisher(self) -> Tensor:
        return _check_overflow((self.V.gram_diagonal() / self.V.n).to(self.V.dtype))

    def _eigenvalues(self) -> Tensor:
        return self.F.to(torch.float64)

    def matrix(self, picks: Tensor) -> Tensor:
        """M's diagonal [d] in float64."""
        M = torch.full((self.V.dim,), self.lam, dtype=torch.float64, device=self.V.device)
        for index, weight in ((self.labelled, self._per_label), (picks, self.alpha)):
            if len(index):
                M += weight * self.V[index].gram_diagonal()
        return M

    def objective(self, picks: Tensor) -> float:
        """Σ_j F_j/M_j: the diagonals' own objective, not that of the full matrices."""
        return float((self.F.to(torch.float64) / self.matrix(picks)).sum())

    def effective_dimension(self) -> float:
        F = self.F.to(torch.float64)
        return float((F / (F + self.lam)).sum())


def pool_fisher(embedding: Embedding | CandidatePool) -> Tensor:
    """F [d, d]: the mean of V_xᵀV_x over every candidate, labelled and unlabelled.

    Raises:
        InputError: the squares overflow the embedding's dtype.

    Example:
        >>> from fbench.fisher.embeddings import dense_embedding
        >>> pool_fisher(dense_embedding(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]))).tolist()
        [[0.5, 0.0], [0.0, 2.0]]
    """
    return _check_overflow(embedding.gram().div_(embedding.n))


def _check_overflow(F: Tensor) -> Tensor:
    if not bool(torch.isfinite(F.sum())) and not bool(torch.isfinite(F).all()):  # the sum takes no second matrix
        raise InputError(f"the embedding's squares overflow {F.dtype}: use float64, or scale the features down")
    return F


def resolve_regularisation(regularisation: float | str, mean: float, at_dimension: Callable[[float], float]) -> float:
    """λ as a number, for an F whose diagonal has this mean; ``at_dimension(c)`` is the λ at which d_eff = c.

    Raises:
        InputError: not a positive finite number, nor ``rel:`` or ``deff:`` and one; or either of them where F is 0.

    Example:
        >>> resolve_regularisation("rel:0.5", 2.0, at_dimension=lambda c: 1 / c)
        1.0
    """
    value, kind = parse_regularisation(regularisation)
    if not kind:
        return value
    if mean <= 0:
        raise InputError(f"regularisation {regularisation}: the Fisher information is 0; give λ as a number")
    return at_dimension(value) if kind == "deff" else value * mean


def lambda_of_spectrum(c: float, eigenvalues: Tensor, dtype: torch.dtype) -> float:
    """The λ at which Σ_j e_j/(e_j + λ) = c, for F's eigenvalues e in float64; F itself is in ``dtype``.

    What is within rounding of 0 in that dtype is no direction of F.

    Raises:
        InputError: c is F's rank or more.

    Example:
        >>> round(lambda_of_spectrum(1.5, torch.tensor([2.0, 2.0, 0.0], dtype=torch.float64), torch.float64), 9)
        0.666666667
    """
    e = eigenvalues
    floor = 4 * len(e) ** 0.5 * torch.finfo(dtype).eps * float(e.max())
    rank = int((e > floor).sum())
    if c >= rank:
        raise InputError(too_many(c, f"rank {rank}"))
    least = max(1e-3 * floor, -2 * float(e.min()))  # above it no e + λ is 0, wherever rounding put an eigenvalue of 0
    return lambda_at(c, lambda lam: float((e / (e + lam)).sum()), float(e.sum()), least, digits=1e-13)
