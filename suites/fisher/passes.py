"""One case of ``fbench fisher``: a way to the diagonal or to the masked embedding, a block at a time.

The images are standard normal: times do not depend on their values, and the network's weights are its initial ones.
Agreement and memory are looked at once, in passes of their own, which also warm up what the first timed pass uses.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.fisher.masks import Mask, top_mask
from fbench.harness.contract import Row
from fbench.harness.registry import MODELS
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import elapsed

from .baselines import BASELINES, Baseline, Question

AGREEMENT_SAMPLES = 3
"""Samples that every way is held to the float64 loop on."""
_MASK_SAMPLES = 32
_PROBES = 16


@dataclass(frozen=True)
class Setting:
    """Everything that a question depends on; ``weights`` 0 asks for the diagonal."""

    model: str
    samples: int
    channels: int
    size: int
    classes: int
    weights: int
    batch_size: int
    dtype: str
    device: str
    seed: int


@functools.lru_cache(maxsize=4)
def question(setting: Setting) -> Question:
    """The network, its images and its mask."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setting.seed)
        network = MODELS.get(setting.model).build(1, setting.channels, setting.size, setting.classes)
    g = torch.Generator().manual_seed(setting.seed)
    images = torch.randn(setting.samples, setting.channels, setting.size, setting.size, generator=g)
    mask = _mask(copy.deepcopy(network), images[:_MASK_SAMPLES], setting.weights) if setting.weights else None
    dtype = getattr(torch, setting.dtype)
    network = network.to(setting.device, dtype).eval()
    return Question(network, images.to(setting.device, dtype), mask, setting.batch_size or None)


def _mask(network: torch.nn.Module, images: Tensor, weights: int) -> Mask:
    """The last layer whole, where it fits, and the other weights of largest Fisher information."""
    diagonal = fisher_diagonal(network, images)
    last = [name for name, value in diagonal.items() if value.dim() > 1][-1]
    always = (last,) if diagonal[last].numel() <= weights else ()
    parameters = sum(value.numel() for value in diagonal.values())
    return top_mask(diagonal, min(1.0, (weights + 0.5) / parameters), always=always)


def parameter_count(model: str, channels: int, size: int, classes: int) -> int:
    """P, of which a mask cannot keep more."""
    return sum(p.numel() for p in MODELS.get(model).build(1, channels, size, classes).parameters())


def run(setting: Setting, method: str, loop_samples: int, blocks: range) -> Iterator[tuple[int, list[Row]]]:
    """The rows of every block still to be run."""
    asked, way = question(setting), BASELINES[method]
    reason = way.refusal(asked)
    if reason:
        if blocks.start == 0:
            yield 0, [{"phase": "pass", "status": "skipped", "reason": reason}]
        return
    some = min(loop_samples if method == "loop" else way.limit or setting.samples, setting.samples)
    key = {"batch_size": way.batch(asked), "timed_samples": some}
    for block in blocks:
        first = [_agreement(asked, way), _memory(asked, way, some)] if block == 0 else []
        if block and block == blocks[0]:
            way.run(asked, some)  # a run taken up again starts as cold as a new one
        with elapsed(setting.device) as taken:
            way.run(asked, some)
        passes = [{**key, "phase": "pass", "time_s": taken.seconds}]
        yield block, [*({**key, **row} for row in first), *passes]


def _memory(asked: Question, way: Baseline, some: int) -> Row:
    with peak_growth(str(asked.inputs.device)) as growth:
        way.run(asked, some)
    return {"phase": "memory", "peak_bytes": growth.peak_bytes}


def _agreement(asked: Question, way: Baseline) -> Row:
    """The largest error against the loop in float64, on the first samples."""
    few = replace(asked, inputs=asked.inputs[:AGREEMENT_SAMPLES])
    found = way.run(few, len(few.inputs))
    row: Row = {"phase": "agreement", "timed_samples": len(few.inputs), "batch_size": len(few.inputs)}
    if found is None:
        return row
    exact = replace(few, model=copy.deepcopy(few.model).double(), inputs=few.inputs.double())
    reference = BASELINES["loop"].run(exact, len(few.inputs))
    assert reference is not None
    return {**row, "max_rel_error": max_rel_error(asked, found.double(), reference)}


def max_rel_error(asked: Question, found: Tensor, reference: Tensor) -> float:
    """Over the largest value of the same parameter; of an embedding, of V_xᵀV_x u for random u, over their largest.

    Rows V may be any that have the right V_xᵀV_x, so they are not compared themselves.
    """
    if asked.mask is None:
        sizes = [p.numel() for p in asked.parameters().values()]
        pairs = list(zip(found.split_with_sizes(sizes), reference.split_with_sizes(sizes), strict=True))
    else:
        g = torch.Generator().manual_seed(0)
        u = torch.randn(found.shape[-1], _PROBES, generator=g, dtype=torch.float64).to(found.device)
        pairs = [(found.mT @ (found @ u), reference.mT @ (reference @ u))]
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs if float(b.abs().max()) > 0)
