"""The points of ``fbench chunksize``: which kernels, chunks and single chunks are timed, and how long each may take.

Letters as in MATH. torch is not imported: options are parsed, and a run is planned, without it.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from fbench.errors import UsageError
from fbench.harness.contract import Context
from fbench.harness.sweep import echo, parse_sweep

from .decomposition import chunks, needed
from .options import parse_kernel

_CANDIDATES_A_THREAD = 256
"""At k = 10 and d = 1,280 a published pass then takes a third of a second on two cores, and a sweep its two minutes."""
_GPU_CANDIDATES = 50_000
_MOST_CANDIDATES = 32_768


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """The options with pool, chunk sizes and single chunks for the devices and threads at hand.

    Chunk sizes above every pool are clamped, with a warning. ``single`` becomes every m whose τ(m) predicts a point.

    Raises:
        UsageError: fewer than two classes, or fewer candidates than devices.
    """
    resolved = dict(options)
    resolved["candidates"] = options["candidates"] or (_pool_for(context),)
    pools, devices = resolved["candidates"], len(context.devices)
    if min(options["classes"]) < 2:
        raise UsageError(f"--classes {min(options['classes'])}: must be at least 2")
    if min(pools) < devices:
        raise UsageError(f"--candidates {min(pools)}: must be at least 1 for each of the {devices} devices")
    resolved["sizes"] = _clamped("--sizes", options["sizes"] or _sizes_for(max(pools), context), max(pools))
    shards = {chunks(n, count) for n in pools for count in {1, devices}}
    least = max(pools) // devices  # the smallest shard
    asked = _clamped("--single", options["single"], least) if options["single"] else ()
    both = set(asked).union(*(needed(n, resolved["sizes"]) for n in shards))
    resolved["single"] = tuple(sorted(m for m in both if m <= max(shards)))
    return resolved


def _pool_for(context: Context) -> int:
    if context.devices[0] != "cpu":
        return _GPU_CANDIDATES
    return int(min(_CANDIDATES_A_THREAD << (context.threads.bit_length() - 1), _MOST_CANDIDATES))


def _sizes_for(n: int, context: Context) -> tuple[int, ...]:
    least, most = (16, n) if context.devices[0] == "cpu" else (64, min(n, 4096))
    return parse_sweep(f"{min(least, most)}..{most}")


def _clamped(option: str, sizes: Sequence[int], most: int) -> tuple[int, ...]:
    """The sizes, those above ``most`` made ``most``."""
    above = [size for size in sizes if size > most]
    if above:
        warnings.warn(
            f"{option}: {echo(above)} above the {most:,} candidates that there are to a chunk: clamped to {most:,}; "
            "a larger --candidates keeps them",
            stacklevel=2,
        )
    return tuple(sorted({min(size, most) for size in sizes}))


def points(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The coordinates of every case: the sweep of each pool, then the single chunks, which are the same for all."""
    names = ("kernel", "dtype", "classes", "dim")
    found: list[dict[str, Any]] = []
    for values in itertools.product(options["kernels"], options["dtype"], options["classes"], options["dim"]):
        own = dict(zip(names, values, strict=True))
        for n in options["candidates"]:
            sizes = sorted({min(size, n) for size in options["sizes"]})
            found += [{**own, "phase": "sweep", "candidates": n, "chunk_size": size} for size in sizes]
        found += [{**own, "phase": "single", "candidates": m, "chunk_size": m} for m in options["single"]]
    return found


def features_of(point: Mapping[str, Any]) -> int | None:
    """H of the last layer that V is; None where d is no multiple of k, and V is built."""
    k, d = point["classes"], point["dim"]
    return None if d % k else d // k


def unfit(point: Mapping[str, Any]) -> str:
    """Why a kernel cannot be put to the point; empty where it can."""
    if parse_kernel(point["kernel"]).kernel.takes == "last-layer" and features_of(point) is None:
        return (
            f"{point['kernel']} needs dim = classes × features, and {point['dim']} is not a multiple of "
            f"{point['classes']}"
        )
    return ""


def operations(point: Mapping[str, Any]) -> tuple[int, int]:
    """Floating-point operations and least bytes moved of one pass over the point's candidates."""
    kernel, with_inner = parse_kernel(point["kernel"])
    features = None if kernel.takes == "dense" else features_of(point)
    sizes = (point["candidates"], point["classes"] - 1, point["dim"])
    itemsize = 8 if point["dtype"] == "float64" else 4
    return kernel.flops(*sizes, with_inner, features), kernel.bytes(*sizes, itemsize, features)


def shares(plan: Sequence[Mapping[str, Any]], seconds: float) -> list[float]:
    """Seconds that each point may be timed for: in proportion to what a pass costs, and a fifth of the mean at least.

    Points then come to about as many blocks each.
    """
    costs = [0.0 if unfit(point) else _cost(point) for point in plan]
    floor = 0.2 * sum(costs) / max(1, sum(cost > 0 for cost in costs))
    weights = [cost + floor if cost else 0.0 for cost in costs]
    total = sum(weights)
    return [seconds * weight / total if total else 0.0 for weight in weights]


def _cost(point: Mapping[str, Any]) -> float:
    """Relative seconds of a pass: what it computes, what it reads and the chunks it is cut into, each by a guess."""
    flops, read = operations(point)
    return flops / 1e11 + read / 1e10 + 6e-5 * chunks(point["candidates"], point["chunk_size"])


def budget_of(point: Mapping[str, Any], options: Mapping[str, Any]) -> float:
    """The point's own share of ``--max-time``."""
    return _budgets(tuple((name, tuple(options[name])) for name in _SPANNING), options["max_time"])[_key(point)]


_SPANNING = ("kernels", "dtype", "classes", "dim", "candidates", "sizes", "single")


@lru_cache(maxsize=4)
def _budgets(spanning: tuple[tuple[str, tuple[Any, ...]], ...], seconds: float) -> dict[Hashable, float]:
    plan = points(dict(spanning))
    return dict(zip(map(_key, plan), shares(plan, seconds), strict=True))


def _key(point: Mapping[str, Any]) -> Hashable:
    return tuple(sorted(point.items()))
