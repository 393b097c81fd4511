"""How many floating-point operations a selection makes, counted from its plan's shape."""

from __future__ import annotations

from fbench.fisher.planning.plan import SelectionPlan, StepCounts

_MATRIX_PRODUCTS = 16
"""Products of two d×d float32 matrices that take as long as a selection's factorisations, which are in float64."""


def selection_operations(plan: SelectionPlan, counts: StepCounts) -> float:
    """Floating-point operations of a selection: F and the quadratic forms, the d×d matrices, then the picks.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection
        >>> counts = StepCounts.of(10, 2.0, 900)
        >>> plan = plan_selection(Shape(n=1000, rows=9, dim=640), dtype="float32", counts=counts)
        >>> f"{selection_operations(plan, counts):.1e}"
        '3.5e+10'
    """
    shape = plan.reduced_shape
    n, r, d = shape.n, shape.rows, shape.dim
    wide = 1 if shape.classes else r  # a factored V goes through its features once, a dense one row by row
    pick = 4 * wide * r * d * n
    if not plan.matrices:
        return float(counts.picks * pick)
    bought = (counts.labelled + counts.picks) * r
    matrices = _MATRIX_PRODUCTS * 2 * d**2 * min(d, 2 * bought)  # few rows are told by their products (``few_rows``)
    return float(3 * 2 * wide * n * d**2 + matrices + counts.picks * pick)
