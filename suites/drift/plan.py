"""From options to what is watched of a run: automatic options, what is refused, and the masks that are compared.

torch is imported inside functions, since suites import this to declare options.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fbench.errors import UsageError
from fbench.harness.contract import Context
from fbench.learning import arms
from fbench.learning.arm_options import Arm, ArmOptions

from .options import Options

if TYPE_CHECKING:
    from fbench.learning.rounds import Design

    from .snapshots import MaskGrid

SAMPLES, SHARE = 1024, 10
"""What ``--fisher-samples auto`` is: N as published, or one in so many of the images that there are."""

MOST_REDRAWS = 100
"""The largest R: each redraw is a Fisher pass of its own over every network."""

LADDER = (0.01, 0.02, 0.05, 0.2)
"""Fractions that are watched beside the first, since where the share kept falls depends on how much is kept."""


def resolve_drift(options: Options) -> Options:
    """Give the options with nothing automatic left.

    Raises:
        UsageError: whatever ``arms.resolve_plan`` refuses; draws larger than half of what they are drawn from; a
            fraction that keeps no more than the classifier.
    """
    resolved = arms.resolve_plan(options)
    least = _population(resolved)
    resolved = replace(resolved, fisher_samples=options.fisher_samples or (min(SAMPLES, max(least // SHARE, 1)),))
    resolved = replace(resolved, fractions=options.fractions or _ladder(resolved))
    _check_draws(resolved, least)
    _warn_of_one_batch(resolved)
    if max(resolved.redraws) > MOST_REDRAWS:
        raise UsageError(f"--redraws {max(resolved.redraws):,}: must be at most {MOST_REDRAWS}")
    for fraction in resolved.fractions:
        arms.check_fraction("--fractions", fraction, resolved, classifier_kept="kept" in resolved.classifier)
    return resolved


def _check_draws(options: Options, least: int) -> None:
    """Refuse draws that are larger than half of ``least``, the images of the round that has the fewest."""
    largest = max(options.fisher_samples)
    if largest * 2 > least or least < 2:
        raise UsageError(
            f"--fisher-samples {largest:,}: two disjoint draws of so many need twice as many "
            f"images, and --fisher-on {options.fisher_on} has {least:,} in the round with the fewest; "
            f"{max(1, least // 2):,} is the most"
        )


def _warn_of_one_batch(options: Options) -> None:
    """Warn where training again on the same labels is no second training, since it has no batch order to change."""
    labels = options.start + options.rounds * options.batch
    if options.retrain and labels <= options.train_batch:
        warnings.warn(
            f"one batch of --train-batch {options.train_batch} holds all of the {labels} labels: there is no other "
            "order to train again in, and so no baseline of training",
            stacklevel=2,
        )


def _population(options: ArmOptions) -> int:
    """Count the images that draws are made from, in the round that has the fewest."""
    n, labels = arms.pool_length(options), options.start + options.rounds * options.batch
    images = {"pool": n, "unlabelled": n - labels, "labelled": options.start}
    return images[options.fisher_on]


def _ladder(options: ArmOptions) -> tuple[float, ...]:
    """Give the strategies' own fraction, and those of ``LADDER`` above it."""
    lowest = options.mask_fraction
    return (lowest, *(fraction for fraction in LADDER if fraction > lowest))


_RANKING_S = 1e-6
"""Seconds for each weight of a network: it is ranked, and masks are made of it, in float64 on a CPU."""


def expect_looks(arm: Arm, options: Options, context: Context) -> float:
    """Seconds a round that looking at the networks of an arm takes, about: passes for diagonals, then masks of them."""
    from fbench.learning.durations import GRADIENT, image_seconds

    looks, draws = len(arm.seeds) * (1 + options.retrain), 2 * max(options.redraws)
    images = max(options.fisher_samples) * arms.images_of(options).classes
    weights = arms.weights_of(options)[0] * len(options.fisher_samples)
    return looks * draws * (images * GRADIENT * image_seconds(options, context) + weights * _RANKING_S / 2)


def watched(arm: Arm, devices: Sequence[str], options: Options) -> tuple[Design, MaskGrid]:
    """Design an arm of ``fbench drift``, whose strategy selects on both draws, and say which masks are made of it."""
    from .snapshots import MaskGrid

    grid = MaskGrid(options.fisher_samples, options.redraws, options.rules, options.classifier, options.fractions)
    return _cut(arms.design(arm, devices, options, 2 * max(grid.samples)), grid), grid


def halves(options: ArmOptions, fisher_samples: int) -> int:
    """Count the images of each half of an arm's own draw of ``fisher_samples``.

    Raises:
        UsageError: a draw of a single image has no halves.
    """
    available = _population(options)
    half = min(fisher_samples, available) // 2
    if not half:
        raise UsageError(
            f"--drift compares masks from two halves of the draw behind the diagonal: --fisher-samples "
            f"{fisher_samples} of the {available:,} images that --fisher-on {options.fisher_on} leaves "
            "in the round with the fewest make none; 2 are the least"
        )
    return half


def shown(arm: Arm, devices: Sequence[str], options: ArmOptions, fisher_samples: int) -> tuple[Design, MaskGrid]:
    """Design an arm of ``fbench compare``, and the masks that it shows without a second pass: by halves of its draw."""
    from .snapshots import MaskGrid

    grid = MaskGrid((halves(options, fisher_samples),), fractions=(options.mask_fraction,))
    return _cut(arms.design(arm, devices, options, fisher_samples), grid), grid


def _cut(design: Design, grid: MaskGrid) -> Design:
    """Have the arm keep its diagonals at every number of images that a mask is made from."""
    return replace(design, acquisition=replace(design.acquisition, fisher_cuts=grid.samples))
