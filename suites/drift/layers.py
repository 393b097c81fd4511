"""Which layers of a mask lie below their floors: a sentence with every verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbench.results.findings import number
from fbench.results.words import listed

from .floors import BELOW, Floors, of_layers
from .rows import Drift, Variant

_NAMES = 8
"""Layers that a sentence still lists."""
_WORDS = {
    "not after Holm": "below by themselves, but not after the correction",
    "at the floor": "at the floor, each by itself",
    "near chance": "floors within the margin of chance, so that nothing can be ruled out",
    "no spread": "not testable, as all seeds differ by exactly the same",
}


def finding(drift: Drift, variant: Variant, margin: float) -> list[str]:
    """How many layers lie below their floors, and which; what the others do."""
    every = dict(zip((layer.name for layer in drift.layers), of_layers(drift, variant, margin), strict=True))
    found = {name: each for name, each in every.items() if each.word != "undefined"}
    if not found:
        return []
    bare = len(every) - len(found)
    none = (
        f" {bare} more {'has' if bare == 1 else 'have'} no overlap, kept whole by decree or not at all." if bare else ""
    )
    return [f"{_counted(found)}. {_range(found)}.{none}"]


def _counted(found: Mapping[str, Floors]) -> str:
    groups: dict[str, list[str]] = {}
    for name, each in found.items():
        groups.setdefault("below" if each.word in BELOW else each.word, []).append(name)
    if list(groups) == ["one seed"]:
        return "Layer by layer nothing can be tested with one seed"
    below = groups.pop("below", [])
    floor = "both floors" if any(each.retrain for each in found.values()) else "the redraw floor"
    which = f" ({_some(below)})" if below and groups else ""
    rest = "".join(f"; {_WORDS.get(word, word)}: {len(own)} ({_some(own)})" for word, own in groups.items())
    holm = f" after Holm's correction for {len(found)} layers" if len(found) > 1 else ""
    return f"Layer by layer, {len(below)} of {len(found)} lie below {floor}{holm}{which}{rest}"


def _range(found: Mapping[str, Floors]) -> str:
    """The layers that lie least and most below their last floor."""
    gaps = {name: gap.difference for name, each in found.items() if (gap := each.retrain or each.redraw)}
    floor = "Retrain" if any(each.retrain for each in found.values()) else "Redraw"
    least, most = min(gaps, key=gaps.__getitem__), max(gaps, key=gaps.__getitem__)
    low, high = (f"{number(gaps[name], signed=True)} J in {name}" for name in (least, most))
    return f"{floor} floor less previous {f'runs from {low} to {high}' if least != most else f'is {low}'}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return listed(list(names)) if more <= 0 else f"{', '.join(names[:_NAMES])} and {more} more"
