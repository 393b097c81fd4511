"""The points of ``fbench chunksize``: which kernels, chunks and single chunks are timed, and how long each may take.

Letters are those of fbench/fisher/MATH.md. torch is not imported: options are parsed, and a run is planned, without it.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from fbench.errors import UsageError
from fbench.harness.contract import Context
from fbench.harness.sweep import echo, parse_sweep

from .decomposition import chunks, needed
from .options import Options, Point, parse_kernel

_CANDIDATES_A_THREAD = 256
"""At k = 10 and d = 1,280 a published pass then takes a third of a second on two cores, and a sweep its two minutes."""
_USUAL_BLOCKS, _LEAST_BLOCK_S, _FIRST_BLOCK_S = 12, 0.06, 0.2
"""What a point comes to: passes and control of a block, and what its first one has more of warming up."""
_GPU_CANDIDATES = 50_000
_MOST_CANDIDATES = 32_768


def resolve(options: Options, context: Context) -> Options:
    """Give the options with pool, chunk sizes and single chunks for the devices and threads at hand.

    Chunk sizes above every pool are clamped, with a warning. ``single`` becomes every m whose τ(m) predicts a point.

    Raises:
        UsageError: fewer candidates than devices.
    """
    pools, devices = options.candidates or (_pool_for(context),), len(context.devices)
    if min(pools) < devices:
        raise UsageError(f"--candidates {min(pools)}: must be at least 1 for each of the {devices} devices")
    sizes = _clamped("--sizes", options.sizes or _sizes_for(max(pools), context), max(pools))
    single = () if options.null else _single_chunks(options.single, sizes, pools, devices)
    return replace(options, candidates=pools, sizes=sizes, single=single)


def _single_chunks(asked: Sequence[int], sizes: Sequence[int], pools: Sequence[int], devices: int) -> tuple[int, ...]:
    """The m of single chunks: those asked for, and those that predict a pass on all devices or on the first alone."""
    shards = {chunks(n, count) for n in pools for count in {1, devices}}
    least = max(pools) // devices  # the smallest shard
    automatic = set[int]().union(*(needed(n, sizes) for n in shards))
    kept = _clamped("--single", [m for m in asked if m not in automatic], least)
    return tuple(sorted(m for m in automatic.union(kept) if m <= max(shards)))


def _pool_for(context: Context) -> int:
    if context.devices[0] != "cpu":
        return _GPU_CANDIDATES
    return int(min(_CANDIDATES_A_THREAD << (context.threads.bit_length() - 1), _MOST_CANDIDATES))


def _sizes_for(n: int, context: Context) -> tuple[int, ...]:
    least, most = (16, n) if context.devices[0] == "cpu" else (64, min(n, 4096))
    return parse_sweep(f"{min(least, most)}..{most}")


def _clamped(option: str, sizes: Sequence[int], most: int) -> tuple[int, ...]:
    """The sizes, those above ``most`` made ``most``, with a warning."""
    above = [size for size in sizes if size > most]
    if above:
        warnings.warn(
            f"{option}: {echo(above)} above the {most:,} candidates that there are to a chunk: clamped to {most:,}; "
            "a larger --candidates keeps them",
            stacklevel=2,
        )
    return tuple(sorted({min(size, most) for size in sizes}))


def points(options: Options) -> list[Point]:
    """Give the point of every case: the sweep of each pool, then the single chunks, which are the same for all."""
    planned: list[Point] = []
    for problem in itertools.product(options.kernels, options.dtype, options.classes, options.dim):
        for n in options.candidates:
            planned += [Point(*problem, "sweep", n, size) for size in sorted({min(size, n) for size in options.sizes})]
        planned += [Point(*problem, "single", m, m) for m in options.single]
    return planned


def work_size(point: Point, options: Options) -> int:
    """Candidates of the chunks that are really timed: the point's, or in a null run the middle one of all sizes."""
    if not options.null:
        return point.chunk_size
    return min(sorted(options.sizes)[len(options.sizes) // 2], point.candidates)


def factor_features(point: Point) -> int | None:
    """The features h of the last layer that V is of; None where d is no multiple of k, and V is built."""
    return None if point.dim % point.classes else point.dim // point.classes


def misfit_reason(point: Point) -> str:
    """Why the kernel cannot be put to the point; empty where it can."""
    if parse_kernel(point.kernel).kernel.takes == "last-layer" and factor_features(point) is None:
        return f"{point.kernel} needs dim = classes × features, and {point.dim} is not a multiple of {point.classes}"
    return ""


def operations(point: Point) -> tuple[int, int]:
    """Floating-point operations and least bytes moved of one pass over the point's candidates."""
    kernel, with_inner = parse_kernel(point.kernel)
    features = None if kernel.takes == "dense" else factor_features(point)
    sizes = (point.candidates, point.classes - 1, point.dim)
    itemsize = 8 if point.dtype == "float64" else 4
    return kernel.flops(*sizes, with_inner, features), kernel.bytes(*sizes, itemsize, features)


def expected_s(point: Point, options: Options) -> float:
    """Seconds that the point will take, about: its share of the time, or a usual number of blocks if less."""
    if misfit_reason(point):
        return 0.0
    return min(case_budget_s(point, options), _USUAL_BLOCKS * max(_cost(point), _LEAST_BLOCK_S)) + _FIRST_BLOCK_S


def too_late(options: Options) -> str:
    """Why a point has no block: the time was spent before its turn came."""
    return f"--max-time {options.max_time:g} was spent before its first block; give more, or fewer --sizes or --kernels"


def shares(planned: Sequence[Point], seconds: float) -> list[float]:
    """Seconds that each point may be timed for: in proportion to what a pass costs, and a fifth of the mean at least.

    Points then come to about as many blocks each.
    """
    costs = [0.0 if misfit_reason(point) else _cost(point) for point in planned]
    floor = 0.2 * sum(costs) / max(1, sum(cost > 0 for cost in costs))
    weights = [cost + floor if cost else 0.0 for cost in costs]
    total = sum(weights)
    return [seconds * weight / total if total else 0.0 for weight in weights]


def _cost(point: Point) -> float:
    """Relative seconds of a pass: what it computes, what it reads and the chunks it is cut into, each by a guess."""
    flops, read = operations(point)
    return flops / 1e11 + read / 1e10 + 6e-5 * chunks(point.candidates, point.chunk_size)


def case_budget_s(point: Point, options: Options) -> float:
    """Seconds of ``--max-time`` that the point may be timed for."""
    return _budgets(options)[point]


@lru_cache(maxsize=4)
def _budgets(options: Options) -> dict[Point, float]:
    planned = points(options)
    return dict(zip(planned, shares(planned, options.max_time), strict=True))
