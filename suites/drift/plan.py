"""From options to what is watched of a run: the tables' columns, and the masks that can be had.

torch is imported inside functions, since suites import this to declare options.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fbench.errors import UsageError
from fbench.harness.contract import Column
from fbench.learning import arm_options as arm
from fbench.learning import arms
from fbench.learning.arm_options import ArmOptions, ArmPoint

from .options import Options

if TYPE_CHECKING:
    from fbench.learning.rounds import Design

    from .views import Watch

SAMPLES, SHARE = 1024, 10
"""``--fisher-samples auto``: N as published, or one in so many of the images that there are."""

MOST_REDRAWS = 100
"""Each is a Fisher pass of its own over every network."""

LADDER = (0.01, 0.02, 0.05, 0.2)
"""Fractions beside the first, for where the share kept falls depends on how much is kept."""

_KEY = (*arm.ARM_KEY, arm.OUTCOME[0], Column("samples", "int", "samples", "N, images behind each mask"))
_RULE = (
    Column("rule", "str", "", "global: the largest over the network; layer: the same fraction of every layer"),
    Column("classifier", "str", "", "kept whole by decree, and in no overlap; or free"),
    Column("fraction", "float", "share", "q, weights that the mask keeps"),
)
_PLACE = (
    Column("layer", "str", "", "the parameter's name; all: the whole network"),
    Column("layer_index", "int", "", "place in the forward order, from 0; empty for all"),
    Column("depth", "float", "share", "the same from 0 to 1"),
    Column("kind", "str", "", "convolution, pointwise (1×1), linear, bias, norm or other; all"),
    Column("parameters", "int", "weights", "of the layer"),
)
MASKED = (
    *_KEY,
    Column("redraws", "int", "", "R, pairs of disjoint draws of N images that overlaps are averaged over"),
    *_RULE,
    *_PLACE,
    Column("kept", "int", "weights", "by the mask of the first draw"),
    Column("share", "float", "share", "kept over parameters"),
    Column("captured", "float", "share", "of the layer's Fisher mass that is kept, by the other draw's diagonal"),
    Column("jaccard_previous", "float", "", "overlap with the previous round's mask from the other draw"),
    Column("jaccard_first", "float", "", "the same with round 0"),
    Column("jaccard_redraw", "float", "", "floor of sampling: overlap of the masks of both draws, one network"),
    Column(
        "jaccard_retrain",
        "float",
        "",
        "floor of training: with a network of another batch order; empty if one batch holds all",
    ),
    Column("jaccard_chance", "float", "", "expected of random masks with as many weights in every layer"),
)
FISHER = (
    *_KEY,
    *_PLACE,
    Column("fisher_mean", "float", "", "mean F_j over both draws"),
    Column("weighted_mean", "float", "", "mean w_j² F_j"),
    Column("spearman_previous", "float", "", "rank correlation of F_j with the previous round's, the other draw"),
    Column("spearman_redraw", "float", "", "the same between both draws, one network"),
    Column("spearman_retrain", "float", "", "the same with a network of another batch order, the other draw"),
)
MASKS = (
    *_KEY,
    *_RULE,
    Column("layer", "str", "", "the parameter's name"),
    Column("shape", "str", "", "the parameter's, as 64x3x3x3"),
    Column("kept", "int", "weights", "ones among the bits"),
    Column("always", "bool", "", "kept whole by decree"),
    Column(
        "bits", "str", "", "of the first draw's mask: a bit a weight, row-major, packed (first highest), zlib, base64"
    ),
)
ROUNDS = (
    *arm.ARM_KEY,
    *arm.OUTCOME[:-1],
    Column("select_s", "float", "s", "time to choose this round's labels, without diagonals; empty for the start set"),
    Column("retrain_s", "float", "s", "the second training's; empty without"),
    Column("diagonal_s", "float", "s", "all diagonals of the round"),
    Column("masks_s", "float", "s", "masks, overlaps, ranks"),
)


def resolve_drift(options: Options) -> Options:
    """The options with nothing automatic left.

    Raises:
        UsageError: as ``arms.resolve_plan``; draws larger than half of what they are drawn from; a fraction that
            keeps no more than the classifier.
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
    labels = options.start + options.rounds * options.batch
    if options.retrain and labels <= options.train_batch:
        warnings.warn(
            f"one batch of --train-batch {options.train_batch} holds all of the {labels} labels: there is no other "
            "order to train again in, and so no floor of training",
            stacklevel=2,
        )


def _population(options: ArmOptions) -> int:
    """Images that the draws are made from, in the round that has the fewest."""
    n, labels = arms.pool_length(options), options.start + options.rounds * options.batch
    images = {"pool": n, "unlabelled": n - labels, "labelled": options.start}
    return images[options.fisher_on]


def _ladder(options: ArmOptions) -> tuple[float, ...]:
    """The strategies' own fraction, and those of ``LADDER`` above it."""
    lowest = options.mask_fraction
    return (lowest, *(fraction for fraction in LADDER if fraction > lowest))


def watched(arm: ArmPoint, devices: Sequence[str], options: Options) -> tuple[Design, Watch]:
    """An arm of ``fbench drift``, whose strategy selects on both draws, and what is looked at."""
    from .views import Watch

    watch = Watch(options.fisher_samples, options.redraws, options.rules, options.classifier, options.fractions)
    return _cut(arms.design(arm, devices, options, 2 * max(watch.samples)), watch), watch


def halves(options: ArmOptions, fisher_samples: int) -> int:
    """Images of each half of an arm's own draw of ``fisher_samples``.

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


def shown(arm: ArmPoint, devices: Sequence[str], options: ArmOptions, fisher_samples: int) -> tuple[Design, Watch]:
    """An arm of ``fbench compare`` and what it shows at no second pass: masks from each half of its own draw."""
    from .views import Watch

    watch = Watch((halves(options, fisher_samples),), fractions=(options.mask_fraction,))
    return _cut(arms.design(arm, devices, options, fisher_samples), watch), watch


def _cut(design: Design, watch: Watch) -> Design:
    """The arm with diagonals at every size that is watched."""
    return replace(design, acquisition=replace(design.acquisition, fisher_cuts=watch.samples))
