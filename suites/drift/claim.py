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

from .falls import Found, depths, nearly_zero, steepness
from .names import percent

THIRD = 1 / 3
"""Of the depth: where the poster's share falls."""


def claim(found: Sequence[Found]) -> list[str]:
    """The poster's claim part by part for every fraction of the main rule and classifier; then how its place moves."""
    looked = [each for each in found if each.fall and each.variant[:5] == found[0].variant[:5]]
    if not looked:
        return []
    whole = [_kept(each) for each in looked if each.shown and all(_parts(each.shown).values())]
    which = f" ({listed(whole)} kept)" if whole else ""
    parts = "; ".join(f"with {_kept(each)} kept, {_judged(each)}" for each in looked)
    return [
        "The poster's claim, that the share falls steeply to nearly zero about a third of the way into the network, "
        f"holds in every part at {len(whole)} of {counted([len(looked)], 'fraction')}{which}. Part by part: {parts}.",
        *_moves(looked),
    ]


def _kept(found: Found) -> str:
    return format_percent(found.variant.fraction)


def _parts(fall: Fall) -> dict[str, bool]:
    """What the claim says of a fall, once there is one."""
    low, high = fall.place_interval
    return {"place": low <= THIRD <= high, "steep": steepness(fall) == "steep", "zero": nearly_zero(fall)}


def _judged(found: Found) -> str:
    """``a fall (p < 0.001): yes, a third …``."""
    fall = found.shown
    if fall is None:
        return f"a fall is not shown ({p_value(found.p)}), so the rest has no answer"
    holds = {name: "yes" if held else "no" for name, held in _parts(fall).items()}
    steep = "unresolved" if steepness(fall) == "unresolved" else holds["steep"]
    return (
        f"a fall: yes ({p_value(fall.p)}), at a third: {holds['place']} ({depths(fall.place_interval)}), steep: "
        f"{steep} (width {depths(fall.width_interval)}), nearly to zero: {holds['zero']} (to "
        f"{percent(max(fall.after, 0.0) / fall.before)} of the level before)"
    )


def _moves(looked: Sequence[Found]) -> list[str]:
    """How the place goes with the fraction."""
    own = sorted((each for each in looked if each.shown), key=lambda each: each.variant.fraction)
    if len(own) < 2:
        return []
    places = {_kept(each): each.shown.place for each in own if each.shown}
    said = listed([f"{number(place, 2)} with {kept}" for kept, place in places.items()])
    return [
        f"The fall's place by the fraction kept: {said}, a range of "
        f"{number(max(places.values()) - min(places.values()), 2)} of the depth. {_paired_places(own[0], own[-1])}"
    ]


def _paired_places(low: Found, high: Found) -> str:
    """Seed by seed, and without an interval: places lie on the layers, so their spread says little."""
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
