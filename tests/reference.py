"""Slow formulas of fbench/fisher/MATH.md, each a direct transcription in float64: evidently right, and nothing else.

V is [n, k, d] with V[x, y, :] = sqrt(p_y) ∇ log p(y given x); the last layer's columns are c·h + j.
No update formula, no factorisation and no chunk is used anywhere in this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from fbench.fisher.gradients.sketched import CountSketch

TIE = 1e-10


@dataclass(frozen=True)
class Bait:
    """What a selection did: pool indices kept and picked, and every forward pick's score and gap."""

    kept: list[int]
    forward: list[int]
    scores: list[float]
    gaps: list[float]
    removal_gaps: list[float]


def last_layer_rows(logits: Tensor, features: Tensor) -> Tensor:
    """Return V [n, k, k·h]: sqrt(p_y) (e_y − p) ⊗ h."""
    logits, features = logits.double(), features.double()
    n, k = logits.shape
    rows = []
    for x in range(n):
        p = torch.softmax(logits[x], 0)
        for y in range(k):
            e_minus_p = -p
            e_minus_p[y] = sum(p[c] for c in range(k) if c != y)  # 1 − p_y, all digits kept
            rows.append(torch.sqrt(p[y]) * torch.kron(e_minus_p, features[x]))
    return torch.stack(rows).reshape(n, k, -1)


def fisher(V: Tensor) -> Tensor:
    """Return F [d, d], the mean of V_xᵀ V_x."""
    total = torch.zeros(V.shape[2], V.shape[2], dtype=torch.float64)
    for v in V.double():
        total += v.T @ v
    return total / len(V)


def strength(V: Tensor, regularisation: float | str) -> float:
    """Return λ: the number itself, c·tr F/d for 'rel:c', or for 'deff:c' where tr F(F + λI)⁻¹ is c, by halving."""
    if isinstance(regularisation, str) and regularisation.startswith("deff:"):
        F, c = fisher(V), float(regularisation.removeprefix("deff:"))
        eye, low, high = torch.eye(len(F), dtype=F.dtype), -60.0, 60.0
        for _ in range(100):
            middle = (low + high) / 2
            left = float(torch.trace(F @ torch.linalg.inv(F + math.exp(middle) * eye)))
            low, high = (middle, high) if left > c else (low, middle)
        return math.exp(low)
    if isinstance(regularisation, str):
        return float(regularisation.removeprefix("rel:")) * float(torch.trace(fisher(V))) / V.shape[2]
    return float(regularisation)


def initial_m(V: Tensor, labelled: Sequence[int], batch_size: int, lam: float) -> Tensor:
    """Return M [d, d] before the first pick: λI + n_L/(n_L+B) · labelled Fisher."""
    M = lam * torch.eye(V.shape[2], dtype=torch.float64)
    if len(labelled):
        M += len(labelled) / (len(labelled) + batch_size) * fisher(V[list(labelled)])
    return M


def m_with(V: Tensor, labelled: Sequence[int], batch_size: int, lam: float, picks: Sequence[int]) -> Tensor:
    """Return M [d, d] with the picks in it, built afresh."""
    M = initial_m(V, labelled, batch_size, lam)
    for x in picks:
        v = scaled(V, labelled, batch_size)[x]
        M = M + v.T @ v
    return M


def scaled(V: Tensor, labelled: Sequence[int], batch_size: int) -> Tensor:
    """Return V with a candidate's factor sqrt(B/(n_L+B))."""
    return V.double() * math.sqrt(batch_size / (len(labelled) + batch_size))


def score(v: Tensor, M: Tensor, F: Tensor, sign: float = 1.0) -> float:
    """Return tr(v M⁻¹ F M⁻¹ vᵀ A⁻¹), A = ±I + v M⁻¹ vᵀ; v [k, d] carries its factor already."""
    W = torch.linalg.solve(M, v.T)
    A = sign * torch.eye(len(v), dtype=torch.float64) + v @ W
    return float(torch.trace(torch.linalg.solve(A, W.T @ F @ W)))


def best(values: Mapping[int, float]) -> tuple[int, float]:
    """Return the lowest index tied with the largest score, and its relative gap to the runner-up."""
    top = max(values.values())
    winner = min(x for x, value in values.items() if value >= top - TIE * abs(top))
    others = [value for x, value in values.items() if x != winner]
    if not others:
        return winner, math.inf
    return winner, (values[winner] - max(others)) / abs(top) if top else 0.0


def removal_costs(
    V: Tensor, labelled: Sequence[int], batch_size: int, lam: float, picks: Sequence[int]
) -> dict[int, float]:
    """Return each pick's removal score, A = −I + V_x M⁻¹ V_xᵀ; the largest (least negative) goes first."""
    F, M = fisher(V), m_with(V, labelled, batch_size, lam, picks)
    return {x: score(scaled(V, labelled, batch_size)[x], M, F, sign=-1.0) for x in picks}


def bait(
    V: Tensor,
    batch_size: int,
    labelled: Sequence[int] = (),
    regularisation: float | str = 1.0,
    oversample: float = 2.0,
) -> Bait:
    """Choose a batch by recomputing everything for every pick."""
    labelled = [int(x) for x in labelled]
    lam, F, U = strength(V, regularisation), fisher(V), scaled(V, labelled, batch_size)
    left = sorted(set(range(len(V))) - set(labelled))
    forward: list[int] = []
    scores, gaps, removal_gaps = [], [], []
    for _ in range(min(math.ceil(oversample * batch_size), len(left))):
        M = m_with(V, labelled, batch_size, lam, forward)
        values = {x: score(U[x], M, F) for x in left if x not in forward}
        winner, gap = best(values)
        forward.append(winner)
        scores.append(values[winner])
        gaps.append(gap)
    kept = list(forward)
    while len(kept) > batch_size:
        loser, gap = best(removal_costs(V, labelled, batch_size, lam, kept))
        kept.remove(loser)
        removal_gaps.append(gap)
    return Bait(kept, forward, scores, gaps, removal_gaps)


def objective(
    V: Tensor,
    labelled: Sequence[int],
    picks: Sequence[int],
    batch_size: int,
    regularisation: float | str = 1.0,
) -> float:
    """Return tr(F M⁻¹) with the picks in M."""
    M = m_with(V, labelled, batch_size, strength(V, regularisation), picks)
    return float(torch.trace(torch.linalg.solve(M, fisher(V))))


def trace(V: Tensor, inverse: Tensor, fisher: Tensor, with_inner: bool = True) -> Tensor:
    """Return tr(V_x M⁻¹ F M⁻¹ V_xᵀ A⁻¹) for every x, or the same without A⁻¹."""
    out = []
    for v in V.double():
        H = v @ inverse @ fisher @ inverse @ v.T
        A = torch.eye(len(v), dtype=torch.float64) + v @ inverse @ v.T
        out.append(torch.trace(H @ torch.linalg.inv(A)) if with_inner else torch.trace(H))
    return torch.stack(out)


def gradients(model: nn.Module, x: Tensor) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Return one input's p [k], and for every class the gradient of its log p by parameter name."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    log_p = torch.log_softmax(model(x[None])[0], 0)
    rows = []
    for y in range(len(log_p)):
        grads = torch.autograd.grad(log_p[y], parameters, retain_graph=True, allow_unused=True)
        pairs = zip(names, parameters, grads, strict=True)
        rows.append({name: torch.zeros_like(p) if g is None else g for name, p, g in pairs})
    return log_p.exp().detach(), rows


def fisher_diagonal(model: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Return F̂ by the loop over samples and classes: 1/N Σ_x Σ_y p_y (∂ log p_y/∂θ)²."""
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for x in inputs:
        p, rows = gradients(model, x)
        for p_y, row in zip(p, rows, strict=True):
            for name in total:
                total[name] += p_y * row[name] ** 2
    return {name: value / len(inputs) for name, value in total.items()}


def jacobian_rows(model: nn.Module, inputs: Tensor, mask: Mapping[str, Tensor]) -> Tensor:
    """Return V [n, k, d] at the mask's positions: parameters in the model's order, positions row-major."""
    samples = []
    for x in inputs:
        p, rows = gradients(model, x)
        picked = [
            torch.cat([row[name][mask[name]] for name, _ in model.named_parameters() if name in mask]) for row in rows
        ]
        samples.append(torch.sqrt(p)[:, None] * torch.stack(picked))
    return torch.stack(samples)


def top_mask(
    diagonal: Mapping[str, Tensor],
    fraction: float,
    scope: str = "global",
    always: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Return the largest floor(q·parameters) weights, `always` whole and counted; ties go low.

    With scope 'layer' every other tensor keeps its own floor(q·size).
    """
    mask = {name: torch.full(t.shape, name in always) for name, t in diagonal.items()}
    ranked = sorted(
        ((name, j) for name, t in diagonal.items() if name not in always for j in range(t.numel())),
        key=lambda place: -float(diagonal[place[0]].flatten()[place[1]]),
    )
    if scope == "layer":
        room = {name: math.floor(fraction * t.numel()) for name, t in diagonal.items()}
        label: Callable[[str], str] = str
    else:
        forced = sum(diagonal[name].numel() for name in always)
        room = {"": math.floor(fraction * sum(t.numel() for t in diagonal.values())) - forced}
        label = lambda name: ""  # noqa: E731
    for name, j in ranked:
        if room[label(name)] > 0:
            room[label(name)] -= 1
            mask[name].view(-1)[j] = True
    return mask


def expected_jaccard(m: int, a: int, b: int) -> float:
    """Return the mean Jaccard of two random masks of a and b weights among m, over every pair of masks."""
    total, pairs = 0.0, 0
    for left in combinations(range(m), a):
        for right in combinations(range(m), b):
            total += len(set(left) & set(right)) / len(set(left) | set(right))
            pairs += 1
    return total / pairs


def sketch_matrix(sketch: CountSketch) -> Tensor:
    """Return the sketch as a matrix [weights, D]: σ_j in row j and column h(j), 0 elsewhere."""
    h = torch.cat([part.flatten() for part in sketch.buckets.values()])
    signs = torch.cat([part.flatten() for part in sketch.signs.values()])
    S = torch.zeros(len(h), sketch.dim, dtype=torch.float64)
    S[torch.arange(len(h)), h] = signs.double()
    return S
