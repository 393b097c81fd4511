"""Which layers of a mask lie below their floors: a sentence with every verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbench.results.findings import number
from fbench.results.words import listed

from .floors import BELOW, Floors, floors_by_layer
from .measured import Drift, Variant

_LISTED = 8
"""How many layers a sentence still lists."""
_WORDS = {
    "not after Holm": "below by themselves, but not after the correction",
    "at the floor": "at the floor, each by itself",
    "near chance": "floors within the margin of chance, so that nothing can be ruled out",
    "no spread": "not testable, as all seeds differ by exactly the same",
}


def layer_sentences(drift: Drift, variant: Variant, margin: float) -> list[str]:
    """Say how many layers lie below their floors, and which; and what the others do."""
    names = [layer.name for layer in drift.layers]
    by_layer = dict(zip(names, floors_by_layer(drift, variant, margin), strict=True))
    defined = {name: floors for name, floors in by_layer.items() if floors.word != "undefined"}
    if not defined:
        return []
    bare = len(by_layer) - len(defined)
    none = (
        f" {bare} more {'has' if bare == 1 else 'have'} no overlap, kept whole by decree or not at all." if bare else ""
    )
    return [f"{_counted(defined)}. {_range(defined)}.{none}"]


def _counted(by_layer: Mapping[str, Floors]) -> str:
    """Count the layers by verdict."""
    groups: dict[str, list[str]] = {}
    for name, floors in by_layer.items():
        groups.setdefault("below" if floors.word in BELOW else floors.word, []).append(name)
    if list(groups) == ["one seed"]:
        return "Layer by layer nothing can be tested with one seed"
    below = groups.pop("below", [])
    floor = "both floors" if any(floors.retrain for floors in by_layer.values()) else "the redraw floor"
    which = f" ({_some(below)})" if below and groups else ""
    rest = "".join(f"; {_WORDS.get(word, word)}: {len(names)} ({_some(names)})" for word, names in groups.items())
    holm = f" after Holm's correction for {len(by_layer)} layers" if len(by_layer) > 1 else ""
    return f"Layer by layer, {len(below)} of {len(by_layer)} lie below {floor}{holm}{which}{rest}"


def _range(by_layer: Mapping[str, Floors]) -> str:
    """Name the layers that lie least and most below their last floor."""
    gaps = {name: gap.difference for name, floors in by_layer.items() if (gap := floors.retrain or floors.redraw)}
    floor = "Retrain" if any(floors.retrain for floors in by_layer.values()) else "Redraw"
    least, most = min(gaps, key=gaps.__getitem__), max(gaps, key=gaps.__getitem__)
    low, high = (f"{number(gaps[name], signed=True)} J in {name}" for name in (least, most))
    return f"{floor} floor less previous {f'runs from {low} to {high}' if least != most else f'is {low}'}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return listed(list(names)) if more <= 0 else f"{', '.join(names[:_LISTED])} and {more} more"
