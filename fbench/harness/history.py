"""What a run has on disk, by case, unit and table: what is done, what is left, what a resumed case starts from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fbench.harness.contract import Case, Row, Unit
from fbench.harness.suite import Suite

GOOD = ("ok", "skipped")
"""Statuses that ``--retry`` leaves as they are."""


class History:
    """Committed rows by case, unit and table."""

    def __init__(self, suite: Suite, rows: Mapping[str, Sequence[Row]]) -> None:
        self._suite = suite
        self._units: dict[str, dict[int, dict[str, list[Row]]]] = defaultdict(dict)
        for name in suite.all_tables():
            for row in rows[name]:
                self._unit(row["case"], row[suite.unit])[name].append(row)

    def _unit(self, case: str, unit: int) -> dict[str, list[Row]]:
        return self._units[case].setdefault(unit, {name: [] for name in self._suite.all_tables()})

    def add(self, case: Case[Any], unit: Unit) -> None:
        tables = {"results": unit.rows, **unit.tables}
        for name, rows in tables.items():
            self._unit(case.id, unit.index)[name].extend(rows)

    def count(self) -> int:
        return sum(len(units) for units in self._units.values())

    def strangers(self, plan: Sequence[Case[Any]]) -> list[str]:
        """Cases that have rows and are not in the plan."""
        return sorted(self._units.keys() - {case.id for case in plan})

    def next_unit(self, case: Case[Any]) -> int:
        return max(self._units[case.id], default=-1) + 1

    def closed(self, case: Case[Any], units: int | None) -> bool:
        """Nothing is left to measure: every unit is there, or the last one holds nothing but faults."""
        done = self._units.get(case.id)
        if not done:
            return False
        last = done[max(done)]["results"]
        faulty = bool(last) and all(row["status"] not in GOOD for row in last)
        return faulty or (units is not None and len(done) >= units)

    def of(self, case: Case[Any]) -> dict[str, list[Row]]:
        """The case's rows by table, units in order: what a measure resumes from."""
        units = self._units.get(case.id, {})
        return {name: [row for u in sorted(units) for row in units[u][name]] for name in self._suite.all_tables()}

    def drop_faults(self) -> bool:
        """Forget the first faulty unit of every case and what came after it; whether there was one."""
        dropped = False
        for units in self._units.values():
            faulty = [u for u, t in units.items() if any(row["status"] not in GOOD for row in t["results"])]
            for unit in [u for u in units if faulty and u >= min(faulty)]:
                del units[unit]
                dropped = True
        return dropped

    def in_order(self, plan: Sequence[Case[Any]]) -> dict[str, list[Row]]:
        """Every row by table, in key order: the plan's order of cases, then units."""
        return {name: [row for case in plan for row in self.of(case)[name]] for name in self._suite.all_tables()}
