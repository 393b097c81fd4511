"""What labels and picks tell of a pool whose rows are known by their inner products K alone: V M⁻¹ Vᵀ for any picks.

Letters as in ../MATH.md ("BAIT in row space"): K [N, N], N = n·r; T the labelled rows and those of the picks, with
their weights w; E [e, N] with V M⁻¹Vᵀ = (K − EᵀE)/λ. Everything small is in float64, whatever K's dtype.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.selection.information import MadeAfresh, lambda_of_spectrum, resolve_regularisation
from fbench.fisher.selection.inverse_trace import inverse_trace
from fbench.fisher.selection.inverses import cholesky_in_place, symmetric
from fbench.fisher.selection.regularisation import lambda_at, too_many
from fbench.fisher.selection.unit_rows import row_numbers
from fbench.fisher.work import did

_FEW_ROWS = 2048
"""Rows up to which d_eff is made in float64, and λ of ``deff:c`` from K's eigenvalues: a second or so."""
_DIGITS = {torch.float64: 1e-12, torch.float32: 1e-6}
"""How exact log λ is where it is found from d_eff in K's dtype."""
_COLUMNS = 2048
"""Columns of K in float64 at a time, where all of the bought rows' would be a second K."""


class RowInformation:
    """λ, and what is in M, of one selection in row space.

    Attributes:
        K: [N, N], V Vᵀ.
        n: candidates.
        labelled: [n_L] positions of those that have their labels.
        lam: λ as a number.
        alpha: B/(n_L+B), the weight of a pick.
        jitter: the largest number that had to be added to λ where rounding left M indefinite.

    Example:
        >>> information = RowInformation(torch.eye(3, dtype=torch.float64), 1, torch.tensor([0]), 1, 1.0, dim=3)
        >>> information.matrix(torch.tensor([1])).round(decimals=6).tolist()  # M = diag(1.5, 1.5, 1)
        [[0.666667]]
        >>> round(information.objective(torch.tensor([1])), 6)  # (1/1.5 + 1/1.5 + 1)/3
        0.777778
    """

    def __init__(
        self, K: Tensor, rows: int, labelled: Tensor, batch_size: int, regularisation: float | str, dim: int
    ) -> None:
        self.K, self.n, self._rows, self.labelled = K, len(K) // rows, rows, labelled
        self.alpha = batch_size / (len(labelled) + batch_size)
        self._per_label = 1.0 / (len(labelled) + batch_size)
        self._trace = float(K.diagonal().sum(dtype=torch.float64))
        self._most = min(len(K), dim)
        self.lam = resolve_regularisation(regularisation, self._trace / (self.n * dim), self._at_dimension)
        self.jitter = 0.0
        self._among = labelled[:0]

    def among(self, candidates: Tensor) -> RowInformation:
        """The same, whose ``curvature`` is between the rows of these ``candidates`` [m] alone."""
        few = copy.copy(self)
        few._among = candidates
        return few

    def factor(self, picks: Tensor, room: int = 0) -> Tensor:
        """E [e + room, N] in K's dtype with V M⁻¹Vᵀ = (K − EᵀE)/λ; ``room`` rows more are left for the caller's."""
        E = self.K.new_empty(self._rows * (len(self.labelled) + len(picks)) + room, len(self.K))
        for columns, some in self._factor(picks):
            E[: len(some), columns] = some
        return E

    def objective(self, picks: Tensor) -> float:
        """tr(F M⁻¹) = (tr K − ‖E‖²)/(λn) with ``picks`` in M."""
        explained = sum(float(some.square().sum()) for _, some in self._factor(picks))
        return (self._trace - explained) / (self.lam * self.n)

    def matrix(self, picks: Tensor) -> Tensor:
        """V_S M⁻¹V_Sᵀ [m, m] in float64, S the rows of ``picks``, which are in M."""
        index, R = self._solved(picks, picks)
        return symmetric(self.K[row_numbers(picks, self._rows)][:, index].double() @ R)

    def curvature(self, picks: Tensor, dtype: torch.dtype) -> MadeAfresh:
        """P and Q between the rows of ``among``: V_S M⁻¹V_Sᵀ and V_S M⁻¹FM⁻¹V_Sᵀ [m, m], with ``picks`` in M."""
        index, R = self._solved(picks, self._among)
        Q = torch.zeros(R.shape[1], R.shape[1], dtype=torch.float64, device=R.device)
        for columns in self._columns():
            some = self.K[columns][:, index].double() @ R
            Q.addmm_(some.T, some, alpha=1 / self.n)
            did(2 * len(some) * (R.numel() + Q.numel()) / max(1, len(Q)))
        P = self.K[row_numbers(self._among, self._rows)][:, index].double() @ R
        return MadeAfresh(symmetric(P), symmetric(Q).to(dtype))

    def effective_dimension(self) -> float:
        """d_eff = tr K(K + nλI)⁻¹ = N − nλ·tr (K + nλI)⁻¹.

        Of few rows it is made in float64, of more in K's dtype, or in float64 where that has too few digits.

        Raises:
            InputError: K + nλI is not positive definite.
        """
        return self._dimension(self.lam)

    def _at_dimension(self, c: float) -> float:
        """The λ at which d_eff = c: from K's eigenvalues, or where K is large by a few evaluations of d_eff.

        Brent's method took 7 to 13 of them (digits, N = 2,700, c from 0.5 to 400, both dtypes).
        """
        if len(self.K) <= _FEW_ROWS:
            return lambda_of_spectrum(c, torch.linalg.eigvalsh(self.K.double()) / self.n, self.K.dtype)
        if c >= self._most:
            raise InputError(too_many(c, f"rank {self._most} at most"))
        digits = _DIGITS[self.K.dtype]
        least = self._trace / self.n * torch.finfo(self.K.dtype).eps
        return lambda_at(c, self._dimension, self._trace / self.n, least, digits)

    def _dimension(self, lam: float) -> float:
        shift = self.n * lam
        few = len(self.K) <= _FEW_ROWS
        for dtype in (torch.float64,) if few else (self.K.dtype, torch.float64):
            shifted = self.K.to(dtype, copy=True)
            shifted.diagonal().add_(shift)
            trace = inverse_trace(shifted)
            if trace is not None:
                return len(self.K) - shift * trace
        raise InputError("K + nλI is not positive definite in float64: give inner products of rows, or raise λ")

    def _bought(self, picks: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers [e] of the rows in M, and their weights."""
        labels, bought = row_numbers(self.labelled, self._rows), row_numbers(picks, self._rows)
        weights = torch.full((len(labels) + len(bought),), self._per_label, dtype=torch.float64, device=self.K.device)
        weights[len(labels) :] = self.alpha
        return torch.cat([labels, bought]), weights

    def _factor(self, picks: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """E in float64, some columns at a time: E = C⁻¹ √w K_T·, with CCᵀ = λI + √w K_TT √w."""
        index, weights = self._bought(picks)
        root = weights.sqrt()[:, None]

        def inner() -> Tensor:
            matrix = root * self.K[index][:, index].double() * root.T
            matrix.diagonal().add_(self.lam)
            return matrix

        C, jitter = cholesky_in_place(inner)
        self.jitter = max(self.jitter, jitter)
        for columns in self._columns():
            some = root * self.K[index, columns].double()
            did(len(index) ** 2 * some.shape[1])
            yield columns, torch.linalg.solve_triangular(C, some, upper=False)

    def _solved(self, picks: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
        """T's rows and R [e, m] with V M⁻¹V_Sᵀ = K_·T R, S the rows of ``among``; those that are no picks weigh 0.

        R = (λI + w K_TT)⁻¹ at S, for M⁻¹V_Tᵀ = V_Tᵀ(λI + w K_TT)⁻¹: nothing is taken from K, and no digit lost.
        """
        index, weights = self._bought(among)
        inside = torch.isin(among, picks).repeat_interleave(self._rows)
        size = len(inside)
        weights[len(weights) - size :] *= inside
        matrix = weights[:, None] * self.K[index][:, index].double()
        matrix.diagonal().add_(self.lam)
        wanted = torch.zeros(len(index), size, dtype=torch.float64, device=matrix.device)
        wanted[len(index) - size :].fill_diagonal_(1.0)
        did(2 * len(index) ** 3 / 3 + 2 * len(index) ** 2 * size)
        return index, torch.linalg.solve(matrix, wanted)

    def _columns(self) -> Iterator[slice]:
        N = len(self.K)
        return (slice(start, min(start + _COLUMNS, N)) for start in range(0, N, _COLUMNS))
