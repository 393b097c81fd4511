"""What ``fbench memory`` measures: options to the grid of its cases, and a case to the sizes of one round.

Letters as in MATH. torch is not imported: options are parsed without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from fbench.errors import UsageError
from fbench.harness.contract import Context
from fbench.units import format_bytes

from .spec import PHASES, Spec, parse_method

_POOL = {"cpu": 1000, "cuda": 50_000}
_WIDTH = 128


def spec_of(point: Mapping[str, Any], options: Mapping[str, Any]) -> Spec:
    """The round of one case."""
    method = parse_method(point["method"])
    own_width = options["model"] == "auto" and not method.masked
    return Spec(
        method=method,
        n=point["candidates"],
        k=point["classes"],
        d=point["dim"],
        h=point["dim"] // point["classes"] if own_width else options["features"],
        batch=point["batch"],
        oversample=options["oversample"],
        chunk_size=point.get("chunk_size") or 1,
        dtype=point["dtype"],
        model=options["model"],
        image=tuple(options["image"]),
        labelled=options["labelled"],
        train_batch=options["train_batch"],
        fisher_samples=options["fisher_samples"],
        picks=options["picks"],
        seed=options["seed"],
    )


def unfit(point: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Why a case cannot be; empty where it can."""
    found = spec_of(point, options)
    if found.k < 2:
        return "classes 1: a classifier needs 2 at least"
    if not found.method.masked and found.d % found.k:
        return f"dim {found.d} is not a multiple of classes {found.k}: d of the last layer is classes × features"
    if not found.method.masked and found.d != found.k * found.h:
        return (
            f"dim {found.d}: the last layer of {found.model} has {found.k} classes × {found.h} features = "
            f"{found.k * found.h:,} weights; leave --dim out"
        )
    left = found.n - found.labelled
    if left < 0:
        return f"labelled {found.labelled} are more than the {found.n} candidates, which they are among"
    if left < found.batch:
        return f"batch {found.batch} is more than the {left} unlabelled of {found.n} candidates"
    return _too_large_a_mask(found)


def _too_large_a_mask(found: Spec) -> str:
    if not found.method.masked:
        return ""
    from .network import weights

    count = weights(found.model, found.h, found.image, found.k)
    if found.d <= count:
        return ""
    return f"dim {found.d}: the network has {count:,} weights, and a mask has no more; give a smaller --dim"


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """The options with pool and features for the devices and the model at hand.

    Raises:
        UsageError: no case that could run.
    """
    resolved = dict(options)
    kind = context.devices[0].partition(":")[0]
    resolved["candidates"] = options["candidates"] or (_POOL[kind],)
    if options["model"] != "auto":
        from .network import features_of

        width = features_of(options["model"], tuple(options["image"]), options["classes"][0])
        if options["features"] not in (0, width):
            given = f"--features {options['features']}"
            raise UsageError(f"{given}: the last layer of --model {options['model']} has {width}; leave it out")
        resolved["features"] = width
    elif not options["features"]:
        resolved["features"] = _WIDTH
    first = ""
    for point in points(resolved):
        reason = unfit(point, resolved)
        if not reason:
            return resolved
        first = first or reason
    raise UsageError(f"nothing can be measured: {first}")


def points(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every case: methods, dtypes and sizes; chunks where there are any, and no --dim means classes × features."""
    names = ("methods", "dtype", "candidates", "classes", "batch")
    found = []
    for name, dtype, n, k, batch in itertools.product(*(options[each] for each in names)):
        chunks: Sequence[dict[str, int]] = [{}]
        if parse_method(name).chunked:
            chunks = [{"chunk_size": size} for size in options["chunk_size"]]
        for d, chunk in itertools.product(options["dim"] or (k * options["features"],), chunks):
            sizes = {"candidates": n, "classes": k, "dim": d, "batch": batch}
            found.append({"method": name, "dtype": dtype, **sizes, **chunk})
    return found


def _unknown(asked: Spec, phases: Mapping[str, int]) -> str:
    """The phases of which nothing is said, and why."""
    own = [phase for phase in PHASES if asked.method.masked or phase not in ("diagonal", "mask")]
    missing = [phase for phase in own if phase not in phases]
    if not missing:
        return ""
    return f"not predicted, nor counted in the peak: {', '.join(missing)}; {asked.model} does not run without data"


def predict(point: Mapping[str, Any], options: Mapping[str, Any], context: Context) -> dict[str, str]:
    """What a case will hold beyond what the process holds before it, phase by phase, and what would fit."""
    reason = unfit(point, options)
    if reason:
        return {"note": reason}
    from .model import limits, predicted

    asked = spec_of(point, options)
    device = context.devices[0]
    phases = predicted(asked, device, context.devices)
    fits = limits(asked, device, options["memory_budget"], context.devices)
    return {
        **{phase: format_bytes(phases.get(phase)) for phase in PHASES},
        "peak": format_bytes(fits.predicted_bytes),
        "d×d matrices": format_bytes(fits.matrices_bytes) if fits.matrices_bytes else "",
        "free" if options["memory_budget"] is None else "budget": format_bytes(fits.budget_bytes),
        "largest chunk": "" if fits.largest_chunk is None else f"{fits.largest_chunk:,}",
        "largest pool": "" if fits.largest_pool is None else f"{fits.largest_pool:,}",
        "note": fits.refusal or _unknown(asked, phases),
    }
