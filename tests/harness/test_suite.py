"""Suites: options and points read off a measure's annotations, grids, and options typed, stored and restored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
from command import typed as command_line

from fbench.errors import SweepError, UsageError
from fbench.harness import registry
from fbench.harness.contract import Case, Column, Context, Option, Summary, Unit, typed
from fbench.harness.suite import Parameter, Suite, declared_types, parameters_of, spell, stored, values_of
from fbench.harness.sweep import parse_sweep

COLUMNS = (Column("value", "float", "", "any"),)
SIZES = Option("sizes", parse=parse_sweep, axis="size")
OFTEN = Option("how often", minimum=1)


@dataclass(frozen=True, kw_only=True)
class Options:
    sizes: Annotated[tuple[int, ...], SIZES] = typed("1,2")
    often: Annotated[int, OFTEN] = 3
    name: Annotated[str | None, Option("a name", parse=lambda text: text or None)] = typed("")
    share: Annotated[float, Option("a share", above=0, maximum=1)] = 0.5


class Point(NamedTuple):
    size: int


def measure(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    yield Unit(0, [{"value": case.point.size * options.share}])


@pytest.fixture
def declare(registries: Any) -> Callable[..., Suite]:
    """Declares a suite on a measure, and gives it."""

    def declared(function: Callable[..., Any] = measure, **more: Any) -> Suite:
        same = registry.suite(
            "mine", "about it", columns=COLUMNS, unit="step", summarise=lambda rows, options: Summary(), **more
        )(function)
        assert same is function
        return registry.SUITES.get("mine")

    return declared


def test_options_and_points_are_read_off_the_measure(declare: Callable[..., Suite]) -> None:
    suite = declare()
    assert [(p.name, p.type, p.default, p.option) for p in suite.parameters[:2]] == [
        ("sizes", str, "1,2", SIZES),
        ("often", int, 3, OFTEN),
    ]
    assert (suite.options, suite.point) == (Options, Point)
    assert (suite.name, suite.description, suite.unit) == ("mine", "about it", "step")
    assert suite.measure is measure


def test_every_table_has_the_common_columns(declare: Callable[..., Suite]) -> None:
    suite = declare(tables={"side": (Column("item", "int", "", ""),)})
    tables = {name: [column.name for column in columns] for name, columns in suite.all_tables().items()}
    assert tables == {"results": ["case", "value", "status", "reason"], "side": ["case", "item"]}
    assert next(iter(tables)) == "results"


def test_defaults_of_a_suite(declare: Callable[..., Suite]) -> None:
    suite = declare()
    options = suite.typed()
    assert suite.units(options) is None
    assert suite.resolve(options, Context()) is options
    assert suite.finish({"results": []}, options) == {"results": []}
    assert (suite.points, suite.identify, suite.predict, suite.cost) == (None, None, None, None)
    assert (suite.schedule, suite.executor) == ("cases", "inline")


def test_fresh_processes_and_blocks_exclude_each_other(declare: Callable[..., Suite]) -> None:
    assert declare(executor="fresh").schedule == "cases"
    with pytest.raises(TypeError, match=r"suite mine: executor='fresh' ends a case .*; it takes schedule='cases'"):
        declare(executor="fresh", schedule="blocks")


def test_a_point_is_spelled_as_its_case() -> None:
    coordinates = {"kind": "a", "size": 20, "seeds": (0, 1, 2), "ids": (4,), "chunk_size": None}
    assert spell(coordinates) == "kind=a size=20 seeds=0-2 ids=4"
    assert spell({}) == ""


@dataclass(frozen=True)
class Undeclared:
    size: int = 1


@dataclass(frozen=True)
class WithoutDefault:
    size: Annotated[int, OFTEN]


@dataclass
class Thawed:
    size: Annotated[int, OFTEN] = 1


def test_an_option_without_a_declaration() -> None:
    with pytest.raises(TypeError, match=r"option 'size' of .*Undeclared has no Annotated\[type, Option\(\.\.\.\)\]"):
        parameters_of(Undeclared)


def test_an_option_without_a_default() -> None:
    with pytest.raises(TypeError, match=r"option 'size' of .*WithoutDefault has no default"):
        parameters_of(WithoutDefault)


def thawed(case: Case[Point], options: Thawed, context: Context) -> None: ...


def of_numbers(case: Case[Point], options: int, context: Context) -> None: ...


def old(case: Case[Point], context: Context, *, size: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (thawed, r"options of thawed must be a frozen dataclass, not <class .*Thawed'>"),
        (of_numbers, r"options of of_numbers must be a frozen dataclass, not <class 'int'>"),
        (old, r"old must be measure\(case, options, context\), options annotated with its type"),
        (lambda case, options, context: (), r"<lambda> must be measure\(case, options, context\), options annotated"),
    ],
)
def test_a_measure_that_says_too_little(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        declared_types(function)


def test_points_without_a_type_have_a_field_an_axis(declare: Callable[..., Suite]) -> None:
    def untyped(case: Case, options: Options, context: Context) -> None: ...  # type: ignore[type-arg]

    suite = declare(untyped)
    assert [case.point._asdict() for case in suite.grid(suite.typed())] == [{"size": 1}, {"size": 2}]


@dataclass(frozen=True, kw_only=True)
class TwoAxes:
    names: Annotated[tuple[str, ...], Option("", parse=lambda text: tuple(text.split(",")), axis="name")] = typed("a,b")
    loud: Annotated[bool, Option("no axis")] = False
    sizes: Annotated[tuple[int, ...], SIZES] = typed("1,20")


class TwoAxesPoint(NamedTuple):
    name: str
    size: int


def two_axes(case: Case[TwoAxesPoint], options: TwoAxes, context: Context) -> None: ...


def test_the_first_axis_varies_slowest(declare: Callable[..., Suite]) -> None:
    suite = declare(two_axes)
    cases = suite.grid(suite.typed())
    assert [case.id for case in cases] == ["name=a size=1", "name=a size=20", "name=b size=1", "name=b size=20"]
    assert cases[1].point == TwoAxesPoint("a", 20)
    assert suite.grid(TwoAxes(names=(), loud=True, sizes=(1,))) == []


def blocks(count: int, options: Blocks) -> list[tuple[int, ...]]:
    return [tuple(range(first, min(first + options.by, count))) for first in range(0, count, options.by)]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    seeds: Annotated[int, Option("", axis="seeds", expand=blocks)] = 5
    by: Annotated[int, Option("")] = 2


class Seeds(NamedTuple):
    seeds: tuple[int, ...]


def by_blocks(case: Case[Seeds], options: Blocks, context: Context) -> None: ...


def test_an_axis_may_expand_by_other_options(declare: Callable[..., Suite]) -> None:
    cases = declare(by_blocks).grid(Blocks())
    assert [case.id for case in cases] == ["seeds=0-1", "seeds=2-3", "seeds=4"]
    assert [case.point.seeds for case in cases] == [(0, 1), (2, 3), (4,)]


def test_points_stand_in_for_the_axes(declare: Callable[..., Suite]) -> None:
    """Where cases are not simply all that the axes span; a coordinate of None is no coordinate."""

    def points(options: TwoAxes) -> list[TwoAxesPoint]:
        return [*(TwoAxesPoint("sweep", size) for size in options.sizes), TwoAxesPoint("whole", None)]  # type: ignore[arg-type]

    suite = declare(two_axes, points=points)
    cases = suite.grid(suite.typed(sizes="3,20"))
    assert [case.id for case in cases] == ["name=sweep size=3", "name=sweep size=20", "name=whole"]


def test_options_as_they_are_typed(declare: Callable[..., Suite]) -> None:
    suite = declare()
    assert suite.typed() == Options(sizes=(1, 2), often=3, name=None, share=0.5)
    assert suite.typed(sizes="4..16", often=7, name="x").sizes == (4, 8, 16)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("often", 0, "--often 0: must be at least 1"),
        ("share", 0.0, "--share 0: must be above 0"),
        ("share", 1.5, "--share 1.5: must be at most 1"),
        ("share", float("nan"), "--share nan: must be a finite number"),
    ],
)
def test_bounds(declare: Callable[..., Suite], name: str, value: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        declare().typed(**{name: value})


def test_numbers_of_a_sweep_have_the_bounds_of_their_option() -> None:
    sweep = Parameter("sizes", str, "1", Option("", parse=parse_sweep, minimum=2, maximum=2**40))
    assert sweep.read("2,2^40") == (2, 2**40)
    for text, message in [("1,2", "--sizes 1: must be at least 2"), ("2^41", "must be at most 1,099,511,627,776")]:
        with pytest.raises(UsageError, match=message):
            sweep.read(text)
    with pytest.raises(UsageError, match="--sizes 1,000,000,001: must be at most 1,000,000,000"):
        Parameter("sizes", str, "1", Option("", parse=parse_sweep)).read("1000000001")


def test_a_sweep_that_does_not_parse_names_its_option(declare: Callable[..., Suite]) -> None:
    with pytest.raises(SweepError, match="--sizes: ") as caught:
        declare().typed(sizes="8..4")
    assert "^" in str(caught.value)


def test_what_is_stored_is_restored(declare: Callable[..., Suite]) -> None:
    suite = declare()
    options = suite.typed(sizes="3,5", name="x")
    assert stored(options) == {"sizes": [3, 5], "often": 3, "name": "x", "share": 0.5}
    assert suite.restored(json.loads(json.dumps(stored(options)))) == options


def test_an_option_that_a_run_does_not_know_is_at_its_default(declare: Callable[..., Suite]) -> None:
    assert declare().restored({"sizes": [9], "gone": 1}) == Options(sizes=(9,), often=3, name=None, share=0.5)


def test_values_by_field() -> None:
    assert values_of(Blocks(by=3)) == {"seeds": 5, "by": 3}


class Elsewhere(NamedTuple):
    place: str


@dataclass(frozen=True)
class OneNumber:
    size: Annotated[int, Option("no tuple", axis="size")] = 1


def elsewhere(case: Case[Elsewhere], options: Options, context: Context) -> None: ...


def one_number(case: Case[Point], options: OneNumber, context: Context) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            elsewhere,
            r"Elsewhere has the fields place, and the axes are size: name them alike, or give @suite\(points=…\)",
        ),
        (one_number, "option 'size' spans an axis: its type must be a tuple, or Option have expand=…"),
    ],
)
def test_points_that_no_axes_span(declare: Callable[..., Suite], function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        declare(function)


def test_the_suite_of_the_page_of_contracts_runs(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "fbench/harness/README.md").read_text(encoding="utf-8")
    [code] = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "@suite(" in code]
    (tmp_path / "halves.py").write_text(code)
    done = command_line("halves", "--load", "halves.py", "--sizes", "4,10", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 halvings of 2 sizes." in done.stdout
    rows = (tmp_path / "run" / "results.csv").read_text().splitlines()
    assert rows[1:] == ["size=4,4,0,2.0,ok,", "size=4,4,1,1.0,ok,", "size=10,10,0,5.0,ok,", "size=10,10,1,2.5,ok,"]
