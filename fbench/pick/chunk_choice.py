"""``chunk_size="auto"``: the knee of a kernel on the embedding and device at hand, measured in about a second."""

from __future__ import annotations

import random
import statistics
import time

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection.trace import prepare_kernel
from fbench.harness.sweep import parse_sweep
from fbench.measure.medians import knee, median_interval
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import Pass, meter, warm_up_passes

_LEAST, _MOST = 16, 4096
_BLOCKS = 12
"""Every size once a block, in shuffled order, as ``fbench chunksize`` does; six at least give an interval."""


@torch.no_grad()
def choose_chunk(
    embedding: Embedding,
    inverse: Tensor,
    fisher: Tensor,
    *,
    kernel: str = "fused",
    with_inner: bool = True,
    memory_budget: int | None = None,
    most: int = _MOST,
    max_time: float = 1.0,
) -> int:
    """The smallest chunk that is as fast, a candidate, as the fastest: the knee that ``fbench chunksize`` reports.

    Single chunks of 16, 32, … candidates are timed, up to ``most`` and the pool's size.

    Args:
        embedding: V, n candidates of d weights.
        inverse: M⁻¹ [d, d].
        fisher: F [d, d].
        kernel: a registered kernel's name.
        with_inner: with A⁻¹.
        memory_budget: bytes that a chunk's temporaries may take; None for any.
        most: the largest size to try.
        max_time: seconds after which no further block begins; one is always measured.

    Raises:
        InputError: matrices that are not d×d, ``most`` below one, no size that fits the budget, or nobody tells what a
            pass takes.
        UnknownNameError: no such kernel.

    Example:
        >>> from fbench import dense_embedding
        >>> embedding = dense_embedding(torch.randn(64, 2, 8, generator=torch.Generator().manual_seed(0)))
        >>> chunk = choose_chunk(embedding, torch.eye(8), torch.eye(8), max_time=0.01)
        >>> chunk in (16, 32, 64)  # which one depends on the machine
        True
    """
    if most < 1:
        raise InputError(f"most {most}: must be at least 1")
    chosen, prepared = prepare_kernel(kernel, embedding, inverse, fisher)
    device, most = str(embedding.device), min(most, embedding.n)
    sizes = parse_sweep(f"{min(_LEAST, most)}..{most}")

    def pass_of(size: int) -> Pass:
        starts = max(1, embedding.n // size)
        return lambda i: chosen.run(prepared, slice(i % starts * size, i % starts * size + size), with_inner)

    runs = {size: pass_of(size) for size in sizes}
    if memory_budget and _peak(runs[sizes[0]], device) is None:
        raise InputError("this system does not tell how much memory a pass takes; leave memory_budget out")
    peaks = {size: _peak(run, device) if memory_budget else None for size, run in runs.items()}
    medians = [median_interval(best) for best in _seconds_a_candidate(runs, device, max_time)]
    best = knee(sizes, medians, list(peaks.values()), memory_budget)
    if best is None:
        raise InputError(f"no chunk of {kernel!r} fits a memory budget of {memory_budget:,} bytes; allow more")
    return best


def _peak(run: Pass, device: str) -> int | None:
    run(0)
    with peak_growth(device) as growth:
        run(0)
    return growth.peak_bytes


def _seconds_a_candidate(runs: dict[int, Pass], device: str, max_time: float) -> list[list[float]]:
    """By size: each block's median of a few chunks, over the chunk's size."""
    timer, order = meter(device), random.Random(0)
    medians: dict[int, list[float]] = {size: [] for size in runs}
    for run in runs.values():
        warm_up_passes(timer, run, 0.0)
    largest, end = max(runs), time.perf_counter() + max_time
    for block in range(_BLOCKS):
        if block and time.perf_counter() > end:
            break
        for size in order.sample(sorted(runs), len(runs)):
            few = min(10, largest // size)  # as many candidates as one of the largest chunks, or a part of them
            seconds = timer.time(runs[size], range(block * few, block * few + few)).seconds
            medians[size].append(statistics.median(seconds) / size)
    return list(medians.values())
