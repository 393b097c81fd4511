"""Named things: suites, kernels, strategies, data sets, models, presets, and how they are found.

Everything here is found through entry points of the groups ``fbench.suites``, ``fbench.kernels``,
``fbench.strategies``, ``fbench.datasets`` and ``fbench.models`` (what lies in a package is found by itself,
so a new suite is one new folder), or through ``--load FILE.py``. The modules found register by decorator and
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
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from fbench.errors import UnknownNameError, UsageError
from fbench.harness import guard
from fbench.harness.contract import COMMON_COLUMNS, Column, Summary
from fbench.harness.global_state import isolated
from fbench.harness.inputs import hint_for, refusal_of
from fbench.harness.names import check_name
from fbench.harness.suite import Suite, check_axes, declared_types


class Named(Protocol):
    """What a registry holds: anything with a name and one line about it."""

    @property
    def name(self) -> str:
        """The name it is found by."""

    @property
    def description(self) -> str:
        """One line for ``fbench list``."""


class Call(NamedTuple):
    """How a function that users register is called: with which arguments, and what types its result may have."""

    arguments: tuple[str, ...]
    returns: tuple[type, ...] = ()


CALLS: dict[str, Call] = {
    "propose": Call(("state", "batch_size")),
    "plan": Call(("sizes",)),
    "effort": Call(("sizes",)),
    "check": Call(("network",)),
    "load": Call(("folder", "download")),
    "build": Call(("replicas", "shape", "classes")),
    "prepare": Call(("embedding", "inverse", "fisher", "sign")),
    "run": Call(("prepared", "part", "with_inner")),
    "flops": Call(("n", "rows", "d", "with_inner", "features"), (int, float)),
    "bytes": Call(("n", "rows", "d", "itemsize", "features"), (int, float)),
    "measure": Call(("case", "options", "context")),
    "summarise": Call(("tables", "options"), (Summary,)),
    "units": Call(("options",), (int, type(None))),
    "resolve": Call(("options", "context")),
    "points": Call(("options",), (Sequence,)),
    "finish": Call(("tables", "options"), (Mapping,)),
    "identify": Call(("case",), (Sequence,)),
    "predict": Call(("case", "options", "context"), (Mapping,)),
    "finds_limit": Call(("options",), (bool,)),
    "is_wrong": Call(("tables", "options"), (bool,)),
    "cost": Call(("case", "options"), (int, float)),
}
"""Every function that a user registers, by the field that holds it."""

_T = TypeVar("_T", bound=Named)
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class NameFamily:
    """Another library's things, under one line of ``fbench list``: made when they are asked for, never enumerated.

    ``name`` says how they are called, such as ``torchvision:NAME``; ``member(name)`` gives the one of that name, or
    None where the library has none.
    """

    name: str
    description: str
    member: Callable[[str], Any]


class Registry(Generic[_T]):
    """The values of one kind, by name; entry points of ``group`` are loaded at the first look."""

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind, self.group = kind, group
        self._families: dict[str, NameFamily] = {}
        self.broken: dict[str, str] = {}
        self._values: dict[str, _T] = {}
        self._discovered = group is None

    def add(self, value: _T) -> _T:
        """Register ``value``, its functions behind the guard where they are a user's.

        A name taken twice is refused, since the second would hide the first.

        A cell of a notebook that is run again replaces what it defined before.

        Raises:
            UsageError: that, or what cannot be a name.
            ForeignError: a function that takes other arguments than it will be called with.
        """
        check_name(self.kind, value.name)
        if value.name in self._values and not _is_defined_again(self._values[value.name], value):
            places = list(filter(None, map(_home, (self._values[value.name], value))))
            where = f" ({' and '.join(places)})" if places else ""
            raise UsageError(f"{self.kind} {value.name!r} is registered twice{where}; rename one of them")
        return self.put(value)

    def put(self, value: _T) -> _T:
        """Register ``value`` in the place of what has its name.

        Raises:
            ForeignError: as ``add``.
        """
        self._values[value.name] = value = _behind_guard(value, f"{self.kind} {value.name!r}")
        return value

    def forget(self, module: str) -> None:
        """Forget what a module has registered."""
        self._values = {name: value for name, value in self._values.items() if module not in modules_of(value)}

    def add_family(self, family: NameFamily) -> None:
        """Look for names that are not registered among those of a family, too."""
        self._families[family.name] = family

    def families(self) -> list[NameFamily]:
        """Every family, sorted by name."""
        self._discover()
        return [self._families[name] for name in sorted(self._families)]

    def get(self, name: str) -> _T:
        """The value called ``name``: a registered one, or a family's.

        Raises:
            UnknownNameError: with the nearest name.
        """
        self._discover()
        if name in self._values:
            return self._values[name]
        for family in self.families():
            member: _T | None = family.member(name)
            if member is not None:
                return member
        raise UnknownNameError(self.kind, name, [*self._values, *self._families], self.broken)

    def __iter__(self) -> Iterator[_T]:
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
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # one broken plug-in must not take the others, or fbench, down with it
                    self.broken[module] = f"{type(error).__name__}: {error}"


def modules_of(value: Named) -> set[str]:
    """The modules of everything that a registered thing is made of: its functions and types.

    Example:
        >>> modules_of(Strategy("first", "the first that are free", modules_of))
        {'fbench.harness.registry'}
    """
    parts = [inspect.unwrap(part) for part in vars(value).values() if isinstance(part, type) or inspect.isroutine(part)]
    return {part.__module__ for part in parts if getattr(part, "__module__", None)}


def _is_defined_again(old: Named, new: Named) -> bool:
    return all("__main__" in modules_of(value) for value in (old, new))


def plugin_packages() -> set[str]:
    """The top-level packages that entry points name: other processes find what these register by themselves.

    Example:
        >>> "fbench" in plugin_packages()
        True
    """
    groups = [known.group for known in REGISTRIES.values() if known.group]
    return {point.module.split(".")[0] for group in groups for point in _entry_points().select(group=group)}


def _behind_guard(value: _T, what: str) -> _T:
    """The value with a user's functions behind the guard; ``measure`` is called step by step, by the executors."""
    functions = [(name, getattr(value, name, None)) for name in CALLS if is_dataclass(value)]
    foreign: dict[str, Any] = {}
    for name, function in functions:
        if function is not None and not (callable(function) and not guard.is_foreign(function)):
            guard.check_call(function, f"{name} of {what}", CALLS[name].arguments)
            foreign[name] = guard.guarded(function, f"{name} of {what}", CALLS[name].returns)
    foreign.pop("measure", None)
    return replace(value, **foreign) if foreign else value  # type: ignore[type-var]


def unguarded(value: Any) -> Any:
    """A registered thing as it was registered: what it does, and what another process can guard for itself.

    Example:
        >>> strategy = Strategy("first", "the first", lambda state, batch_size: ...)
        >>> unguarded(_behind_guard(strategy, "strategy 'first'")) == strategy
        True
    """
    parts = {name: part.__wrapped__ for name, part in vars(value).items() if getattr(part, "is_guarded", False)}
    return replace(value, **parts) if parts else value


def _home(value: Named) -> str:
    """File and line of the first function of a registered thing; the module where it is fbench's."""
    function = next((getattr(value, name) for name in CALLS if callable(getattr(value, name, None))), None)
    return guard.place_of(function) or str(function.__module__) if function else ""


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
class Kernel:
    """A trace kernel: scores of a pool's candidates, a chunk at a time (see fisher.trace).

    ``prepare(embedding, inverse, fisher, sign)`` is done once and not timed; its result goes to
    ``run(prepared, part, with_inner)``, which gives the scores [c] of the candidates of the slice ``part``.
    ``flops(n, rows, d, with_inner, features)`` and ``bytes(n, rows, d, itemsize, features)`` count a pass over n
    candidates of r ``rows``; ``features`` is h where V is a last layer's and never built, else None.
    ``takes`` says which embedding it is timed on: V built (``dense``), a ``last-layer``'s factors, or ``either``.
    ``lanes`` is how many candidates it works on together on a CPU, where it packs them: `fbench chunksize` asks whether
    multiples of it are faster than the sizes beside them.
    """

    name: str
    description: str
    prepare: Callable[..., Any]
    run: Callable[..., Any]
    flops: Callable[..., int]
    bytes: Callable[..., int]
    takes: Literal["dense", "last-layer", "either"] = "dense"
    lanes: int = 1


@dataclass(frozen=True)
class Strategy:
    """How a batch is chosen: ``propose(state, batch_size)`` gives pool positions (see learning.strategies).

    ``plan(sizes)`` says what its selection will hold, as a ``fisher.plan.SelectionPlan``, or None where that is next to
    nothing; it is asked before a run. A strategy without one is taken to select on a mask, the dearest.
    ``effort(sizes)`` says what a batch costs one that has no such plan, as a ``learning.strategies.Effort``.
    ``check(network)`` raises where it could not work with the model; it is asked before a run.
    ``whole`` marks the one that is trained on every label of the pool, once, and buys none.
    ``regularised`` says whether λ changes what it proposes; one that it does not runs once for all λ of a comparison.
    """

    name: str
    description: str
    propose: Callable[..., Any]
    plan: Callable[..., Any] | None = None
    effort: Callable[..., Any] | None = None
    check: Callable[..., Any] | None = None
    whole: bool = False
    regularised: bool = True


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
    """A network: ``build(replicas, shape, classes)`` gives a module for inputs of ``shape`` (see learning.networks).

    ``block`` networks are trained side by side; 1 for a network that knows no replicas.
    """

    name: str
    description: str
    build: Callable[..., Any]
    block: int = 1


@dataclass(frozen=True)
class Preset:
    """Published settings of a suite: ``options`` by parameter name, as they are typed.

    ``quick`` are the options that ``--quick`` has in their place, for a run of minutes. ``chosen`` says why an option
    is as it is, where the source leaves it open.
    """

    name: str
    description: str
    suite: str
    options: Mapping[str, Any]
    quick: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)


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
    summarise: Callable[..., Summary],
    tables: Mapping[str, Sequence[Column]] | None = None,
    **more: Any,
) -> Callable[[_F], _F]:
    """Declare a suite on its ``measure(case, options, context)``.

    The annotations of ``measure`` say the rest: ``options`` is a frozen dataclass whose fields are the suite's options,
    ``case`` a ``Case`` of the NamedTuple that its points are. ``columns`` and ``tables`` leave out ``case``, ``status``
    and ``reason``, which every table has, and hold a column named ``unit``, which the runner fills in: 0, 1, 2, …
    within a case. The remaining keywords are fields of ``Suite``.

    Example:
        >>> from fbench.contract import Case, Column, Context, Summary, Unit
        >>> from fbench.learning.arm_options import ArmOptions
        >>> columns = (Column("round", "int", "", "unit"), Column("labels", "int", "samples", "bought so far"))
        >>> def summarise(tables, options):
        ...     return Summary(findings=[f"{len(tables['results'])} rounds"])
        >>> @suite("labels", "counts labels", columns=columns, unit="round", summarise=summarise)
        ... def measure(case: Case, options: ArmOptions, context: Context):
        ...     return [Unit(r, [{"labels": options.start + r * options.batch}]) for r in range(options.rounds)]
        >>> SUITES.get("labels").typed(start=50).start
        50

    Raises:
        TypeError: annotations from which no options or points can be read.
    """

    def declare(measure: _F) -> _F:
        options, point = declared_types(measure)
        if "points" not in more:
            check_axes(options, point)
        side = {table: (COMMON_COLUMNS[0], *declared) for table, declared in (tables or {}).items()}
        SUITES.add(
            Suite(
                name=name,
                description=description,
                measure=measure,
                options=options,
                point=point,
                columns=(COMMON_COLUMNS[0], *columns, *COMMON_COLUMNS[1:]),
                unit=unit,
                summarise=summarise,
                tables=side,
                **more,
            )
        )
        return measure

    return declare


def strategy(name: str, description: str, **more: Any) -> Callable[[_F], _F]:
    """Register ``propose(state, batch_size)`` as a strategy; the remaining keywords are fields of ``Strategy``.

    Example:
        >>> @strategy("first", "the first B that are free")
        ... def first(state, batch_size):
        ...     from fbench.learning.strategies import Proposal
        ...
        ...     return Proposal(state.unlabelled()[:batch_size])
        >>> STRATEGIES.get("first").description
        'the first B that are free'
    """
    return _registers(lambda function: STRATEGIES.add(Strategy(name, description, function, **more)))


def dataset(name: str, description: str, *, in_folder: bool = True) -> Callable[[_F], _F]:
    """Register ``load(folder, download)`` as a data set.

    Example:
        >>> @dataset("mine", "my own images", in_folder=False)
        ... def mine(folder, download): ...
        >>> DATASETS.get("mine").in_folder
        False
    """
    return _registers(lambda function: DATASETS.add(Dataset(name, description, function, in_folder)))


def model(name: str, description: str, *, block: int = 1) -> Callable[[_F], _F]:
    """Register ``build(replicas, shape, classes)`` as a model; ``shape`` is one input's, such as (c, h, w).

    Example:
        >>> @model("flat", "a linear layer")
        ... def flat(replicas, shape, classes):
        ...     from math import prod
        ...
        ...     from torch import nn
        ...
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes))
        >>> MODELS.get("flat").build(1, (3, 8, 8), 10)[1].out_features
        10
    """
    return _registers(lambda function: MODELS.add(Model(name, description, function, block)))


def _registers(add: Callable[[Callable[..., Any]], Any]) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        add(function)
        return function

    return decorate


def load_file(path: Path) -> None:
    """Run a user's file, so that its decorators register what it declares (``--load``).

    It is run as it is, with the rights of this process.

    Raises:
        UsageError: the file is missing, or fails; with the line that failed.
    """
    if refusal := refusal_of(path):
        raise UsageError(f"--load {path}: {refusal}{hint_for(path)}")
    for known in REGISTRIES.values():
        known.names()  # ours first, so that it is the user's name which is told of a clash
    full = path.resolve()
    spec = importlib.util.spec_from_file_location(f"fbench_loaded_{path.stem}", full)
    if spec is None or spec.loader is None:
        raise UsageError(f"--load {path}: not a Python file; it must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look a class's module up there
    try:
        with isolated(0):  # numbers that it draws are the same in every process; what it sets holds for nobody else
            spec.loader.exec_module(module)
    except (UsageError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a file that ends the interpreter is a file that fails
        lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == str(full)]
        where = f", line {lines[-1]}" if lines else ""
        raise UsageError(f"--load {path}{where}: {type(error).__name__}: {error}") from error
