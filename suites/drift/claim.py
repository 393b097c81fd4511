"""What the poster says of the share kept: that it falls steeply to nearly zero a third of the way into the network.

Judged part by part for every fraction, since where the share falls depends on how much is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fbench.measure.falls import Fall
from fbench.results.findings import number, p_value
from fbench.results.words import counted, listed
from fbench.units import format_percent

from .falls import VariantFall, depths, nearly_zero, steepness
from .names import percent

THIRD = 1 / 3
"""The depth at which the poster's share falls."""


def claim_sentences(falls: Sequence[VariantFall]) -> list[str]:
    """Judge the poster's claim for every fraction of the main rule and classifier; then say how its place moves."""
    fitted = [fall for fall in falls if fall.fall and _alike(fall, falls[0])]
    if not fitted:
        return []
    whole = [_kept(fall) for fall in fitted if fall.shown and all(_parts(fall.shown).values())]
    which = f" ({listed(whole)} kept)" if whole else ""
    parts = "; ".join(f"with {_kept(fall)} kept, {_judged(fall)}" for fall in fitted)
    return [
        "The poster's claim, that the share falls steeply to nearly zero about a third of the way into the network, "
        f"holds in every part at {len(whole)} of {counted([len(fitted)], 'fraction')}{which}. Part by part: {parts}.",
        *_moves(fitted),
    ]


def _alike(first: VariantFall, second: VariantFall) -> bool:
    return first.variant.all_but_fraction == second.variant.all_but_fraction


def _kept(fall: VariantFall) -> str:
    return format_percent(fall.variant.fraction)


def _parts(fall: Fall) -> dict[str, bool]:
    """Say which parts of the claim hold of a fall, once there is one."""
    low, high = fall.place_interval
    return {"place": low <= THIRD <= high, "steep": steepness(fall) == "steep", "zero": nearly_zero(fall)}


def _judged(judged: VariantFall) -> str:
    """Judge one fraction: ``a fall: yes (p < 0.001), at a third: …``."""
    fall = judged.shown
    if fall is None:
        return f"a fall is not shown ({p_value(judged.p)}), so the rest has no answer"
    holds = {name: "yes" if held else "no" for name, held in _parts(fall).items()}
    steep = "unresolved" if steepness(fall) == "unresolved" else holds["steep"]
    return (
        f"a fall: yes ({p_value(fall.p)}), at a third: {holds['place']} ({depths(fall.place_interval)}), steep: "
        f"{steep} (width {depths(fall.width_interval)}), nearly to zero: {holds['zero']} (to "
        f"{percent(max(fall.after, 0.0) / fall.before)} of the level before)"
    )


def _moves(fitted: Sequence[VariantFall]) -> list[str]:
    """Say how the fall's place goes with the fraction."""
    rising = sorted((fall for fall in fitted if fall.shown), key=lambda fall: fall.variant.fraction)
    if len(rising) < 2:
        return []
    places = {_kept(fall): fall.shown.place for fall in rising if fall.shown}
    by_fraction = listed([f"{number(place, 2)} with {kept}" for kept, place in places.items()])
    return [
        f"The fall's place by the fraction kept: {by_fraction}, a range of "
        f"{number(max(places.values()) - min(places.values()), 2)} of the depth. "
        f"{_paired_places(rising[0], rising[-1])}"
    ]


def _paired_places(low: VariantFall, high: VariantFall) -> str:
    """Say how the place shifts seed by seed, without an interval: places lie on layers, so their spread says little."""
    both = np.isfinite(low.places) & np.isfinite(high.places)
    apart = f"{_kept(low)} to {_kept(high)}"
    if not both.any():
        return f"No seed by itself shows both falls, of {apart}."
    gap = high.places[both] - low.places[both]
    mean = number(float(gap.mean()), 2, signed=True)
    showing = counted([len(gap)], "seed")
    return (
        f"From {apart} it shifts by {mean}, mean of {showing} showing both falls by itself, and lies deeper in "
        f"{int((gap > 0).sum())} of these."
    )
