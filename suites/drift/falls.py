"""The share of weights kept against depth: where it has fallen half way, over which depth, and to what.

Profiles are of convolution and linear layers, whose weights are many enough for a share; each seed's is a mean over
rounds. Pointwise convolutions are left out: a shortcut's 1×1 projection has a ninth of the weights of the 3×3 ones
beside it for the same signal, and keeps far more of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fbench.harness.contract import VerdictWord
from fbench.measure.arrays import Floats
from fbench.measure.falls import fall_of
from fbench.measure.shares import share_interval, share_p
from fbench.measure.statistics import Mean

from .baselines import LEAST_SEEDS
from .measured import Drift, Variant

PROFILED = ("convolution", "linear")
"""The types of the layers whose shares make a profile."""
POINTWISE = "pointwise"
"""The type of the layers that are left out of it."""
LEAST_LAYERS = 8
"""Layers with fewer of which a network has no third to speak of."""
THIRD = (7 / 24, 5 / 12)
"""Depths that are nearer to a third than to a quarter or to a half: where the poster saw the fall."""
STEEP = 0.25
"""A fall over less of the depth is steep."""
NEARLY_ZERO = 0.1
"""Less than this left of the highest share is nearly zero."""


@dataclass(frozen=True)
class ShareProfile:
    """The share of weights kept by depth.

    Attributes:
        layers: which of the run's layers these are, by number.
        depth: [layers], from 0 to 1.
        shares: [seeds, layers], means over rounds.
    """

    layers: Sequence[int]
    depth: Floats
    shares: Floats


class ClaimParts(NamedTuple):
    """Which parts of the poster's claim hold at one fraction."""

    at_a_third: VerdictWord
    steep: VerdictWord
    nearly_to_zero: VerdictWord


@dataclass(frozen=True)
class VariantFall:
    """The fall of one variant's share, a number a seed.

    Attributes:
        variant: whose share it is.
        places: [seeds], the depth at which half of the highest share is left; nan where more is left to the end.
        widths: [seeds], the depth between 90 and 10 % of the highest share; nan where more is left to the end.
        left: [seeds], what is left at the end, over the highest share.
        reason: why there is nothing to read; empty where there is.
    """

    variant: Variant
    places: Floats
    widths: Floats
    left: Floats
    reason: str = ""

    @property
    def readable(self) -> bool:
        """Whether every seed's share falls to its half."""
        return not self.reason and bool(np.isfinite(self.places).all())

    @property
    def place(self) -> Mean | None:
        """The depth of the half over seeds; None where a seed has none."""
        return _over_seeds(self.places)

    @property
    def width(self) -> Mean | None:
        """The width over seeds; None where a seed has none."""
        return _over_seeds(self.widths)

    @property
    def remnant(self) -> Mean | None:
        """What is left over seeds; None where a seed has none."""
        return _over_seeds(self.left)

    @property
    def tested(self) -> list[tuple[VerdictWord, float]]:
        """What each part of the claim is by its own interval, and its p, in the order of ``ClaimParts``."""
        if self.reason:
            return []
        parts: list[tuple[Floats, tuple[float, float], VerdictWord]] = [
            (self.places, THIRD, "no"), (self.widths, (0.0, STEEP), "no"), (self.left, (0.0, NEARLY_ZERO), "not shown"),
        ]  # fmt: skip
        return [(_inside(values, zone, or_never=never), _inside_p(values, zone)) for values, zone, never in parts]


def fall_variants(drift: Drift) -> list[Variant]:
    """The variants whose falls are read: the main one's, at every fraction, the smallest first."""
    main = drift.main(drift.strategies[0])
    alike = [variant for variant in drift.variants if variant.all_but_fraction == main.all_but_fraction]
    return sorted(alike, key=lambda variant: variant.fraction)


def share_profile(drift: Drift, variant: Variant) -> ShareProfile:
    """Take the shares of convolution and linear layers, without those that are always kept: share 1 and no overlap."""
    masks = drift.masks_by_layer(variant)
    overlaps = np.stack([masks.redraw, masks.previous])
    always = (masks.share == 1).all(axis=(0, 1)) & np.isnan(overlaps).all(axis=(0, 1, 2))
    kept = [i for i, layer in enumerate(drift.layers) if layer.layer_type in PROFILED and not always[i]]
    depth = np.array([drift.layers[i].depth for i in kept])
    return ShareProfile(kept, depth, masks.share[:, :, kept].mean(axis=1))


def find_falls(drift: Drift) -> list[VariantFall]:
    """Read the fall of each of ``fall_variants``."""
    return [_fall_of(drift, variant) for variant in fall_variants(drift)]


def _fall_of(drift: Drift, variant: Variant) -> VariantFall:
    profile = share_profile(drift, variant)
    reason = ""
    if variant.rule == "layer":
        reason = "every layer keeps the same share by rule"
    elif len(profile.layers) < LEAST_LAYERS:
        reason = f"too few layers, {len(profile.layers)} of the {LEAST_LAYERS} that a third can be told in"
    elif not np.isfinite(profile.shares).all():
        reason = "a layer's share was not measured in every round"
    if reason:
        none = np.full(len(drift.seeds), math.nan)
        return VariantFall(variant, none, none, none, reason)
    falls = np.array([fall_of(profile.depth, share) for share in profile.shares])
    return VariantFall(variant, *falls.T)


def _over_seeds(values: Floats) -> Mean | None:
    return share_interval(values) if np.isfinite(values).all() else None


def _inside(values: Floats, zone: tuple[float, float], or_never: VerdictWord) -> VerdictWord:
    """Say whether a mean lies in a zone; ``or_never`` is said where no seed has a value: its share never falls so."""
    if len(values) < LEAST_SEEDS:
        return "too few"
    mean = _over_seeds(values)
    if mean is None:
        return or_never if np.isnan(values).all() else "not shown"
    low, high = zone
    if low <= mean.low and mean.high <= high:
        return "yes"
    return "no" if mean.high < low or mean.low > high else "not shown"


def _inside_p(values: Floats, zone: tuple[float, float]) -> float:
    """Two-sided p of a mean within a zone: of its nearer end, 1 outside; 0 of equal seeds within."""
    if len(values) < LEAST_SEEDS or not np.isfinite(values).all():
        return 1.0
    low, high = zone
    if not low <= values.mean() <= high:
        return 1.0
    if not np.ptp(values):
        return 0.0
    return max(share_p(values, bound) for bound in zone if 0 < bound < 1)
