"""Rows of a dense V times a few other rows, 16 numbers of a row at a time, put into lanes (``lane_kernels``).

V [n·r, d] is read where it lies. A row is read to ``width``, the next multiple of 16: what follows it there belongs to
another row and meets a zero of the other side. The rows at V's end, where nothing may follow, are copied first. Of a
library's product with so few columns it takes about half the time ([12,942 × 328] @ [328 × 18] in float32, one core).
"""

from __future__ import annotations

import numpy as np

from fbench.fisher.lanes.compiled import compiled
from fbench.fisher.lanes.registers import LANES, fill, fma, lane_sum, load


@compiled
def _six(X, x, Y, y, stride, c, last, width, sums):
    """Put X[x : x + width] times row c of Y, which begin at y, and the five after it into ``sums``.

    ``last`` stands for the rows beyond it.
    """
    y0, y1, y2 = y + c * stride, y + min(c + 1, last) * stride, y + min(c + 2, last) * stride
    y3, y4, y5 = y + min(c + 3, last) * stride, y + min(c + 4, last) * stride, y + min(c + 5, last) * stride
    zero = fill(X.dtype.type(0))
    s0, s1, s2, s3, s4, s5 = zero, zero, zero, zero, zero, zero
    for j in range(0, width, LANES):
        one = load(X, x + j)
        s0, s1 = fma(one, load(Y, y0 + j), s0), fma(one, load(Y, y1 + j), s1)
        s2, s3 = fma(one, load(Y, y2 + j), s2), fma(one, load(Y, y3 + j), s3)
        s4, s5 = fma(one, load(Y, y4 + j), s4), fma(one, load(Y, y5 + j), s5)
    sums[0], sums[1], sums[2] = lane_sum(s0), lane_sum(s1), lane_sum(s2)
    sums[3], sums[4], sums[5] = lane_sum(s3), lane_sum(s4), lane_sum(s5)


@compiled
def project(V, A, UY, n, r, d, first, last):
    """UY_x = V_x Aᵀ in lanes, for A [2r, width] with zeros from column d on; candidates beyond n give zeros."""
    m, width = 2 * r, len(A) // (2 * r)
    near, sums = np.zeros(width, V.dtype), np.empty(6, V.dtype)
    UY[first * r * m * LANES : last * r * m * LANES] = 0
    for x in range(first * LANES, min(last * LANES, n)):
        for i in range(r):
            at, out = (x * r + i) * d, ((x // LANES * r + i) * m) * LANES + x % LANES
            inside = at + width <= len(V)
            if not inside:
                near[:d] = V[at : at + d]
            for c in range(0, m, 6):
                if inside:
                    _six(V, at, A, 0, width, c, m - 1, width, sums)
                else:
                    _six(near, 0, A, 0, width, c, m - 1, width, sums)
                for t in range(min(6, m - c)):
                    UY[out + (c + t) * LANES] = sums[t]
