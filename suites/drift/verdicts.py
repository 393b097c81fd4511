"""What a run's rows say of its questions; no yes of them all is untrue more often than once in twenty.

There are two questions, and each has half of the 5 %: a yes is a claim of one direction, whose two-sided p lies below
5 % after Holm's correction over all that is asked of the question. The first asks of every variant whether its masks
drift, the second of every fraction whether its share halves at a third of the depth. The table of the poster's claim
asks two things more of each; they are of the second question's family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fbench.harness.contract import VerdictWord

from .baselines import SIGNIFICANCE, Compared, compared_of, corrected, verdict_of
from .falls import ClaimParts, VariantFall, find_falls
from .measured import Drift, Variant


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a run.

    Attributes:
        compared: every variant's overlaps beside their baselines, in the order of the rows.
        p: every variant's p after Holm's correction.
        drifts: whether every variant's masks drift.
        falls: of the main variant's share, by fraction.
        parts: which parts of the poster's claim hold, of every fall that could be read.
        margin: the part of the overlap above chance that counts.
    """

    compared: dict[Variant, Compared]
    p: dict[Variant, float]
    drifts: dict[Variant, VerdictWord]
    falls: Sequence[VariantFall]
    parts: dict[Variant, ClaimParts]
    margin: float

    @property
    def drift(self) -> VerdictWord:
        """Whether masks drift at all: with one variant or more, or with none of them."""
        words = list(self.drifts.values())
        if "yes" in words:
            return "yes"
        return words[0] if len(set(words)) == 1 else "not shown"

    @property
    def claim(self) -> VerdictWord:
        """Whether the share halves at a third at every fraction; ``no`` where one fraction's lies elsewhere."""
        words = [parts.at_a_third for parts in self.parts.values()]
        if not words:
            return "not shown"
        return min(words, key=("too few", "no", "not shown", "yes").index)

    @property
    def retrained(self) -> bool:
        """Whether networks were trained again, without which the first question has no answer."""
        return any(one.retrained for one in self.compared.values())

    def drifting(self) -> list[Variant]:
        """The variants whose masks drift."""
        return [variant for variant, word in self.drifts.items() if word == "yes"]

    def small(self) -> int:
        """How many variants are shown to drift by less than the margin."""
        return list(self.drifts.values()).count("no")


def judge(drift: Drift, margin: float) -> Verdicts:
    """Judge a run's questions."""
    compared = {variant: compared_of(drift, variant) for variant in drift.variants}
    p = dict(zip(compared, corrected([one.p for one in compared.values()]), strict=True))
    drifts = {variant: verdict_of(one, p[variant], margin) for variant, one in compared.items()}
    falls = find_falls(drift)
    return Verdicts(compared, p, drifts, falls, claim_parts(falls), margin)


def claim_parts(falls: Sequence[VariantFall]) -> dict[Variant, ClaimParts]:
    """Say which parts of the poster's claim hold: a yes after Holm's correction, a no by its own interval."""
    tested = {fall.variant: fall.tested for fall in falls if not fall.reason}
    p = iter(corrected([at for parts in tested.values() for _, at in parts]))
    return {variant: ClaimParts(*[_corrected(word, next(p)) for word, _ in parts]) for variant, parts in tested.items()}


def _corrected(word: VerdictWord, p: float) -> VerdictWord:
    return "not shown" if word == "yes" and not p < SIGNIFICANCE else word
