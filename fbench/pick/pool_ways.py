"""How a pool's numbers come to the selection, in memory or streamed from the file: what either holds, which is taken.

Streamed, the largest array stays in the file and every pass over the candidates reads it, a part at a time; what a
selection keeps of them, G and H [n, r, r], is in memory either way. Nothing is read here, and torch is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fbench.errors import TooLargeError, UsageError
from fbench.fisher.planning.fitting import check_fits, fitting_text
from fbench.fisher.planning.phases import Parts, read_together
from fbench.fisher.planning.plan import ITEMSIZE, MEMORY_MARGIN, SelectionPlan, with_margin
from fbench.units import format_bytes, format_count, format_percent

WAYS = ("auto", "memory", "streamed")
"""What ``--pool`` takes."""


@dataclass(frozen=True)
class PoolWay:
    """One way, and its bytes.

    Attributes:
        name: ``memory`` or ``streamed``.
        parts: bytes that are held at the selection's peak, by name.
        there: how many of them are held before it begins: arrays that are read already.
        reads: how often the file's largest array is read.
        read_bytes: bytes that are read in all of these times.
    """

    name: str
    parts: Parts
    there: int
    reads: int
    read_bytes: int

    @property
    def held(self) -> int:
        """Bytes that are held at the peak."""
        return sum(self.parts.values())

    @property
    def needed(self) -> int:
        """Bytes that should be free: what is to come of them, and the margin of all."""
        return with_margin(self.held) - self.there

    def fits(self, free: int | None) -> bool:
        """Whether so many free bytes are enough; where nobody knows how many there are, they are."""
        return free is None or self.needed <= free


@dataclass(frozen=True)
class PoolSizes:
    """A pool as far as its ways are concerned.

    Attributes:
        plan: of the selection on one CPU; what it says of inputs and copies is not looked at.
        arrays: bytes of the arrays by name, as they are read.
        itemsize: bytes of one of their numbers.
        there: bytes of those that are in memory already.
        large: the array that may stay in the file.
        passes: how often a selection goes over it, from the first look at it to the last pick.
        projected: numbers [n, H] of the features that the embedding has in place of the file's; 0 where it has none.
    """

    plan: SelectionPlan
    arrays: Mapping[str, int]
    itemsize: int
    there: int
    large: str
    passes: int
    projected: int = 0


def pool_ways(sizes: PoolSizes) -> tuple[PoolWay, PoolWay]:
    """In memory, and streamed.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection
        >>> plan = plan_selection(Shape(n=10_000, rows=1, dim=512, classes=1))
        >>> arrays = {"logits": 400_000, "features": 20_480_000}
        >>> memory, streamed = pool_ways(PoolSizes(plan, arrays, 4, there=0, large="features", passes=24))
        >>> memory.held > streamed.held, memory.reads, streamed.reads, streamed.read_bytes
        (True, 1, 24, 491520000)
    """
    plan, large, made = sizes.plan, sizes.large, _made(sizes)
    growth = {"the selection": plan.phases[plan.phase].bytes}
    copied = {f"the embedding in {plan.dtype}": _copied(sizes, streams=False)}
    held = {**sizes.arrays, **made, **copied, **growth}
    there = {name: size for name, size in sizes.arrays.items() if name != large}
    part = {f"{large}, a part at a time": ITEMSIZE[plan.dtype] * read_together(plan.shape)}
    copied = {f"the embedding in {plan.dtype}": _copied(sizes, streams=True)}
    kept = {**there, **part, **made, **copied, **growth}
    return (
        PoolWay("memory", _positive(held), sizes.there, 1, sizes.arrays[large]),
        PoolWay("streamed", _positive(kept), sizes.there, sizes.passes, sizes.passes * sizes.arrays[large]),
    )


def _made(sizes: PoolSizes) -> Parts:
    """What an embedding makes of the arrays, in their dtype: rows in logit space, projected features."""
    shape, b = sizes.plan.shape, sizes.itemsize
    rows = shape.n * shape.rows * shape.classes
    return {"rows in logit space": b * rows, "projected features": b * sizes.projected}


def _copied(sizes: PoolSizes, *, streams: bool) -> int:
    """Bytes of a second embedding, where the selection is in another dtype; what is streamed is not copied."""
    shape, b = sizes.plan.shape, ITEMSIZE[sizes.plan.dtype]
    if b == sizes.itemsize:
        return 0
    rows = shape.n * shape.rows * shape.classes
    return b * (rows + sizes.projected if streams else shape.numbers)


def _positive(parts: Parts) -> Parts:
    return {name: size for name, size in parts.items() if size}


_LABELS = {"memory": "In memory", "streamed": "Streamed"}


@dataclass(frozen=True)
class PoolChoice:
    """The way that is taken, and the other.

    Attributes:
        ways: in memory, and streamed.
        large: the array that may stay in the file.
        obstacle: why it cannot; empty where it can.
        asked: one of ``WAYS``: a way, or the first that fits.
        free: bytes; None where nobody knows how many.

    Example:
        >>> ways = PoolWay("memory", {"features": 900}, 0, 1, 900), PoolWay("streamed", {}, 0, 24, 21600)
        >>> [PoolChoice(ways, "features", "", "auto", free).way.name for free in (None, 2000, 800)]
        ['memory', 'memory', 'streamed']
        >>> PoolChoice(ways, "features", "features are compressed", "auto", 800).way.name
        'memory'
        >>> PoolChoice(ways, "features", "", "auto", 800).lines()[0]
        'In memory it holds 900 B (features 900 B), 1.01 KiB with 15 % to spare, and reads the file once.'
    """

    ways: tuple[PoolWay, PoolWay]
    large: str
    obstacle: str
    asked: str
    free: int | None

    def __post_init__(self) -> None:
        if self.asked == "streamed" and self.obstacle:
            raise UsageError(f"--pool streamed: {self.obstacle}")

    @property
    def way(self) -> PoolWay:
        """The way that is taken."""
        memory, streamed = self.ways
        if self.asked == "auto":
            return memory if self.obstacle or memory.fits(self.free) else streamed
        return streamed if self.asked == "streamed" else memory

    @property
    def better(self) -> PoolWay | None:
        """The other way, where that alone fits."""
        memory, streamed = self.ways
        other = streamed if self.way is memory else memory
        barred = other is streamed and self.obstacle
        return other if not (barred or self.way.fits(self.free)) and other.fits(self.free) else None

    def check(self, plan: SelectionPlan, source: str) -> None:
        """Refuse a pool that does not fit on the way that is taken.

        Raises:
            TooLargeError: with what is needed, what is free, and what would fit.
        """
        way, free = self.way, self.free
        if free is None or way.fits(free):
            return
        if self.better:
            remedy = f"--pool {self.better.name} holds {format_bytes(self.better.held)}, and fits"
        else:
            check_fits(plan, free)  # in its words, where d×d matrices alone are too much
            remedy = f"What fits: {fitting_text(plan, free)}"
        raise TooLargeError(
            f"{source}: {_LABELS[way.name].lower()} it would hold {format_bytes(way.held)}; with "
            f"{format_percent(MEMORY_MARGIN)} to spare {format_bytes(way.needed)} more are needed, and "
            f"{format_bytes(free)} are free on cpu. {remedy}"
        )

    def lines(self) -> list[str]:
        """Lines about both ways, and which is taken and why."""
        memory, streamed = self.ways
        lines = [_cost(memory, "reads the file once")]
        if self.obstacle:
            return [*lines, f"It cannot be streamed: {self.obstacle}."]
        times = f"reads {self.large} {format_count(streamed.reads)} times, {format_bytes(streamed.read_bytes)} in all"
        lines.append(_cost(streamed, f"{times}, and once more for every refresh"))
        taken = "It is streamed" if self.way is streamed else "It is read into memory"
        fits = "it fits there" if memory.fits(self.free) else "in memory it does not fit"
        return [*lines, f"{taken}: {fits if self.asked == 'auto' else f'--pool {self.asked} says so'}."]


def _cost(way: PoolWay, reads: str) -> str:
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in way.parts.items())
    spare = f"{format_bytes(with_margin(way.held))} with {format_percent(MEMORY_MARGIN)} to spare"
    return f"{_LABELS[way.name]} it holds {format_bytes(way.held)} ({parts}), {spare}, and {reads}."
