"""About how long the rounds of an arm take: a few steps of training are timed, all else follows from counts.

What a selection computes is counted by its plan's shape (letters as in fisher/MATH.md) and divided by the rate of
products on this machine. That is right to within a factor of two or three, which is all that a plan needs.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

from fbench.fisher.planning.operations import selection_operations
from fbench.fisher.planning.plan import SelectionPlan, StepCounts
from fbench.harness.contract import Context
from fbench.harness.registry import MODELS, Model
from fbench.learning import arms, learners
from fbench.learning.arm_options import Arm, ArmOptions
from fbench.measure.speed import product_rate, seconds_a_step, threads_of

FORWARD, GRADIENT = 1 / 3, 1 / 4
"""Of an image's training: a pass forward, and one image's gradient among many in large batches."""
_MOST_TIMED = 256
"""Images of a step that is timed: of larger ones an image takes no less."""
_LARGEST, _PART = 3 * 256 * 256, 64
"""Numbers of an image that is timed whole, and the side, and channels, of the part of a larger one."""


def expect_rounds(arm: Arm, options: ArmOptions, context: Context, fisher_samples: int) -> list[float]:
    """Seconds of every round of an arm on a block of seeds, about.

    ``fisher_samples`` is the number of images behind a FISH diagonal.
    """
    image_s, seeds = image_seconds(options, context), len(arm.seeds)
    sizes = arms.sizes_of(options)
    trained = (
        learners.learning_model(options).block * options.epochs * image_s
    )  # a short block is padded to its full width
    tested = seeds * arms.tested_images(options) * FORWARD * image_s
    effort = arms.effort_of(arm.strategy, sizes)
    if effort:
        chosen = effort.passes * sizes.n * FORWARD * image_s + effort.operations / _rate(context)
    else:
        chosen = _choice_s(arms.plan_of(arm.strategy, sizes), sizes.counts, fisher_samples, image_s, context)
    labels = arms.labels_trained_on(arm.strategy, options)
    features = seeds * frozen_image_seconds(options, context) * len(arms.images_of(options).targets)
    return [
        trained * count + (tested if count else 0.0) + (seeds * chosen if r else features)
        for r, count in enumerate(labels)
    ]


def image_seconds(options: ArmOptions, context: Context) -> float:
    """Seconds that training takes for one image of one network, about, beside the others of its block."""
    images = arms.images_of(options)
    shape, where = learners.learner_shape(options, images), (context.devices[0], context.threads)
    batch = max(2, min(options.train_batch, options.start + options.rounds * options.batch, _MOST_TIMED))
    dtype = None if options.freeze else images.images.dtype
    return trained_model_image_s(learners.learning_model(options), shape, images.classes, batch, *where, dtype)


def frozen_image_seconds(options: ArmOptions, context: Context) -> float:
    """Seconds of one image's features by a frozen backbone, about; 0 without one."""
    if not options.freeze:
        return 0.0
    return FORWARD * image_seconds(replace(options, freeze=False), context)


def trained_image_s(name: str, shape: tuple[int, ...], classes: int, batch: int, device: str, threads: int) -> float:
    """Seconds of one image of a training step, of one network beside the others of its block.

    ``shape`` is an image's (c, h, w); a step has ``batch`` images of each network.
    """
    return trained_model_image_s(MODELS.get(name), shape, classes, batch, device, threads)


@functools.lru_cache(maxsize=8)
def trained_model_image_s(
    model: Model, shape: tuple[int, ...], classes: int, batch: int, device: str, threads: int, dtype: Any = None
) -> float:
    """The same of a model that has no name; ``dtype`` is that of its inputs, where it is not torch's own.

    Of images larger than ``_LARGEST`` a part is timed and taken in proportion: a plan must not fill the memory.
    """
    import torch

    from fbench.learning.training import Recipe, train_block

    timed = shape if math.prod(shape) <= _LARGEST else tuple(min(side, _PART) for side in shape)
    images, targets = (
        torch.zeros(model.block, batch, *timed, dtype=dtype),
        torch.zeros(model.block, batch, dtype=torch.int64),
    )

    def train(steps: int) -> object:
        recipe = Recipe(epochs=steps, train_batch=batch)
        return train_block(model, images, targets, range(model.block), classes=classes, recipe=recipe, device=device)

    with threads_of(1):  # two that wait for each other, beside other work, would take many times longer
        image_s = seconds_a_step(train, device) / (batch * model.block)
    return float(image_s * math.prod(shape) / math.prod(timed) / math.sqrt(threads))


def _choice_s(
    plan: SelectionPlan | None, counts: StepCounts, fisher_samples: int, image_s: float, context: Context
) -> float:
    """Seconds to choose a batch for one seed: the network's passes, then the selection."""
    if plan is None:
        return 0.0
    n, classes = plan.shape.n, plan.shape.rows + 1
    passes = n * FORWARD
    if not plan.shape.classes:  # on a mask: gradients of every class, of the diagonal's images and of the pool
        passes += (n * plan.shape.rows + fisher_samples * classes) * GRADIENT
    return passes * image_s + selection_operations(plan, counts) / _rate(context)


def _rate(context: Context) -> float:
    return product_rate(context.devices[0], context.threads)
