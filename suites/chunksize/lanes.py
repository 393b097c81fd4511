"""Whether a kernel that packs candidates is faster where its packs are full: a test for that one period.

A search for any period has little power and must be paid for; a kernel that says how many ``lanes`` it has says where
to look. Multiples of the lanes are held against the sizes beside them, block by block.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fbench.harness.registry import KERNELS
from fbench.measure.interleaved import LEAST_BLOCKS, shift

from .sweeps import Sweep
from .wiggles import decomposed
from .worth import common_blocks

_LEAST_MULTIPLES = 4


class Gain(NamedTuple):
    """By what share multiples of the lanes take less than their neighbours, with its interval over blocks."""

    share: float
    low: float
    high: float
    p: float


class FullPacks(NamedTuple):
    """A kernel's lanes: ``whole`` as measured, ``beyond`` with what the number of chunks explains taken off.

    ``multiples`` are how many sizes were compared with their neighbours, at a ``step``.
    """

    lanes: int
    multiples: int
    step: int
    whole: Gain
    beyond: Gain


def lanes_of(kernel: str) -> int:
    """Candidates that a kernel works on together, ``:no-inner`` or not; 1 where it does not say."""
    name = kernel.partition(":")[0]
    return KERNELS.get(name).lanes if name in KERNELS.names() else 1


def lanes_test(sweep: Sweep) -> FullPacks | None:
    """The test of a sweep; None without lanes, evenly spaced sizes between their multiples, or blocks enough."""
    lanes, sizes, blocks = lanes_of(sweep.kernel), sweep.even_sizes(), common_blocks(sweep)
    step = sizes[1] - sizes[0] if len(sizes) > 1 else 0
    on_cpu = str(sweep.any_point.key.device).startswith("cpu")
    if lanes < 2 or not on_cpu or not 0 < step < lanes or lanes % step or len(blocks) < LEAST_BLOCKS:
        return None
    parts = decomposed(sweep, sizes)
    if parts is None:
        return None
    explained = dict(zip(parts.sizes, map(math.log, parts.steps), strict=True))
    multiples = [size for size in sizes if size % lanes == 0 and {size - step, size + step} <= explained.keys()]
    if len(multiples) < _LEAST_MULTIPLES:
        return None
    whole, beyond = [], []
    for block in blocks:
        logs = {size: math.log(sweep.points[size].seconds[block]) for size in explained}
        whole.append(_contrast(logs, multiples, step))
        beyond.append(_contrast({size: log - explained[size] for size, log in logs.items()}, multiples, step))
    return FullPacks(lanes, len(multiples), step, _gain(whole), _gain(beyond))


def _contrast(logs: dict[int, float], multiples: list[int], step: int) -> float:
    """Mean over the multiples of a logarithm less those of the two neighbours."""
    return math.fsum(logs[m] - (logs[m - step] + logs[m + step]) / 2 for m in multiples) / len(multiples)


def _gain(contrasts: list[float]) -> Gain:
    mean, low, high, p = shift(contrasts)
    return Gain(-math.expm1(mean), -math.expm1(high), -math.expm1(low), p)
