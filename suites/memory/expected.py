"""About how many seconds each round of a case takes: a few training steps are timed, the rest follows from counts."""

from __future__ import annotations

from fbench.fisher.planning.operations import selection_operations
from fbench.harness.contract import Context
from fbench.learning.durations import FORWARD, GRADIENT, trained_model_image_s
from fbench.measure.speed import product_rate

from .network import model_of
from .options import Options, Point
from .plan import spec_of, why_impossible
from .predictions import limits, selection_plan
from .spec import Spec

_PROCESS_S = 6.0
"""What a process takes to begin, and its tiny round that loads and compiles."""
_EPOCHS = 2
_DOUBLE = 2.0
"""Times as long in float64."""


def expect_memory_s(point: Point, options: Options, context: Context) -> list[float]:
    """Seconds of every round; the first has its process's start."""
    if why_impossible(point, options):
        return [0.0] * options.rounds
    spec = spec_of(point, options)
    if any(limits(spec, device, options.memory_budget, context.devices).refusal for device in context.devices):
        return [0.0] * options.rounds
    model, shape = model_of(spec.network), spec.network.input_shape
    where = (context.devices[0], context.threads)
    image_s = trained_model_image_s(model, shape, spec.k, min(spec.train_batch, spec.labelled), *where)
    images = _EPOCHS * model.block * spec.labelled + FORWARD * spec.n
    if spec.method.masked:
        images += GRADIENT * (spec.fisher_samples * spec.k + spec.n * (spec.k - 1))
    slower = _DOUBLE if spec.dtype == "float64" else 1.0
    round_s = images * image_s + slower * _operations(spec, context.devices) / product_rate(*where)
    return [_PROCESS_S + round_s, *[round_s] * (options.rounds - 1)]


def _operations(spec: Spec, devices: tuple[str, ...]) -> float:
    """Of the selection; a method that scores anew takes a few picks and removals."""
    if spec.method.chunked:
        return 8.0 * spec.n * spec.k * spec.d**2 * spec.picks + 2.0 * spec.n * spec.k * spec.d**2
    return selection_operations(selection_plan(spec, devices[0], devices), spec.counts)
