"""Gradients by a layer's weights, 16 samples at a time, one a lane: g[x, j] = Σ_l D[x, out(j), l] · A[x, in(j), l].

Layout, all flat arrays: D [blocks, O, L, 16], one row r of k−1; A [blocks, E], 16 lanes of what entered the layer:
those of input i at position l begin at ``inputs[i] + positions[l]``. A layer of few positions makes small products,
one a sample and a row, that no library runs at its rate; here they are vectors, and g is used up where it is made.
"""

from __future__ import annotations

import numpy as np

from fbench.fisher.lanes.compiled import compiled
from fbench.fisher.lanes.registers import LANES, fill, fma, lane_sum, load, store

_TILE = 6
"""Inputs at a time. With 16 registers of 8 float32 (AVX2) six sums of 16 leave room for what they meet; eight took 1.4
times as long."""


@compiled
def _six(g, D, d, A, a, inputs, i, last, positions):
    """Put g of ``inputs[i]`` and the five after it into ``g`` [6, 16]; ``last`` stands for those beyond it."""
    i0, i1, i2 = a + inputs[i], a + inputs[min(i + 1, last)], a + inputs[min(i + 2, last)]
    i3, i4, i5 = a + inputs[min(i + 3, last)], a + inputs[min(i + 4, last)], a + inputs[min(i + 5, last)]
    zero = fill(D.dtype.type(0))
    g0, g1, g2, g3, g4, g5 = zero, zero, zero, zero, zero, zero
    for t in range(len(positions)):
        one, at = load(D, d + t * LANES), positions[t]
        g0, g1 = fma(one, load(A, i0 + at), g0), fma(one, load(A, i1 + at), g1)
        g2, g3 = fma(one, load(A, i2 + at), g2), fma(one, load(A, i3 + at), g3)
        g4, g5 = fma(one, load(A, i4 + at), g4), fma(one, load(A, i5 + at), g5)
    store(g, 0, g0)
    store(g, LANES, g1)
    store(g, 2 * LANES, g2)
    store(g, 3 * LANES, g3)
    store(g, 4 * LANES, g4)
    store(g, 5 * LANES, g5)


@compiled
def add_squares(D, A, inputs, positions, total, outputs, groups, blocks, step, first, last):
    """total[o, i] += Σ_x g² for the outputs from ``first`` to ``last``, ``step`` blocks at a time."""
    L, E, width = len(positions), len(A) // blocks, len(inputs) // groups
    g, sums = np.empty(_TILE * LANES, D.dtype), np.empty(_TILE * LANES, D.dtype)
    for begin in range(0, blocks, step):
        for o in range(first, last):
            base = o // (outputs // groups) * width
            for i in range(0, width, _TILE):
                sums[:] = 0
                for b in range(begin, min(begin + step, blocks)):
                    _six(g, D, (b * outputs + o) * L * LANES, A, b * E, inputs, base + i, base + width - 1, positions)
                    for t in range(0, _TILE * LANES, LANES):
                        store(sums, t, fma(load(g, t), load(g, t), load(sums, t)))
                for t in range(min(_TILE, width - i)):
                    total[o * width + i + t] += lane_sum(load(sums, t * LANES))


@compiled
def add_hashed(D, A, inputs, positions, buckets, signs, hashed, outputs, groups, blocks, first, last):
    """hashed[b, buckets[j], :] += signs[j] · g[b, j, :] for every weight j."""
    L, E, width = len(positions), len(A) // blocks, len(inputs) // groups
    dim = len(hashed) // (blocks * LANES)
    g = np.empty(_TILE * LANES, D.dtype)
    for b in range(first, last):
        for o in range(outputs):
            base = o // (outputs // groups) * width
            for i in range(0, width, _TILE):
                _six(g, D, (b * outputs + o) * L * LANES, A, b * E, inputs, base + i, base + width - 1, positions)
                for t in range(min(_TILE, width - i)):
                    j = o * width + i + t
                    at = (b * dim + buckets[j]) * LANES
                    store(hashed, at, fma(fill(signs[j]), load(g, t * LANES), load(hashed, at)))


@compiled
def gather(D, A, into, positions, out, G, outputs, blocks, first, last):
    """G[b, j, :] = g[b, j, :] of the weights j that are kept: input at ``into[j]``, output ``out[j]``."""
    L, E, m = len(positions), len(A) // blocks, len(into)
    g = np.empty(_TILE * LANES, D.dtype)
    for b in range(first, last):
        j = 0
        while j < m:
            end = j + 1
            while end < min(m, j + _TILE) and out[end] == out[j]:
                end += 1
            _six(g, D, (b * outputs + out[j]) * L * LANES, A, b * E, into, j, end - 1, positions)
            for t in range(end - j):
                store(G, (b * m + j + t) * LANES, load(g, t * LANES))
            j = end


@compiled
def pair_products(D, A, out, G, outputs, L, first, last):
    """G[x, j] = Σ_l D[x, out[j], l] · A[x, j, l] of the samples from ``first`` to ``last``, none in lanes."""
    m, whole = len(out), L // LANES * LANES
    for x in range(first, last):
        for j in range(m):
            d, a, total = (x * outputs + out[j]) * L, (x * m + j) * L, fill(D.dtype.type(0))
            for t in range(0, whole, LANES):
                total = fma(load(D, d + t), load(A, a + t), total)
            g = lane_sum(total)
            for t in range(whole, L):
                g += D[d + t] * A[a + t]
            G[x * m + j] = g
