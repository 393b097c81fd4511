"""What a suite is: its measure, the types of its options and points, its tables, and how the harness asks it.

``options`` is a frozen dataclass; every field is ``name: Annotated[type, Option(...)] = default`` and becomes an option
of the command line, a value of ``options.json`` and, with an axis, a coordinate of the grid.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from fbench.errors import SweepError, UsageError
from fbench.harness import guard
from fbench.harness.contract import Case, Column, Context, Option, Row, Summary, Tables, Unit
from fbench.harness.names import check_column
from fbench.harness.parsing import check_bounds, read_number


@dataclass(frozen=True)
class Parameter:
    """One option as it is typed: the field's name, the type that is read, the default as typed, and its ``Option``."""

    name: str
    type: type
    default: Any
    option: Option

    def read(self, typed: Any) -> Any:
        """The value that was typed, within its bounds and parsed; a number may be one already.

        Raises:
            UsageError: no number where one belongs, one out of bounds, or a text that the option's parser refuses.
        """
        option, flag = self.option, flag_of(self.name)
        if self.type in (int, float):
            return read_number(flag, typed, self.type, option)
        if option.parse is None:
            return typed
        try:
            value = option.parse(typed)
        except SweepError as error:  # its caret shows where, not in which of several sweeps
            raise SweepError(error.text, error.position, f"{flag}: {error.rule}") from None
        except UsageError as error:
            if type(error) is UsageError and flag not in str(error):
                raise UsageError(f"{flag}: {error}") from None
            raise
        for number in value if isinstance(value, tuple) else (value,):
            if type(number) in (int, float):
                check_bounds(flag, number, option)
        return value

    def spelled(self, value: Any) -> str:
        """A value as it would be typed."""
        return (self.option.spell or spell_value)(value)

    def restored(self, stored: Any) -> Any:
        """The value that ``options.json`` holds; a count, where a run from before it was a list has one, is read."""
        if self.option.parse is not None and self.option.expand is not None and isinstance(stored, int):
            return self.read(str(stored))
        return _tuples(stored)


@dataclass(frozen=True)
class SharedData:
    """What all cases of a run read, and a process on another machine may not find: ``--executor ray`` sends it there.

    ``paths(options)`` are the files and folders that are read; where one is missing, ``load(options)`` reads them on
    the driver's machine, once a run, and ``hold(options, value)`` keeps what it gave in the process that lacks them.
    """

    paths: Callable[[Any], Sequence[str]]
    load: Callable[[Any], Any]
    hold: Callable[[Any, Any], None]


@dataclass(frozen=True)
class Suite:
    """A declared suite. Made by ``@suite``; fbench/harness/README.md has one, and every field.

    ``measure(case, options, context)`` yields one ``Unit`` after another (or returns a list of them),
    numbered from 0, starting after those in ``context.committed``. ``options`` and ``point`` are the types of the
    suite's options and of its cases' points; every callable below gets options of that type.
    ``units(options)`` is how many a case has, where that is known. ``resolve(options, context)`` fills in automatic
    options and refuses impossible ones, before anything is written. ``points(options)`` gives the points of every
    case where these are not simply all that the axes span. ``finish(tables, options)`` gives the rows of a finished run
    as they are to stay, with what only the whole run can tell; it may meet its own work again. ``identify`` gives the
    key columns of a case's rows where they are not its axes; a faulty case is written with them.
    ``grown(before, after)`` may note in the options of a run that grows what was asked of it only now.
    ``predict(case, options, context)`` says, for ``--plan``, what a case will cost; ``cost(case, options)`` is that as
    one number in any unit: dear cases start first, so that processes end together. ``expect_s(case, options, context)``
    says about how many seconds each unit will take on this machine (where units are not counted, one number for the
    case): the plan shows it, and the time left starts from it; ``once_s(options, context)`` is what the first unit of
    all takes beside, whichever case begins. ``limit_s(options)`` bounds the wall time of a command's measuring: a
    measure yields no unit more once ``context.over``. ``hold_bytes(case, options, context)`` is what a case holds at
    its peak beside torch and the data, so that the plan knows how many fit side by side. ``gpu_share`` is how much of a
    GPU a case takes, where ``--executor ray`` may place several on one; what is timed has it alone. ``data`` is what
    its workers may have to be sent.
    ``schedule`` says how cases take turns: ``"cases"`` ends one before the next begins, ``"blocks"`` takes one unit of
    every case, in shuffled order, again and again, so that a drift of the machine meets all alike.
    ``finds_limit(options)`` says whether a run looks for the sizes at which memory ends, so that a case out of memory
    is an answer and no failure; ``is_wrong(tables, options)`` whether something measured gave wrong numbers.
    ``executor="worker"`` runs the cases in a spawned process, so that one killed for memory is a row; ``"fresh"`` in
    one of its own each, so that what a case leaves in memory is never in the next, and takes the schedule ``"cases"``.
    ``examples`` are commands for the end of its help.
    """

    name: str
    description: str
    measure: Callable[..., Iterator[Unit] | Sequence[Unit]]
    options: type[Any]
    point: type[Any]
    columns: tuple[Column, ...]
    unit: str
    summarise: Callable[..., Summary]
    tables: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    units: Callable[[Any], int | None] = lambda options: None
    resolve: Callable[[Any, Context], Any] = lambda options, context: options
    points: Callable[[Any], Sequence[Any]] | None = None
    finish: Callable[[dict[str, list[Row]], Any], dict[str, list[Row]]] = lambda tables, options: tables
    identify: Callable[[Case[Any]], Sequence[Mapping[str, Any]]] | None = None
    grown: Callable[[Any, Any], Any] = lambda before, after: after
    predict: Callable[..., Mapping[str, str]] | None = None
    cost: Callable[[Case[Any], Any], float] | None = None
    expect_s: Callable[[Case[Any], Any, Context], Sequence[float]] | None = None
    once_s: Callable[[Any, Context], float] = lambda options, context: 0.0
    limit_s: Callable[[Any], float] | None = None
    hold_bytes: Callable[[Case[Any], Any, Context], int] | None = None
    gpu_share: float = 1.0
    data: SharedData | None = None
    finds_limit: Callable[[Any], bool] = lambda options: False
    is_wrong: Callable[[Tables, Any], bool] = lambda tables, options: False
    schedule: Literal["cases", "blocks"] = "cases"
    executor: Literal["inline", "worker", "fresh"] = "inline"
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for table, columns in self.all_tables().items():
            check_column(f"suite {self.name}: table", table)
            for column in columns:
                check_column(f"suite {self.name}, table {table}: column", column.name)
        if self.executor == "fresh" and self.schedule != "cases":
            raise TypeError(
                f"suite {self.name}: executor='fresh' ends a case before the next; it takes schedule='cases'"
            )

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The options as they are typed, in the order of the fields."""
        return parameters_of(self.options)

    def all_tables(self) -> dict[str, tuple[Column, ...]]:
        """Columns of every table that the suite writes: ``results`` first."""
        return {"results": self.columns, **self.tables}

    def typed(self, **typed: Any) -> Any:
        """The options with these values as they are typed and all else at its default: checked, parsed, not resolved.

        Raises:
            UsageError: as ``Parameter.read``.
        """
        return self.options(**{p.name: p.read(typed.get(p.name, p.default)) for p in self.parameters})

    def restored(self, stored: Mapping[str, Any]) -> Any:
        """The options that a run's ``options.json`` holds; one that it does not know yet is at its default."""
        defaults = {p.name: p for p in self.parameters}
        values = {name: defaults[name].restored(value) for name, value in stored.items() if name in defaults}
        missing = {name: p.read(p.default) for name, p in defaults.items() if name not in values}
        return self.options(**values, **missing)

    def grid(self, options: Any) -> list[Case[Any]]:
        """Every case: what ``points`` gives, or all that the axes span, the first axis varying slowest."""
        points = self._spanned(options) if self.points is None else self.points(options)
        return [Case(spell(point._asdict()), point) for point in points]

    def changed(self, options: Any) -> Iterator[tuple[Parameter, Any]]:
        """Options that are not at their default, hidden and automatic ones too, with what they are."""
        for parameter in self.parameters:
            value = getattr(options, parameter.name)
            if value != parameter.read(parameter.default):
                yield parameter, value

    def expected(self, case: Case[Any], options: Any, context: Context) -> list[float]:
        """What each unit of the case is expected to cost, in seconds or, without ``expect_s``, in no particular unit.

        One number for the whole case where its units are not counted.
        """
        if self.expect_s is not None:
            return list(self.expect_s(case, options, context))
        units = self.units(options) or 1
        return [(self.cost(case, options) if self.cost else 1.0) / units] * units

    def _spanned(self, options: Any) -> list[Any]:
        points: list[dict[str, Any]] = [{}]
        for parameter in self.parameters:
            option = parameter.option
            if option.axis is None:
                continue
            value = getattr(options, parameter.name)
            values = option.expand(value, options) if option.expand else value
            points = [{**point, option.axis: coordinate} for point in points for coordinate in values]
        return [self.point(**point) for point in points]


def parameters_of(options: type[Any]) -> tuple[Parameter, ...]:
    """The options of a dataclass as they are typed, in the order of its fields.

    Raises:
        TypeError: a field without ``Annotated[type, Option(...)]`` or without a default.
    """
    hints = get_type_hints(options, include_extras=True)
    return tuple(_parameter(options, declared, hints[declared.name]) for declared in dataclasses.fields(options))


def _parameter(options: type[Any], declared: dataclasses.Field[Any], hint: Any) -> Parameter:
    where = f"option {declared.name!r} of {options.__module__}.{options.__name__}"
    if get_origin(hint) is not Annotated or not isinstance(get_args(hint)[1], Option):
        raise TypeError(f"{where} has no Annotated[type, Option(...)]")
    value_type, option = get_args(hint)[:2]
    default = declared.metadata.get("typed", declared.default)
    if default is dataclasses.MISSING:
        raise TypeError(f"{where} has no default")
    flag = flag_of(declared.name)
    if option.expand:
        option = dataclasses.replace(option, expand=guard.guarded(option.expand, f"the expansion of {flag}"))
    if option.parse:
        parse = guard.guarded(option.parse, f"the parser of {flag}", passes=UsageError)
        return Parameter(declared.name, str, default, dataclasses.replace(option, parse=parse))
    return Parameter(declared.name, value_type, default, option)


def declared_types(measure: Callable[..., Any]) -> tuple[type[Any], type[Any]]:
    """The types of the options and points that a measure's annotations name.

    A ``case`` annotated without its point's type gets one with a field for every axis.

    Raises:
        TypeError: no annotated ``case`` and ``options``; options that are no frozen dataclass.
    """
    hints = get_type_hints(measure)
    if list(inspect.signature(measure).parameters) != ["case", "options", "context"] or "options" not in hints:
        raise TypeError(f"{measure.__name__} must be measure(case, options, context), options annotated with its type")
    options: Any = hints["options"]
    if not getattr(getattr(options, "__dataclass_params__", None), "frozen", False):
        raise TypeError(f"options of {measure.__name__} must be a frozen dataclass, not {options!r}")
    points = get_args(hints.get("case"))
    if points and hasattr(points[0], "_fields"):
        return options, points[0]
    axes = [p.option.axis for p in parameters_of(options) if p.option.axis]
    return options, namedtuple("Point", axes)


def values_of(options: Any) -> dict[str, Any]:
    """Every field of the options by its name.

    Example:
        >>> @dataclass(frozen=True)
        ... class Options:
        ...     sizes: tuple[int, ...] = (1, 2)
        >>> values_of(Options())
        {'sizes': (1, 2)}
    """
    return {declared.name: getattr(options, declared.name) for declared in dataclasses.fields(options)}


def check_axes(options: type[Any], point: type[Any]) -> None:
    """Refuse a suite whose points are not what its axes span.

    Raises:
        TypeError: a point's field without an axis or the other way round; an axis over what is no tuple.
    """
    hints = get_type_hints(options, include_extras=True)
    axes = {p.option.axis: p for p in parameters_of(options) if p.option.axis}
    if set(axes) != set(point._fields):
        raise TypeError(
            f"{point.__name__} has the fields {', '.join(point._fields) or 'none'}, and the axes are "
            f"{', '.join(axes) or 'none'}: name them alike, or give @suite(points=…)"
        )
    for parameter in axes.values():
        value_type = get_args(hints[parameter.name])[0]
        if parameter.option.expand is None and get_origin(value_type) is not tuple:
            raise TypeError(
                f"option {parameter.name!r} spans an axis: its type must be a tuple, or Option have expand=…"
            )


def stored(options: Any) -> dict[str, Any]:
    """The options as ``options.json`` holds them: every field by name, tuples as lists.

    Example:
        >>> @dataclass(frozen=True)
        ... class Options:
        ...     sizes: tuple[int, ...] = (1, 2)
        >>> stored(Options())
        {'sizes': [1, 2]}
    """
    plain: dict[str, Any] = json.loads(json.dumps(values_of(options), default=str))
    return plain


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def spell_value(value: Any) -> str:
    """An option's value as it would be typed; groups, as of seeds, as ranges.

    Example:
        >>> spell_value((64, 128)), spell_value(((0, 1, 2), (7,))), spell_value([[0, 1]]), spell_value(0.5)
        ('64,128', '0..2,7..7', '0..1', '0.5')
    """
    if isinstance(value, tuple | list):
        return ",".join(map(_spell_item, value))
    return str(value)


def _spell_item(item: Any) -> str:
    return f"{item[0]}..{item[-1]}" if isinstance(item, tuple | list) and item else str(item)


def flag_of(name: str) -> str:
    """An option's name as it is typed.

    Example:
        >>> flag_of("train_batch")
        '--train-batch'
    """
    return "--" + name.replace("_", "-")


def spell(coordinates: Mapping[str, Any]) -> str:
    """A point of the grid, or a part of one, as case ids have it; a coordinate of None is left out.

    Example:
        >>> spell({"kernel": "fused", "dim": 64, "seeds": (0, 1, 2), "chunk_size": None})
        'kernel=fused dim=64 seeds=0-2'
    """
    return " ".join(f"{axis}={_label(value)}" for axis, value in coordinates.items() if value is not None)


def _label(value: Any) -> str:
    if isinstance(value, tuple) and value:
        return f"{value[0]}-{value[-1]}" if len(value) > 1 else str(value[0])
    return str(value)
