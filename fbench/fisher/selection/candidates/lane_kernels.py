"""The small-matrix work of BAIT on a CPU: 16 candidates at a time, one a lane, compiled by numba.

What a dense V needs before, its rows times a few others, is in ``row_kernels``.

Layout: a *block* is 16 candidates. G and H [blocks, r(r+1)/2, 16] hold lower triangles (row i, column j ≤ i at
i(i+1)/2 + j), S [blocks, r·k, 16], U and Y side by side [blocks, r·2r, 16]; all are flat arrays here. Candidates
beyond n in the last block are zeros. Every kernel takes its share of the blocks, ``first`` to ``last``, and holds
no lock, so that threads share a pass.
"""

from __future__ import annotations

import numpy as np

from fbench.fisher.lanes.compiled import compiled
from fbench.fisher.lanes.registers import LANES, add, admissible, div, fill, fma, least, load, mul, store


@compiled
def contract(S, X, UY, n, r, k, first, last):
    """UY_x = S_x X_x, where X [k·2r, n] holds h_xᵀ A_a for every class a and column of A; n is a multiple of 16."""
    m = 2 * r
    near = np.empty(k * m * LANES, UY.dtype)  # a block's part of X lies n apart: rows would evict each other
    for b in range(first, last):
        for at in range(k * m):
            store(near, at * LANES, load(X, at * n + b * LANES))
        for i in range(r):
            row, out = (b * r + i) * k * LANES, (b * r + i) * m * LANES
            for c in range(0, m * LANES, 2 * LANES):
                one, two = fill(UY.dtype.type(0)), fill(UY.dtype.type(0))
                for a in range(k):
                    s, x = load(S, row + a * LANES), a * m * LANES + c
                    one, two = fma(s, load(near, x), one), fma(s, load(near, x + LANES), two)
                store(UY, out + c, one)
                store(UY, out + c + LANES, two)


@compiled
def absorb(UY, G, H, scores, traces, sign, r, first, last):
    """G −= s·U Uᵀ and H −= s·(U Yᵀ + Y Uᵀ) in place; then the scores, as in ``score``."""
    size = r * (r + 1) // 2 * LANES
    work = np.empty(2 * size + r * LANES, G.dtype)
    s, none = fill(G.dtype.type(sign)), fill(G.dtype.type(-sign))
    for b in range(first, last):
        u = b * r * 2 * r * LANES
        for i in range(r):
            row_i, out = u + i * 2 * r * LANES, i * (i + 1) // 2 * LANES
            for j in range(i + 1):
                row_j, at = u + j * 2 * r * LANES, out + j * LANES
                g, h = fill(G.dtype.type(0)), fill(G.dtype.type(0))
                for t in range(r):
                    u_i, u_j = load(UY, row_i + t * LANES), load(UY, row_j + t * LANES)
                    y_i, y_j = load(UY, row_i + (r + t) * LANES), load(UY, row_j + (r + t) * LANES)
                    g = fma(u_i, u_j, g)
                    h = fma(u_i, y_j, fma(y_i, u_j, h))
                g = fma(none, g, load(G, b * size + at))
                h = fma(none, h, load(H, b * size + at))
                store(G, b * size + at, g)
                store(H, b * size + at, h)
                store(work, at, mul(s, g))
                store(work, size + at, h)
        _eliminate(work, scores, traces, sign, r, b)


@compiled
def score(G, H, scores, traces, sign, r, first, last):
    """s·tr((I + sG)⁻¹H) and tr H for every candidate; −∞ where I + sG is not positive definite."""
    size = r * (r + 1) // 2 * LANES
    work = np.empty(2 * size + r * LANES, G.dtype)
    s = fill(G.dtype.type(sign))
    for b in range(first, last):
        for at in range(0, size, LANES):
            store(work, at, mul(s, load(G, b * size + at)))
            store(work, size + at, load(H, b * size + at))
        _eliminate(work, scores, traces, sign, r, b)


@compiled
def _eliminate(work, scores, traces, sign, r, b):
    """tr((I + A)⁻¹H) for A and H in ``work``, which is used up.

    Symmetric elimination of the last row, A ← EAEᵀ, H ← EHEᵀ: it splits off H_tt/(1 + A_tt) and leaves a problem one
    smaller. Half the work of a Cholesky factor, its inverse and a product; no square roots.
    """
    one, half = fill(work.dtype.type(1)), fill(work.dtype.type(-0.5))
    H = r * (r + 1) // 2 * LANES
    c = 2 * H
    total, trace, lowest = fill(work.dtype.type(0)), fill(work.dtype.type(0)), fill(work.dtype.type(1))
    for i in range(r):
        trace = add(trace, load(work, H + (i * (i + 1) // 2 + i) * LANES))
    for t in range(r - 1, -1, -1):
        row = t * (t + 1) // 2 * LANES
        pivot = add(one, load(work, row + t * LANES))
        lowest = least(lowest, pivot)
        inverse, h = div(one, pivot), load(work, H + row + t * LANES)
        total = fma(h, inverse, total)
        minus, less = mul(fill(work.dtype.type(-1)), inverse), mul(half, h)
        for i in range(0, t * LANES, LANES):
            c_i = mul(load(work, row + i), minus)
            store(work, c + i, c_i)
            store(work, H + row + i, fma(mul(fill(work.dtype.type(-1)), c_i), less, load(work, H + row + i)))
        for i in range(t):
            out, c_i, w_i = i * (i + 1) // 2 * LANES, load(work, c + i * LANES), load(work, H + row + i * LANES)
            for j in range(0, (i + 1) * LANES, LANES):
                store(work, out + j, fma(c_i, load(work, row + j), load(work, out + j)))
                h_ij = fma(c_i, load(work, H + row + j), load(work, H + out + j))
                store(work, H + out + j, fma(w_i, load(work, c + j), h_ij))
    store(scores, b * LANES, admissible(mul(fill(work.dtype.type(sign)), total), lowest))
    store(traces, b * LANES, trace)
