"""The FISH diagonal: F̂_j = 1/N Σ_x Σ_y p_y (∂ log p(y given x)/∂θ_j)² (Sung et al. 2021, equation 4).

With the k−1 rows R of the likelihood, F̂_j = 1/N Σ_x Σ_r ((R_x J_x)_rj)², J_x the logits' Jacobian: k−1 backward
passes over a batch, never a loop over samples and classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbench.errors import InputError, UnknownNameError
from fbench.fisher.jacobian import row_gradients
from fbench.fisher.likelihood import check_finite, logit_rows, score_rows


def fisher_diagonal(
    model: nn.Module,
    inputs: Tensor,
    *,
    expectation: str = "exact",
    batch_size: int = 256,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """The Fisher information of every weight, averaged over ``inputs``.

    Args:
        model: gives logits [n, k]; evaluated in evaluation mode, left as found.
        inputs: [N, …]; draw them at random from the whole pool.
        expectation: ``exact`` over the classes, or ``sampled``: one y ~ p a sample, one pass, noisy.
        batch_size: samples in a pass; the result does not depend on it beyond rounding.
        generator: for ``sampled``, a CPU generator.

    Returns:
        F̂ by parameter name, each in the parameter's shape.

    Raises:
        InputError: no parameters, no inputs, a bad batch size, logits that are not finite, no generator.
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

    total = {name: torch.zeros_like(p, requires_grad=False) for name, p in model.named_parameters()}
    for step in row_gradients(model, inputs, rows, batch_size):
        for name, squares in step.gradients.squares().items():
            total[name] += squares
    for name, value in total.items():
        check_finite(f"the diagonal of {name}", value)
    return {name: value / len(inputs) for name, value in total.items()}
