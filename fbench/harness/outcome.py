"""How a run went, as an exit code that a script can trust."""

from __future__ import annotations

from typing import Any

from fbench.harness.contract import Tables
from fbench.harness.suite import Suite


def exit_code(suite: Suite, options: Any, tables: Tables) -> int:
    """1 where a case failed, gave wrong numbers, or ran out of memory and nobody had asked where memory ends; else 0.

    A run without one measured row never comes here: it is a ``NothingMeasuredError`` (4).
    """
    statuses = {row["status"] for row in tables["results"]}
    unasked = "oom" in statuses and not suite.finds_limit(options)
    return int("failed" in statuses or unasked or suite.is_wrong(tables, options))
