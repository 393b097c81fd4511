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

from fbench.measure.falls import LEAST_LAYERS, Fall, fit_fall
from fbench.results.findings import number, p_value
from fbench.units import format_percent

from .names import named, percent
from .rows import Drift, Floats, Variant

KINDS = ("convolution", "linear")
BESIDE = "pointwise"
STEEP = 0.25
"""Of the depth: a fall over less is steep."""
NEARLY_ZERO = 0.1
"""Of the level before."""
LEVEL = 0.05
_SEED_SIMULATIONS = 200
"""Behind each seed's own p, which decides only whether its place is shown."""


@dataclass(frozen=True)
class Profile:
    """Layers by number, their depths [layers], and a value of each by seed [seeds, layers], mean over rounds."""

    layers: Sequence[int]
    depth: Floats
    values: Floats


@dataclass(frozen=True)
class Found:
    """One variant's fall.

    Attributes:
        fall: of the mean over seeds; None where none could be looked for, and ``reason`` says why.
        layers: how many there were to look at.
        places: each seed's own place, nan where its profile shows no fall.
        most: which layers keep the largest shares, in words.
        beside: pointwise layers, which are left out.
    """

    variant: Variant
    fall: Fall | None
    reason: str
    layers: int
    places: Floats
    most: str = ""
    beside: int = 0

    @property
    def p(self) -> float:
        """Of a fall as clear in a profile without one; nan where none could be looked for."""
        return self.fall.p if self.fall else math.nan

    @property
    def shown(self) -> Fall | None:
        """The fall, where chance would hardly give one as clear."""
        return self.fall if self.p < LEVEL else None


def variants(drift: Drift) -> list[Variant]:
    """The first strategy's, at its largest samples; redraws change no mask."""
    main = drift.main(drift.strategies[0])
    return [each for each in drift.variants if each[:3] == main[:3]]


def profile(drift: Drift, variant: Variant) -> Profile:
    """Shares of convolution and linear layers, without those that are kept whole by decree: share 1, no overlap."""
    share = drift.by_layer(variant, "share")
    overlaps = np.stack([drift.by_layer(variant, f"jaccard_{name}") for name in ("redraw", "previous")])
    decreed = (share == 1).all(axis=(0, 1)) & np.isnan(overlaps).all(axis=(0, 1, 2))
    kept = [i for i, layer in enumerate(drift.layers) if layer.kind in KINDS and not decreed[i]]
    depth = np.array([drift.layers[i].depth for i in kept])
    return Profile(kept, depth, share[:, :, kept].mean(axis=1))


def find(drift: Drift) -> list[Found]:
    """Every variant's fall, as ``variants`` has them."""
    return [_find(drift, variant) for variant in variants(drift)]


def _find(drift: Drift, variant: Variant) -> Found:
    own = profile(drift, variant)
    none = np.full(len(drift.seeds), math.nan)
    if variant.rule == "layer":
        return Found(variant, None, "every layer keeps the same share by rule", len(own.layers), none)
    if len(own.layers) < LEAST_LAYERS:
        reason = (
            f"too few layers (n = {len(own.layers)} < {LEAST_LAYERS}) to look for a fall; "
            "a deeper network, such as --model thin-resnet18, has more"
        )
        return Found(variant, None, reason, len(own.layers), none)
    fall = fit_fall(own.depth, own.values.mean(axis=0))
    reason = "" if fall else "the share rises or stays from layer to layer, so there is no fall to fit"
    places = np.array([_place(own.depth, seed) for seed in own.values])
    beside = sum(layer.kind == BESIDE for layer in drift.layers)
    return Found(variant, fall, reason, len(own.layers), places, _most(drift, own), beside)


def _most(drift: Drift, own: Profile) -> str:
    """A fall within the first layers is no plateau's end, which a fit could find; their shares are told as they are."""
    share = own.values.mean(axis=0)
    first, second = np.argsort(-share, kind="stable")[:2]
    names = [
        f"{drift.layers[own.layers[i]].name} (depth {number(own.depth[i], 2)}, {percent(share[i])})"
        for i in (first, second)
    ]
    half = percent(float(np.median(share)))
    return f"the largest share is kept of {names[0]}, the next of {names[1]}; the median layer keeps {half}"


def _place(depth: Floats, share: Floats) -> float:
    fall = fit_fall(depth, share, simulations=_SEED_SIMULATIONS)
    return fall.place if fall is not None and fall.p < LEVEL else math.nan


def steepness(fall: Fall) -> str:
    """``steep`` or ``gradual`` where the width's interval lies on one side, else ``unresolved``."""
    low, high = fall.width_interval
    return "steep" if high <= STEEP else "gradual" if low > STEEP else "unresolved"


def nearly_zero(fall: Fall) -> bool:
    """Whether the level after is under a tenth of the level before."""
    return fall.after < NEARLY_ZERO * fall.before


def sentences(found: Sequence[Found]) -> list[str]:
    """One for each reason that no fall could be looked for, then one for each variant that had its profile fitted."""
    names = named([each.variant for each in found])
    said = []
    for reason in dict.fromkeys(each.reason for each in found if not each.fall):
        own = [names[each.variant] for each in found if not each.fall and each.reason == reason]
        said.append(f"The share of weights kept by depth has no fall judged ({'; '.join(own)}): {reason}.")
    looked = [each for each in found if each.fall]
    if looked:
        said.append(_explained(looked))
    return [*said, *(_sentence(each, names[each.variant]) for each in looked)]


def _explained(looked: Sequence[Found]) -> str:
    each = "each by itself, uncorrected; " if len(looked) > 1 else ""
    return (
        f"Whether the share of weights that {looked[0].variant.strategy}'s masks keep falls with depth (0: first "
        f"layer, 1: last) is judged by a ramp between two levels, fitted to {looked[0].layers} convolution and linear "
        f"layers{_without(looked[0])}, mean over seeds and rounds: {each}95 % intervals over layers; steep: within "
        f"{STEEP:g} of the depth; nearly to zero: to under {format_percent(NEARLY_ZERO)} of the level before."
    )


def _without(found: Found) -> str:
    return f" ({found.beside} of 1×1, as in shortcuts, left out)" if found.beside else ""


def _sentence(found: Found, name: str) -> str:
    """Place, width, levels and p of one variant's fall."""
    fall = found.shown
    if fall is None:
        return f"With {name}: no fall shown ({p_value(found.p)}); {found.most}."
    zero = "" if nearly_zero(fall) else "not "
    low, high = (f"{100 * min(end, 1.0):.3g}" for end in fall.drop_interval)
    return (
        f"With {name}: the share falls from {percent(fall.before)} to {percent(max(fall.after, 0.0))}, {zero}nearly to "
        f"zero, a drop of {100 * fall.drop:.3g} points ({low} to {high}); the middle of the fall is at depth "
        f"{number(fall.place, 2)} ({depths(fall.place_interval)}), {_width_said(fall)}; {p_value(fall.p)} against no "
        f"fall{_seeds_said(found.places)}."
    )


def depths(interval: Sequence[float]) -> str:
    """Both ends of an interval of the depth."""
    low, high = interval
    return f"{number(low, 2)} to {number(high, 2)}"


def _width_said(fall: Fall) -> str:
    over = f"over {number(fall.width, 2)} of the depth" if fall.width > 0 else "between two neighbouring layers"
    word = {"unresolved": "whether steep or not is unresolved"}.get(steepness(fall), steepness(fall))
    return f"{over} (width {depths(fall.width_interval)}), {word}"


def _seeds_said(places: Floats) -> str:
    """Where each seed's own fall lies; of one seed there is nothing to add."""
    own = places[np.isfinite(places)]
    if len(places) < 2:
        return ", one seed"
    if not len(own):
        return f"; none of the {len(places)} seeds shows it by itself"
    where = f"at {number(own.min(), 2)} to {number(own.max(), 2)}" if np.ptp(own) else f"at {number(own[0], 2)}"
    return f"; {len(own)} of {len(places)} seeds show it by themselves, {where}"
