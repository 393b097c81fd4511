"""What a selection will hold in memory, in bytes, phase by phase, from shapes alone and fitted to nothing.

``phases`` has the formulas; here they become a plan of one device, with the margin that a plan is held to what is
free with, and the largest chunk and the largest pool that would fit. torch is not imported: suites plan without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fbench.fisher.planning.phases import Held, Setting, phases
from fbench.fisher.planning.shapes import Shape, shape_of

__all__ = ["ITEMSIZE", "MARGIN", "Counts", "SelectionPlan", "Shape", "largest", "plan_selection", "shape_of"]

ITEMSIZE = {"float64": 8, "float32": 4}
MARGIN = 0.15
"""Share of a plan that is kept free beyond it: what libraries take inside an operation, and what allocators keep
back. Measured peaks of plans above 500 MB lay within it (reports/reference/memory-cifar10)."""
CHUNK_SIZE = 1024
"""Candidates of a chunk where nobody says, as in ``trace``."""


@dataclass(frozen=True)
class Counts:
    """How much a selection does: forward ``picks``, ``removals`` of them, candidates of a trace kernel's chunk."""

    picks: int
    removals: int
    chunk_size: int = CHUNK_SIZE

    @classmethod
    def of(cls, batch_size: int, oversample: float, left: int, chunk_size: int = CHUNK_SIZE) -> Counts:
        """Of B labels bought from what is ``left`` unlabelled, as ``bait_select`` does it."""
        picks = min(math.ceil(oversample * batch_size), left)
        return cls(picks, max(0, picks - batch_size), chunk_size)


@dataclass(frozen=True)
class SelectionPlan:
    """Bytes that a selection holds on one device.

    Attributes:
        setting: its sizes.
        method: of ``bait_select``.
        dtype: ``float32`` or ``float64``.
        inputs: of the embedding, which is there before the selection begins.
        copied: of the embedding once more, where it lies elsewhere or in another dtype.
        phases: what each phase holds at its peak beyond these.
    """

    setting: Setting
    method: str
    dtype: str
    inputs: int
    copied: int
    phases: Mapping[str, Held]

    @property
    def shape(self) -> Shape:
        """Of the embedding, the device's share of the candidates."""
        return self.setting.shape

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.setting.kind

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
        """Whatever else it holds then, by name."""
        copied = {f"the embedding in {self.dtype}": self.copied} if self.copied else {}
        return {**copied, **self.phases[self.phase].others}

    @property
    def parts(self) -> dict[str, int]:
        """Everything beyond the inputs at the peak, by name."""
        return {**self.matrices, **self.others}

    @property
    def growth(self) -> int:
        """What the selection takes beyond its inputs at its peak."""
        return sum(self.parts.values())

    @property
    def total(self) -> int:
        """Inputs and growth."""
        return self.inputs + self.growth

    @property
    def needed(self) -> int:
        """Growth with the margin: what should be free."""
        return with_margin(self.growth)


def with_margin(size: int) -> int:
    """Bytes that should be free for ``size`` predicted ones."""
    return int(size * (1 + MARGIN))


def plan_selection(
    shape: Shape,
    *,
    dtype: str = "float32",
    method: str = "incremental",
    device: str = "cpu",
    shards: int = 1,
    copied: bool = False,
    counts: Counts | None = None,
) -> SelectionPlan:
    """What ``bait_select`` will hold.

    Args:
        shape: of the candidates that one device holds.
        dtype: ``float32`` or ``float64``.
        method: of ``bait_select``.
        device: ``cpu`` or ``cuda``, with or without a number.
        shards: how many of the pool's shards lie on the device.
        copied: the embedding lies elsewhere, or in another dtype, and is copied.
        counts: picks, removals and the chunk; where they are not known, a tenth of the candidates is picked, 1,024 at
            most, and half of them removed.
    """
    itemsize, kind = ITEMSIZE[dtype], device.partition(":")[0]
    counts = counts or Counts.of(min(-(-shape.n // 20), 512), 2.0, shape.n)
    setting = Setting(shape, itemsize, kind, shards, counts.picks, counts.removals, counts.chunk_size)
    inputs = shape.numbers * itemsize
    return SelectionPlan(setting, method, dtype, inputs, inputs if copied else 0, phases(method, setting))


def replanned(plan: SelectionPlan, *, shape: Shape | None = None, dtype: str = "", method: str = "") -> SelectionPlan:
    """The plan of another shape, dtype or method; what is not given stays."""
    s = plan.setting
    return plan_selection(
        shape or plan.shape,
        dtype=dtype or plan.dtype,
        method=method or plan.method,
        device=s.kind,
        shards=s.shards,
        counts=Counts(s.picks, s.removals, s.chunk),
    )


def rechunked(plan: SelectionPlan, chunk_size: int) -> SelectionPlan:
    """The same with another chunk."""
    setting = replace(plan.setting, chunk=chunk_size)
    return replace(plan, setting=setting, phases=phases(plan.method, setting))


def largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``most`` that fits, by bisection, where fewer always fit if more do; 0 if none."""
    if most < 1 or fits(most):
        return max(0, most)
    good, bad = 0, most
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good
