"""Exit codes: what a script may conclude from a run's rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fbench.harness.outcome import exit_code
from fbench.harness.registry import SUITES


def suite(limit=False, wrong=False):
    return SimpleNamespace(finds_limit=lambda options: limit, is_wrong=lambda tables, options: wrong)


@pytest.mark.parametrize(
    ("statuses", "limit", "wrong", "code"),
    [
        ("ok", False, False, 0),
        ("ok skipped", False, False, 0),
        ("ok failed", False, False, 1),
        ("ok failed", True, False, 1),
        ("ok oom", False, False, 1),
        ("ok oom", True, False, 0),
        ("ok oom failed", True, False, 1),
        ("ok", True, True, 1),
        ("ok", False, True, 1),
    ],
)
def test_exit_codes(statuses, limit, wrong, code):
    rows = {"results": [{"status": status} for status in statuses.split()]}
    assert exit_code(suite(limit, wrong), None, rows) == code


@pytest.mark.parametrize(
    ("name", "typed", "asked"),
    [
        ("chunksize", {"sizes": "8", "candidates": "40"}, False),
        ("chunksize", {"sizes": "8..64", "candidates": "40"}, True),
        ("chunksize", {"sizes": "8", "candidates": "40", "dim": "10,20"}, True),
        ("select", {}, False),
        ("select", {"candidates": "100,1000"}, True),
        ("memory", {"candidates": "100", "dim": "20"}, False),
        ("memory", {"candidates": "100", "dim": "20", "memory_budget": "1MB"}, True),
        ("memory", {"candidates": "100", "dim": "20", "chunk_size": "8..64"}, True),
        ("fisher", {}, False),
        ("fisher", {"samples": "8..64"}, True),
        ("compare", {}, False),
        ("drift", {}, False),
    ],
)
def test_a_sweep_over_sizes_looks_for_the_limit(name, typed, asked):
    chosen = SUITES.get(name)
    assert chosen.finds_limit(chosen.typed(**typed)) is asked


@pytest.mark.parametrize(
    ("error", "dtype", "wrong"),
    [(2e-3, "float32", True), (1e-4, "float32", False), (1e-4, "float64", True), (None, "float64", False)],
)
def test_a_kernel_whose_scores_are_other_numbers_is_wrong(error, dtype, wrong):
    rows = [{"max_rel_error": None, "dtype": None}, {"max_rel_error": error, "dtype": dtype}]
    assert SUITES.get("chunksize").is_wrong({"results": rows}, None) is wrong
