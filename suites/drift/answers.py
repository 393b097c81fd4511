"""The answers of ``fbench drift``: do new labels change the mask, and does the share kept fall as the poster saw?"""

from __future__ import annotations

from collections.abc import Sequence

from fbench.harness.contract import Answer
from fbench.measure.power import seeds_needed
from fbench.measure.statistics import paired
from fbench.results.findings import number
from fbench.results.words import listed
from fbench.units import format_percent

from .baselines import LEAST_SEEDS, Compared
from .falls import VariantFall
from .measured import Drift, Variant
from .names import in_words, seeds_text
from .verdicts import Verdicts
from .wording import in_percent, mean_with_interval, part_with_interval

DRIFT = "Do new labels change the mask more than training again on the same labels does?"
CLAIM = "Does the share of weights kept fall steeply, to nearly zero, a third of the way into the network?"
_ROOM = "of the overlap above chance that training again leaves"
_LISTED = 3
"""As many fractions are no longer named."""


def lead(drift: Drift, verdicts: Verdicts) -> tuple[str, str, str]:
    """Three lines: what was found, its numbers, what to do."""
    variant = _spoken_of(drift, verdicts)
    compared = verdicts.compared[variant]
    return _what_was_found(drift, variant, verdicts), _numbers(drift, variant, verdicts), _to_do(compared, verdicts)


def both_answers(drift: Drift, verdicts: Verdicts) -> list[Answer]:
    """Both questions, answered."""
    return [_drift_answer(drift, verdicts), _claim_answer(verdicts)]


def _spoken_of(drift: Drift, verdicts: Verdicts) -> Variant:
    """The main variant, or the first that drifts where that one does not."""
    main, shown = drift.main(drift.strategies[0]), verdicts.drifting()
    return shown[0] if shown and main not in shown else main


def _what_was_found(drift: Drift, variant: Variant, verdicts: Verdicts) -> str:
    compared = verdicts.compared[variant]
    if not compared.seeds:
        return "Whether masks drift cannot be told: no round has an overlap with the one before and its baselines."
    now = f"J {number(compared.mean('previous'), 2)}"
    again, redrawn = number(compared.mean("retrain"), 2), number(compared.mean("redraw"), 2)
    turnover = f"Masks change from round to round (overlap {now}; {redrawn} with the images redrawn)"
    if not compared.retrained:
        return f"{turnover}; without training again, new labels cannot be told from training noise."
    match verdicts.drift:
        case "yes":
            main = variant == drift.main(drift.strategies[0])
            where = "" if main else f" with {format_percent(variant.fraction)} kept"
            return (
                f"New labels change the mask{where}: neighbouring rounds overlap by {now}, masks trained again on the "
                f"same labels by {again}."
            )
        case "no":
            return f"{turnover}, but hardly more than training again on the same labels changes them ({again})."
    return f"{turnover}, but training again on the same labels changes them too ({again}): no drift is shown."


def _numbers(drift: Drift, variant: Variant, verdicts: Verdicts) -> str:
    compared = verdicts.compared[variant]
    where = f"With {format_percent(variant.fraction)} kept, {seeds_text(drift)}"
    if not compared.seeds:
        return f"{where}: nothing is compared."
    if compared.retrained:
        return f"{where}: {_takes(compared)}."
    if read := [fall for fall in verdicts.falls if fall.readable]:
        return _claim_sentence(verdicts, read)
    return f"{where}: J {number(compared.mean('previous'), 2)}, and chance gives {number(compared.mean('chance'), 2)}."


def _to_do(compared: Compared, verdicts: Verdicts) -> str:
    if not compared.seeds:
        return "Take more rounds, with more labels at the start than one training batch holds."
    if not compared.retrained:
        return "Take the run with `fbench drift --retrain 1` before speaking of drift."
    if verdicts.drift == "yes":
        return "Make the mask again after every round, and average over trainings before interpreting it."
    return "Treat a mask as one draw: average over trainings before interpreting which weights it keeps."


def _drift_answer(drift: Drift, verdicts: Verdicts) -> Answer:
    variant = _spoken_of(drift, verdicts)
    compared = verdicts.compared[variant]
    verdict, sentence = verdicts.drift, _taken_sentence(drift, variant, compared)
    advice = "The table has every fraction."
    if not compared.seeds:
        return Answer(DRIFT, "too few", "No round has an overlap with the one before and its baselines.")
    if not compared.retrained:
        now, redrawn = number(compared.mean("previous"), 2), number(compared.mean("redraw"), 2)
        sentence = f"Neighbouring rounds overlap by J {now}, redrawn images leave {redrawn}; none was trained again."
        return Answer(DRIFT, verdict, sentence, "Take it with `fbench drift --retrain 1`.")
    match verdict:
        case "yes":
            sentence, advice = _yes_sentence(drift, variant, verdicts), "Make the mask again after every round."
        case "too few":
            advice = f"Take {LEAST_SEEDS} seeds or more: fewer give no verdict."
        case "not shown":
            advice = _seeds_advice(compared, verdicts.margin)
        case "no":
            advice = f"All of it lies below the margin of {in_percent(verdicts.margin)} %: keep the mask for a while."
    return Answer(DRIFT, verdict, sentence, advice)


def _taken_sentence(drift: Drift, variant: Variant, compared: Compared) -> str:
    name = _name(drift, variant)
    if compared.retrained and not compared.roomy and compared.seeds >= LEAST_SEEDS:
        again, chance = number(compared.mean("retrain"), 2), number(compared.mean("chance"), 2)
        return f"With {name}, training again leaves J {again}, not shown to be more than chance gives ({chance})."
    return f"With {name}, {_takes(compared)}, over {seeds_text(drift)}."


def _name(drift: Drift, variant: Variant) -> str:
    """Name a variant in few words: by its fraction, and by its strategy where there are several."""
    fields = {"fraction", "strategy"} if len(drift.strategies) > 1 else {"fraction"}
    return in_words(variant, fields)


def _takes(compared: Compared) -> str:
    """Say what new labels take, as a clause; less than nothing is nothing, with its number."""
    taken = part_with_interval(compared.taken, compared.seeds)
    if compared.taken.value > 0:
        return f"new labels take {taken} {_ROOM}"
    inside = taken.replace(" (", ", ").removesuffix(")")
    return f"new labels are seen to take nothing{f' ({inside})' if inside else ''} {_ROOM}"


def _yes_sentence(drift: Drift, variant: Variant, verdicts: Verdicts) -> str:
    name, shown = _name(drift, variant), len(verdicts.drifting())
    several = f" (shown in {shown} of {len(verdicts.drifts)} rows)" if len(verdicts.drifts) > 1 else ""
    return f"With {name}{several}, {_takes(verdicts.compared[variant])}."


def _seeds_advice(compared: Compared, margin: float) -> str:
    """Say how many seeds would show that new labels take less than the margin, did they take nothing."""
    if not compared.roomy:
        return "Keep another fraction, whose masks training again does not scatter down to chance."
    room = compared.mean("retrain") - compared.mean("chance")
    gap = paired(compared.values["previous"], compared.values["retrain"])
    needed = seeds_needed(gap, "not inferior", margin * room)
    if needed is None:
        return "Take more seeds."
    return f"Did they take nothing, {needed} seeds would show less than {in_percent(margin)} %."


def _claim_answer(verdicts: Verdicts) -> Answer:
    read = [fall for fall in verdicts.falls if fall.readable]
    if not read:
        reason = next((fall.reason for fall in verdicts.falls if fall.reason), "no share falls to its half")
        return Answer(CLAIM, verdicts.claim, f"No fall is read: {reason}.")
    return Answer(CLAIM, verdicts.claim, _claim_sentence(verdicts, read), _claim_advice(verdicts, read))


def _claim_sentence(verdicts: Verdicts, read: Sequence[VariantFall]) -> str:
    """Say where the share has fallen to its half: at one fraction, or at the smallest and the largest."""
    first, *_, last = [read[0], *read]
    place, kept = mean_with_interval(first.place, 3), format_percent(first.variant.fraction)
    if first is last:
        return f"Half of the highest share is left at depth {place}, with {kept} kept."
    thirds = [variant for variant, parts in verdicts.parts.items() if parts.at_a_third == "yes"]
    third = [format_percent(variant.fraction) for variant in thirds]
    at_a_third = f"; at a third with {listed(third)}" if 0 < len(third) < _LISTED else ""
    other = f"{mean_with_interval(last.place, 3)} with {format_percent(last.variant.fraction)}"
    return f"Half of the highest share is left at depth {place} with {kept} kept, {other}{at_a_third}."


def _claim_advice(verdicts: Verdicts, read: Sequence[VariantFall]) -> str:
    if verdicts.claim == "too few":
        return f"Take {LEAST_SEEDS} seeds or more: fewer give no verdict."
    if len(read) > 1:
        return "Name the fraction kept wherever the depth of a fall is told."
    return "Take several --fractions: the depth of the fall goes with the fraction kept."
