"""Named things: suites, kernels, strategies, data sets, models, presets, and how they are found.

Everything here is found through entry points of the groups ``fbench.suites``, ``fbench.kernels``,
``fbench.strategies``, ``fbench.datasets`` and ``fbench.models`` (a package is searched module by module,
so a new suite is one new file), or through ``--load FILE.py``. The modules found register by decorator and
import torch only inside functions: listing names must not cost seconds.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints

from fbench.errors import UnknownNameError, UsageError
from fbench.harness.contract import COMMON_COLUMNS, Case, Column, Context, Option, Row, Summary, Unit


class Named(Protocol):
    """What a registry holds: anything with a name and one line about it."""

    @property
    def name(self) -> str:
        """The name it is found by."""

    @property
    def description(self) -> str:
        """One line for ``fbench list``."""


T = TypeVar("T", bound=Named)
F = TypeVar("F", bound=Callable[..., Any])


class Registry(Generic[T]):
    """The values of one kind, by name; entry points of ``group`` are loaded at the first look."""

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind, self.group = kind, group
        self.broken: dict[str, str] = {}
        self._values: dict[str, T] = {}
        self._discovered = group is None

    def add(self, value: T) -> T:
        """Register ``value``; a name taken twice is refused, since the second would hide the first."""
        if value.name in self._values:
            raise UsageError(f"{self.kind} {value.name!r} is registered twice; rename one of them")
        self._values[value.name] = value
        return value

    def get(self, name: str) -> T:
        """The value called ``name``.

        Raises:
            UnknownNameError: with the nearest name.
        """
        self._discover()
        if name not in self._values:
            raise UnknownNameError(self.kind, name, self._values)
        return self._values[name]

    def __iter__(self) -> Iterator[T]:
        self._discover()
        return iter([self._values[name] for name in sorted(self._values)])

    def names(self) -> list[str]:
        """Every name, sorted."""
        return [value.name for value in self]

    def _discover(self) -> None:
        if self._discovered or self.group is None:
            return
        self._discovered = True
        for point in _entry_points().select(group=self.group):
            for module in _modules(point.module):
                try:
                    importlib.import_module(module)
                except Exception as error:  # one broken plug-in must not take the others, or fbench, down with it
                    self.broken[module] = f"{type(error).__name__}: {error}"


@functools.cache
def _entry_points() -> Any:
    """Every installed entry point; scanned once, since that reads a file of every distribution."""
    return importlib.metadata.entry_points()


def _modules(name: str) -> Iterator[str]:
    """The module, and every module in it if it is a package."""
    yield name
    path = getattr(sys.modules.get(name), "__path__", ())
    for info in pkgutil.iter_modules(path):
        yield f"{name}.{info.name}"


@dataclass(frozen=True)
class Parameter:
    """One option of a suite: the keyword's name, type, default and ``Option``."""

    name: str
    type: type
    default: Any
    option: Option


@dataclass(frozen=True)
class Suite:
    """A declared suite. Made by ``@suite``; see CONTRIBUTING.md for how to write one.

    ``measure(case, context, **options)`` yields one ``Unit`` after another (or returns a list of them),
    numbered from 0, starting after those in ``context.committed``.
    ``units(options)`` is how many a case has, where that is known. ``resolve(options, context)`` fills in automatic
    options and refuses impossible ones, before anything is written. ``points(options)`` gives the coordinates of every
    case where these are not simply all that the axes span. ``finish(tables, options)`` gives the rows of a finished run
    as they are to stay, with what only the whole run can tell; it may meet its own work again. ``identify`` gives the
    key columns of a case's rows where they are not its axes; a faulty case is written with them.
    ``predict(case, options, context)`` says, for ``--plan``, what a case will cost; ``cost(case, options)`` is that as
    one number in any unit: dear cases start first, so that processes end together and the time left errs high.
    ``schedule`` says how cases take turns: ``"cases"`` ends one before the next begins, ``"blocks"`` takes one unit of
    every case, in shuffled order, again and again, so that a drift of the machine meets all alike.
    ``executor="worker"`` runs the cases in a spawned process, so that one killed for memory is a row; ``"fresh"`` in
    one of its own each, so that what a case leaves in memory is never in the next, and takes the schedule ``"cases"``.
    """

    name: str
    description: str
    measure: Callable[..., Iterator[Unit] | Sequence[Unit]]
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    unit: str
    summarise: Callable[[Mapping[str, Any], Mapping[str, Any]], Summary]
    tables: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    units: Callable[[Mapping[str, Any]], int | None] = lambda options: None
    resolve: Callable[[dict[str, Any], Context], dict[str, Any]] = lambda options, context: options
    points: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]] | None = None
    finish: Callable[[dict[str, list[Row]], Mapping[str, Any]], dict[str, list[Row]]] = lambda tables, options: tables
    identify: Callable[[Case], Sequence[Mapping[str, Any]]] | None = None
    predict: Callable[..., Mapping[str, str]] | None = None
    cost: Callable[[Case, Mapping[str, Any]], float] | None = None
    schedule: Literal["cases", "blocks"] = "cases"
    executor: Literal["inline", "worker", "fresh"] = "inline"

    def __post_init__(self) -> None:
        if self.executor == "fresh" and self.schedule != "cases":
            raise TypeError(
                f"suite {self.name}: executor='fresh' ends a case before the next; it takes schedule='cases'"
            )

    def all_tables(self) -> dict[str, tuple[Column, ...]]:
        """Columns of every table that the suite writes: ``results`` first."""
        return {"results": self.columns, **self.tables}

    def grid(self, options: Mapping[str, Any]) -> list[Case]:
        """Every case: what ``points`` gives, or all that the axes span, the first axis varying slowest."""
        points = self._spanned(options) if self.points is None else self.points(options)
        return [Case(spell(point), point) for point in points]

    def _spanned(self, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        points: list[dict[str, Any]] = [{}]
        for parameter in self.parameters:
            option = parameter.option
            if option.axis is None:
                continue
            value = options[parameter.name]
            values = option.expand(value, options) if option.expand else value
            points = [{**point, option.axis: each} for point in points for each in values]
        return points


def flag_of(name: str) -> str:
    """``train_batch`` as it is typed: ``--train-batch``."""
    return "--" + name.replace("_", "-")


def spell(point: Mapping[str, Any]) -> str:
    """A point of the grid, or a part of one, as case ids have it: ``kernel=fused dim=64 seeds=0-7``."""
    return " ".join(f"{axis}={_label(value)}" for axis, value in point.items())


def _label(value: Any) -> str:
    if isinstance(value, tuple) and value:
        return f"{value[0]}-{value[-1]}" if len(value) > 1 else str(value[0])
    return str(value)


@dataclass(frozen=True)
class Kernel:
    """A trace kernel: scores of a pool's candidates, a chunk at a time (see fisher.trace).

    ``prepare(embedding, inverse, fisher, sign)`` is done once and not timed; its result goes to
    ``run(prepared, part, with_inner)``, which gives the scores [c] of the candidates of the slice ``part``.
    ``flops(n, rows, d, with_inner, features)`` and ``bytes(n, rows, d, itemsize, features)`` count a pass over n
    candidates of r ``rows``; ``features`` is h where V is a last layer's and never built, else None.
    ``takes`` says which embedding it is timed on: V built (``dense``), a ``last-layer``'s factors, or ``either``.
    """

    name: str
    description: str
    prepare: Callable[..., Any]
    run: Callable[..., Any]
    flops: Callable[..., int]
    bytes: Callable[..., int]
    takes: Literal["dense", "last-layer", "either"] = "dense"


@dataclass(frozen=True)
class Strategy:
    """How a batch is chosen: ``propose(state, batch_size)`` gives pool positions (see learning.strategies).

    ``plan(sizes)`` says what its selection will hold, as a ``fisher.plan.SelectionPlan``, or None where that is next to
    nothing; it is asked before a run. A strategy without one is taken to select on a mask, the dearest.
    """

    name: str
    description: str
    propose: Callable[..., Any]
    plan: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Dataset:
    """Where images come from: ``load(folder, download)`` gives a ``learning.data.Images``.

    ``in_folder`` says whether ``--data-dir`` means anything to it.
    """

    name: str
    description: str
    load: Callable[..., Any]
    in_folder: bool = True


@dataclass(frozen=True)
class Model:
    """A network: ``build(replicas, channels, size, classes)`` gives a module (see learning.networks).

    ``block`` networks are trained side by side; 1 for a network that knows no replicas.
    """

    name: str
    description: str
    build: Callable[..., Any]
    block: int = 1


@dataclass(frozen=True)
class Preset:
    """Published settings of a suite: ``options`` by parameter name."""

    name: str
    description: str
    suite: str
    options: Mapping[str, Any]


SUITES: Registry[Suite] = Registry("suite", "fbench.suites")
KERNELS: Registry[Kernel] = Registry("kernel", "fbench.kernels")
STRATEGIES: Registry[Strategy] = Registry("strategy", "fbench.strategies")
DATASETS: Registry[Dataset] = Registry("data set", "fbench.datasets")
MODELS: Registry[Model] = Registry("model", "fbench.models")
PRESETS: Registry[Preset] = Registry("preset", "fbench.suites")

REGISTRIES: dict[str, Registry[Any]] = {
    "suites": SUITES,
    "kernels": KERNELS,
    "strategies": STRATEGIES,
    "datasets": DATASETS,
    "models": MODELS,
    "presets": PRESETS,
}


def suite(
    name: str,
    description: str,
    *,
    columns: Sequence[Column],
    unit: str,
    summarise: Callable[[Mapping[str, Any], Mapping[str, Any]], Summary],
    tables: Mapping[str, Sequence[Column]] | None = None,
    **more: Any,
) -> Callable[[F], F]:
    """Declare a suite on its ``measure``; every keyword-only parameter of it becomes an option.

    ``columns`` and ``tables`` leave out ``case``, ``status`` and ``reason``, which every table has, and hold a column
    named ``unit``, which the runner fills in: 0, 1, 2, … within a case.
    The remaining keywords are fields of ``Suite``.
    """

    def declare(measure: F) -> F:
        side = {table: (COMMON_COLUMNS[0], *own) for table, own in (tables or {}).items()}
        SUITES.add(
            Suite(
                name=name,
                description=description,
                measure=measure,
                parameters=_parameters(measure),
                columns=(COMMON_COLUMNS[0], *columns, *COMMON_COLUMNS[1:]),
                unit=unit,
                summarise=summarise,
                tables=side,
                **more,
            )
        )
        return measure

    return declare


def _parameters(measure: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Read the options off a measure's keyword-only parameters, ``name: Annotated[type, Option(...)] = default``."""
    hints = get_type_hints(measure, include_extras=True)
    found = []
    for parameter in inspect.signature(measure).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        hint = hints[parameter.name]
        if get_origin(hint) is not Annotated:
            raise TypeError(f"option {parameter.name!r} of {measure.__name__} has no Annotated[type, Option(...)]")
        kind, option = get_args(hint)[:2]
        found.append(Parameter(parameter.name, kind, parameter.default, option))
    return tuple(found)


def strategy(name: str, description: str, *, plan: Callable[..., Any] | None = None) -> Callable[[F], F]:
    """Register ``propose(state, batch_size)`` as a strategy."""
    return _registers(lambda function: STRATEGIES.add(Strategy(name, description, function, plan)))


def dataset(name: str, description: str, *, in_folder: bool = True) -> Callable[[F], F]:
    """Register ``load(folder, download)`` as a data set."""
    return _registers(lambda function: DATASETS.add(Dataset(name, description, function, in_folder)))


def model(name: str, description: str, *, block: int = 1) -> Callable[[F], F]:
    """Register ``build(replicas, channels, size, classes)`` as a model."""
    return _registers(lambda function: MODELS.add(Model(name, description, function, block)))


def _registers(add: Callable[[Callable[..., Any]], Any]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        add(function)
        return function

    return decorate


def load_file(path: Path) -> None:
    """Run a user's file, so that its decorators register what it declares (``--load``).

    Raises:
        UsageError: the file is missing, or fails; with the line that failed.
    """
    if not path.is_file():
        raise UsageError(f"--load {path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    for known in REGISTRIES.values():
        known.names()  # ours first, so that it is the user's name which is told of a clash
    full = path.resolve()
    spec = importlib.util.spec_from_file_location(f"fbench_loaded_{path.stem}", full)
    if spec is None or spec.loader is None:
        raise UsageError(f"--load {path}: not a Python file; it must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look a class's module up there
    try:
        spec.loader.exec_module(module)
    except (UsageError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a file that ends the interpreter is a file that fails
        lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == str(full)]
        where = f", line {lines[-1]}" if lines else ""
        raise UsageError(f"--load {path}{where}: {type(error).__name__}: {error}") from error
