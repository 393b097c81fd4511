"""What ``fbench memory`` measures: options to the grid of its cases, and a case to the sizes of one round.

Letters are those of fbench/fisher/MATH.md. Nothing here imports torch but the checks of a mask and of a
registered model, so that options are read without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from fbench.errors import UsageError
from fbench.harness.contract import Context
from fbench.harness.registry import MODELS
from fbench.units import format_bytes

from .options import Options, Point
from .spec import ROUND_PHASES, NetworkKey, Spec, parse_round_method

_POOL = {"cpu": 1000, "cuda": 50_000}
"""The automatic pool by type of device."""
_WIDTH = 128
"""Features of the automatic network where none are asked for."""


def spec_of(point: Point, options: Options) -> Spec:
    """Give the sizes of the rounds of one case; a method without chunks has chunks of one candidate."""
    method = parse_round_method(point.method)
    as_wide_as_d = options.model == "auto" and not method.masked
    return Spec(
        method=method,
        n=point.candidates,
        k=point.classes,
        d=point.dim,
        h=point.dim // point.classes if as_wide_as_d else options.features,
        batch=point.batch,
        oversample=options.oversample,
        chunk_size=point.chunk_size or 1,
        dtype=point.dtype,
        model=options.model,
        image=options.image,
        labelled=options.labelled,
        train_batch=options.train_batch,
        fisher_samples=options.fisher_samples,
        picks=options.picks,
        seed=options.seed,
    )


def why_impossible(point: Point, options: Options) -> str:
    """Say why a case cannot be measured; the text is empty where it can."""
    spec = spec_of(point, options)
    if spec.k < 2:
        return "classes 1: a classifier needs 2 at least"
    if not spec.method.masked and spec.d % spec.k:
        return f"dim {spec.d} is not a multiple of classes {spec.k}: d of the last layer is classes × features"
    if not spec.method.masked and spec.d != spec.k * spec.h:
        return (
            f"dim {spec.d}: the last layer of {spec.model} has {spec.k} classes × {spec.h} features = "
            f"{spec.k * spec.h:,} weights; leave --dim out"
        )
    unlabelled = spec.n - spec.labelled
    if unlabelled < 0:
        return f"--labelled {spec.labelled} are more than the --candidates {spec.n}, which they are among"
    if unlabelled < spec.batch:
        free = f"the {unlabelled} that --labelled {spec.labelled} leaves of --candidates {spec.n}"
        return f"--batch {spec.batch} is more than {free}"
    return _too_large_a_mask(spec)


def _too_large_a_mask(spec: Spec) -> str:
    """Say so where a mask would have more weights than its network; the text is empty otherwise."""
    if not spec.method.masked:
        return ""
    from .network import weight_count

    count = weight_count(spec.network)
    if spec.d <= count:
        return ""
    return f"dim {spec.d}: the network has {count:,} weights, and a mask has no more; give a smaller --dim"


def resolve(options: Options, context: Context) -> Options:
    """Fill in the pool and the features for the devices and the model at hand.

    Raises:
        UsageError: features that the model does not have, or not one case that could run.
        ForeignError: as ``model_checks.try_model``.
        UnknownNameError: no such model.
    """
    _try_model(options)
    device_type = context.devices[0].partition(":")[0]
    resolved = replace(
        options, candidates=options.candidates or (_POOL[device_type],), features=_resolved_features(options)
    )
    first_reason = ""
    for point in points(resolved):
        reason = why_impossible(point, resolved)
        if not reason:
            return resolved
        first_reason = first_reason or reason
    raise UsageError(f"nothing can be measured: {first_reason}")


def _try_model(options: Options) -> None:
    """Refuse a registered model that no round could train, and warn of one whose numbers would mean something else."""
    if options.model == "auto":
        return
    from fbench.learning.model_checks import try_model, warn_of_model

    model = MODELS.get(options.model)
    for classes in options.classes:
        shape = NetworkKey(options.model, 0, options.image, classes).input_shape
        try_model(model, shape, classes)
        warn_of_model(model, shape, classes)


def _resolved_features(options: Options) -> int:
    """The features h of the network: a registered model's own, or those asked for, or the default."""
    if options.model == "auto":
        return options.features or _WIDTH
    from .network import last_layer_features

    width = last_layer_features(NetworkKey(options.model, 0, options.image, options.classes[0]))
    if options.features not in (0, width):
        raise UsageError(
            f"--features {options.features}: the last layer of --model {options.model} has {width}; leave it out"
        )
    return width


def points(options: Options) -> list[Point]:
    """Give every case: methods, dtypes and sizes; chunks where a method has them; d = k·h where no dim is asked for."""
    grid = itertools.product(options.methods, options.dtype, options.candidates, options.classes, options.batch)
    return [
        Point(method, dtype, n, k, d, batch, chunk_size)
        for method, dtype, n, k, batch in grid
        for d in options.dim or (k * options.features,)
        for chunk_size in (options.chunk_size if parse_round_method(method).chunked else (None,))
    ]


def predict(point: Point, options: Options, context: Context) -> dict[str, str]:
    """Say what a case will hold beyond what its process holds before it, phase by phase, and what would fit."""
    reason = why_impossible(point, options)
    if reason:
        return {"note": reason}
    from .predictions import limits, predicted

    spec, device = spec_of(point, options), context.devices[0]
    phases = predicted(spec, device, context.devices)
    fits = limits(spec, device, options.memory_budget, context.devices)
    return {
        **{phase: format_bytes(phases.get(phase)) for phase in ROUND_PHASES},
        "peak": format_bytes(fits.predicted_bytes),
        "d×d matrices": format_bytes(fits.matrices_bytes) if fits.matrices_bytes else "",
        "free" if options.memory_budget is None else "budget": format_bytes(fits.budget_bytes),
        "largest chunk": "" if fits.largest_chunk is None else f"{fits.largest_chunk:,}",
        "largest pool": "" if fits.largest_pool is None else f"{fits.largest_pool:,}",
        "note": fits.refusal or _not_predicted(spec, phases),
    }


def _not_predicted(spec: Spec, phases: Mapping[str, int]) -> str:
    """Name the phases of the round that have no prediction, and say why; the text is empty where all have one."""
    due = [phase for phase in ROUND_PHASES if spec.method.masked or phase not in ("diagonal", "mask")]
    missing = [phase for phase in due if phase not in phases]
    if not missing:
        return ""
    return f"not predicted, nor counted in the peak: {', '.join(missing)}; {spec.model} does not run without data"
