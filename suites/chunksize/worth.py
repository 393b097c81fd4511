"""What a kernel's chunk size is worth: whether times differ, what every size costs against the knee, and the knee.

All sizes of a kernel are compared on the blocks that they have in common, whichever looks best or worst there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fbench.measure.arrays import Floats
from fbench.measure.interleaved import LEAST_BLOCKS, Knee, Simultaneous, friedman, knee_between, simultaneous

from .sweeps import Sweep

MATERIAL = 0.05
"""What a size must cost above the best, at least, to matter: 5 %."""


class Cost(NamedTuple):
    """Time at a chunk size over the time at the knee, with its interval."""

    size: int
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Worth:
    """Sizes of a kernel compared on ``blocks`` common blocks; ``p`` is Friedman's, before any correction.

    ``fitting`` are the sizes that keep to the memory budget, ``knee`` the best of them: None where there is none.
    """

    sizes: list[int]
    blocks: int
    p: float
    times: Simultaneous
    fitting: list[int]
    knee: Knee | None

    @property
    def reference(self) -> int:
        """The size that others are held against: the knee, or the fastest where none keeps to the budget."""
        return self.knee.size if self.knee else self.sizes[int(self.times.means.argmin())]

    def cost(self, size: int) -> Cost:
        """What a size costs against the knee; the knee itself costs 1."""
        if size == self.reference:
            return Cost(size, 1.0, 1.0, 1.0)
        return Cost(size, *self.times.ratio(self.sizes.index(size), self.sizes.index(self.reference)))

    @property
    def costliest(self) -> Cost:
        """The size that was slowest; which one that is depends on the sizes asked for."""
        return self.cost(self.sizes[int(self.times.means.argmax())])

    @property
    def material(self) -> bool:
        """Whether two sizes are shown to differ, and by 5 % or more as far as these blocks can tell."""
        spread = float(np.ptp(self.times.means))
        return spread > max(self.times.half_width, math.log1p(MATERIAL))

    @property
    def immaterial(self) -> bool:
        """Whether no two sizes differ by as much as 5 %."""
        return float(np.ptp(self.times.means)) + self.times.half_width < math.log1p(MATERIAL)


def common_blocks(sweep: Sweep) -> list[int]:
    """Blocks in which every size has a time."""
    return sorted(set[int].intersection(*(set(point.seconds) for point in sweep.points.values())))


def worth(sweep: Sweep, budget: int | None = None) -> Worth | None:
    """What chunk size is worth with this kernel; None of one size, or of fewer than four common blocks."""
    blocks = common_blocks(sweep)
    if len(sweep.points) < 2 or len(blocks) < LEAST_BLOCKS:
        return None
    logs = logarithms({size: sweep.points[size].seconds for size in sweep.sizes}, blocks)
    times = simultaneous(logs)
    fitting = [size for size in sweep.sizes if _fits(sweep.points[size].peak_bytes, budget)]
    at = [sweep.sizes.index(size) for size in fitting]
    knee = knee_between(fitting, Simultaneous(times.means[at], times.half_width), MATERIAL) if fitting else None
    return Worth(sweep.sizes, len(blocks), friedman(logs), times, fitting, knee)


def logarithms(seconds: Mapping[int, Mapping[int, float]], blocks: list[int]) -> Floats:
    """Logarithms [blocks, sizes] of seconds by size and block."""
    return np.log([[of_size[block] for of_size in seconds.values()] for block in blocks])


def _fits(peak: int | None, budget: int | None) -> bool:
    """A size whose peak is not known is not known to fit."""
    return budget is None or (peak is not None and peak <= budget)
