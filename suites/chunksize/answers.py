"""The questions of ``fbench chunksize`` and what a run answers: verdicts, sentences, advice, the three first lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from fbench.harness.contract import Answer, Evidence, VerdictWord
from fbench.measure.interleaved import LEAST_BLOCKS
from fbench.measure.spectrum import LEAST_FOR_PERIOD
from fbench.results.words import counted, fitting, listed

from .conduct import doubt, longer
from .judged import Judged, Judgement, Searched, at_the_edge
from .null import all_rates, null_answer, null_lead, rates_table
from .options import Options
from .prediction import together
from .sweeps import Sweep
from .wiggles import expected_period, suggested
from .wording import of_all, percent_interval, some, times
from .worth import MATERIAL

SENTENCE, ADVICE = 30, 20
MATTERS = "Does the chunk size matter?"
PERIOD = "Is there a period beyond what the number of chunks explains?"
PREDICTED = "Do single chunks predict a whole pass?"
FASTER = "Is a kernel faster than the published one of its kind, with or without A⁻¹?"
_FIRST = {
    "yes": "",
    "no": "The chunk size does not matter here: all sizes are within 5 % of one another.",
    "not shown": "The chunk size is not shown to matter.",
    "too few": "There are too few blocks to say whether the chunk size matters.",
    "unreliable": "The machine was too busy to say whether the chunk size matters.",
}
_QUIET = "Measure again while nothing else runs; no size and no kernel is named."
_STEPWISE = "incremental"
"""The kernel that is given the state before the last pick; all others are given none."""


class Said(NamedTuple):
    """The three first lines and the answers, and what lies behind those of a null run."""

    lead: tuple[str, str, str]
    answers: list[Answer]
    behind: Sequence[Evidence] = ()


def answered(judgement: Judgement, options: Options) -> Said:
    """What a run answers; scores that are wrong come before everything."""
    if options.null and judgement.kernels:
        rates = all_rates(judgement.kernels, options.seed)
        null = null_answer(judgement.kernels, rates)
        behind = [Evidence("False claims and power", (), [rates_table(rates)])] if rates else []
        return Said(null_lead(null, rates), [null], behind)
    reason = doubt(judgement)
    answers = [
        _matters(judgement, options),
        _period(judgement),
        _predicted(judgement),
        *_faster(judgement),
    ]
    if reason and judgement.kernels:
        answers = [
            one if one.verdict == "too few" else Answer(one.question, "unreliable", reason, _QUIET) for one in answers
        ]
    first = answers[0]
    lead = (_first_line(judgement, answers), first.sentence, first.advice)
    return Said(_wrong_lead(judgement.wrong) if judgement.wrong else lead, answers)


def _first_line(judgement: Judgement, answers: Sequence[Answer]) -> str:
    """What was found, in one sentence: the fastest kernel, whether size matters, and the period where there is one."""
    if not judgement.kernels:
        return "No pass was timed, so nothing is said of chunk sizes."
    faster = next(
        (_fastest(judgement) for answer in answers if (answer.question, answer.verdict) == (FASTER, "yes")), ""
    )
    if answers[0].verdict != "yes":
        size = _FIRST[answers[0].verdict]
        return f"{faster}; {size[0].lower()}{size[1:]}" if faster else size
    kernels = [one for one in judgement.kernels if len(one.sweep.points) > 1]
    clause = f"he chunk size matters with {of_all([one.label for one in kernels if one.matters], len(kernels))}"
    clause = f"{faster}; t{clause}" if faster else f"T{clause}"
    packed = [one for one in judgement.kernels if one.packs]
    if not packed or packed[0].lanes is None:
        return f"{clause}."
    names = some([one.label for one in packed])
    return fitting(SENTENCE, f"{clause}; multiples of {packed[0].lanes.lanes} are faster with {names}.", f"{clause}.")


def _fastest(judgement: Judgement) -> str:
    """The kernel that beats the published one by most, and by how much."""
    best = max((one for one in judgement.kernels if one.beats_published), key=lambda one: one.less.mean)
    per_pick = " for one more pick" if best.sweep.kernel.startswith(_STEPWISE) else ""
    return f"{best.label} is {times(*best.less[1:])} times faster than published{per_pick}"


def _wrong_lead(wrong: Sequence[Sweep]) -> tuple[str, str, str]:
    names = some([sweep.kernel for sweep in wrong])
    worst = max(wrong, key=_largest_error)
    whose = "its times answer" if len(wrong) == 1 else "their times answer"
    return (
        f"The scores of {names} are wrong, so {whose} another question.",
        f"{worst.kernel} is off by {_largest_error(worst):.0e} of the largest score; the others are ranked below.",
        fitting(ADVICE, f"Mend {names} first.", "Mend the kernels first."),
    )


def _largest_error(sweep: Sweep) -> float:
    return max(point.max_rel_error or 0.0 for point in [*sweep.points.values(), *sweep.alone.values()])


def _matters(judgement: Judgement, options: Options) -> Answer:
    kernels = [one for one in judgement.kernels if len(one.sweep.points) > 1]
    known = [one for one in kernels if one.worth]
    if not kernels:
        return Answer(MATTERS, "too few", _nothing(judgement), _more_sizes(judgement, options))
    if not known:
        blocks = counted((one.blocks for one in kernels), "block")
        sentence = f"The sizes of a kernel have {blocks} in common, and {LEAST_BLOCKS} are needed."
        return Answer(MATTERS, "too few", sentence, longer(judgement.run, options))
    if sure := [one for one in known if one.matters]:
        return Answer(MATTERS, "yes", _cost(sure), knees(known, options))
    widest = max(known, key=lambda one: one.worth.costliest.ratio if one.worth else 0.0)
    assert widest.worth is not None
    cost = widest.worth.costliest
    much = f"{times(*cost[1:])} times chunk {widest.worth.reference:,} with {widest.label}"
    if len(known) == len(kernels) and all(one.worth and one.worth.immaterial for one in known):
        return Answer(MATTERS, "no", f"The slowest size, {cost.size:,}, takes {much}.", "Take any of these sizes.")
    sentence = f"The largest difference is not told from noise: chunk {cost.size:,} takes {much}."
    return Answer(MATTERS, "not shown", sentence, longer(judgement.run, options))


def _more_sizes(judgement: Judgement, options: Options) -> str:
    return "Give --sizes two or more sizes." if len(options.sizes) < 2 else longer(judgement.run, options)


def _nothing(judgement: Judgement) -> str:
    if judgement.kernels:
        return "No kernel was timed at two sizes, and a comparison needs two."
    if not judgement.run.lost:
        return "Nothing was timed."
    return f"{counted([len(judgement.run.lost)], 'row')} ended without a time; results.csv has the reasons."


def _cost(sure: Sequence[Judged]) -> str:
    """What the slowest of the sizes asked for costs, with the kernel that suffers least and the one that does most."""
    slowest = {one.label: (one.worth.costliest, one.worth.reference) for one in sure if one.worth}
    least = min(slowest, key=lambda name: slowest[name][0].ratio)
    most = max(slowest, key=lambda name: slowest[name][0].ratio)
    (small, reference), (large, _) = slowest[least], slowest[most]
    if least == most:
        return f"Chunk {small.size:,} takes {times(*small[1:])} times as long as chunk {reference:,} with {least}."
    ends = f"{times(*small[1:])} times the recommended chunk's time with {least}", f"{times(*large[1:])} with {most}"
    what = f"chunk {small.size:,}" if small.size == large.size else "the slowest size"
    if len(sure) > 2:
        range_ = f"{times(*small[1:])[:-1]}, {least}) to {times(*large[1:])[:-1]}, {most})"
        return f"Across {len(sure)} kernels {what} takes {range_} times as long as the recommended chunk."
    return f"{what.capitalize()} costs {ends[0]} and {ends[1]}."


def knees(known: Sequence[Judged], options: Options) -> str:
    """Which chunk to use: the knee that most kernels have first, then the others."""
    knees_of = {one.label: one.worth.knee for one in known if one.worth and one.worth.knee}
    if not knees_of:
        return "Raise --memory-budget: no chunk is known to keep under it."
    usual = Counter(knee.size for knee in knees_of.values()).most_common(1)[0][0]
    others: dict[int, list[str]] = {}
    for name, knee in knees_of.items():
        if knee.size != usual:
            others.setdefault(knee.size, []).append(name)

    def spelled(size: int, word: str = "") -> str:
        """The size, and the range in which every kernel that it is for may have its knee, where that is wider."""
        mine = [knee for knee in knees_of.values() if knee.size == size]
        low, high = max(knee.low for knee in mine), min(knee.high for knee in mine)
        return f"{size:,} ({word}{low:,} to {high:,})" if low < high else f"{size:,}"

    rest = "".join(f"; {spelled(size)} for {listed(names)}" for size, names in sorted(others.items()))
    plain = "".join(f"; {size:,} for {listed(names)}" for size, names in sorted(others.items()))
    edge = "".join(f"; {words}" for words in list(at_the_edge(known).values())[:1])
    return fitting(
        ADVICE,
        f"Use chunk {spelled(usual, 'plausible ')}{rest}{edge}.",
        f"Use chunk {usual:,}{plain}{edge}.",
        f"Use chunk {usual:,}{plain}.",
        f"Use chunk {usual:,}; the table has the other kernels' chunks.",
    )


def _period(judgement: Judgement) -> Answer:
    packed = [one for one in judgement.kernels if one.packs]
    if packed and (lanes := packed[0].lanes):
        gain = percent_interval(*lanes.whole[:3])
        beyond = percent_interval(*lanes.beyond[:3])
        who = packed[0].label
        return Answer(
            PERIOD,
            "yes",
            fitting(
                SENTENCE,
                f"With {who} multiples of {lanes.lanes} take {beyond} less than their neighbours, the number of chunks "
                f"apart; {gain} with it.",
                f"Multiples of {lanes.lanes} take {gain} less than their neighbours with {who}.",
            ),
            f"Use a multiple of {lanes.lanes} with {some([one.label for one in packed])}.",
        )
    searched = [(one, search) for one in judgement.kernels for search in one.searched if search.period]
    sure = [(one, search) for one, search in searched if search.told and not search.too_short]
    if sure:
        return _found(*min(sure, key=lambda pair: pair[1].p))
    if not searched:
        return Answer(PERIOD, "too few", *_few_sizes(judgement))
    one, strongest = min(searched, key=lambda pair: pair[1].p)
    assert strongest.period is not None
    sizes = counted((len(search.wiggle.sizes) for _, search in searched), "size")
    if strongest.told:
        sentence = (
            f"{one.label} may have a period of {strongest.period.period:.3g} candidates, but a shorter one would look "
            f"the same at a step of {strongest.wiggle.step}."
        )
        return Answer(PERIOD, "not shown", sentence, "Measure again with a finer step of --sizes.")
    sentence = (
        f"No period is told from noise over {sizes}; the strongest is {strongest.period.period:.3g} candidates with "
        f"{one.label} (corrected p = {strongest.p:.2g})."
    )
    return Answer(PERIOD, "not shown", sentence, "Take a knee from the table; no size between is better.")


def _found(one: Judged, search: Searched) -> Answer:
    assert search.period is not None
    period = search.period
    ends = f"{period.low:.3g} to {period.high:.3g}"
    sentence = f"{search.of} of {one.label} has a period of {period.period:.3g} ({ends}) candidates."
    return Answer(PERIOD, "yes", sentence, "Compare sizes a whole period apart, and take the lowest of the pattern.")


def _few_sizes(judgement: Judgement) -> tuple[str, str]:
    """Why no period was looked for, and what to type for one."""
    sweeps = judgement.sweeps
    if not sweeps:
        return _nothing(judgement), ""
    even = max(len(sweep.even_sizes()) for sweep in sweeps)
    are = "is" if even == 1 else "are"
    sentence = f"At most {even} of the sizes {are} evenly spaced, and a period needs {LEAST_FOR_PERIOD}."
    most = max(sweeps, key=lambda sweep: len(sweep.sizes))
    range_ = suggested(most, expected_period(most, judgement.run.multiprocessors))
    if range_ is None:
        return sentence, "Give --sizes a range that holds more sizes, or take more --candidates."
    low, high, step = range_
    return sentence, f"Give --sizes {low}..{high}:+{step}."


def _predicted(judgement: Judgement) -> Answer:
    known = [one for one in judgement.kernels if one.prediction]
    predictions = [one.prediction for one in known if one.prediction]
    error = together(predictions)
    if error is None:
        sentence = f"Passes and single chunks have fewer than {LEAST_BLOCKS} blocks in common."
        return Answer(PREDICTED, "too few", sentence, "Give more --max-time.")
    failed = [one for one in known if one.prediction and one.prediction.fails]
    if failed:
        worst = failed[0]
        assert worst.prediction is not None
        off = percent_interval(*worst.prediction.error[:3], signed=True)
        sentence = f"Passes of {worst.label} differ from ⌊n/c⌋·τ(c) + τ(n mod c) by {off}, which is more than 5 %."
        return Answer(PREDICTED, "no", sentence, "Measure whole passes.")
    off = percent_interval(*error[:3], signed=True)
    of = f"on average, with {of_all([one.label for one in known], len(known))}"
    verdict: VerdictWord = "yes" if max(abs(error.low), abs(error.high)) < MATERIAL else "not shown"
    sentence = f"Passes differ from ⌊n/c⌋·τ(c) + τ(n mod c) by {off} {of}."
    advice = "Time one chunk to know a pass." if verdict == "yes" else "Give more --max-time, or measure whole passes."
    return Answer(PREDICTED, verdict, sentence, advice)


def _faster(judgement: Judgement) -> list[Answer]:
    """The kernels against the published one of their variant; nothing where none was timed with its published one."""
    compared = [one for one in judgement.kernels if one.less.n]
    if not compared:
        return []
    order = sorted(compared, key=lambda one: -one.less.mean)
    best, sure = order[0], [one for one in order if one.beats_published]
    if all(math.isnan(one.less_p) for one in compared):
        blocks = counted((one.less.n for one in compared), "block")
        sentence = f"The kernels have {blocks} in common with the published one, and {LEAST_BLOCKS} are needed."
        return [Answer(FASTER, "too few", sentence, "Give more --max-time.")]
    if not sure:
        slower = all(one.less.high < 1 + MATERIAL for one in order)
        much = times(*best.less.inverse()[1:])
        sentence = f"{best.label}, the fastest beside it, takes {much} times as long as the published kernel."
        return [Answer(FASTER, "no" if slower else "not shown", sentence, "Choose by memory; the table has it.")]
    texts = [f"{one.label} {times(*one.less[1:])}" for one in sure]
    per_pick = ", for one more pick" if sure[0].sweep.kernel.startswith(_STEPWISE) else ""
    sentences = [
        f"{sure[0].label} is {times(*sure[0].less[1:])} times faster{per_pick}"
        + (f"; {', '.join(texts[1:count])}" if count > 1 else "")
        + "."
        for count in range(min(len(texts), 4), 0, -1)
    ]
    scores = next((one.label for one in sure if not one.sweep.kernel.startswith(_STEPWISE)), "")
    advice = f"Use {sure[0].label}" + (f"; {scores} for scores from nothing." if per_pick and scores else ".")
    return [Answer(FASTER, "yes", fitting(SENTENCE, *sentences), advice)]
