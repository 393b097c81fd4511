"""About how many seconds each block of a case takes: a few training steps are timed, the rest follows from counts."""

from __future__ import annotations

from fbench.harness.contract import Context
from fbench.learning.durations import trained_image_s

from .baselines import BASELINES, LOOP_BATCH
from .options import Options, Point
from .passes import AGREEMENT_SAMPLES

_BACK = 2 / 3
"""Of an image's training step: going back through the network."""
_OF_BACKWARD = {
    ("diagonal", "batched"): 1.5,
    ("masked-embedding", "batched"): 0.5,
    ("diagonal", "backpack"): 3.0,
    ("diagonal", "vmap"): 3.0,
    ("masked-embedding", "vmap"): 3.0,
    ("diagonal", "backward"): 1.0,
    ("masked-embedding", "backward"): 1.0,
}
"""A sample's seconds over those of its k − 1 plain backward passes, roughly, as the reference run has them."""
_DOUBLE = 2.0
"""Times as long in float64."""


def expect_fisher_s(point: Point, options: Options, context: Context) -> list[float]:
    """Seconds of every block; the first also has agreement with the loop in float64, and a pass that is watched."""
    shape = options.input_shape
    image_s = trained_image_s(options.model, shape, options.classes, 32, context.devices[0], context.threads)
    back, k = _BACK * image_s, options.classes
    loop = k * back * min(options.batch_size or LOOP_BATCH, point.samples)
    sample = loop if point.method == "loop" else _OF_BACKWARD.get((point.quantity, point.method), 0.0) * (k - 1) * back
    limit = BASELINES[point.method].limit or point.samples
    timed = min(options.loop_samples if point.method == "loop" else limit, point.samples)
    block = (_DOUBLE if options.dtype == "float64" else 1.0) * sample * timed
    agreement = AGREEMENT_SAMPLES * (sample / (LOOP_BATCH if point.method == "loop" else 1) + _DOUBLE * k * back * 3)
    return [2 * block + agreement, *[block] * (options.passes - 1)]
