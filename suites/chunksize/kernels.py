"""Whether the scores of a kernel are the scores."""

from __future__ import annotations

_WRONG = {"float32": 1e-3, "float64": 1e-9}
"""Of the largest score: beyond it a kernel's scores are other numbers, not rounded ones."""


def wrong_scores(max_rel_error: float | None, dtype: str) -> bool:
    """Tell whether an error is one of other numbers, not of rounding; one that was not measured is none."""
    return max_rel_error is not None and max_rel_error > _WRONG.get(dtype, 0.1)
