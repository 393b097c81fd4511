"""One case of ``fbench fisher``: a way to the diagonal or to the masked embedding, a block at a time.

The images are standard normal: times do not depend on their values, and the network's weights are its initial ones.
Agreement and memory are looked at once, in passes of their own, which also warm up what the first timed pass uses.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.fisher.masks import Mask, top_mask
from fbench.harness.contract import Row
from fbench.harness.registry import MODELS
from fbench.learning.building import blank_network, build_network
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import elapsed

from .baselines import BASELINES, Baseline, FisherTask
from .options import Options, Point

AGREEMENT_SAMPLES = 3
"""The samples on which every way is held to the float64 loop."""
_MASK_SAMPLES = 32
_PROBES = 16


@functools.lru_cache(maxsize=4)
def make_task(options: Options, quantity: str, samples: int, device: str) -> FisherTask:
    """Build the network, its images and, for the masked embedding, its mask, on the device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = build_network(MODELS.get(options.model), 1, options.input_shape, options.classes)
    g = torch.Generator().manual_seed(options.seed)
    images = torch.randn(samples, *options.input_shape, generator=g)
    masked = quantity == "masked-embedding"
    mask = _mask(copy.deepcopy(network), images[:_MASK_SAMPLES], options.weights) if masked else None
    dtype = getattr(torch, options.dtype)
    network = network.to(device, dtype).eval()
    return FisherTask(network, images.to(device, dtype), mask, options.batch_size or None)


def _mask(network: torch.nn.Module, images: Tensor, weights: int) -> Mask:
    """A mask of the whole last layer, where it fits, and of the other weights of largest Fisher information."""
    diagonal = fisher_diagonal(network, images)
    last = [name for name, value in diagonal.items() if value.dim() > 1][-1]
    always = (last,) if diagonal[last].numel() <= weights else ()
    parameters = sum(value.numel() for value in diagonal.values())
    return top_mask(diagonal, min(1.0, (weights + 0.5) / parameters), always=always)


def parameter_count(options: Options) -> int:
    """P, the network's weights; a mask cannot keep more."""
    network = blank_network(MODELS.get(options.model), options.input_shape, options.classes)
    return sum(p.numel() for p in network.parameters())


def run(point: Point, options: Options, device: str, blocks: range) -> Iterator[tuple[int, list[Row]]]:
    """Yield every block that is still to be run, with its rows."""
    task, way = make_task(options, point.quantity, point.samples, device), BASELINES[point.method]
    reason = way.refusal(task)
    if reason:
        if blocks.start == 0:
            yield 0, [{"phase": "pass", "status": "skipped", "reason": reason}]
        return
    timed = _timed_samples(point, options, way)
    key = {"batch_size": way.batch(task), "timed_samples": timed}
    for block in blocks:
        first = [_agreement(task, way), _memory(task, way, timed)] if block == 0 else []
        if block and block == blocks[0]:
            way.run(task, timed)  # a run taken up again starts as cold as a new one
        with elapsed(device) as taken:
            way.run(task, timed)
        passes = [{**key, "phase": "pass", "time_s": taken.seconds}]
        yield block, [*({**key, **row} for row in first), *passes]


def _timed_samples(point: Point, options: Options, way: Baseline) -> int:
    """How many of the samples are enough to time the way."""
    enough = options.loop_samples if point.method == "loop" else way.limit or point.samples
    return min(enough, point.samples)


def _memory(task: FisherTask, way: Baseline, samples: int) -> Row:
    """A row with the peak growth of memory while the way works on the samples."""
    with peak_growth(str(task.inputs.device)) as growth:
        way.run(task, samples)
    return {"phase": "memory", "peak_bytes": growth.peak_bytes}


def _agreement(task: FisherTask, way: Baseline) -> Row:
    """A row with the largest error to the loop in float64, on the first samples; without it for no values."""
    few = replace(task, inputs=task.inputs[:AGREEMENT_SAMPLES])
    values = way.run(few, len(few.inputs))
    row: Row = {"phase": "agreement", "timed_samples": len(few.inputs), "batch_size": len(few.inputs)}
    if values is None:
        return row
    exact = replace(few, model=copy.deepcopy(few.model).double(), inputs=few.inputs.double())
    reference = BASELINES["loop"].run(exact, len(few.inputs))
    assert reference is not None
    return {**row, "max_rel_error": max_rel_error(task, values.double(), reference)}


def max_rel_error(task: FisherTask, values: Tensor, reference: Tensor) -> float:
    """The largest error of ``values``, as a share of the largest value of the same parameter in ``reference``.

    Both are diagonals [P] or rows V [samples, r, d]. Rows may be any that have the right V_xᵀV_x, so they are not
    compared themselves, but V_xᵀV_x u for random u, over the largest of these.
    """
    if task.mask is None:
        sizes = [p.numel() for p in task.parameters().values()]
        pairs = list(zip(values.split_with_sizes(sizes), reference.split_with_sizes(sizes), strict=True))
    else:
        g = torch.Generator().manual_seed(0)
        u = torch.randn(values.shape[-1], _PROBES, generator=g, dtype=torch.float64).to(values.device)
        pairs = [(values.mT @ (values @ u), reference.mT @ (reference @ u))]
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs if float(b.abs().max()) > 0)
