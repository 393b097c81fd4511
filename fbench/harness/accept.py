"""What a measure yields, held to what its suite declared: units in order, declared columns, values of their types.

A value that is harmlessly another is made what the column says (numpy's 3 is 3, 3.0 is 3 in an int column, NaN is an
empty cell); everything else is refused with the column, the value and the remedy, and costs its case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fbench.errors import ForeignError
from fbench.harness import guard
from fbench.harness.contract import Column, Row, Unit
from fbench.harness.suite import Suite

STATUSES = ("ok", "oom", "failed", "skipped")
"""What a row's ``status`` may be."""


def check_grid(suite: Suite, options: Any) -> None:
    """Ask a user's suite, before anything is written, all that a run will ask of it.

    Raises:
        ForeignError: options of another type, points that are none, two cases of one name, a function that fails.
    """
    if not guard.is_foreign(suite.measure):
        return
    if not isinstance(options, suite.options):
        raise _refuse(suite, f"resolved its options to a {type(options).__name__}; resolve must give them back")
    if suite.points and not all(isinstance(point, suite.point) for point in suite.points(options)):
        raise _refuse(suite, f"has points that are no {suite.point.__name__}; points must give a list of these")
    cases = suite.grid(options)
    ids = [case.id for case in cases]
    twice = sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise _refuse(suite, f"has two cases called {twice[0]!r}; a point stands once in the grid")
    suite.units(options)
    suite.finds_limit(options)
    for case in cases:
        if suite.cost is not None:
            suite.cost(case, options)
        if suite.identify is not None:
            suite.identify(case)


def units_of(suite: Suite, yielded: Any) -> Iterator[Any]:
    """What a measure gave as an iterator.

    Raises:
        ForeignError: it gave no generator and no list.
    """
    if not isinstance(yielded, Iterable) or isinstance(yielded, str | Mapping):
        raise _refuse(suite, f"gave a {type(yielded).__name__}; it must yield units: yield Unit(index, rows)")
    return iter(yielded)


def accepted_unit(suite: Suite, unit: Any, index: int) -> Unit:
    """The unit that a measure yielded as the ``index``-th of its case, with plain values of the columns' types.

    Raises:
        ForeignError: it is no Unit, not the next one, without rows, or has rows that are not as declared.
    """
    if not isinstance(unit, Unit):
        raise _refuse(suite, f"yielded a {type(unit).__name__}; it must yield Unit(index, rows)")
    if isinstance(unit.index, bool) or unit.index != index:
        raise _refuse(suite, f"yielded unit {unit.index!r} where {index} is next; number them 0, 1, 2, … from done")
    if not unit.rows:
        raise _refuse(suite, f"yielded unit {index} without a row of results; a unit has at least one")
    tables = {name: _rows(suite, name, rows, index) for name, rows in {"results": unit.rows, **unit.tables}.items()}
    return replace(unit, index=index, rows=tables.pop("results"), tables=tables)


def _rows(suite: Suite, name: str, rows: Sequence[Row], index: int) -> list[Row]:
    declared = suite.all_tables()
    if name not in declared:
        raise _refuse(suite, f"yielded rows for {name}.csv; the tables declared are {', '.join(declared)}")
    columns = {column.name: column for column in declared[name]}
    return [_row(suite, name, row, columns, index) for row in rows]


def _row(suite: Suite, name: str, row: Any, columns: Mapping[str, Column], index: int) -> Row:
    if not isinstance(row, Mapping):
        raise _refuse(suite, f"yielded a {type(row).__name__} as a row of {name}.csv; a row is a dict by column")
    unknown = sorted(map(str, row.keys() - columns.keys()))
    if unknown:
        raise _refuse(suite, f"{name}.csv has no column {', '.join(unknown)}; declare it, or leave it out")
    plain = {key: _value(suite, name, value, columns[key]) for key, value in row.items()}
    if "case" in plain or plain.get(suite.unit, index) != index:
        filled = "case" if "case" in plain else suite.unit
        raise _refuse(suite, f"sets {filled} to {plain[filled]!r} in {name}.csv; leave it out: it is filled in")
    if plain.get("status", "ok") not in STATUSES:
        raise _refuse(suite, f"gave the status {plain['status']!r}; it must be one of {', '.join(STATUSES)}")
    return plain


def _value(suite: Suite, name: str, value: Any, column: Column) -> Any:
    try:
        return cell_value(value, column)
    except (TypeError, ValueError, OverflowError):
        shown = repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "…"
        raise _refuse(
            suite,
            f"gave {shown} ({type(value).__name__}) for {column.name} of {name}.csv, which is declared {column.type}; "
            f"give {_REMEDIES[column.type]}, or None for an empty cell",
        ) from None


_REMEDIES = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "True or False"}


def cell_value(value: Any, column: Column) -> Any:
    """A value as its column has it; a missing one is None.

    Raises:
        TypeError, ValueError, OverflowError: it is of another type, and cannot harmlessly be made of this one.

    Example:
        >>> cell_value(3.0, Column("size", "int", "", "")), cell_value(float("nan"), Column("time_s", "float", "s", ""))
        (3, None)
    """
    plain = value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
    if plain is None or (isinstance(plain, float) and plain != plain):
        return None
    return _MAKERS[column.type](plain)


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError
    text = str(value)
    text.encode()  # a lone surrogate could not be written
    return text


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or int(value) != value:
        raise TypeError
    return int(value)


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    float(value)  # a whole number may be too large for one
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_MAKERS: dict[str, Callable[[Any], Any]] = {"str": _text, "int": _whole, "float": _number, "bool": _truth}


def _refuse(suite: Suite, text: str) -> ForeignError:
    return guard.refuse(suite.measure, f"suite {suite.name!r} {text}")
