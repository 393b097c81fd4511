"""What ``fbench select`` answers: is it faster, does it choose the same, what does it hold, is less as good?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fbench.harness.contract import Answer, VerdictWord
from fbench.results.faster import TimeComparison, faster_in_words, first_shown, judged_words, no_interval, ratio_number
from fbench.results.findings import small_share
from fbench.results.ratios import geometric, ratio
from fbench.results.words import count_words, counted, fitting
from fbench.units import format_bytes, format_percent, format_seconds

from .cases import MeasuredCase
from .comparisons import ComparedCases, exact_ways, find, inverse_of, largest_problem, seconds

APPROXIMATION = "Is any approximation faster and as good on this pool?"
ONE_POOL = "on this one pool"
_NEAR = 10
"""A gap below so many tolerances is a near-tie: rounding may turn it."""
_MOST_WORDS = 28
_EQUAL_WORTH = 5e-4
"""Objectives that differ by a smaller share, which one decimal of a percent does not show, are called equal."""
_SAME_WORTH = 1.01
"""A batch whose objective is within 1 % of the reference's is as good; random batches are tens of percent worse."""
_LESS_MEMORY = 1.25
"""Peaks of equal work differ by less (``fbench memory`` measures every round anew)."""
_RIGHT_SCORES = {"float32": 1e-4, "float64": 1e-10}
"""The largest error of a score that still gives the same picks, gaps aside."""


class Reply(NamedTuple):
    """An answer, and the line that says the same among the first three, in other words where both would repeat it."""

    answer: Answer
    line: str = ""

    @property
    def told(self) -> str:
        """The line, or the answer's sentence."""
        return self.line or self.answer.sentence


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
    return [reply.answer for reply in select_replies(cases, compared)]


def select_replies(cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> list[Reply]:
    """The answers, each with its line for the first three."""
    group = main_group(cases)
    way = chosen_way(group, compared)
    scored = [case for case in group if case.score]
    timed = way is not None and way.timed
    speed = list(_speed(way, group, compared)) if way is not None and timed else []
    dtypes = list(_dtypes(way, compared))
    first, last = (dtypes, speed) if dtypes and speed and speed[0].answer.verdict == "not shown" else (speed, dtypes)
    parts: list[Iterable[Reply]] = [first]
    if way is not None and timed:
        parts += [map(Reply, _picks(way)), map(Reply, _memory(way, group))]
    parts += [_approximations(group, compared), _scores(scored, compared), last]
    return [reply for part in parts for reply in part]


def select_lead(replies: Sequence[Reply]) -> list[str]:
    """Three lines: what a batch takes, what approximations are worth or else the next two answers, what to do."""
    if not replies:
        return [
            "Nothing was timed, so no way is called faster.",
            "The reasons stand with the evidence.",
            "Lower the sizes, or run on a machine with more memory.",
        ]
    first, *others = replies
    wrong = [r.answer.advice for r in replies if "same batch" in r.answer.question and r.answer.verdict == "no"]
    traded = [reply for reply in others if reply.answer.question == APPROXIMATION]
    spoken = traded or others
    numbers = " ".join(filter(None, [reply.told for reply in spoken[:2]]))
    short = numbers if count_words(numbers) <= _MOST_WORDS or not others else spoken[0].told
    order = [*traded, *replies] if first.answer.verdict == "yes" else replies
    advice = next(filter(None, [*wrong, *(reply.answer.advice for reply in order)]), "")
    return [first.told, short or "Nothing else was compared.", advice or "Compare other ways with --methods."]


def _of(compared: Sequence[ComparedCases], kind: str, cases: Sequence[MeasuredCase]) -> list[ComparedCases]:
    """The comparisons of a kind among these cases."""
    return [c for c in compared if c.kind == kind and c.case in cases]


def _speed(way: MeasuredCase, cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> Iterator[Reply]:
    """A whole selection against the published order's, or against the other exact ways."""
    batch, taken = f"A batch of {way.sizes.batch:,}", format_seconds(geometric(way.whole()))
    against = [c for c in _of(compared, "exact", cases) if c.case is way]
    if not against:
        blocks = counted([len(way.whole())], "block")
        yield Reply(
            Answer(
                f"Is {way.method} faster than the published order?",
                "not shown",
                f"published was not timed; {way.method} alone takes {taken} ({blocks}).",
                "Add published to --methods to compare.",
            ),
            f"{batch} takes {taken} with {way.method} ({blocks}); published was not timed.",
        )
        return
    other = min(against, key=lambda c: geometric(c.base.whole()))
    base, result = other.base, other.result
    about, why = ("about ", " (extrapolated)") if base.cut_short else ("", "")
    whom = "the published order" if base.method == "published" else base.method
    verdict = first_shown([c.result.verdict for c in against])
    line = (
        f"{batch} takes {taken} with {way.method}, {about}{format_seconds(geometric(base.whole()))}{why} with "
        f"{base.method}: {judged_words(result)}{no_interval([result])}."
    )
    advice = _what_to_use(way.method, base.method, result)
    yield Reply(
        Answer(f"Is {way.method} faster than {whom}?", verdict, _in_short(way.method, result, base.method), advice),
        line,
    )


def _in_short(way: str, result: TimeComparison, than: str) -> str:
    """The comparison as a sentence, with the blocks that it rests on; the first three lines have the seconds."""
    blocks = no_interval([result]) or f", over {counted([result.times.n], 'block')}"
    return f"{way} is {judged_words(result, than)}{blocks}."


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
        return f"equal to within {format_percent(2 * _EQUAL_WORTH)}"
    return f"{_short_percent(abs(share))} {'higher' if share > 0 else 'lower'}"


def _short_percent(share: float) -> str:
    """Two digits at most, one of them a decimal: ``0.1 %``, ``8.5 %``, ``12 %``."""
    return format_percent(float(f"{round(share, 3):.2g}"))


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


def _approximations(cases: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> Iterator[Reply]:
    """The fastest approximation whose batch is as good; without one, the best trade there is."""
    judged = [c for c in _of(compared, "approximation", cases) if c.case.objective_ratio() is not None]
    if not judged:
        return
    faster = [c for c in judged if c.result.verdict == "yes"]
    worthy = [c for c in faster if _loss(c) <= _SAME_WORTH]
    named = min(worthy or faster or judged, key=_loss) if not worthy else max(worthy, key=lambda c: c.result.times.mean)
    verdict: VerdictWord = "yes" if worthy else "no" if faster else _open(judged)
    exact, name = f"Keep {named.base.method} for exact picks", named.case.method
    speed = f"{judged_words(named.result, named.base.method)}{no_interval([named.result])}"
    worth, best = f"its objective {_worth(_loss(named))} {ONE_POOL}", _beside(faster, named)
    line = fitting(30, f"{name}: {speed}, {worth}{best}.", f"{name}: {speed}, {worth}.")
    advice = f"{exact}; take {name} only where time is short." if worthy else f"{exact}."
    yield Reply(Answer(APPROXIMATION, verdict, _as_good(named, judged), advice), line)


def _as_good(named: ComparedCases, judged: Sequence[ComparedCases]) -> str:
    """Say how many are faster and as good, and that one pool has no interval."""
    faster = [c for c in judged if c.result.verdict == "yes"]
    good = [c for c in faster if _loss(c) <= _SAME_WORTH]
    kept = f", {len(good)} of these with an objective within 1 %" if faster else ""
    return (
        f"{len(faster)} of {len(judged)} {'is' if len(faster) == 1 else 'are'} shown to be faster{kept}; "
        f"{named.case.method}'s objective is {_worth(_loss(named))} {ONE_POOL}, without an interval over pools."
    )


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
    return f"; {best.case.method}: {ratio_number(best.result.times.mean)} times faster, {_worth(_loss(best))}"


def _dtypes(way: MeasuredCase | None, compared: Sequence[ComparedCases]) -> Iterator[Reply]:
    """float32 against float64, of the way that answers name."""
    for c in compared:
        if c.kind == "dtype" and way is not None and c.case.method == way.method:
            taken, base = (format_seconds(geometric(seconds(case))) for case in (c.case, c.base))
            line = (
                f"A batch of {way.sizes.batch:,} takes {taken} in float32, {base} in float64: "
                f"{judged_words(c.result)}{no_interval([c.result])}."
            )
            advice = _what_to_use("float32", "float64", c.result)
            sentence = _in_short("float32", c.result, "float64")
            yield Reply(Answer("Is float32 faster than float64?", c.result.verdict, sentence, advice), line)


def _scores(scored: Sequence[MeasuredCase], compared: Sequence[ComparedCases]) -> Iterator[Reply]:
    """The fastest score against inverting whole k×k matrices."""
    against, base = _of(compared, "score", scored), inverse_of(scored)
    if not against or base is None:
        return
    best = max(against, key=lambda c: c.result.times.mean)
    n, taken = best.case.sizes.candidates, format_seconds(geometric(best.case.score))
    line = (
        f"{best.case.method} scores {n:,} candidates in {taken}: {judged_words(best.result, base.method)}"
        f"{_like_for_like(best, scored)}{no_interval([best.result])}."
    )
    advice = _what_to_use(best.case.method, base.method, best.result)
    sentence = _in_short(best.case.method, best.result, base.method)
    yield Reply(Answer("Is a batched score faster than inverting?", best.result.verdict, sentence, advice), line)
    if best.case.max_rel_error is not None:
        error, allowed = best.case.max_rel_error, _RIGHT_SCORES[best.case.sizes.dtype]
        sentence = f"The largest error of a score is {small_share(error)} of the largest score."
        yield Reply(Answer("Are its scores right?", "yes" if error <= allowed else "no", sentence))


def _like_for_like(best: ComparedCases, scored: Sequence[MeasuredCase]) -> str:
    """The same against inverting matrices of its own size, where the published way inverts larger ones."""
    same = find(scored, f"score-inverse {best.case.method.split()[-1]}")
    if same is None or same is best.case or same is best.base or best.result.verdict not in ("yes", "too few"):
        return ""
    return f", {faster_in_words(ratio(same.score, best.case.score), same.method)}"
