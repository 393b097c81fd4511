"""The answers of ``fbench drift``: do new labels change the mask, and does the share kept fall as the poster saw?"""

from __future__ import annotations

import math

from fbench.harness.contract import Answer, VerdictWord
from fbench.measure.power import about_seeds, seeds_needed
from fbench.measure.statistics import paired
from fbench.results.findings import number
from fbench.results.words import count_seeds, fitting
from fbench.units import format_percent

from .baselines import LEAST_SEEDS, Compared
from .claim_answer import MORE_SEEDS, claim_answer, halved
from .measured import Drift, Variant
from .names import in_words, seeds_text, varying_fields
from .verdicts import Verdicts
from .wording import in_percent, part_with_interval, percent_range

DRIFT = "Do new labels change the mask more than training again on the same labels does?"
_ROOM = "of retraining's overlap above chance"
_ONE_DRAW = 0.5
"""Two masks with a smaller J share fewer weights than they do not share."""


def lead(drift: Drift, verdicts: Verdicts) -> tuple[str, str, str]:
    """Three lines: what was found, its numbers, what to do."""
    variant = _spoken_of(drift, verdicts)
    compared = verdicts.compared[variant]
    return _what_was_found(drift, variant, verdicts), _numbers(drift, variant, verdicts), _to_do(compared, verdicts)


def both_answers(drift: Drift, verdicts: Verdicts) -> list[Answer]:
    """Both questions, answered."""
    return [_drift_answer(drift, verdicts), claim_answer(verdicts)]


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
    turnover = f"Masks change from round to round (overlap {now}; {redrawn} with images redrawn)"
    if not compared.retrained:
        return f"{turnover}; without training again, new labels cannot be told from training noise."
    match verdicts.drift:
        case "too few":
            few = f"{count_seeds(compared.seeds)} {'is' if compared.seeds == 1 else 'are'} too few to judge drift"
            return f"{few}: neighbouring rounds overlap by {now}, masks trained again on the same labels by {again}."
        case "yes":
            main = variant == drift.main(drift.strategies[0])
            where = "" if main else f" with {format_percent(variant.fraction)} kept"
            return (
                f"New labels change the mask{where}: neighbouring rounds overlap by {now}, masks trained again on the "
                f"same labels by {again}."
            )
        case "no":
            return f"{turnover}, but hardly more than training again on the same labels changes them ({again})."
    if verdicts.small():
        both = f"Masks change from round to round (overlap {now}; {again} after training again)"
        return f"{both}: new labels do little of it at {_of_all(verdicts.small(), verdicts)}, {_rest(verdicts)} open."
    again_too = f"but training again on the same labels changes them too ({again})"
    return f"{turnover}, {again_too}: drift is neither shown nor excluded."


def _numbers(drift: Drift, variant: Variant, verdicts: Verdicts) -> str:
    compared = verdicts.compared[variant]
    where = f"With {format_percent(variant.fraction)} kept, {seeds_text(drift)}"
    if not compared.seeds:
        return f"{where}: nothing is compared."
    if compared.retrained:
        takes, range_of_all = f"{where}: {_takes(compared)}", _by_row(verdicts)
        possible = _possible(compared, verdicts.drifts[variant])
        return fitting(30, f"{takes}{possible}{range_of_all}.", f"{takes}{possible}.", f"{takes}{range_of_all}.")
    if read := [fall for fall in verdicts.falls if fall.readable]:
        return f"{halved(read)}, over {seeds_text(drift)}."
    return f"{where}: J {number(compared.mean('previous'), 2)}, and chance gives {number(compared.mean('chance'), 2)}."


def _to_do(compared: Compared, verdicts: Verdicts) -> str:
    if not compared.seeds:
        return "Take more rounds, with more labels at the start than one training batch holds."
    if not compared.retrained:
        return "Take the run with `fbench drift --retrain 1` before speaking of drift."
    if verdicts.drift == "too few":
        return _provisional(compared, verdicts.margin)
    if verdicts.drift == "yes":
        return "Make the mask again after every round, and average over trainings before interpreting it."
    return "Treat a mask as one draw: average over trainings before interpreting which weights it keeps."


def _provisional(compared: Compared, margin: float) -> str:
    """What few seeds say of one mask, and how many seeds the spread of two or three suggests for the margin."""
    enough, again = _enough_seeds(compared, margin), compared.mean("retrain")
    if again >= _ONE_DRAW:
        return f"Take {LEAST_SEEDS} seeds or more for a verdict{enough and f'; {enough}'}."
    if not enough:
        shared = f"a retrained mask shares only J {number(again, 2)}"
        return f"Provisional: {shared}, so average over trainings. Take {LEAST_SEEDS} seeds or more for a verdict."
    return f"Average over trainings (retrained masks share J {number(again, 2)}); {enough}."


def _enough_seeds(compared: Compared, margin: float) -> str:
    """``some 20 would settle …``; empty where few seeds have no spread, or training again leaves no room."""
    room = compared.mean("retrain") - compared.mean("chance")
    if not 1 < compared.seeds < LEAST_SEEDS or not room > 0:
        return ""
    gap = paired(compared.values["previous"], compared.values["retrain"])
    seeds = about_seeds(gap, "not inferior", margin * room, least=LEAST_SEEDS)
    return "" if seeds is None else f"at this spread, {seeds} would settle the margin of {in_percent(margin)} %"


def _drift_answer(drift: Drift, verdicts: Verdicts) -> Answer:
    variant = _spoken_of(drift, verdicts)
    compared = verdicts.compared[variant]
    verdict, sentence = verdicts.drift, _taken_sentence(drift, variant, verdicts)
    advice = "The table has every fraction."
    if not compared.seeds:
        return Answer(DRIFT, "too few", "No round has an overlap with the one before and its baselines.")
    if not compared.retrained:
        now, redrawn = number(compared.mean("previous"), 2), number(compared.mean("redraw"), 2)
        sentence = f"Neighbouring rounds overlap by J {now}, redrawn images leave {redrawn}; none was trained again."
        return Answer(DRIFT, verdict, sentence, "Take it with `fbench drift --retrain 1`.")
    match verdict:
        case "yes":
            advice = "Make the mask again after every round."
        case "too few":
            enough = _enough_seeds(compared, verdicts.margin)
            advice = f"Verdicts need {LEAST_SEEDS} seeds or more; {enough}." if enough else MORE_SEEDS
        case "not shown":
            small = verdicts.drifts[variant] == "no"
            advice = "More seeds may settle what is open." if small else _seeds_advice(compared, verdicts.margin)
        case "no":
            advice = f"All of it lies below the margin of {in_percent(verdicts.margin)} %: keep the mask for a while."
    return Answer(DRIFT, verdict, sentence, advice)


def _taken_sentence(drift: Drift, variant: Variant, verdicts: Verdicts) -> str:
    """Give the part that new labels take in fewer words than the lead, by the name that its column has."""
    name, compared = _name(drift, variant), verdicts.compared[variant]
    taken = part_with_interval(compared.taken, compared.seeds)
    if not taken or _no_room(compared):
        return f"With {name}, {_takes(compared)}."
    none = ", so none is shown" if taken.startswith("−") else ""
    more = _possible(compared, verdicts.drifts[variant]) or _small_rows(verdicts)
    several = len(verdicts.drifts) > 1 and verdicts.drift == "yes"
    shown = f"; drift is shown at {_of_all(len(verdicts.drifting()), verdicts)}" if several else ""
    return f"The part new labels take is {taken} with {name}, over {seeds_text(drift)}{none}{more}{shown}."


def _name(drift: Drift, variant: Variant) -> str:
    """Name a variant in few words: by its fraction, and by its strategy where there are several."""
    fields = {"fraction", "strategy"} if len(drift.strategies) > 1 else {"fraction"}
    return in_words(variant, fields)


def _takes(compared: Compared) -> str:
    """Say what new labels take, as a clause."""
    taken = part_with_interval(compared.taken, compared.seeds)
    if taken and not _no_room(compared):
        if taken.startswith("−"):
            return f"new labels' share {_ROOM} is {taken}, so none is shown"
        return f"new labels take {taken} {_ROOM}"
    again, chance = number(compared.mean("retrain"), 2), number(compared.mean("chance"), 2)
    return f"training again leaves J {again}, not shown to be more than chance gives ({chance})"


def _no_room(compared: Compared) -> bool:
    """Whether seeds enough do not show that training again leaves more than chance."""
    return compared.retrained and not compared.roomy and compared.seeds >= LEAST_SEEDS


def _possible(compared: Compared, verdict: VerdictWord) -> str:
    """Say how much new labels may yet take, where nothing is shown."""
    high = compared.taken.high
    if verdict != "not shown" or _no_room(compared) or not high > 0:
        return ""
    return f"; up to {in_percent(high)} % remains possible"


def _small_rows(verdicts: Verdicts) -> str:
    """Say how many rows are shown to lie below the margin, where others are open."""
    small = verdicts.small()
    if verdicts.drift != "not shown" or not small:
        return ""
    are = "is" if small == 1 else "are"
    return f"; {_of_all(small, verdicts)} {are} shown below {in_percent(verdicts.margin)} %"


def _of_all(count: int, verdicts: Verdicts) -> str:
    """Count rows by what they are: ``4 of 5 fractions``, or ``rows`` where they differ in more."""
    return f"{count} of {len(verdicts.drifts)} {_row_noun(verdicts)}s"


def _rest(verdicts: Verdicts) -> str:
    """The rows that are not shown to be small, as a subject with its verb."""
    return "the other is" if len(verdicts.drifts) - verdicts.small() == 1 else "the others are"


def _row_noun(verdicts: Verdicts) -> str:
    return "fraction" if varying_fields(list(verdicts.compared)) == ["fraction"] else "row"


def _by_row(verdicts: Verdicts) -> str:
    """Give the least and the most that new labels take, over the table's rows."""
    parts = [one.taken.value for one in verdicts.compared.values() if one.retrained and not _no_room(one)]
    known = [part for part in parts if not math.isnan(part)]
    if len(known) < 2:
        return ""
    return f"; estimates by {_row_noun(verdicts)} {percent_range(min(known), max(known))}"


def _seeds_advice(compared: Compared, margin: float) -> str:
    """Say how many seeds would show that new labels take less than the margin, did they take nothing."""
    if not compared.roomy:
        return "Keep another fraction, whose masks training again does not scatter down to chance."
    room = compared.mean("retrain") - compared.mean("chance")
    gap = paired(compared.values["previous"], compared.values["retrain"])
    needed = seeds_needed(gap, "not inferior", margin * room)
    if needed is None:
        return "Take more seeds."
    return f"If the true effect is zero, showing that it is below {in_percent(margin)} % would need {needed} seeds."
