"""The small-matrix work of BAIT on a CUDA device, one Triton program a few candidates.

Layout: X [n, k, 2r] holds h_xᵀ A_a for every class a and column of A, S [n, r, k], G and H [n, r, r]. A program keeps
its candidates' matrices in registers, padded to R × R, R the next power of two (16 at least, which ``tl.dot``
asks for): U and Y, the change of G and H, and the score, in one pass over memory.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["absorb"]


@triton.jit
def _projected(X, S, x, i, j, there, inside, r: tl.constexpr, k: tl.constexpr, R: tl.constexpr, C: tl.constexpr):
    """U and Y [C, R, R] of the candidates ``x``."""
    if k == 0:
        whole = (x[:, None, None] * r + i[None, :, None]) * (2 * r) + j[None, None, :]
        U = tl.load(X + whole, mask=inside, other=0.0)
        Y = tl.load(X + whole + r, mask=inside, other=0.0)
    else:
        U = tl.zeros((C, R, R), dtype=tl.float32)
        Y = tl.zeros((C, R, R), dtype=tl.float32)
        for a in range(k):
            s = tl.load(S + (x[:, None] * r + i[None, :]) * k + a, mask=there[:, None] & (i[None, :] < r), other=0.0)
            line = (x[:, None] * k + a) * (2 * r) + j[None, :]
            half = there[:, None] & (j[None, :] < r)
            U += s[:, :, None] * tl.load(X + line, mask=half, other=0.0)[:, None, :]
            Y += s[:, :, None] * tl.load(X + line + r, mask=half, other=0.0)[:, None, :]
    return U, Y


@triton.jit
def absorb(X, S, G, H, scores, traces, n, sign, r: tl.constexpr, k: tl.constexpr, R: tl.constexpr, C: tl.constexpr):
    """G −= s·U Uᵀ and H −= s·(U Yᵀ + Y Uᵀ) with [U, Y] = S_x X_x; then s·tr((I + sG)⁻¹H), and tr H.

    ``C`` candidates a program. With k = 0, X [n, r, 2r] is [U, Y] itself; with k = −1 there is no pick to absorb.
    """
    x = tl.program_id(0) * C + tl.arange(0, C)
    i, j = tl.arange(0, R), tl.arange(0, R)
    there = x < n
    row, column = i[None, :, None], j[None, None, :]
    inside = there[:, None, None] & (row < r) & (column < r)
    place = (x[:, None, None] * r + row) * r + column
    g = tl.load(G + place, mask=inside, other=0.0)
    h = tl.load(H + place, mask=inside, other=0.0)
    if k >= 0:
        U, Y = _projected(X, S, x, i, j, there, inside, r, k, R, C)
        UY = tl.dot(U, tl.permute(Y, (0, 2, 1)), input_precision="ieee")
        g -= sign * tl.dot(U, tl.permute(U, (0, 2, 1)), input_precision="ieee")
        h -= sign * (UY + tl.permute(UY, (0, 2, 1)))
        tl.store(G + place, g, mask=inside)
        tl.store(H + place, h, mask=inside)
    tl.store(traces + x, tl.sum(tl.sum(tl.where(row == column, h, 0.0), axis=2), axis=1), mask=there)
    # Symmetric elimination of row t, A ← EAEᵀ, H ← EHEᵀ: it splits off H_tt/A_tt; padding is an identity in A.
    A = tl.where(row == column, 1.0, 0.0) + sign * g
    total = tl.zeros((C,), dtype=tl.float32)
    lowest = tl.full((C,), 1.0, dtype=tl.float32)
    for t in range(r):
        a_t = tl.sum(tl.where(row == t, A, 0.0), axis=1)
        h_t = tl.sum(tl.where(row == t, h, 0.0), axis=1)
        pivot = tl.sum(tl.where(j[None, :] == t, a_t, 0.0), axis=1)
        h_tt = tl.sum(tl.where(j[None, :] == t, h_t, 0.0), axis=1)
        lowest = tl.minimum(lowest, pivot)
        total += h_tt / pivot
        c = tl.where(j[None, :] > t, a_t / pivot[:, None], 0.0)
        w = h_t - 0.5 * c * h_tt[:, None]
        A -= c[:, :, None] * a_t[:, None, :]
        h -= c[:, :, None] * w[:, None, :] + w[:, :, None] * c[:, None, :]
    good = (lowest > 0) & (total == total)
    tl.store(scores + x, tl.where(good, sign * total, float("-inf")), mask=there)
