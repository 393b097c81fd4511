"""The share of weights kept against depth: whether it falls, where, how steeply, and to what.

Profiles are of convolution and linear layers, whose weights are many enough for a share; mean over seeds and rounds.
Pointwise convolutions are left out: a shortcut's 1×1 projection has a ninth of the weights of the 3×3 ones beside it
for the same signal, and keeps far more of them; between the others it would pass for noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbench.measure.arrays import Floats
from fbench.measure.falls import LEAST_LAYERS, Fall, fit_fall
from fbench.results.findings import number, p_value
from fbench.units import format_percent

from .floors import SIGNIFICANCE
from .measured import Drift, Variant
from .names import percent, variant_names

PROFILED = ("convolution", "linear")
"""The types of the layers whose shares make a profile."""
POINTWISE = "pointwise"
"""The type of the layers that are left out of it."""
STEEP = 0.25
"""A fall over less of the depth is steep."""
NEARLY_ZERO = 0.1
"""A share below this part of the level before the fall is nearly zero."""
_SEED_SIMULATIONS = 200
"""How many simulations are behind each seed's own p, which decides only whether its place is shown."""


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


@dataclass(frozen=True)
class VariantFall:
    """The fall of one variant's share.

    Attributes:
        variant: whose share it is.
        fall: of the mean over seeds; None where none could be looked for, and ``reason`` says why.
        reason: why there is no fall; empty where there is one.
        layers: how many there were to look at.
        places: [seeds], each seed's own place, nan where its profile shows no fall.
        most: which layers keep the largest shares, in words.
        pointwise: how many pointwise layers are left out.
    """

    variant: Variant
    fall: Fall | None
    reason: str
    layers: int
    places: Floats
    most: str = ""
    pointwise: int = 0

    @property
    def p(self) -> float:
        """How often a profile without a fall shows one as clear; nan where none could be looked for."""
        return self.fall.p if self.fall else math.nan

    @property
    def shown(self) -> Fall | None:
        """The fall, where chance would hardly give one as clear."""
        return self.fall if self.p < SIGNIFICANCE else None


def fall_variants(drift: Drift) -> list[Variant]:
    """The variants whose falls are looked for: the first strategy's, at its main N and R."""
    main = drift.main(drift.strategies[0])
    return [variant for variant in drift.variants if variant[:3] == main[:3]]


def share_profile(drift: Drift, variant: Variant) -> ShareProfile:
    """Take the shares of convolution and linear layers, without those kept whole by decree: share 1 and no overlap."""
    masks = drift.masks_by_layer(variant)
    overlaps = np.stack([masks.redraw, masks.previous])
    decreed = (masks.share == 1).all(axis=(0, 1)) & np.isnan(overlaps).all(axis=(0, 1, 2))
    kept = [i for i, layer in enumerate(drift.layers) if layer.layer_type in PROFILED and not decreed[i]]
    depth = np.array([drift.layers[i].depth for i in kept])
    return ShareProfile(kept, depth, masks.share[:, :, kept].mean(axis=1))


def find_falls(drift: Drift) -> list[VariantFall]:
    """Look for the fall of each of ``fall_variants``."""
    return [_find_fall(drift, variant) for variant in fall_variants(drift)]


def _find_fall(drift: Drift, variant: Variant) -> VariantFall:
    profile = share_profile(drift, variant)
    none = np.full(len(drift.seeds), math.nan)
    if variant.rule == "layer":
        return VariantFall(variant, None, "every layer keeps the same share by rule", len(profile.layers), none)
    if len(profile.layers) < LEAST_LAYERS:
        reason = (
            f"too few layers (n = {len(profile.layers)} < {LEAST_LAYERS}) to look for a fall; "
            "a deeper network, such as --model thin-resnet18, has more"
        )
        return VariantFall(variant, None, reason, len(profile.layers), none)
    fall = fit_fall(profile.depth, profile.shares.mean(axis=0))
    reason = "" if fall else "the share rises or stays from layer to layer, so there is no fall to fit"
    places = np.array([_place(profile.depth, share) for share in profile.shares])
    pointwise = sum(layer.layer_type == POINTWISE for layer in drift.layers)
    return VariantFall(variant, fall, reason, len(profile.layers), places, _most(drift, profile), pointwise)


def _most(drift: Drift, profile: ShareProfile) -> str:
    """Name the layers with the largest shares: no fit finds a fall within the first layers, where no plateau ends."""
    share = profile.shares.mean(axis=0)
    first, second = np.argsort(-share, kind="stable")[:2]
    names = [
        f"{drift.layers[profile.layers[i]].name} (depth {number(profile.depth[i], 2)}, {percent(share[i])})"
        for i in (first, second)
    ]
    half = percent(float(np.median(share)))
    return f"the largest share is kept of {names[0]}, the next of {names[1]}; the median layer keeps {half}"


def _place(depth: Floats, share: Floats) -> float:
    fall = fit_fall(depth, share, simulations=_SEED_SIMULATIONS)
    return fall.place if fall is not None and fall.p < SIGNIFICANCE else math.nan


def steepness(fall: Fall) -> str:
    """Call a fall ``steep`` or ``gradual`` where the interval of its width lies on one side, else ``unresolved``."""
    low, high = fall.width_interval
    return "steep" if high <= STEEP else "gradual" if low > STEEP else "unresolved"


def nearly_zero(fall: Fall) -> bool:
    """Say whether the level after a fall is under a tenth of the level before."""
    return fall.after < NEARLY_ZERO * fall.before


def fall_sentences(falls: Sequence[VariantFall]) -> list[str]:
    """Give a sentence for each reason that no fall could be looked for, then one for each variant that was fitted."""
    names = variant_names([fall.variant for fall in falls])
    sentences = []
    for reason in dict.fromkeys(fall.reason for fall in falls if not fall.fall):
        alike = [names[fall.variant] for fall in falls if not fall.fall and fall.reason == reason]
        sentences.append(f"The share of weights kept by depth has no fall judged ({'; '.join(alike)}): {reason}.")
    fitted = [fall for fall in falls if fall.fall]
    if fitted:
        sentences.append(_explained(fitted))
    return [*sentences, *(_sentence(fall, names[fall.variant]) for fall in fitted)]


def _explained(fitted: Sequence[VariantFall]) -> str:
    """Say how falls are judged, which is the same for all that were fitted."""
    first = fitted[0]
    left_out = f" ({first.pointwise} of 1×1, as in shortcuts, left out)" if first.pointwise else ""
    alone = "each by itself, uncorrected; " if len(fitted) > 1 else ""
    return (
        f"Whether the share of weights that {first.variant.strategy}'s masks keep falls with depth (0: first "
        f"layer, 1: last) is judged by a ramp between two levels, fitted to {first.layers} convolution and linear "
        f"layers{left_out}, mean over seeds and rounds: {alone}95 % intervals over layers; steep: within "
        f"{STEEP:g} of the depth; nearly to zero: to under {format_percent(NEARLY_ZERO)} of the level before."
    )


def _sentence(judged: VariantFall, name: str) -> str:
    """Tell the place, width, levels and p of one variant's fall."""
    fall = judged.shown
    if fall is None:
        return f"With {name}: no fall shown ({p_value(judged.p)}); {judged.most}."
    zero = "" if nearly_zero(fall) else "not "
    low, high = (f"{100 * min(end, 1.0):.3g}" for end in fall.drop_interval)
    return (
        f"With {name}: the share falls from {percent(fall.before)} to {percent(max(fall.after, 0.0))}, {zero}nearly to "
        f"zero, a drop of {100 * fall.drop:.3g} points ({low} to {high}); the middle of the fall is at depth "
        f"{number(fall.place, 2)} ({depths(fall.place_interval)}), {_width_text(fall)}; {p_value(fall.p)} against no "
        f"fall{_seeds_text(judged.places)}."
    )


def depths(interval: Sequence[float]) -> str:
    """Write both ends of an interval of the depth."""
    low, high = interval
    return f"{number(low, 2)} to {number(high, 2)}"


def _width_text(fall: Fall) -> str:
    over = f"over {number(fall.width, 2)} of the depth" if fall.width > 0 else "between two neighbouring layers"
    word = {"unresolved": "whether steep or not is unresolved"}.get(steepness(fall), steepness(fall))
    return f"{over} (width {depths(fall.width_interval)}), {word}"


def _seeds_text(places: Floats) -> str:
    """Say where each seed's own fall lies; of one seed there is nothing to add."""
    known = places[np.isfinite(places)]
    if len(places) < 2:
        return ", one seed"
    if not len(known):
        return f"; none of the {len(places)} seeds shows it by itself"
    ends = number(known.min(), 2), number(known.max(), 2)
    where = f"at {ends[0]} to {ends[1]}" if np.ptp(known) else f"at {ends[0]}"
    return f"; {len(known)} of {len(places)} seeds show it by themselves, {where}"
