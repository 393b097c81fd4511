"""The answer to the poster's claim: which fractions kept meet which of its three parts."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.harness.contract import Answer
from fbench.results.words import listed
from fbench.units import format_percent

from .baselines import LEAST_SEEDS
from .falls import ClaimParts, VariantFall
from .measured import Variant
from .verdicts import Verdicts
from .wording import mean_with_interval

CLAIM = "Does the share of weights kept fall steeply, to nearly zero, a third of the way into the network?"
MORE_SEEDS = f"Intervals are for orientation: verdicts need {LEAST_SEEDS} seeds or more."
_NAMED = 2
"""More fractions are counted, not named."""


def claim_answer(verdicts: Verdicts) -> Answer:
    """The second question, answered."""
    read = [fall for fall in verdicts.falls if fall.readable]
    if not read:
        reason = next((fall.reason for fall in verdicts.falls if fall.reason), "no share falls to its half")
        return Answer(CLAIM, verdicts.claim, f"No fall is read: {reason}.")
    return Answer(CLAIM, verdicts.claim, _sentence(verdicts, read), _advice(verdicts, read))


def _sentence(verdicts: Verdicts, read: Sequence[VariantFall]) -> str:
    """Say which fractions meet which part of the claim; where none is judged, or all are met, the depths."""
    if verdicts.claim == "too few":
        return f"{halved(read)}."
    if len(verdicts.parts) == 1:
        return f"{halved(read)}; {_criteria(*verdicts.parts.values())}."
    if verdicts.claim == "yes":
        return f"Every fraction meets all three: {halved(read).replace('At', 'at', 1)}."
    return f"{_all_three(verdicts)} near zero at the end: {_shown(verdicts, 2)}; steep: {_shown(verdicts, 1)}; " + (
        f"at a third: {_shown(verdicts, 0)}{_alone_at_a_third(verdicts)}."
    )


def halved(read: Sequence[VariantFall]) -> str:
    """Say where the share has fallen to its half: at one fraction, or at the smallest and the largest."""
    first, *_, last = [read[0], *read]
    text = f"At {format_percent(first.variant.fraction)} kept, a layer's kept share has halved by depth "
    text += mean_with_interval(first.place, 3)
    if first is last:
        return text
    return f"{text}, at {format_percent(last.variant.fraction)} by {mean_with_interval(last.place, 3)}"


def _criteria(parts: ClaimParts) -> str:
    third, steep, zero = parts
    return f"at a third: {third}; steep: {steep}; near zero at the end: {zero}"


def _all_three(verdicts: Verdicts) -> str:
    """Open the sentence with who meets all three parts."""
    parts = verdicts.parts
    whole = [variant for variant, words in parts.items() if set(words) == {"yes"}]
    if whole:
        return f"All three are shown at {_fractions(whole, len(parts))};"
    if all("no" in words for words in parts.values()):
        return "No fraction kept meets all three; shown"
    return "At no fraction are all three shown;"


def _shown(verdicts: Verdicts, part: int) -> str:
    """Name the fractions at which a part of the claim is shown, by its place in ``ClaimParts``."""
    shown = [variant for variant, words in verdicts.parts.items() if words[part] == "yes"]
    return _fractions(shown, len(verdicts.parts))


def _fractions(variants: Sequence[Variant], of: int) -> str:
    if len(variants) in (0, of):
        return "all" if variants else "none"
    if len(variants) > _NAMED:
        return f"{len(variants)} of {of}"
    return listed([format_percent(variant.fraction) for variant in variants])


def _alone_at_a_third(verdicts: Verdicts) -> str:
    """Give the depth of the only fraction at a third, and say if its fall is not steep."""
    alone = [variant for variant, words in verdicts.parts.items() if words.at_a_third == "yes"]
    if len(alone) != 1:
        return ""
    (place,) = [fall.place for fall in verdicts.falls if fall.variant == alone[0]]
    depth = mean_with_interval(place, 3).replace(" (", ", ").removesuffix(")")
    steep = ", not steep" if verdicts.parts[alone[0]].steep == "no" else ""
    return f" (depth {depth}){steep}"


def _advice(verdicts: Verdicts, read: Sequence[VariantFall]) -> str:
    if verdicts.claim == "too few":
        return MORE_SEEDS
    if len(read) > 1:
        return "Name the fraction kept wherever the depth of a fall is told."
    return "Take several --fractions: the depth of the fall goes with the fraction kept."
