"""How far the passes of a kernel are from what single chunks predict, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from fbench.measure.interleaved import LEAST_BLOCKS, Shift, shift

from .decomposition import needed, predicted_seconds
from .sweeps import Sweep, prediction_errors
from .worth import MATERIAL


@dataclass(frozen=True)
class Prediction:
    """Measured over predicted − 1: ``error`` of all sizes together with its interval over the common blocks.

    In every block the passes are predicted from the single chunks of that block; ``logs`` are the logarithms of
    measured over predicted by block, in the mean over the sizes. ``typical`` is the median over sizes
    of the size of the error of the medians, ``farthest`` the size whose error is the largest, with that error.
    """

    logs: Mapping[int, float]
    sizes: int
    error: Shift
    typical: float
    farthest: tuple[int, float]

    @property
    def holds(self) -> bool:
        """Whether the error is shown to lie within 5 %."""
        return self.error.low > -MATERIAL and self.error.high < MATERIAL

    @property
    def fails(self) -> bool:
        """Whether the error is shown to be more than 5 %."""
        return self.error.low > MATERIAL or self.error.high < -MATERIAL


def prediction(sweep: Sweep) -> Prediction | None:
    """The prediction of a sweep; None where fewer than four blocks have all that it takes."""
    errors = prediction_errors(sweep)
    chunks = sorted(needed(sweep.shard, errors))
    if not errors:
        return None
    parts = [sweep.points[size].seconds for size in errors] + [sweep.singles[m].seconds for m in chunks]
    blocks = sorted(set[int].intersection(*map(set, parts)))
    if len(blocks) < LEAST_BLOCKS:
        return None
    farthest = max(errors, key=lambda size: abs(errors[size]))
    logs = {block: _log_error(sweep, list(errors), chunks, block) for block in blocks}
    typical = median(map(abs, errors.values()))
    return Prediction(logs, len(errors), _error(list(logs.values())), typical, (farthest, errors[farthest]))


def together(predictions: Sequence[Prediction]) -> Shift | None:
    """The error of all kernels together, on the blocks that they have in common; None of fewer than four."""
    if not predictions:
        return None
    blocks = sorted(set[int].intersection(*(set(known.logs) for known in predictions)))
    return (
        _error([fmean(known.logs[b] for known in predictions) for b in blocks]) if len(blocks) >= LEAST_BLOCKS else None
    )


def _error(logs: list[float]) -> Shift:
    """The error with its interval, from logarithms of one block each."""
    mean, low, high, p = shift(logs)
    return Shift(math.expm1(mean), math.expm1(low), math.expm1(high), p)


def _log_error(sweep: Sweep, sizes: list[int], chunks: list[int], block: int) -> float:
    """Mean over the sizes of the logarithm of measured over predicted, in one block."""
    tau = {m: sweep.singles[m].seconds[block] for m in chunks}
    predicted = {size: predicted_seconds(sweep.shard, size, tau) or math.nan for size in sizes}
    return math.fsum(math.log(sweep.points[size].seconds[block] / predicted[size]) for size in sizes) / len(sizes)
