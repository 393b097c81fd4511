"""What is done, what is left, and what a resumed case starts from."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest

from fbench.harness.contract import Case, Column, Summary, Unit
from fbench.harness.history import History
from fbench.harness.suite import Suite


class Sized(NamedTuple):
    size: int


SUITE = Suite(
    name="toy",
    description="",
    measure=lambda: iter(()),
    options=object,
    point=Sized,
    columns=(Column("step", "int", "", ""),),
    unit="step",
    summarise=lambda rows, options: Summary(),
    tables={"extra": (Column("step", "int", "", ""),)},
)
A, B = Case("size=1", Sized(1)), Case("size=2", Sized(2))


def row(case, step, status="ok", **more):
    return {"case": case.id, "step": step, "status": status, **more}


def history(*results, extra=()):
    return History(SUITE, {"results": list(results), "extra": list(extra)})


def test_nothing_on_disk():
    empty = history()
    assert empty.count() == 0
    assert empty.next_unit(A) == 0
    assert not empty.closed(A, 0)
    assert not empty.closed(A, None)
    assert empty.of(A) == {"results": [], "extra": []}
    assert empty.in_order([A, B]) == {"results": [], "extra": []}
    assert not empty.drop_faults()
    assert empty.count() == 0


def test_units_are_counted_by_case():
    found = history(row(A, 0), row(A, 0), row(A, 1), row(B, 0))
    assert found.count() == 3
    assert (found.next_unit(A), found.next_unit(B)) == (2, 1)
    assert (found.closed(A, 2), found.closed(A, 3), found.closed(A, None)) == (True, False, False)


def test_asking_for_a_case_does_not_add_one():
    found = history(row(A, 0))
    found.next_unit(B), found.of(B), found.closed(B, 1)
    assert found.count() == 1


@pytest.mark.parametrize("units", [None, 1, 5])
@pytest.mark.parametrize("status", ["failed", "oom"])
def test_a_fault_closes_its_case(status, units):
    assert history(row(A, 0), row(A, 1, status)).closed(A, units)


def test_a_unit_that_is_good_in_part_does_not_close():
    assert not history(row(A, 0), row(A, 1), row(A, 1, "failed")).closed(A, 5)
    assert not history(row(A, 0, "skipped")).closed(A, 5)


def test_a_unit_of_side_tables_alone_does_not_close():
    assert not history(extra=[{"case": A.id, "step": 0}]).closed(A, 5)


def test_a_case_gets_its_rows_in_the_order_of_its_units():
    found = history(row(A, 1), row(B, 0), row(A, 0, n=1), row(A, 0, n=2), extra=[{"case": A.id, "step": 1}])
    assert found.of(A) == {
        "results": [row(A, 0, n=1), row(A, 0, n=2), row(A, 1)],
        "extra": [{"case": A.id, "step": 1}],
    }


def test_units_are_added():
    found = history(row(A, 0))
    found.add(A, Unit(1, [row(A, 1)], {"extra": [{"case": A.id, "step": 1}]}))
    found.add(B, Unit(0, [row(B, 0)]))
    assert (found.count(), found.next_unit(A)) == (3, 2)
    assert found.of(A)["extra"] == [{"case": A.id, "step": 1}]
    assert found.in_order([B, A])["results"] == [row(B, 0), row(A, 0), row(A, 1)]


def test_order_on_disk_does_not_matter():
    rows = [row(A, 0), row(A, 1), row(B, 0), row(B, 1)]
    orders = [history(*mixed).in_order([A, B])["results"] for mixed in itertools.permutations(rows)]
    assert all(order == rows for order in orders)


def test_faults_are_dropped_with_what_came_after():
    extra = [{"case": A.id, "step": step} for step in range(3)]
    found = history(row(A, 0), row(A, 1, "oom"), row(A, 2), row(B, 0), row(B, 1, "skipped"), extra=extra)
    assert found.drop_faults()
    assert found.in_order([A, B]) == {"results": [row(A, 0), row(B, 0), row(B, 1, "skipped")], "extra": extra[:1]}
    assert (found.next_unit(A), found.next_unit(B)) == (1, 2)
    assert not found.drop_faults()


def test_a_case_that_failed_at_once_starts_anew():
    found = history(row(A, 0, "failed"))
    assert found.drop_faults()
    assert found.next_unit(A) == 0
    assert not found.closed(A, 3)
