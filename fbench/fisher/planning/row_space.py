"""What a selection in row space holds, from counts alone: K, N = n·r rows by as many, and what comes beside it.

torch is not imported: suites ask before a run.
"""

from __future__ import annotations

import math

from fbench.errors import TooLargeError
from fbench.fisher.planning.plan import ITEMSIZE, StepCounts
from fbench.units import format_bytes

GRAM_BYTES = 1 << 30
"""Bytes of K at most, wherever nobody says otherwise: a constant and no share of a machine's memory, so that a pool is
subsampled alike everywhere."""
ROW_BLOCK = 1024
"""Rows of V M⁻¹Vᵀ at a time, where G and H are made afresh."""


def most_rows(dtype: str) -> int:
    """N at most, that K [N, N] in ``dtype`` takes no more than ``GRAM_BYTES``.

    Example:
        >>> most_rows("float32"), most_rows("float64")
        (16384, 11585)
    """
    return math.isqrt(GRAM_BYTES // ITEMSIZE[dtype])


def considered(n: int, rows: int, labels: int, batch: int, dtype: str) -> int:
    """How many of a pool's n candidates, r = ``rows`` each, a selection of B = ``batch`` can be made from.

    Raises:
        TooLargeError: not even the labelled and the batch.

    Example:
        >>> considered(1438, 9, 100, 20, "float32"), considered(50_000, 9, 100, 20, "float32")
        (1438, 1820)
    """
    most = most_rows(dtype) // rows
    if labels + batch > most:
        raise TooLargeError(
            f"{labels:,} labelled and {batch:,} to buy are more than the {most:,} candidates that BAIT on all weights "
            f"can consider: K of {rows} rows each would take more than {format_bytes(GRAM_BYTES)} in {dtype}; "
            "buy fewer labels"
        )
    return min(n, most)


def growth_in_rows(N: int, bought: int, itemsize: int) -> int:
    """Bytes that a selection holds beside K [N, N] at its peak, with ``bought`` rows in M.

    Of the larger of two moments: E and two blocks of V M⁻¹Vᵀ while picks are made; a second K, for d_eff.

    Example:
        >>> growth_in_rows(10_000, 100, 4)
        400000000
    """
    picking = itemsize * N * (bought + 2 * min(ROW_BLOCK, N)) + 3 * 8 * bought**2
    return max(picking, itemsize * N**2)


def row_operations(N: int, rows: int, dim: int, labels: int, counts: StepCounts) -> float:
    """Operations of K on d weights and of a selection from it: picks, one refresh, and d_eff, about.

    Example:
        >>> f"{row_operations(12_933, 9, 9_648, 100, StepCounts(picks=40, removals=20)):.1e}"
        '3.6e+12'
    """
    bought = rows * (labels + counts.picks)
    passes = 2.0 * N**2 * (rows * (counts.picks + 2) + bought)
    return N**2 * float(dim) + passes + 2 / 3 * float(N) ** 3
