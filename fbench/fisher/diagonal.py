"""The FISH diagonal: F̂_j = 1/N Σ_x Σ_y p_y (∂ log p(y given x)/∂θ_j)² (Sung et al. 2021, equation 4).

With the k−1 rows R of the likelihood, F̂_j = 1/N Σ_x Σ_r ((R_x J_x)_rj)², J_x the logits' Jacobian: k−1 backward
passes over a batch, never a loop over samples and classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbench.errors import InputError, UnknownNameError
from fbench.fisher.footprint import MEMORY_BUDGET
from fbench.fisher.jacobian import Batches, square_sums
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
    """
    if expectation not in ("exact", "sampled"):
        raise UnknownNameError("expectation", expectation, ("exact", "sampled"))
    if expectation == "sampled" and generator is None:
        raise InputError("expectation 'sampled' draws labels: give a generator, so that the draw can be repeated")

    def rows(logits: Tensor) -> Tensor:
        if expectation == "exact":
            return logit_rows(logits)
        p = torch.softmax(logits, dim=1).cpu()
        return score_rows(logits, torch.multinomial(p, 1, generator=generator)[:, 0].to(logits.device))

    total = square_sums(model, inputs, rows, Batches(batch_size, memory_budget))
    for name, value in total.items():
        check_finite(f"the diagonal of {name}", value.div_(len(inputs)))
    return total
