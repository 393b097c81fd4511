"""Every reference run says its answer first, in few plain words."""

from __future__ import annotations

from pathlib import Path

import pytest
from plain import faults

import fbench

REFERENCE = Path(__file__).resolve().parents[1] / "reports" / "reference"
ANSWERED: tuple[str, ...] = ("chunksize", "compare", "drift", "fisher", "memory", "select")
"""Suites whose summaries answer."""


def runs():
    return sorted(path.parent for path in REFERENCE.glob("*/results.csv") if path.parent.name.split("-")[0] in ANSWERED)


@pytest.mark.parametrize("path", runs(), ids=lambda path: path.name)
def test_a_reference_run_keeps_the_contract(path):
    assert faults(fbench.open_run(path).summary) == []
