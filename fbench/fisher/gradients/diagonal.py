"""The FISH diagonal: F̂_j = 1/N Σ_x Σ_y p_y (∂ log p(y given x)/∂θ_j)² (Sung et al. 2021, equation 4).

With the k−1 rows R of the likelihood, F̂_j = 1/N Σ_x Σ_r ((R_x J_x)_rj)², J_x the logits' Jacobian: k−1 backward
passes over a batch, never a loop over samples and classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fbench.errors import InputError, UnknownNameError
from fbench.fisher.gradients.capture import RowMaker
from fbench.fisher.gradients.footprint import MEMORY_BUDGET
from fbench.fisher.gradients.jacobian import Batches, square_sums
from fbench.fisher.gradients.kept import KeptPasses
from fbench.fisher.likelihood import check_finite, logit_rows, score_rows


def fisher_diagonal(
    model: nn.Module,
    inputs: Tensor,
    *,
    expectation: str = "exact",
    batch_size: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """The Fisher information of every weight, averaged over ``inputs``; of frozen parameters too.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        inputs: [N, …]; draw them at random from the whole pool.
        expectation: ``exact`` over the classes, or ``sampled``: one y ~ p a sample, one pass, noisy.
        batch_size: samples in a pass; the result does not depend on it beyond rounding. None takes as many as
            ``memory_budget`` holds.
        memory_budget: bytes for activations and gradients, beside the result; one sample is always taken.
        generator: for ``sampled``, a CPU generator.

    Returns:
        F̂ by parameter name, each in the parameter's shape.

    Raises:
        InputError: no parameters, no inputs, a bad batch size or budget, logits that are not finite, no generator.
        UnknownNameError: no such expectation.

    Example:
        >>> import fbench
        >>> model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        >>> diagonal = fbench.fisher_diagonal(model, torch.randn(8, 4))
        >>> {name: list(values.shape) for name, values in diagonal.items()}
        {'0.weight': [6, 4], '0.bias': [6], '2.weight': [3, 6], '2.bias': [3]}
    """
    rows = _row_maker(expectation, generator)
    return _means([inputs], square_sums(model, [inputs], rows, Batches(batch_size, memory_budget)))[0]


def fisher_diagonals(
    model: nn.Module,
    draws: Sequence[Tensor],
    *,
    batch_size: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
    keep: KeptPasses | None = None,
) -> list[dict[str, Tensor]]:
    """The exact diagonal of each of several draws [N_i, …] of inputs, in one pass over all of them.

    The network is probed once for all draws. The mean over draws, weighted by N_i, is
    the diagonal of all their inputs, up to rounding. ``keep`` takes passes for the embedding on a mask that
    is chosen by these diagonals (``masked_embedding``).

    Raises:
        InputError: as ``fisher_diagonal``.

    Example:
        >>> first, second = fisher_diagonals(nn.Linear(4, 3), [torch.randn(8, 4), torch.zeros(2, 4)])
        >>> bool((first["weight"] > 0).all()), bool((second["weight"] == 0).all())
        (True, True)
    """
    if not draws:
        return []
    return _means(draws, square_sums(model, draws, logit_rows, Batches(batch_size, memory_budget), keep))


def _row_maker(expectation: str, generator: torch.Generator | None) -> RowMaker:
    """The rows whose gradients are squared: all k − 1, or one drawn from p."""
    if expectation not in ("exact", "sampled"):
        raise UnknownNameError("expectation", expectation, ("exact", "sampled"))
    if expectation == "exact":
        return logit_rows
    if generator is None:
        raise InputError("expectation 'sampled' draws labels: give a generator, so that the draw can be repeated")

    def sampled(logits: Tensor) -> Tensor:
        p = torch.softmax(logits, dim=1).cpu()
        return score_rows(logits, torch.multinomial(p, 1, generator=generator)[:, 0].to(logits.device))

    return sampled


def _means(draws: Sequence[Tensor], sums: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Each draw's sums over its samples, in place."""
    for inputs, total in zip(draws, sums, strict=True):
        for name, value in total.items():
            check_finite(f"the diagonal of {name}", value.div_(len(inputs)))
    return list(sums)
