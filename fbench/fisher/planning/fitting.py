"""Whether a selection fits, told before anything of it is allocated, and what would fit in its place.

torch is not imported: suites ask before a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fbench.errors import TooLargeError
from fbench.fisher.planning.plan import (
    MEMORY_MARGIN,
    SelectionPlan,
    Shape,
    StepCounts,
    largest_fitting,
    plan_selection,
    rechunked,
    replanned,
    shape_of,
    with_margin,
)
from fbench.machine import free_bytes
from fbench.units import format_bytes, format_percent

if TYPE_CHECKING:
    from fbench.fisher.embeddings import Embedding


CHUNKED = ("published", "fused", "factored")
"""The methods that make every score anew for every pick, a chunk of candidates at a time."""


@dataclass(frozen=True)
class Alternative:
    """Another selection from the same network: its name on the command line, its meaning in words, its plan."""

    name: str
    meaning: str
    plan: SelectionPlan


def alternatives(plan: SelectionPlan, free: int) -> list[Alternative]:
    """What would fit into ``free`` bytes instead, with its inputs and the margin; the nearest to ``plan`` first.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection
        >>> plan = plan_selection(Shape(n=1000, rows=9, dim=1280, classes=10), dtype="float64")
        >>> [alternative.name for alternative in alternatives(plan, free=80 * 10**6)]
        ['float32', 'top2', 'pca:127', 'binary', 'diagonal']
    """
    shape, offers = plan.shape, list[Alternative]()

    def offer(name: str, meaning: str, other: Shape, **changed: str) -> None:
        offers.append(Alternative(name, meaning, replanned(plan, shape=other, **changed)))

    if plan.method in CHUNKED:
        offer("incremental", "the same picks, from state that follows them", shape, method="incremental")
    if plan.dtype == "float64":
        offer("float32", "half the digits", shape, dtype="float32")
    if shape.classes > 1:
        if shape.rows > 2:
            offer("top2", "the two likeliest classes of each candidate; d stays", replace(shape, rows=2))
        components = _most_components(plan, free)
        if components:
            meaning = f"features on {components} of {shape.width:,} principal directions"
            offer(f"pca:{components}", meaning, _projected(shape, components))
        offer("binary", f"right or wrong in place of classes, d = {shape.width:,}", Shape(shape.n, 1, shape.width, 1))
    if plan.method != "diagonal":
        offer("diagonal", "the diagonals of F and M alone", shape, method="diagonal")
    return [alternative for alternative in offers if with_margin(alternative.plan.total) <= free]


def _projected(shape: Shape, components: int) -> Shape:
    return replace(shape, dim=shape.classes * components)


def _most_components(plan: SelectionPlan, free: int) -> int:
    """The largest h' < h with which the projected selection fits; 0 if none does."""

    def fits(components: int) -> bool:
        return with_margin(replanned(plan, shape=_projected(plan.shape, components)).total) <= free

    return largest_fitting(plan.shape.width - 1, fits)


def largest_chunk(plan: SelectionPlan, free: int, most: int = 0) -> int:
    """The largest chunk of a trace kernel with which the selection's growth fits ``free`` bytes; 0 if none does.

    It has ``most`` candidates at the utmost; all of them if that is 0.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection, rechunked
        >>> plan = plan_selection(Shape(n=1000, rows=9, dim=1280, classes=10), method="fused")
        >>> largest_chunk(plan, rechunked(plan, 200).needed)
        200
    """
    return largest_fitting(most or plan.shape.n, lambda size: rechunked(plan, size).needed <= free)


def largest_pool(plan: SelectionPlan, free: int, most: int = 2**31) -> int:
    """The most candidates, ``most`` at the utmost, whose embedding and selection fit ``free`` bytes; 0 if none do.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection
        >>> plan = plan_selection(Shape(n=1000, rows=9, dim=1280, classes=10))
        >>> largest_pool(plan, free=10**6), largest_pool(plan, free=10**9) > 1000
        (0, True)
    """

    def fits(n: int) -> bool:
        return with_margin(replanned(plan, shape=replace(plan.shape, n=n)).total) <= free

    return largest_fitting(most, fits)


def check_fits(plan: SelectionPlan, free: int | None, device: str = "cpu") -> None:
    """Refuse a selection that would not fit, before anything of it is allocated.

    Args:
        plan: of what is to be held on ``device``.
        free: bytes that can still be had there; None, when that is not known, passes.
        device: its name, for the message.

    Raises:
        TooLargeError: with what is needed, what is free, which part needs it, and what would fit.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection
        >>> plan = plan_selection(Shape(n=1000, rows=9, dim=1280, classes=10))
        >>> check_fits(plan, free=plan.needed)
        >>> check_fits(plan, free=plan.needed - 1)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        fbench.errors.TooLargeError: the selection needs ... beyond its inputs, ...
    """
    if free is None or plan.needed <= free:
        return
    shape = plan.shape
    d = f"d = {shape.dim:,}"
    if shape.classes > 1:
        d = f"{shape.classes} classes × {shape.width:,} features give {d}"
        if plan.reduced_shape != shape:
            d += f", of which {plan.reduced_shape.dim:,} suffice"
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in plan.others.items())
    if plan.matrices:
        matrices = " + ".join(f"{name} {format_bytes(size)}" for name, size in plan.matrices.items())
        parts = f"d×d matrices {matrices}, {parts}"
    raise TooLargeError(
        f"the selection needs {format_bytes(plan.growth)} beyond its inputs, {format_bytes(plan.needed)} with "
        f"{format_percent(MEMORY_MARGIN)} to spare, and {format_bytes(free)} are free on {device}: {d}; "
        f"in {plan.phase}, its dearest phase: {parts}. "
        f"What fits: {fitting_text(plan, free)}"
    )


def fitting_text(plan: SelectionPlan, free: int) -> str:
    """What would fit in place of a plan, in words.

    Example:
        >>> from fbench.fisher.planning.plan import Shape, plan_selection
        >>> fitting_text(plan_selection(Shape(n=1000, rows=9, dim=1280, classes=10)), free=1000)
        'nothing; take a smaller pool'
    """
    fitting = "; ".join(f"{a.name} ({a.meaning}: {format_bytes(a.plan.total)})" for a in alternatives(plan, free))
    agreement = ". fbench select measures how they agree with the exact one where both fit"
    return fitting + agreement if fitting else "nothing; take a smaller pool"


def check_plan(
    embedding: Embedding, dtype: Any, method: str, devices: Sequence[Any], counts: StepCounts | None = None
) -> None:
    """Compare what a selection from ``embedding`` will hold with what each of its devices has free.

    Raises:
        TooLargeError: a device has too little.

    Example:
        >>> import torch, fbench
        >>> V = fbench.dense_embedding(torch.ones(4, 1, 2))
        >>> check_plan(V, torch.float32, "incremental", ["cpu"])
    """
    source = (str(embedding.dtype), str(embedding.device))
    check_devices(shape_of(embedding), dtype, method, devices, lambda device: (str(dtype), device) != source, counts)


def check_devices(
    shape: Shape,
    dtype: Any,
    method: str,
    devices: Sequence[Any],
    copied: Callable[[str], bool] = lambda device: True,
    counts: StepCounts | None = None,
) -> None:
    """Compare what a selection of this shape, sharded over ``devices``, will hold with what each of them has free.

    ``copied`` tells of a device, by name, whether the embedding has yet to come to it.

    Raises:
        TooLargeError: a device has too little.

    Example:
        >>> from fbench.fisher.planning.plan import Shape
        >>> check_devices(Shape(n=4, rows=1, dim=2), "float32", "incremental", ["cpu"])
    """
    for device, plan in device_plans(shape, dtype, method, devices, copied, counts).items():
        check_fits(plan, free_bytes(device), device)


def check_bytes(held: int, device: str) -> None:
    """Refuse what holds so many bytes, and has no more of a plan than that.

    Raises:
        TooLargeError: the device has too little.

    Example:
        >>> check_bytes(1 << 20, "cpu")
    """
    free = free_bytes(device)
    if free is not None and with_margin(held) > free:
        raise TooLargeError(
            f"the selection holds {format_bytes(held)}, {format_bytes(with_margin(held))} with "
            f"{format_percent(MEMORY_MARGIN)} to spare, and {format_bytes(free)} are free on {device}"
        )


def device_plans(
    shape: Shape,
    dtype: Any,
    method: str,
    devices: Sequence[Any],
    copied: Callable[[str], bool] = lambda device: True,
    counts: StepCounts | None = None,
) -> dict[str, SelectionPlan]:
    """The plan of every device that holds a share of the candidates, by the device's name.

    Example:
        >>> from fbench.fisher.planning.plan import Shape
        >>> plans = device_plans(Shape(n=9, rows=1, dim=2), "float32", "incremental", ["cuda:0", "cuda:1", "cuda:1"])
        >>> {name: plan.shape.n for name, plan in plans.items()}
        {'cuda:0': 3, 'cuda:1': 6}
    """
    names, plans = [str(device) for device in devices], {}
    for device in dict.fromkeys(names):
        shards = names.count(device)
        share = replace(shape, n=-(-shape.n * shards // len(names)))
        name = str(dtype).removeprefix("torch.")
        plans[device] = plan_selection(
            share, dtype=name, method=method, device=device, shards=shards, copied=copied(device), counts=counts
        )
    return plans
