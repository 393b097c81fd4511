"""What ``fbench select`` answers: is it faster, does it choose the same, what does it hold, is less as good?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fbench.harness.contract import Answer, VerdictWord
from fbench.results.faster import TimeComparison, faster_in_words, first_shown, judged_words, no_interval, ratio_number
from fbench.results.findings import small_share
from fbench.results.ratios import geometric, ratio
from fbench.results.words import counted
from fbench.units import format_bytes, format_percent, format_seconds

from .cases import MeasuredCase
from .comparisons import ComparedCases, exact_ways, find, inverse_of, largest_problem, seconds

_NEAR = 10
"""A gap below so many tolerances is a near-tie: rounding may turn it."""
_MOST_WORDS = 28
_EQUAL_WORTH = 1e-3
"""Objectives that differ by a smaller share are called equal."""
_SAME_WORTH = 1.01
"""A batch whose objective is within 1 % of the reference's is as good; random batches are tens of percent worse."""
_LESS_MEMORY = 1.25
"""Peaks of equal work differ by less (``fbench memory`` measures every round anew)."""
_RIGHT_SCORES = {"float32": 1e-4, "float64": 1e-10}
"""The largest error of a score that still gives the same picks, gaps aside."""


def main_group(cases: Sequence[MeasuredCase]) -> list[MeasuredCase]:
    """The cases that answers speak of: the largest problem, in the first of its dtypes."""
    largest = largest_problem(cases)
    return [case for case in largest if case.sizes.dtype == largest[0].sizes.dtype]


def chosen_way(cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> MeasuredCase | None:
    """The exact way that answers name: the fastest of those shown faster than published, else the first."""
    ways = exact_ways(cases)
    shown = [
        c.case for c in _of(compared, "exact", cases) if c.base.method == "published" and c.result.verdict == "yes"
    ]
    return min(shown, key=lambda case: geometric(case.whole()), default=ways[0] if ways else find(cases, "published"))


def select_answers(cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> list[Answer]:
    """Every question that the rows of the largest problem speak to."""
    group = main_group(cases)
    way = chosen_way(group, compared)
    scored = [case for case in group if case.score]
    timed = way is not None and way.timed
    speed = list(_speed(way, group, compared)) if way is not None and timed else []
    dtypes = list(_dtypes(way, compared))
    first, last = (dtypes, speed) if dtypes and speed and speed[0].verdict == "not shown" else (speed, dtypes)
    parts: list[Iterable[Answer]] = [first]
    if way is not None and timed:
        parts += [_picks(way), _memory(way, group)]
    parts += [_approximations(group, compared), _scores(scored, compared), last]
    return [answer for part in parts for answer in part]


def select_lead(replies: Sequence[Answer]) -> list[str]:
    """Three lines: the first answer's sentence, the numbers of the next two, what to do."""
    if not replies:
        return [
            "Nothing was timed, so no way is called faster.",
            "The reasons stand with the evidence.",
            "Lower the sizes, or run on a machine with more memory.",
        ]
    first, *others = replies
    numbers = " ".join(answer.sentence for answer in others[:2] if answer.sentence)
    short = numbers if len(numbers.split()) <= _MOST_WORDS else others[0].sentence
    wrong = [answer.advice for answer in replies if "same batch" in answer.question and answer.verdict == "no"]
    advice = next(filter(None, [*wrong, *(answer.advice for answer in replies)]), "")
    return [first.sentence, short or "Nothing else was compared.", advice or "Compare other ways with --methods."]


def _of(compared: Sequence[ComparedCases], kind: str, cases: Sequence[MeasuredCase]) -> list[ComparedCases]:
    """The comparisons of a kind among these cases."""
    return [c for c in compared if c.kind == kind and c.case in cases]


def _speed(way: MeasuredCase, cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> Iterator[Answer]:
    """A whole selection against the published order's, or against the other exact ways."""
    batch, taken = f"A batch of {way.sizes.batch:,}", format_seconds(geometric(way.whole()))
    against = [c for c in _of(compared, "exact", cases) if c.case is way]
    if not against:
        blocks = len(way.whole())
        sentence = f"{batch} takes {taken} with {way.method} ({counted([blocks], 'block')}); published was not timed."
        yield Answer(
            f"Is {way.method} faster than the published order?",
            "not shown",
            sentence,
            "Add published to --methods to compare.",
        )
        return
    other = min(against, key=lambda c: geometric(c.base.whole()))
    base, result = other.base, other.result
    about, why = ("about ", " (extrapolated)") if base.cut_short else ("", "")
    sentence = (
        f"{batch} takes {taken} with {way.method}, {about}{format_seconds(geometric(base.whole()))}{why} with "
        f"{base.method}: {judged_words(result)}{no_interval([result])}."
    )
    whom = "the published order" if base.method == "published" else base.method
    verdict = first_shown([c.result.verdict for c in against])
    yield Answer(
        f"Is {way.method} faster than {whom}?", verdict, sentence, _what_to_use(way.method, base.method, result)
    )


def _what_to_use(way: str, base: str, result: TimeComparison) -> str:
    if result.verdict == "unreliable":
        return "Run it again on a machine that does nothing else."
    if result.verdict == "not shown":
        return "Use either; more --passes tell them apart."
    better = way if result.times.mean >= 1 else base
    more = "; --passes 4 or more gives an interval" if result.verdict == "too few" else ""
    return f"Use {better}{more}."


def _picks(way: MeasuredCase) -> Iterator[Answer]:
    """The exact way's picks against the float64 reference's."""
    question, agreement = f"On this pool, does {way.method} choose the same batch as float64?", way.agreement
    if agreement is None:
        if way.was_compared:
            yield Answer(
                question,
                "not shown",
                "No selection in float64 was there to compare with.",
                "Raise --reference-budget for that.",
            )
        return
    if (way.method, way.sizes.dtype) == (agreement.reference, "float64"):
        return
    picks, same = round(agreement.picks), round(agreement.same_picks * agreement.picks)
    what = f"{picks} first picks" if way.cut_short else f"{picks} picks"
    if same == picks:
        yield Answer(question, "yes", f"On this pool {way.method} has all {what} of the float64 reference.")
        return
    departure, worth = agreement.departure, way.objective_ratio()
    tie = departure is not None and departure.gap <= _NEAR * agreement.tolerance
    where = "" if departure is None else f"; the order is left at pick {departure.pick + 1:.0f}"
    near = ", at a near-tie" if tie else ""
    value = "" if worth is None else f"; its objective is {_worth(worth.mean)}"
    good = tie and (worth is None or worth.mean <= _SAME_WORTH)
    sentence = f"On this pool {way.method} has {same} of the {what} of the float64 reference{where}{near}{value}."
    yield Answer(question, "yes" if good else "no", sentence, "" if good else "Use float64 where the picks must agree.")


def _worth(ratio: float) -> str:
    """An objective over the reference's: less is better."""
    share = ratio - 1
    if abs(share) < _EQUAL_WORTH:
        return f"equal to within {format_percent(_EQUAL_WORTH)}"
    return f"{format_percent(float(f'{abs(share):.2g}'))} {'worse' if share > 0 else 'better'}"


def _memory(way: MeasuredCase, cases: Sequence[MeasuredCase]) -> Iterator[Answer]:
    """Peak growth against the published order's, else against V built with all its rows."""
    published = find(cases, "published")
    peak, other = way.peak_bytes, published.peak_bytes if published and published is not way else None
    if peak is None:
        return
    rival = other if other is not None else way.sizes.embedding_bytes
    verdict: VerdictWord = (
        "yes" if peak * _LESS_MEMORY < rival else "no" if peak > rival * _LESS_MEMORY else "not shown"
    )
    what, whom = ("with published", "published") if other is not None else ("for all gradients", "all gradients")
    sentence = f"{way.method} takes {format_bytes(peak)} against {format_bytes(rival)} {what}."
    yield Answer(f"Does {way.method} need less memory than {whom}?", verdict, sentence)


def _approximations(cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> Iterator[Answer]:
    """The fastest approximation whose batch is as good; without one, the best trade there is."""
    judged = [c for c in _of(compared, "approximation", cases) if c.case.objective_ratio() is not None]
    if not judged:
        return
    faster = [c for c in judged if c.result.verdict == "yes"]
    worthy = [c for c in faster if _loss(c) <= _SAME_WORTH]
    named = min(worthy or faster or judged, key=_loss) if not worthy else max(worthy, key=lambda c: c.result.times.mean)
    verdict: VerdictWord = "yes" if worthy else "no" if faster else _open(judged)
    sentence = (
        f"On this pool {named.case.method} is {judged_words(named.result, named.base.method)}"
        f"{no_interval([named.result])}, "
        f"its objective {_worth(_loss(named))}{_beside(faster, named)}."
    )
    exact = f"Keep {named.base.method} for exact picks"
    advice = f"{exact}; take {named.case.method} only where time is short." if worthy else f"{exact}."
    yield Answer("Is any approximation faster and as good on this pool?", verdict, sentence, advice)


def _open(judged: Sequence[ComparedCases]) -> VerdictWord:
    """The verdict where no approximation is shown to be faster."""
    verdicts = [c.result.verdict for c in judged]
    return "no" if set(verdicts) == {"no"} else first_shown([v for v in verdicts if v != "no"])


def _loss(compared: ComparedCases) -> float:
    worth = compared.case.objective_ratio()
    assert worth is not None
    return worth.mean


def _beside(faster: Sequence[ComparedCases], named: ComparedCases) -> str:
    """The fastest of all, where that is another one."""
    best = max(faster, key=lambda c: c.result.times.mean, default=named)
    if best is named:
        return ""
    traded = _worth(_loss(best)).removesuffix(" worse")
    return f"; {best.case.method} trades {traded} for {ratio_number(best.result.times.mean)} times the speed"


def _dtypes(way: MeasuredCase | None, compared: Sequence[ComparedCases]) -> Iterator[Answer]:
    """float32 against float64, of the way that answers name."""
    for c in compared:
        if c.kind == "dtype" and way is not None and c.case.method == way.method:
            taken, base = (format_seconds(geometric(seconds(case))) for case in (c.case, c.base))
            sentence = (
                f"A batch of {way.sizes.batch:,} takes {taken} in float32, {base} in float64: "
                f"{judged_words(c.result)}{no_interval([c.result])}."
            )
            advice = _what_to_use("float32", "float64", c.result)
            yield Answer("Is float32 faster than float64?", c.result.verdict, sentence, advice)


def _scores(scored: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> Iterator[Answer]:
    """The fastest score against inverting whole k×k matrices."""
    against, base = _of(compared, "score", scored), inverse_of(scored)
    if not against or base is None:
        return
    best = max(against, key=lambda c: c.result.times.mean)
    n, taken = best.case.sizes.candidates, format_seconds(geometric(best.case.score))
    sentence = (
        f"{best.case.method} scores {n:,} candidates in {taken}: {judged_words(best.result, base.method)}"
        f"{_like_for_like(best, scored)}{no_interval([best.result])}."
    )
    advice = _what_to_use(best.case.method, base.method, best.result)
    yield Answer("Is a batched score faster than inverting?", best.result.verdict, sentence, advice)
    if best.case.max_rel_error is not None:
        error, allowed = best.case.max_rel_error, _RIGHT_SCORES[best.case.sizes.dtype]
        sentence = f"The largest error of a score is {small_share(error)} of the largest score."
        yield Answer("Are its scores right?", "yes" if error <= allowed else "no", sentence)


def _like_for_like(best: ComparedCases, scored: Sequence[MeasuredCase]) -> str:
    """The same against inverting matrices of its own size, where the published way inverts larger ones."""
    same = find(scored, f"score-inverse {best.case.method.split()[-1]}")
    if same is None or same is best.case or same is best.base or best.result.verdict not in ("yes", "too few"):
        return ""
    return f", {faster_in_words(ratio(same.score, best.case.score), same.method)}"
