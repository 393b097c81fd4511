"""The answer to the poster's claim: at which depth the share kept has halved, and whether that is a third.

That depth is the one criterion of the answer. What else the poster says of the fall, that it is steep and goes nearly
to zero, stands in the table and in a sentence of the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fbench.harness.contract import Answer, VerdictWord
from fbench.results.findings import number
from fbench.results.words import listed
from fbench.units import format_percent

from .baselines import LEAST_SEEDS
from .falls import NEARLY_ZERO, STEEP, THIRD, VariantFall
from .measured import Variant
from .verdicts import Verdicts
from .wording import mean_with_interval

CLAIM = "Does the share of weights kept halve a third of the way into the network?"
MORE_SEEDS = f"Intervals are for orientation: verdicts need {LEAST_SEEDS} seeds or more."
_NAMED = 2
"""More fractions are counted, not named."""


def claim_answer(verdicts: Verdicts) -> Answer:
    """The second question, answered."""
    read = [fall for fall in verdicts.falls if fall.readable]
    if not read:
        reason = next((fall.reason for fall in verdicts.falls if fall.reason), "no share falls to its half")
        return Answer(CLAIM, verdicts.claim, f"No fall is read: {reason}.")
    third = "" if verdicts.claim == "too few" else f"; a third ({_zone()}) is shown at {_shown(verdicts, 0)}"
    return Answer(CLAIM, verdicts.claim, f"{halved(read)}{third}.", _advice(verdicts, read))


def halved(read: Sequence[VariantFall]) -> str:
    """Say where the share has fallen to its half: at one fraction, or at the smallest and the largest."""
    first, last = read[0], read[-1]
    text = f"The share halves by depth {_place(first)} kept"
    return text if first is last else f"{text}, by {_place(last)}"


def other_parts(verdicts: Verdicts) -> Iterator[str]:
    """Say at which fractions the fall is steep, and at which it goes nearly to zero; nothing where none is judged."""
    if not verdicts.parts or verdicts.claim == "too few":
        return
    yield (
        f"The fall is shown to be steep (over less than {STEEP:g} of the depth) at {_shown(verdicts, 1)}, and to leave "
        f"nearly nothing (below {format_percent(NEARLY_ZERO)} of the highest share) at {_shown(verdicts, 2)}."
    )


def _place(fall: VariantFall) -> str:
    return f"{mean_with_interval(fall.place, 3)} at {format_percent(fall.variant.fraction)}"


def _zone() -> str:
    return f"{number(THIRD[0], 2)} to {number(THIRD[1], 2)}"


def _shown(verdicts: Verdicts, part: int) -> str:
    """Name the fractions at which a part of the claim is shown, by its place in ``ClaimParts``."""
    words = {variant: parts[part] for variant, parts in verdicts.parts.items()}
    return _fractions([variant for variant, word in words.items() if word == "yes"], words)


def _fractions(shown: Sequence[Variant], words: dict[Variant, VerdictWord]) -> str:
    if len(words) > 1 and len(shown) == len(words):
        return "all"
    if not shown:
        return "none"
    if len(shown) > _NAMED:
        return f"{len(shown)} of {len(words)}"
    return listed([format_percent(variant.fraction) for variant in shown])


def _advice(verdicts: Verdicts, read: Sequence[VariantFall]) -> str:
    if verdicts.claim == "too few":
        return MORE_SEEDS
    if len(read) > 1:
        return "Name the fraction kept wherever the depth of a fall is told."
    return "Take several --fractions: the depth of the fall goes with the fraction kept."
