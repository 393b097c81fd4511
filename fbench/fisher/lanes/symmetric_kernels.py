"""A last layer's product with a symmetric matrix that is larger than any cache: one side of it is read alone.

Eight rows are read side by side: one at a time their blocks lie too far apart for the processor to read ahead.
"""

from __future__ import annotations

import numpy as np

from fbench.fisher.lanes.compiled import compiled
from fbench.fisher.lanes.registers import LANES, fill, fma, lane_sum, load, store

ROWS = 8
"""Read side by side."""


@compiled
def features_times(A, h, out, k, first, last):
    """hᵀA_a into row a of ``out`` [k, d] for the block rows A_a [w, d] of a symmetric A, d = k·w, h [w], w mod 16 = 0.

    It takes the pairs of classes a ≤ b number ``first`` to ``last``. Of a block A_ab it makes hᵀA_ab and A_ab h, which
    is what hᵀA_ba would be.
    """
    width = len(h)
    d, number = k * width, 0
    sums, zero = np.empty(width, A.dtype), fill(A.dtype.type(0))
    for a in range(k):
        for b in range(a, k):
            number += 1
            if not first < number <= last:
                continue
            sums[:] = 0
            for i in range(0, width, ROWS):
                at, up = (a * width + i) * d + b * width, b * d + a * width + i
                h0, h1, h2, h3 = fill(h[i]), fill(h[i + 1]), fill(h[i + 2]), fill(h[i + 3])
                h4, h5, h6, h7 = fill(h[i + 4]), fill(h[i + 5]), fill(h[i + 6]), fill(h[i + 7])
                t0, t1, t2, t3, t4, t5, t6, t7 = zero, zero, zero, zero, zero, zero, zero, zero
                for j in range(at, at + width, LANES):
                    h_j, total = load(h, j - at), load(sums, j - at)
                    row = load(A, j)
                    total, t0 = fma(h0, row, total), fma(row, h_j, t0)
                    row = load(A, j + d)
                    total, t1 = fma(h1, row, total), fma(row, h_j, t1)
                    row = load(A, j + 2 * d)
                    total, t2 = fma(h2, row, total), fma(row, h_j, t2)
                    row = load(A, j + 3 * d)
                    total, t3 = fma(h3, row, total), fma(row, h_j, t3)
                    row = load(A, j + 4 * d)
                    total, t4 = fma(h4, row, total), fma(row, h_j, t4)
                    row = load(A, j + 5 * d)
                    total, t5 = fma(h5, row, total), fma(row, h_j, t5)
                    row = load(A, j + 6 * d)
                    total, t6 = fma(h6, row, total), fma(row, h_j, t6)
                    row = load(A, j + 7 * d)
                    total, t7 = fma(h7, row, total), fma(row, h_j, t7)
                    store(sums, j - at, total)
                out[up], out[up + 1], out[up + 2], out[up + 3] = lane_sum(t0), lane_sum(t1), lane_sum(t2), lane_sum(t3)
                out[up + 4], out[up + 5] = lane_sum(t4), lane_sum(t5)
                out[up + 6], out[up + 7] = lane_sum(t6), lane_sum(t7)
            out[a * d + b * width : a * d + (b + 1) * width] = sums
