"""How good a batch is, and how much of it is said twice: from inner products of its rows, whatever d is.

Letters as in ../MATH.md ("BAIT in row space"): T the rows of the labelled and of the batch, w their weights, C the
Cholesky factor of λI + √w K_TT √w, E = C⁻¹ √w K_T·. Everything is in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.row_products import RowProducts
from fbench.fisher.selection.information import resolve_regularisation
from fbench.fisher.selection.inverses import cholesky_in_place

_COLUMNS = 2048
"""Columns of K_T· in float64 at a time."""


def batch_objective(products: RowProducts, weights: Tensor, regularisation: float) -> float:
    """tr(F M⁻¹) with M = λI + Σ_x w_x V_xᵀV_x over the few samples: (tr K − ‖E‖²)/(λn), by Woodbury.

    Args:
        products: of the few samples' rows and the pool's, over which F is the mean.
        weights: [m] w_x, 0 or more; a sample of weight 0 is not in M. ``sample_weights`` has BAIT's.
        regularisation: λ as a number (``resolved_regularisation``).

    Raises:
        InputError: as many weights as samples are needed; M is not positive definite in float64.

    Example:
        >>> import fbench
        >>> from fbench.fisher.row_products import products_of
        >>> V = fbench.dense_embedding(torch.eye(3).unsqueeze(1))
        >>> got = batch_objective(products_of(V[:2], V), torch.tensor([0.5, 0.5]), 1.0)  # M = diag(1.5, 1.5, 1)
        >>> round(got, 6)
        0.777778
    """
    K, rows = products.across, products.rows
    if len(weights) * rows != len(K):
        raise InputError(f"{len(weights)} weights for {len(K) // rows} samples: give one for each")
    root = weights.to(K.device, torch.float64).sqrt().repeat_interleave(rows)[:, None]

    def inner() -> Tensor:
        matrix = root * products.among * root.T
        matrix.diagonal().add_(regularisation)
        return matrix

    C, _ = cholesky_in_place(inner)
    parts = (K[:, start : start + _COLUMNS] for start in range(0, K.shape[1], _COLUMNS))
    explained = sum(_square(torch.linalg.solve_triangular(C, root * part.double(), upper=False)) for part in parts)
    return (products.trace - explained) / (regularisation * products.n)


def sample_weights(labelled: int, batch: int) -> Tensor:
    """Weights [n_L + B] in M: 1/(n_L + B) of every labelled sample, then B/(n_L + B) of every one of the batch.

    The first is n_L/(n_L + B) times the mean over the labelled, as ../MATH.md has it.

    Example:
        >>> sample_weights(2, 2).tolist()
        [0.25, 0.25, 0.5, 0.5]
    """
    weights = torch.full((labelled + batch,), 1.0 / (labelled + batch), dtype=torch.float64)
    weights[labelled:] *= batch
    return weights


def resolved_regularisation(regularisation: float | str, products: RowProducts, dim: int) -> float:
    """λ as a number, of ``rel:c`` c times the mean of F's d = ``dim`` diagonal entries.

    Raises:
        InputError: ``deff:c``, which needs all of F's eigenvalues.

    Example:
        >>> resolved_regularisation("rel:0.5", RowProducts(torch.zeros(1, 4), torch.zeros(1, 1), 8.0, 1), dim=2)
        0.5
    """
    mean = products.trace / (products.n * dim)

    def at_dimension(c: float) -> float:
        raise InputError(f"regularisation deff:{c:g} under all weights: give λ as a number, or as rel:c")

    return resolve_regularisation(regularisation, mean, at_dimension)


def redundancy(among: Tensor, rows: int) -> float | None:
    """The mean over pairs of a batch's samples of the cosine between their Fisher matrices; None without a pair.

    ⟨F_x, F_y⟩ = tr F_x F_y = ‖V_x V_yᵀ‖² over the product of the norms (tr F_x²)^½ and (tr F_y²)^½: 0 where two samples
    tell of different weights, 1 where one tells what the other does, whatever their lengths. One less it is Herdin et
    al.'s (2005) correlation matrix distance. A sample without information is like no other.

    Args:
        among: [m·r, m·r], inner products of the batch's rows.
        rows: r, of each sample.

    Example:
        >>> redundancy(torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 5.0]]), rows=1)
        0.3333333333333333
    """
    m = len(among) // rows
    if m < 2:
        return None
    inner = among.double().view(m, rows, m, rows).square().sum((1, 3))  # [m, m] ‖V_x V_yᵀ‖²
    norms = inner.diagonal().sqrt()
    scale = norms[:, None] * norms
    cosines = torch.where(scale > 0, inner / scale, torch.zeros_like(inner))
    return float((cosines.sum() - cosines.diagonal().sum()) / (m * (m - 1)))


def _square(E: Tensor) -> float:
    return float(E.square().sum())
