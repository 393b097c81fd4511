"""The options of ``fbench chunksize``, and the points of its grid. Letters are those of fbench/fisher/MATH.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fbench.errors import UnknownNameError
from fbench.harness.contract import Option, typed
from fbench.harness.parsing import parse_auto_sweep, parse_budget, parse_dtypes, sweep_union, union
from fbench.harness.registry import KERNELS, Kernel
from fbench.harness.sweep import parse_names, parse_sweep

NO_INNER = ":no-inner"
"""After a kernel's name: without A⁻¹, as the poster's expression has it."""


class KernelVariant(NamedTuple):
    """A kernel as it is timed: with the inner matrix A⁻¹ or without."""

    kernel: Kernel
    with_inner: bool


def parse_kernel(text: str) -> KernelVariant:
    """Read ``fused`` or ``fused:no-inner``, of any registered kernel.

    Raises:
        UnknownNameError: no kernel has that name; the error gives the nearest.
    """
    name = text.removesuffix(NO_INNER)
    if name not in KERNELS.names():
        raise UnknownNameError("kernel", text, [*KERNELS.names(), *(known + NO_INNER for known in KERNELS.names())])
    return KernelVariant(KERNELS.get(name), name == text)


def parse_kernels(text: str) -> tuple[str, ...]:
    """Read a comma list of kernels.

    Raises:
        UnknownNameError: as ``parse_kernel``.
        SweepError: a name is missing or stands twice.
    """
    names = parse_names(text, "kernel")
    for name in names:
        parse_kernel(name)
    return names


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of ``fbench chunksize``."""

    kernels: Annotated[
        tuple[str, ...],
        Option(
            "comma-separated, see `fbench list kernels`; NAME:no-inner leaves A⁻¹ out",
            parse=parse_kernels,
            grows=union,
        ),
    ] = typed("published,published:no-inner,fused,fused:no-inner,factored,incremental")
    sizes: Annotated[
        tuple[int, ...],
        Option(
            "chunk sizes, a sweep such as 64..4096 or 64..1024:+16; auto doubles",
            parse=parse_auto_sweep,
            grows=sweep_union,
        ),
    ] = typed("auto")
    single: Annotated[
        tuple[int, ...],
        Option(
            "single chunks to time, a sweep; those that predictions need come by themselves",
            parse=parse_auto_sweep,
            grows=sweep_union,
        ),
    ] = typed("auto")
    candidates: Annotated[
        tuple[int, ...],
        Option(
            "n, a sweep; auto suits the machine",
            parse=parse_auto_sweep,
            grows=sweep_union,
        ),
    ] = typed("auto")
    classes: Annotated[
        tuple[int, ...],
        Option(
            "k, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            minimum=2,
        ),
    ] = typed("10")
    dim: Annotated[tuple[int, ...], Option("d, a sweep", parse=parse_sweep, grows=sweep_union)] = typed("1280")
    dtype: Annotated[
        tuple[str, ...],
        Option(
            "float32, float64, or both",
            parse=parse_dtypes,
            grows=union,
        ),
    ] = typed("float32")
    precision: Annotated[
        float, Option("width of a median's 95 % interval to stop at, as a share", above=0, maximum=1)
    ] = 0.05
    max_time: Annotated[
        float,
        Option("seconds that all of the measuring may take, whatever is in it", above=0, maximum=604_800, grows=max),
    ] = 90.0
    memory_budget: Annotated[
        int | None,
        Option(
            "what a chunk's temporaries may take, such as 500MB; the knee stays under it",
            parse=parse_budget,
            maximum=2**63,
        ),
    ] = typed("")
    null: Annotated[
        bool,
        Option("every size does the same work, that of the middle one: shows what is claimed falsely on this machine"),
    ] = False
    seed: Annotated[int, Option("of the synthetic pool and of the order", minimum=0, maximum=2**31 - 1)] = 0


class Point(NamedTuple):
    """A case: a kernel on a problem at a chunk size, ``phase`` a ``sweep`` over a pool or a ``single`` chunk alone."""

    kernel: str
    dtype: str
    classes: int
    dim: int
    phase: str
    candidates: int
    chunk_size: int
