"""BAIT's batch selection: greedy forward picks that minimise tr(F M⁻¹), then backward removals.

Ash, Goel, Krishnamurthy and Kakade, "Gone Fishing: Neural Active Learning with Fisher Embeddings" (2021),
algorithm 1. min(⌈oversample·B⌉, what is left) forward picks, each the largest score; then removals down to B,
each the pick whose loss costs least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fbench.errors import DeviceError, InputError, UnknownNameError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.engines import ENGINES
from fbench.fisher.greedy import Greedy
from fbench.fisher.information import (
    effective_dimension,
    fisher,
    initial_information,
    inverse_of,
    resolve_regularisation,
)


@dataclass(frozen=True)
class Selection:
    """What ``bait_select`` chose. Indices are into the pool that the embedding covers.

    Attributes:
        indices: [B], distinct and unlabelled, in the order in which the kept ones were picked.
        forward: every forward pick, in order.
        scores: their scores: by how much each lowered tr(F M⁻¹).
        gaps: their leads over the runner-up, relative to the score; ∞ when nothing else was left.
        objective: tr(F M⁻¹) for the batch that was kept.
        regularisation: λ as a number.
        effective_dimension: d_eff = tr F(F + λI)⁻¹.
        drift: ‖P M v − v‖ / ‖v‖ on a probe v after the forward picks: what rounding has done to P = M⁻¹.
    """

    indices: Tensor
    forward: Tensor
    scores: Tensor
    gaps: Tensor
    objective: float
    regularisation: float
    effective_dimension: float
    drift: float


@torch.no_grad()
def bait_select(
    embedding: Embedding,
    batch_size: int,
    *,
    labelled: Tensor | Sequence[int],
    regularisation: float | str = 1.0,
    oversample: float = 2.0,
    method: str = "incremental",
    dtype: torch.dtype | None = None,
    devices: Sequence[str | torch.device] | None = None,
) -> Selection:
    """Choose ``batch_size`` candidates by BAIT.

    Args:
        embedding: V of the whole pool, labelled and unlabelled.
        batch_size: B.
        labelled: positions in the pool that have their labels; may be empty.
        regularisation: λ, a positive number, or ``rel:c`` for c · tr F/d.
        oversample: forward picks over B; 1 leaves no backward removals.
        method: ``incremental`` or ``published``; both are exact, one is fast.
        dtype: float64 or float32; the embedding's own if not given.
        devices: shards the pool over these; the embedding's own device if not given.

    Returns:
        The selection, on the CPU.

    Raises:
        InputError: any value out of its range, named.
        UnknownNameError: no such method.
        DeviceError: a device that torch cannot use.
    """
    if method not in ENGINES:
        raise UnknownNameError("method", method, ENGINES)
    if not isinstance(embedding, Embedding):
        raise InputError(
            f"embedding is a {type(embedding).__name__}: make one by last_layer_embedding or dense_embedding"
        )
    labelled = _check_labelled(labelled, embedding.n)
    left = embedding.n - len(labelled)
    _check_sizes(batch_size, oversample, left)
    embedding = embedding.to(dtype=_check_dtype(dtype or embedding.dtype))
    labelled = labelled.to(embedding.device)
    shards = _check_devices(devices or [embedding.device])
    alpha = batch_size / (len(labelled) + batch_size)
    F = fisher(embedding)
    lam = resolve_regularisation(regularisation, F)
    M = initial_information(embedding, labelled, batch_size, lam)
    forward = Greedy(ENGINES[method], embedding, F, M, alpha, devices=shards, taken=labelled)
    picks = min(math.ceil(oversample * batch_size), left)
    indices, scores, gaps = forward.run(picks)
    candidates = indices.sort().values  # so that the lowest pool index wins a tie here as well
    # In float64 always: I − G is of order λ/‖V_x‖², below float32's digits, and there are few candidates.
    few = embedding[candidates].to(dtype=torch.float64)
    backward = Greedy(ENGINES[method], few, F.to(torch.float64), forward.M, alpha, sign=-1)
    removed, _, _ = backward.run(picks - batch_size)
    return Selection(
        indices=indices[~torch.isin(indices, candidates[removed])].cpu(),
        forward=indices.cpu(),
        scores=scores.cpu(),
        gaps=gaps.cpu(),
        objective=float((F * inverse_of(backward.M)).sum()),
        regularisation=lam,
        effective_dimension=effective_dimension(F, lam),
        drift=forward.drift,
    )


def _check_labelled(labelled: Tensor | Sequence[int], n: int) -> Tensor:
    """The labelled positions as an index tensor: each in [0, n), none twice."""
    try:
        given = torch.as_tensor(sorted(labelled) if isinstance(labelled, set) else labelled).cpu()
    except (RuntimeError, TypeError, ValueError):
        raise InputError(f"labelled is a {type(labelled).__name__}: give positions in the pool, as [0, 5, 7]") from None
    if given.ndim != 1:
        raise InputError(f"labelled has shape {list(given.shape)}: give a list of positions in the pool, as [0, 5, 7]")
    if len(given) and (given.is_floating_point() or given.dtype == torch.bool):
        raise InputError(
            f"labelled has dtype {given.dtype}: give positions as integers (of a mask: mask.nonzero()[:, 0])"
        )
    index = given.to(torch.int64)
    outside = index[(index < 0) | (index >= n)]
    if len(outside):
        raise InputError(f"labelled index {int(outside[0])} is outside the pool: must be from 0 to {n - 1}")
    values, counts = torch.unique(index, return_counts=True)
    if bool((counts > 1).any()):
        raise InputError(f"labelled index {int(values[counts > 1][0])} is given twice; each sample is labelled once")
    return index


def _check_sizes(batch_size: int, oversample: float, left: int) -> None:
    if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__"):
        raise InputError(f"batch_size {batch_size}: must be a whole number")
    if not 1 <= batch_size <= left:
        raise InputError(f"batch_size {batch_size}: must be from 1 to {left}, what is left unlabelled in the pool")
    if not (math.isfinite(oversample) and oversample >= 1):
        raise InputError(f"oversample {oversample}: must be at least 1 (1 means no backward removals)")


def _check_devices(devices: Sequence[str | torch.device]) -> list[torch.device]:
    found = []
    for name in [devices] if isinstance(devices, str) else devices:
        try:
            torch.empty(0, device=name)
            found.append(torch.device(name))
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(f"device {str(name)!r} cannot be used: {str(error).splitlines()[0]}") from error
    return found


def _check_dtype(dtype: torch.dtype) -> torch.dtype:
    if dtype not in (torch.float64, torch.float32):
        raise InputError(f"dtype {dtype}: must be torch.float64 or torch.float32")
    return dtype
