"""The settings of a comparison: every data set at every λ, with the same seeds.

A case stands at one setting. A strategy that knows no λ has one case a data set, which stands beside the others at
every λ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fbench.errors import UsageError
from fbench.harness.contract import Column, Row
from fbench.harness.registry import DATASETS, STRATEGIES
from fbench.learning import arms
from fbench.learning.arm_options import seed_blocks
from fbench.learning.data.modifiers import parse_modified

from .options import Options

SETTING = (
    Column("dataset", "str", "", "what was learnt, and what was done to its pool"),
    Column("lambda", "str", "", "λ as it was typed; empty where the strategy has none"),
)
"""Columns that say at which setting a row was measured."""
_OF_A_DATASET = ("model", "mask_fraction", "contents", "class_names", "left_out", "fixed_test")
"""Options that are resolved for every data set by itself."""


class CompareSetting(NamedTuple):
    """A data set and a λ, both as typed."""

    dataset: str
    regularisation: str


class ComparePoint(NamedTuple):
    """A case: a strategy on a block of seeds at a setting; of these a coordinate that all cases share is None.

    ``regularisation`` is None, too, of a strategy that knows none.
    """

    dataset: str | None
    strategy: str
    regularisation: str | None
    seeds: tuple[int, ...]


def settings_of(options: Options) -> list[CompareSetting]:
    """Every setting of a run, data set by data set.

    Example:
        >>> from fbench.harness.registry import SUITES
        >>> [setting.regularisation for setting in settings_of(SUITES.get("compare").typed(regularisation="1,0.1"))]
        ['1', '0.1']
    """
    datasets, lambdas = options.dataset.split(","), options.regularisation.split(",")
    return [CompareSetting(dataset, lambda_) for dataset in datasets for lambda_ in lambdas]


def points(options: Options) -> list[ComparePoint]:
    """The cases of a run."""
    return list(_points(options))


def _points(options: Options) -> Iterator[ComparePoint]:
    datasets, lambdas = options.dataset.split(","), options.regularisation.split(",")
    regularised = regularised_strategies(options)
    for dataset in datasets:
        blocks = seed_blocks(options.seeds, at(options, CompareSetting(dataset, lambdas[0])))
        shown = dataset if len(datasets) > 1 else None
        for strategy in options.strategies:
            alone = lambdas if len(lambdas) > 1 and strategy in regularised else [None]
            yield from (ComparePoint(shown, strategy, lambda_, block) for lambda_ in alone for block in blocks)


def at(options: Options, setting: CompareSetting) -> Options:
    """The options of a run at one of its settings, as if it were alone."""
    dataset = setting.dataset
    alone = json.loads(options.by_dataset).get(dataset, {}) if options.by_dataset else {}
    folder = options.data_dir if DATASETS.get(parse_modified(dataset).name).in_folder else None
    return replace(
        options, dataset=dataset, regularisation=setting.regularisation, data_dir=folder, by_dataset="", **alone
    )


def of_case(point: ComparePoint, options: Options) -> Options:
    """The options of a case; a strategy that knows no λ has the first of several."""
    first = settings_of(options)[0]
    return at(options, CompareSetting(point.dataset or first.dataset, point.regularisation or first.regularisation))


def setting_key(point: ComparePoint, options: Options) -> Row:
    """The columns ``SETTING`` of a case's rows."""
    alone = of_case(point, options)
    regularised = point.strategy in regularised_strategies(options)
    return {"dataset": alone.dataset, "lambda": alone.regularisation if regularised else None}


def judged_at(point: ComparePoint, options: Options) -> list[str]:
    """The λ at which a case's batches are judged beside others: its own, or all where its strategy knows none."""
    if point.strategy in regularised_strategies(options):
        return [of_case(point, options).regularisation]
    return options.regularisation.split(",")


def regularised_strategies(options: Options) -> frozenset[str]:
    """The strategies of a run that λ changes; picks of a file are none of them, and the file need not be there."""
    chosen = [name for name in options.strategies if name not in options.replayed.split(", ")]
    return frozenset(name for name in chosen if STRATEGIES.get(name).regularised)


def resolve_settings(options: Options) -> Options:
    """The options with nothing automatic left, at every data set by itself where there are several.

    Raises:
        UsageError: as ``arms.resolve_plan``, of any of them.
    """
    datasets = options.dataset.split(",")
    first, *others = options.regularisation.split(",")
    resolved = [
        arms.resolve_plan(at(replace(options, by_dataset=""), CompareSetting(name, first))) for name in datasets
    ]
    for alone in resolved:
        for lambda_ in others:
            arms.check_dimension(replace(alone, regularisation=lambda_))
    names = [alone.dataset for alone in resolved]
    if len(set(names)) < len(names):
        raise UsageError(f"--dataset {options.dataset}: {names[0]} stands twice; name each once")
    folders = [alone.data_dir for alone in resolved if alone.data_dir]
    whole = replace(
        resolved[0],
        dataset=",".join(names),
        regularisation=options.regularisation,
        data_dir=folders[0] if folders else None,
    )
    if len(datasets) == 1:
        return whole
    by_dataset = {alone.dataset: {name: getattr(alone, name) for name in _OF_A_DATASET} for alone in resolved}
    shared: dict[str, Any] = {name: _shared(resolved, name, getattr(options, name)) for name in _OF_A_DATASET}
    return replace(whole, **shared, by_dataset=json.dumps(by_dataset, ensure_ascii=False))


def _shared(resolved: Sequence[Options], name: str, typed: Any) -> Any:
    """What an option is at all data sets; what was typed where they differ."""
    first = getattr(resolved[0], name)
    return first if all(getattr(alone, name) == first for alone in resolved) else typed


def rows_at(rows: Sequence[Row], setting: CompareSetting) -> list[Row]:
    """The rows of a setting; those without a λ are of all, and rows from before there were settings of the one."""
    return [
        row
        for row in rows
        if row.get("dataset") in (None, setting.dataset) and row.get("lambda") in (None, setting.regularisation)
    ]
