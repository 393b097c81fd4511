"""Rows of ``fbench select`` as a finished run gives them, for tests of its summary."""

from __future__ import annotations

SIZES = {"candidates": 100, "classes": 3, "dim": 12, "batch": 4, "dtype": "float32"}
CELLS = (
    "rows",
    "picks",
    "picks_total",
    "time_s",
    "peak_bytes",
    "same_picks",
    "first_difference",
    "gap_there",
    "tolerance",
    "objective",
    "reference_objective",
    "reference",
    "regularisation",
    "d_eff",
    "drift",
    "refreshes",
    "jitter",
    "max_rel_error",
)


def row(method, phase, block=0, **more):
    """A row as it is read again: every column, empty ones as None."""
    begin = {"case": f"method={method}", "method": method, "device": "cpu", "block": block, "pass_index": 0}
    return {**begin, **SIZES, **dict.fromkeys(CELLS), "phase": phase, "status": "ok", "reason": "", **more}


def selection(method, seconds, *, picks=(8, 1, 3), totals=(8, 1, 3), **more):
    """A block of phases for every one of ``seconds``: set-up takes 1 s, a step of another phase so much."""
    rows = []
    for block, step in enumerate(seconds):
        rows.append(row(method, "setup", block, picks=0, picks_total=0, time_s=1.0, **more))
        for phase, taken, total in zip(("forward", "first_removal", "backward"), picks, totals, strict=True):
            counts = {"picks": taken, "picks_total": total}
            rows.append(row(method, phase, block, time_s=step * taken, **counts, **more))
    return rows


EQUAL = {"picks": 4, "same_picks": 1.0, "tolerance": 1e-5, "reference": "published", "reference_objective": 2.0}
"""Agreement without a difference."""


def exact(**more):
    """Incremental and published on one problem, agreement included."""
    agreed = {**EQUAL, "objective": 2.0, "drift": 3e-7, "refreshes": 0, "d_eff": 5.0}
    return [
        *selection("incremental", [0.01, 0.02, 0.04, 0.03], **more),
        row("incremental", "agreement", **{**agreed, **more}),
        row("incremental", "memory", peak_bytes=7200, **more),
        *selection("published", [1.0, 2.0, 4.0, 3.0], picks=(3, 1, 2), **more),
        row("published", "agreement", **{**EQUAL, "picks": 3, **more}),
    ]
