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
def _six(X, x, Y, y, width, out, at):
    """Put X[x : x + width] times the six rows of Y from y on into ``out``, from ``at`` on, a lane's place apart."""
    zero = fill(X.dtype.type(0))
    s0, s1, s2, s3, s4, s5 = zero, zero, zero, zero, zero, zero
    for j in range(0, width, LANES):
        one, y_j = load(X, x + j), y + j
        s0, s1 = fma(one, load(Y, y_j), s0), fma(one, load(Y, y_j + width), s1)
        s2, s3 = fma(one, load(Y, y_j + 2 * width), s2), fma(one, load(Y, y_j + 3 * width), s3)
        s4, s5 = fma(one, load(Y, y_j + 4 * width), s4), fma(one, load(Y, y_j + 5 * width), s5)
    out[at], out[at + LANES], out[at + 2 * LANES] = lane_sum(s0), lane_sum(s1), lane_sum(s2)
    out[at + 3 * LANES], out[at + 4 * LANES], out[at + 5 * LANES] = lane_sum(s3), lane_sum(s4), lane_sum(s5)


@compiled
def project(V, A, UY, n, r, d, first, last):
    """UY_x = V_x Aᵀ in lanes, for A [2r, width] with zeros from column d on, r ≥ 3; candidates beyond n give zeros."""
    m = 2 * r
    width, near = len(A) // m, np.zeros(len(A) // m, V.dtype)
    UY[max(first, n // LANES) * r * m * LANES : last * r * m * LANES] = 0
    for x in range(first * LANES, min(last * LANES, n)):
        for i in range(r):
            at, out = (x * r + i) * d, ((x // LANES * r + i) * m) * LANES + x % LANES
            inside = at + width <= len(V)
            if not inside:
                near[:d] = V[at : at + d]
            for six in range(0, m, 6):
                c = min(six, m - 6)  # the last six may hold some of those before
                if inside:
                    _six(V, at, A, c * width, width, UY, out + c * LANES)
                else:
                    _six(near, 0, A, c * width, width, UY, out + c * LANES)
