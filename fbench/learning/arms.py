"""From options to an arm: what the active-learning suites share before the first network is trained.

``resolve_plan`` fills in automatic options and refuses what could not run to its end; ``design`` builds the arm of
one strategy on one block of seeds. torch is imported inside functions, since suites import this to declare options.
"""

from __future__ import annotations

import functools
import json
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fbench.errors import DataError, InputError, TooLargeError, UsageError
from fbench.fisher.planning.fitting import check_bytes, check_devices
from fbench.fisher.planning.plan import SelectionPlan
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness import guard
from fbench.harness.parsing import union
from fbench.harness.registry import DATASETS, MODELS, STRATEGIES, Strategy
from fbench.learning import learners, replay
from fbench.learning.arm_options import HEAD, Arm, ArmOptions, FoldedOptions, ReplayOptions
from fbench.learning.data.brought import DEFAULT_DATASET, NOTHING, Brought
from fbench.learning.data.modifiers import ModifiedName, parse_modified
from fbench.learning.named_files import pin_files
from fbench.learning.seed_groups import every_seed
from fbench.units import format_bytes, format_count

if TYPE_CHECKING:
    from torch import nn

    from fbench.learning.data import Images, Pool
    from fbench.learning.rounds import Design
    from fbench.learning.strategies import Effort, Sizes

_SHARE_OF_A_HEAD = 0.1
"""What a mask keeps of a network that is nothing but its classifier, if nothing is typed."""
_OPERATIONS_A_WEIGHT = 5e7
"""Of a selection, over d: bait+fish on the digits makes 1.5e10 operations on d = 328."""
_FITTING_MODEL = {"digits": "small"}
"""What ``--model auto`` takes for a data set; the published thin ResNet-18 for other images, ``linear`` for rows."""


_sent: dict[tuple[str, str | None, bool, Brought], Images] = {}
"""Data sets that another machine has read for this process."""


@functools.lru_cache(maxsize=4)
def load_images(name: str, folder: str | None, download: bool, brought: Brought = NOTHING) -> Images:
    """The data set, or what the user brings in its place, read and checked once a process."""
    if (name, folder, download, brought) in _sent:
        return _sent[name, folder, download, brought]
    from fbench.harness.global_state import isolated
    from fbench.learning.data_checks import accepted_images, check_brought

    if brought.name:
        from fbench.learning.data.files.reading import read_brought

        return check_brought(brought, read_brought(brought))
    dataset = DATASETS.get(name)
    with isolated(0):  # one that draws numbers draws the same in every process
        images: Images = dataset.load(Path(folder) if folder else None, download)
    return accepted_images(dataset, images) if guard.is_foreign(dataset.load) else images


def images_of(options: ArmOptions) -> Images:
    """The data set of the arms.

    Raises:
        DataError: it is not what the run was begun with; or as its reader.
    """
    brought = _brought(options)
    images = load_images(_data_name(options).name, options.data_dir, options.download, brought)
    if options.contents not in ("", images.contents):
        raise DataError(
            f"{brought.path}: is not what this run was begun with (its SHA-256 was {options.contents[:8]}…, is "
            f"{images.contents[:8]}…): rows don't mix; put it back, or begin a run of its own, by another --out and "
            "without --replicate"
        )
    return images


def hold_images(options: ArmOptions, images: Images) -> None:
    """Have a data set that this machine lacks: the arms' is this one, without being read."""
    _sent[_data_name(options).name, options.data_dir, options.download, _brought(options)] = images


def _brought(options: ArmOptions) -> Brought:
    return Brought(
        images=options.images or "",
        features=options.features or "",
        targets=options.targets or "",
        target_column=options.target_column or "",
        id_column=options.id_column or "",
        metadata_columns=options.metadata_columns,
        scale=options.scale,
        image_size=options.image_size,
        skip_corrupt=options.skip_corrupt,
    )


def _data_name(options: ArmOptions) -> ModifiedName:
    """The data set's name and what is done to its pool; what is brought stands in the place of the default."""
    (name, modifiers), brought = parse_modified(options.dataset), _brought(options)
    if brought.name and name not in (brought.name, DEFAULT_DATASET):
        raise UsageError(f"--dataset {name} and --{brought.name} {brought.path}: give one of them")
    return ModifiedName(brought.name or name, modifiers)


def _pool(options: ArmOptions, seed: int, images: Images) -> Pool:
    """The pool and the test set of a seed."""
    from fbench.learning.data import split

    try:
        folds = options.folds if isinstance(options, FoldedOptions) else 0
        return split(
            images,
            seed,
            pool_size=options.pool or None,
            test_size=options.test or None,
            folds=folds,
            modifiers=_data_name(options).modifiers,
        )
    except InputError as error:
        raise InputError(f"--{error}") from None


OptionsT = TypeVar("OptionsT", bound=ArmOptions)


def resolve_plan(options: OptionsT) -> OptionsT:
    """The options with nothing automatic left.

    Raises:
        UsageError: more labels than the pool has, a mask smaller than the classifier, as ``check_dimension``; data
            errors.
    """
    named = _data_name(options)
    folder = options.data_dir or os.environ.get("FBENCH_DATA_DIR") or None
    in_folder = DATASETS.get(named.name).in_folder
    located = replace(options, dataset=str(named), data_dir=folder if in_folder else None)
    model = options.model if options.model == "auto" else MODELS.get(options.model).name
    images = images_of(located)
    resolved = replace(
        located,
        model=_fitting_model(named.name, images) if model == "auto" else model,
        contents=images.contents,
        class_names=json.dumps(images.class_names, ensure_ascii=False) if images.class_names else "",
        left_out=json.dumps(images.left_out, ensure_ascii=False) if images.left_out else "",
        fixed_test=images.test_targets is not None,
    )
    if options.weights:
        from fbench.learning.weights import pinned

        resolved = replace(resolved, weights=pinned(options.weights))
    resolved = _with_replayed(resolved)
    _check_arms(resolved)
    _check_labels(resolved, images)
    _check_replayed(resolved, images)
    whole = replace(resolved, mask_fraction=_mask_fraction(resolved))
    check_dimension(whole)
    return whole


def check_dimension(options: ArmOptions) -> None:
    """Refuse an effective dimension that an arm's d weights cannot have, before anything is trained.

    Raises:
        UsageError: naming the arm, and its d.
    """
    c, kind = parse_regularisation(options.regularisation)
    if kind != "deff":
        return
    sizes = sizes_of(options)
    for name in options.strategies:
        plan = plan_of(name, sizes) if strategy_of(name, options).regularised else None
        if plan and c >= plan.shape.dim:
            raise UsageError(
                f"--regularisation {options.regularisation}: {name} has d = {plan.shape.dim:,}, and d_eff lies below "
                "d; take a smaller c"
            )


def replayed_files(options: ArmOptions) -> tuple[str, ...]:
    """The files whose picks are arms of the run."""
    return options.replay if isinstance(options, ReplayOptions) else ()


def _with_replayed(options: OptionsT) -> OptionsT:
    """The options with the files pinned, and their strategies after the others."""
    if not isinstance(options, ReplayOptions) or not options.replay:
        return options
    files = pin_files(replay.OPTION, options.replay)
    names, started = replay.replayed_names(files), replay.start_sources(files, every_seed(options.seeds))
    return replace(
        options,
        replay=files,
        strategies=union(options.strategies, names),
        replayed=", ".join(names),
        start_files=", ".join(started),
    )


def _check_replayed(options: ArmOptions, images: Images) -> None:
    """Refuse picks that are not this run's: of other seeds, sizes or samples."""
    if files := replayed_files(options):
        seeds = every_seed(options.seeds)
        asked = replay.PicksAsked(seeds, options.rounds, options.start, options.batch)
        replay.check_picks(files, asked, lambda seed: _pool(options, seed, images))


def strategy_of(name: str, options: ArmOptions) -> Strategy:
    """The strategy of an arm: a file's, or a registered one.

    Raises:
        UnknownNameError: there is none.
    """
    return replay.replayed_strategy(replayed_files(options), name) or STRATEGIES.get(name)


def _check_arms(options: ArmOptions) -> None:
    """Warn of what a user's data set and model may not mean; what they may not be is refused where they come in."""
    from fbench.learning.data_checks import warn_of_empty_classes
    from fbench.learning.model_checks import try_model, warn_of_model

    images, model = images_of(options), learners.backbone_of(options)
    warn_of_empty_classes(images)
    _check_training(options, images)
    shape, dtype = tuple(images.images.shape[1:]), images.images.dtype
    try_model(model, shape, images.classes, dtype)
    warn_of_model(model, shape, images.classes, dtype)
    _check_strategies(options)


def _fitting_model(dataset: str, images: Images) -> str:
    """The model that ``auto`` takes: by the name of the data set, or by what its inputs are."""
    return _FITTING_MODEL.get(dataset, "thin-resnet18" if images.images.dim() == 4 else HEAD)


def _check_training(options: ArmOptions, images: Images) -> None:
    """Refuse ways of training that do not go together, and warn of those that say little.

    Raises:
        UsageError: views of images that are never trained on, or of inputs that are none.
    """
    if options.augment and options.freeze:
        raise UsageError("--augment changes nothing with --freeze, whose features are computed once; leave one out")
    if options.dropout and options.freeze:
        raise UsageError("--dropout changes nothing with --freeze, whose backbone is never trained; leave one out")
    if options.augment:
        from fbench.learning.augmentation import check_images

        check_images(images.images.shape[1:])
    if options.freeze and options.model == HEAD:
        raise UsageError(f"--freeze changes nothing of --model {HEAD}, which has nothing below its head; leave it out")
    if options.freeze and not options.weights:
        warnings.warn(
            f"--freeze without --weights: the features are those of {options.model} with random weights", stacklevel=2
        )


def _check_strategies(options: ArmOptions) -> None:
    """Refuse arms that could not work with the model, and those that buy no label where no other does."""
    strategies = [strategy_of(name, options) for name in options.strategies]
    if all(strategy.whole for strategy in strategies):
        names = ", ".join(options.strategies)
        raise UsageError(f"--strategies {names}: trains on the whole pool and buys nothing; name an arm beside it")
    checks = [strategy.check for strategy in strategies if strategy.check]
    if checks:
        network = _network(options)
        for check in checks:
            check(network)


def pool_length(options: ArmOptions) -> int:
    """n, the candidates of a seed's pool."""
    return len(_pool(options, 0, images_of(options)).ids)


def tested_images(options: ArmOptions) -> int:
    """How many images a seed's networks are tested on."""
    return len(_pool(options, 0, images_of(options)).test_targets)


def _check_labels(options: ArmOptions, images: Images) -> None:
    """Refuse more labels than the pool has; warn of a start set that cannot hold every class."""
    n, wanted = pool_length(options), options.start + options.rounds * options.batch
    if wanted > n:
        raise UsageError(
            f"--start {options.start} + {options.rounds} rounds × --batch {options.batch} = {wanted:,} "
            f"labels, more than the pool's {n:,}; lower --rounds or --batch"
        )
    _check_start(options)
    if options.start < images.classes:
        warnings.warn(
            f"--start {options.start} is fewer labels than the {images.classes} classes: "
            "some classes are unknown in the first rounds",
            stacklevel=2,
        )


def _check_start(options: ArmOptions) -> None:
    """Refuse a start set larger than what is left without the missing classes, whichever they are."""
    missing = _data_name(options).modifiers.missing
    if not missing:
        return
    pool = _pool(options, 0, images_of(options))
    counts = sorted(pool.targets.bincount(minlength=pool.classes).tolist())
    left = sum(counts[: pool.classes - missing])
    if options.start > left:
        raise UsageError(
            f"--start {options.start}: without {missing} classes there may be {left:,} candidates to start from; "
            "lower --start or missing"
        )


def _network(options: ArmOptions) -> nn.Module:
    """One network with the initial weights of seed 0."""
    import torch

    from fbench.learning.training import initial_network

    images = images_of(options)
    shape = learners.learner_shape(options, images)
    dtype = torch.float32 if options.freeze else images.images.dtype
    return initial_network(learners.learning_model(options), 0, shape, images.classes, dtype)


def weights_of(options: ArmOptions) -> tuple[int, int]:
    """Count the weights of the network, and of its classifier if masks always hold it."""
    from fbench.learning.strategies import kept_whole

    network = _network(options)
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    return sum(sizes.values()), sum(sizes[name] for name in kept_whole(network))


def _mask_fraction(options: ArmOptions) -> float:
    """The fraction of the weights that a mask keeps; 0 is automatic: the least per mille with twice the classifier.

    Of a network that is nothing else, a tenth, and one weight at least.

    Raises:
        UsageError: as ``check_fraction``.
    """
    if not options.mask_fraction:
        total, classifier = weights_of(options)
        least = math.ceil(1e6 / total) / 1e6  # of a handful of weights a tenth is none
        return min(1.0, math.ceil(2000 * classifier / total) / 1000) if classifier else max(_SHARE_OF_A_HEAD, least)
    check_fraction("--mask-fraction", options.mask_fraction, options)
    return options.mask_fraction


def check_fraction(option: str, fraction: float, options: ArmOptions, *, classifier_kept: bool = True) -> None:
    """Refuse a mask that keeps nothing beside the classifier, or, without ``classifier_kept``, nothing at all.

    Raises:
        UsageError: naming the least fraction that works.
    """
    from fbench.fisher.masks import kept

    total, classifier = weights_of(options)
    forced = classifier if classifier_kept else 0
    if kept(fraction, total) > forced:
        return
    least = math.ceil((forced + 1) / total * 1e6) / 1e6
    why = f"no more than the classifier's {forced:,}, which the mask always holds" if forced else "none at all"
    raise UsageError(
        f"{option} {fraction:g} keeps {kept(fraction, total):,} of {total:,} weights, {why}; "
        f"the least that works is {least:g}"
    )


def design(arm: Arm, devices: Sequence[str], options: ArmOptions, fisher_samples: int) -> Design:
    """The arm of one strategy on a block of seeds, its pools on the first device.

    ``fisher_samples`` is the number of images behind a FISH diagonal.

    Raises:
        TooLargeError: its selections would not fit into memory.
    """
    from fbench.learning.rounds import Design
    from fbench.learning.strategies import Acquisition
    from fbench.learning.training import Recipe

    check_selection_fits(arm.strategy, devices, options)
    inputs = functools.partial(learners.inputs_of, options, images_of(options), device=devices[0])
    pools = [_pool(options, seed, inputs(seed)).to(devices[0]) for seed in arm.seeds]
    return Design(
        strategy=strategy_of(arm.strategy, options),
        model=learners.learning_model(options),
        seeds=arm.seeds,
        pools=pools,
        starts=replay.starts_of(replayed_files(options), arm.seeds, pools),
        replayed=replay.replayed_strategy(replayed_files(options), arm.strategy) is not None,
        start=options.start,
        batch=options.batch,
        rounds=options.rounds,
        recipe=Recipe(
            epochs=options.epochs,
            train_batch=options.train_batch,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            stop=options.stop,
            augment=options.augment,
        ),
        warm=options.warm,
        acquisition=Acquisition(
            regularisation=options.regularisation,
            oversample=options.oversample,
            mask_fraction=options.mask_fraction,
            fisher_samples=fisher_samples,
            fisher_on=options.fisher_on,
            dtype=options.dtype,
            devices=tuple(devices),
        ),
    )


def predict_plan(arm: Arm, options: ArmOptions, *, again: int = 0) -> dict[str, str]:
    """What an arm will do: its trainings, the images seen in them, and what a selection holds in memory.

    ``again`` is how many further trainings every network gets.
    """
    sizes = sizes_of(options)
    labels, strategy = labels_trained_on(arm.strategy, options), strategy_of(arm.strategy, options)
    plan, trained = plan_of(strategy, sizes), len(arm.seeds) * (1 + again)
    held = _held(strategy, sizes)
    started = replay.start_sources(replayed_files(options), arm.seeds)
    return {
        "trainings": str(sum(map(bool, labels)) * trained),
        "images trained on": format_count(options.epochs * sum(labels) * trained),
        "selections": str(0 if strategy.whole else options.rounds * len(arm.seeds)),
        "pool": format_count(sizes.n),
        "start sets": ", ".join(started),
        "d": format_count(plan.shape.dim) if plan else "",
        "embedding": format_bytes(plan.inputs) if plan else "",
        "d×d matrices": format_bytes(sum(plan.matrices.values())) if plan and plan.matrices else "",
        "a selection": format_bytes(held) if held else "",
    }


def labels_trained_on(strategy: str, options: ArmOptions) -> list[int]:
    """How many labels each round's network is trained on; 0 where it trains none."""
    if strategy_of(strategy, options).whole:
        return [pool_length(options)] + options.rounds * [0]
    return [options.start + r * options.batch for r in range(options.rounds + 1)]


def held_bytes(arm: Arm, options: ArmOptions) -> int:
    """Bytes that an arm's selection holds at its peak."""
    return _held(strategy_of(arm.strategy, options), sizes_of(options))


def _held(strategy: Strategy, sizes: Sizes) -> int:
    plan, effort = plan_of(strategy, sizes), effort_of(strategy, sizes)
    return plan.total if plan else effort.held if effort else 0


def relative_cost(strategy: str, options: ArmOptions) -> float:
    """An arm's cost in no particular unit: d for its selections, and 300 for its trainings, or what ``all`` sees.

    Of a strategy that declares its effort, as many d as its operations make. One that declares neither is taken to
    select on the mask, which is the dearest of the others.
    """
    sizes, declared = sizes_of(options), strategy_of(strategy, options)
    if declared.whole:
        rounds = options.rounds + 1
        return 300.0 * sizes.n / (rounds * (options.start + options.rounds * options.batch / 2))
    plan = sizes.mask() if declared.plan is None else plan_of(declared, sizes)
    effort = effort_of(declared, sizes)
    return 300.0 + (plan.shape.dim if plan else effort.operations / _OPERATIONS_A_WEIGHT if effort else 0)


def check_selection_fits(strategy: str, devices: Sequence[str], options: ArmOptions) -> None:
    """Refuse an arm whose selection would not fit into memory, before its first network is trained.

    Raises:
        TooLargeError: it names the arms that would fit.
    """
    sizes = sizes_of(options)
    try:
        _check_arm(strategy_of(strategy, options), devices, sizes)
    except TooLargeError as error:
        others = [other for other in STRATEGIES if other.plan and not other.whole and not other.check]
        fitting = [other.name for other in others if _fits(other, devices, sizes)]
        raise TooLargeError(f"{strategy}: {error}. Of --strategies {', '.join(fitting)} fit") from None


def _check_arm(strategy: Strategy, devices: Sequence[str], sizes: Sizes) -> None:
    effort = effort_of(strategy, sizes)
    if effort is not None and effort.held:
        check_bytes(effort.held, devices[0])
    plan = plan_of(strategy, sizes)
    if plan is not None:
        check_devices(plan.shape, plan.dtype, plan.method, devices, counts=sizes.counts)


def _fits(strategy: Strategy, devices: Sequence[str], sizes: Sizes) -> bool:
    try:
        _check_arm(strategy, devices, sizes)
    except TooLargeError:
        return False
    return True


def plan_of(strategy: str | Strategy, sizes: Sizes) -> SelectionPlan | None:
    """What the strategy's selection will hold; None where that is nothing, or where the strategy does not say."""
    strategy = STRATEGIES.get(strategy) if isinstance(strategy, str) else strategy
    declared = strategy.plan
    plan = declared(sizes) if declared else None
    if declared and not isinstance(plan, SelectionPlan | None):
        what = f"plan of strategy {strategy.name!r} gave a {type(plan).__name__}"
        raise guard.refuse(declared, f"{what}; it must give a SelectionPlan (Sizes.last_layer, Sizes.mask) or None")
    return plan


def effort_of(strategy: str | Strategy, sizes: Sizes) -> Effort | None:
    """What the strategy says that a batch costs it; None where it says nothing, and its plan does."""
    from fbench.learning.strategies import Effort

    strategy = STRATEGIES.get(strategy) if isinstance(strategy, str) else strategy
    declared = strategy.effort
    effort = declared(sizes) if declared else None
    if declared and not isinstance(effort, Effort):
        what = f"effort of strategy {strategy.name!r} gave a {type(effort).__name__}"
        raise guard.refuse(declared, f"{what}; it must give an Effort (fbench.learning.strategies)")
    return effort


def sizes_of(options: ArmOptions) -> Sizes:
    """The sizes that selections will meet, in the last round."""
    from fbench.fisher.masks import kept
    from fbench.learning.strategies import Sizes, classifier_width
    from fbench.learning.strategies.sized import all_weights

    network = _network(options)
    weights = all_weights(network)
    return Sizes(
        n=pool_length(options),
        labels=options.start + (options.rounds - 1) * options.batch,
        batch=options.batch,
        classes=images_of(options).classes,
        features=classifier_width(network),
        masked=kept(options.mask_fraction, weights),
        dtype=options.dtype,
        oversample=options.oversample,
        weights=weights,
    )


PLAYED: dict[str, Any] = {
    "unit": "round",
    "cost": lambda case, options: relative_cost(case.point.strategy, options),
    "units": lambda options: options.rounds + 1,
    "hold_bytes": lambda case, options, context: held_bytes(case.point, options),
    "identify": lambda case: [{"strategy": case.point.strategy, "seed": seed} for seed in case.point.seeds],
}
"""What ``@suite`` is told where a case is an arm on a block of seeds, and a unit one round of it."""
