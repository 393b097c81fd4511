"""What a selection will hold in memory, in bytes, phase by phase, from shapes alone and fitted to nothing.

``phases`` has the formulas. Here they become the plan of one device, with the margin that should stay free beside it;
``fitting`` compares a plan with what is free. torch is not imported: suites plan without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fbench.fisher.planning.phases import TILE, Held, SelectionSizes, phases
from fbench.fisher.planning.shapes import Shape, shape_of

__all__ = [
    "CHUNK_SIZE",
    "ITEMSIZE",
    "MEMORY_MARGIN",
    "SelectionPlan",
    "Shape",
    "StepCounts",
    "largest_fitting",
    "plan_selection",
    "shape_of",
]

ITEMSIZE = {"float64": 8, "float32": 4}
MEMORY_MARGIN = 0.15
"""The share of a plan that should stay free beyond it: what libraries take inside an operation, and what allocators
keep back. Measured peaks of plans above 500 MB lay within it (reports/reference/memory-cifar10)."""
CHUNK_SIZE = 1024
"""Candidates of a trace kernel's chunk by default; ``fbench chunksize`` measures what suits a machine."""


@dataclass(frozen=True)
class StepCounts:
    """How much a selection does.

    Attributes:
        picks: forward.
        removals: how many of them are removed.
        chunk_size: candidates of a trace kernel's chunk.
        labelled: n_L; where it is not known, more than make a difference.

    Example:
        >>> StepCounts.of(batch_size=10, oversample=1.5, left=100)
        StepCounts(picks=15, removals=5, chunk_size=1024, labelled=512)
    """

    picks: int
    removals: int
    chunk_size: int = CHUNK_SIZE
    labelled: int = TILE

    @classmethod
    def of(
        cls, batch_size: int, oversample: float, left: int, chunk_size: int = CHUNK_SIZE, labelled: int = TILE
    ) -> StepCounts:
        """The counts when ``bait_select`` buys B labels from what is ``left`` unlabelled."""
        picks = min(math.ceil(oversample * batch_size), left)
        return cls(picks, max(0, picks - batch_size), chunk_size, labelled)


@dataclass(frozen=True)
class SelectionPlan:
    """Bytes that a selection holds on one device.

    Attributes:
        sizes: of the selection, as the formulas take them.
        method: of ``bait_select``.
        dtype: ``float32`` or ``float64``.
        inputs: bytes of the embedding, which is there before the selection begins.
        copied: bytes of a second embedding, where the first lies elsewhere or in another dtype; else 0.
        phases: what each phase holds at its peak beyond these.
    """

    sizes: SelectionSizes
    method: str
    dtype: str
    inputs: int
    copied: int
    phases: Mapping[str, Held]

    @property
    def shape(self) -> Shape:
        """Shape of the embedding: the device's share of the candidates."""
        return self.sizes.shape

    @property
    def reduced_shape(self) -> Shape:
        """Shape of the embedding that the selection works on: of a class less where that gives the same picks."""
        return self.shape.reduced if self.method == "incremental" else self.shape

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.sizes.device_type

    @property
    def phase(self) -> str:
        """The phase that sets the peak."""
        return max(self.phases, key=lambda name: self.phases[name].bytes)

    @property
    def matrices(self) -> Mapping[str, int]:
        """The d×d matrices at the peak, by name; none where only diagonals are kept."""
        return self.phases[self.phase].matrices

    @property
    def others(self) -> Mapping[str, int]:
        """Whatever else is held at the peak, by name."""
        copied = {f"the embedding in {self.dtype}": self.copied} if self.copied else {}
        return {**copied, **self.phases[self.phase].others}

    @property
    def parts(self) -> dict[str, int]:
        """Everything beyond the inputs at the peak, by name."""
        return {**self.matrices, **self.others}

    @property
    def growth(self) -> int:
        """Bytes that the selection takes beyond its inputs at its peak."""
        return sum(self.parts.values())

    @property
    def total(self) -> int:
        """Bytes of inputs and growth."""
        return self.inputs + self.growth

    @property
    def needed(self) -> int:
        """Bytes that should be free: the growth and the margin."""
        return with_margin(self.growth)


def with_margin(size: int) -> int:
    """Bytes that should be free for ``size`` predicted ones.

    Example:
        >>> with_margin(1000)
        1150
    """
    return int(size * (1 + MEMORY_MARGIN))


def plan_selection(
    shape: Shape,
    *,
    dtype: str = "float32",
    method: str = "incremental",
    device: str = "cpu",
    shards: int = 1,
    copied: bool = False,
    counts: StepCounts | None = None,
) -> SelectionPlan:
    """The plan of what ``bait_select`` will hold on one device.

    Args:
        shape: of the candidates that one device holds.
        dtype: ``float32`` or ``float64``.
        method: of ``bait_select``.
        device: ``cpu`` or ``cuda``, with or without a number.
        shards: how many of the pool's shards lie on the device.
        copied: whether the embedding lies elsewhere, or in another dtype, and is copied.
        counts: picks, removals and the chunk; where they are not known, a tenth of the candidates is picked, 1,024 at
            most, and half of them removed.

    Example:
        >>> plan = plan_selection(Shape(n=10_000, rows=9, dim=640, classes=10))
        >>> plan.inputs, list(plan.phases), plan.needed > plan.growth
        (6160000, ['fisher', 'init', 'forward', 'backward'], True)
    """
    itemsize, device_type = ITEMSIZE[dtype], device.partition(":")[0]
    counts = counts or StepCounts.of(min(-(-shape.n // 20), 512), 2.0, shape.n)
    steps = counts.picks, counts.removals, counts.chunk_size, counts.labelled
    sizes = SelectionSizes(shape, itemsize, device_type, shards, *steps)
    inputs = shape.numbers * itemsize
    return SelectionPlan(sizes, method, dtype, inputs, inputs if copied else 0, phases(method, sizes))


def replanned(plan: SelectionPlan, *, shape: Shape | None = None, dtype: str = "", method: str = "") -> SelectionPlan:
    """The same plan with another shape, dtype or method; what is not named stays.

    Example:
        >>> plan = plan_selection(Shape(1000, 9, 640, 10), dtype="float64")
        >>> replanned(plan, dtype="float32").inputs * 2 == plan.inputs
        True
    """
    s = plan.sizes
    return plan_selection(
        shape or plan.shape,
        dtype=dtype or plan.dtype,
        method=method or plan.method,
        device=s.device_type,
        shards=s.shards,
        counts=StepCounts(s.picks, s.removals, s.chunk, s.labelled),
    )


def rechunked(plan: SelectionPlan, chunk_size: int) -> SelectionPlan:
    """The same plan with another chunk.

    Example:
        >>> plan = plan_selection(Shape(1000, 9, 640, 10), method="fused")
        >>> rechunked(plan, 8).growth < plan.growth
        True
    """
    sizes = replace(plan.sizes, chunk=chunk_size)
    return replace(plan, sizes=sizes, phases=phases(plan.method, sizes))


def largest_fitting(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``most`` that fits, by bisection; 0 if none. Fewer must fit wherever more do.

    Example:
        >>> largest_fitting(1000, lambda number: number**2 <= 500)
        22
    """
    if most < 1 or fits(most):
        return max(0, most)
    good, bad = 0, most
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good
