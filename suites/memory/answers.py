"""What ``fbench memory`` answers: which phase sets the peak, whether predictions cover it, what fits, what leaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fbench.harness.contract import Answer, VerdictWord
from fbench.measure.t_tests import p_of_mean
from fbench.results.words import counted, fitting, listed
from fbench.units import format_bytes

from .leaks import JudgedSeries, leak_answer
from .margin import margin_in_words, with_process_margin
from .names import about_count, bytes_range, case_names
from .peaks import CaseMemory, GaugeProfile, PhaseGrowth, largest_cases
from .rows import LimitRow, grouped

_LEAST_ROUNDS = 4
_LEVEL = 0.03
_SELECTING = ("fisher", "init", "forward", "backward")
_MOST_NAMED = 4
_MOST_WORDS = 30
_UNMEASURED = (
    "No phase has a measured peak.",
    "The reasons stand with the evidence.",
    "Lower the sizes, or give more memory.",
)


class Miss(NamedTuple):
    """A phase that held more than was predicted, in the round in which it held the most."""

    phase: PhaseGrowth
    name: str
    measured: float
    predicted: float
    device: str

    @property
    def covered(self) -> bool:
        """Whether the prediction with its margin is enough."""
        return self.measured <= with_process_margin(int(self.predicted), self.device)

    @property
    def beyond(self) -> float:
        """Bytes over the prediction."""
        return self.measured - self.predicted


def memory_answers(
    cases: Sequence[CaseMemory], limits: Sequence[LimitRow], series: Sequence[JudgedSeries]
) -> list[Answer]:
    """Every question that the rows speak to."""
    return [*_peaks(cases), *_predictions(cases), *_fits(limits), *leak_answer(series)]


def memory_lead(cases: Sequence[CaseMemory], limits: Sequence[LimitRow], replies: Sequence[Answer]) -> list[str]:
    """Three lines: every method's peak, the largest pool and how far predictions fell short, what to keep free."""
    shown = [(case.method, case.main) for case in largest_cases(cases) if case.main and case.main.top]
    if not shown:
        return list(_UNMEASURED)
    advice = [answer.advice for answer in replies if answer.advice]
    return [
        f"{_named_peaks(shown)}.",
        _numbers(shown, misses(cases), limits),
        advice[0] if advice else "Take the method that holds the least.",
    ]


def _named_peaks(shown: Sequence[tuple[str, GaugeProfile]]) -> str:
    """``published peaks at 204 MiB (forward), incremental at 180 MiB (embed)``; of many the least and the most."""
    tops = [(method, main.top) for method, main in shown if main.top is not None]
    if len(tops) > _MOST_NAMED:
        ordered = sorted(tops, key=lambda named: named[1].measured or 0.0)
        tops = [ordered[-1], ordered[0]]
    parts = [f"{method} at {format_bytes(top.measured)} ({top.name})" for method, top in tops]
    return listed([parts[0].replace(" at ", " peaks at ", 1), *parts[1:]])


def _numbers(shown: Sequence[tuple[str, GaugeProfile]], known: Sequence[Miss], limits: Sequence[LimitRow]) -> str:
    """The largest pool that fits, where that is known, and how far predictions fell short."""
    short, worst = _short(shown), _worst_miss(known)
    fits = _largest_pools(limits)
    if not fits:
        return f"{short[0].upper()}{short[1:]}{worst}."
    return fitting(_MOST_WORDS, f"{fits}{short}{worst}.", f"{fits}{short}.")


def _short(shown: Sequence[tuple[str, GaugeProfile]]) -> str:
    """By how much predictions differ from the measured peaks."""
    shares = sorted(top.ratio - 1 for _, main in shown if (top := main.top) is not None and top.ratio is not None)
    if not shares:
        return "no peak has a prediction to compare with"
    ends = [float(f"{100 * share:.2g}") for share in (shares[-1], shares[0])]
    if shares[-1] <= 0:
        below = " to ".join(dict.fromkeys(f"{abs(end):g}" for end in ends))
        return f"predictions fall {below} % short of measured peaks"
    span = " to ".join(dict.fromkeys(f"{end:+g}".replace("-", "−") for end in reversed(ends)))
    return f"predictions differ from measured peaks by {span} %"


def _worst_miss(known: Sequence[Miss]) -> str:
    if not known or not known[0].beyond > 0:
        return ""
    return f", in the worst round by {format_bytes(known[0].beyond)} ({known[0].name})"


def _largest_pools(limits: Sequence[LimitRow]) -> str:
    """``Within 21 GiB about 300,000 (published) to 1.4 million candidates (incremental) fit, as predicted; ``."""
    rows = _largest_problems(limits)
    if not rows:
        return ""
    best, worst = (pick(rows, key=lambda row: row.largest_pool or 0) for pick in (max, min))
    pools = [f"{about_count(row.largest_pool or 0)} ({row.method})" for row in dict.fromkeys((worst, best))]
    return f"Within {_budget(rows)} pools of about {' to '.join(pools)} candidates are predicted to fit; "


def _peaks(cases: Sequence[CaseMemory]) -> Iterator[Answer]:
    """Is it the selection that sets the peak, or what comes before it?"""
    shown = [(case.method, case.main) for case in largest_cases(cases) if case.main and case.main.top]
    if not shown:
        return
    tops = [(main, main.top) for _, main in shown if main.top is not None]
    outside = [main for main, top in tops if top.name not in _SELECTING]
    if min(len(top.growth) for _, top in tops) < _LEAST_ROUNDS:
        verdict: VerdictWord = "too few"
    elif any(_clear(main, len(tops)) for main in outside):
        verdict = "no"
    else:
        verdict = "yes" if not outside and all(_clear(main, len(tops)) for main, _ in tops) else "not shown"
    sentence = f"{_named_peaks(shown)}; the selection is fisher to backward."
    if verdict == "no":
        before = [(method, main) for method, main in shown if main in outside and _clear(main, len(tops))]
        sentence = f"{_named_peaks(before)}, before the selection (fisher to backward)."
    yield Answer("Is the selection the largest phase of every method?", verdict, sentence)


def _clear(main: GaugeProfile, methods: int) -> bool:
    """Whether the top phase holds more than any phase of the other kind, at the level that all methods share."""
    top = main.top
    assert top is not None
    others = [p for p in main.phases if p.growth and (p.name in _SELECTING) != (top.name in _SELECTING)]
    return all(_more(top, other) < _LEVEL / (methods * len(others)) for other in others)


def _more(top: PhaseGrowth, other: PhaseGrowth) -> float:
    """The p of the paired differences by round; equal ones leave no doubt."""
    rounds = sorted(top.growth.keys() & other.growth.keys())
    if len(rounds) < _LEAST_ROUNDS:
        return 1.0
    return p_of_mean([top.growth[number] - other.growth[number] for number in rounds])


def misses(cases: Sequence[CaseMemory]) -> list[Miss]:
    """Every phase with a prediction, by bytes over it; the worst first."""
    names = case_names(cases)
    known = [
        Miss(phase, f"{phase.name} of {names[case.case]}", max(phase.growth.values()), phase.predicted, gauge.device)
        for case in cases
        for gauge, profile in case.profiles.items()
        for phase in profile.phases
        if phase.growth and phase.predicted is not None
    ]
    return sorted(known, key=lambda miss: miss.beyond, reverse=True)


def _predictions(cases: Sequence[CaseMemory]) -> Iterator[Answer]:
    """Was the margin enough for every phase of every round of this run?"""
    known = misses(cases)
    if not known:
        return
    uncovered = [miss for miss in known if not miss.covered]
    worst = uncovered[0] if uncovered else known[0]
    rounds = [len(miss.phase.growth) for miss in known]
    verdict: VerdictWord = "no" if uncovered else "yes" if min(rounds) >= _LEAST_ROUNDS else "too few"
    margin = margin_in_words(worst.device)
    count = f"{len(known) - len(uncovered)} of {len(known)}" if uncovered else f"all {len(known)}"
    covered = f"{margin} to spare covered {count} phases of this run ({counted(rounds, 'round')})"
    sentence = f"{covered}; worst round: {worst.name}, {format_bytes(worst.measured)}, {_predicted(worst)}."
    if len(sentence.split()) > _MOST_WORDS:
        sentence = f"{covered}."
    more = f"Keep {format_bytes(worst.beyond)} free beyond a prediction."
    advice = more if uncovered else f"Keep {margin} free beyond a prediction: it covered our reference runs."
    yield Answer("Did the margin cover every phase of this run?", verdict, sentence, advice)


def _predicted(miss: Miss) -> str:
    return f"{format_bytes(miss.predicted)} predicted"


def _fits(limits: Sequence[LimitRow]) -> Iterator[Answer]:
    """Do all methods fit, at their largest problem?"""
    largest = _largest_problems(limits)
    if not largest:
        return
    kept = [row for row in largest if row.largest_pool and row.largest_pool >= row.sizes.candidates]
    best, worst = (pick(largest, key=lambda row: row.largest_pool or 0) for pick in (max, min))
    pools = [f"{about_count(row.largest_pool or 0)} ({row.method})" for row in dict.fromkeys((worst, best))]
    pools[0] = pools[0].replace(" (", " candidates (", 1)
    sentence = f"Predicted limit within {_budget(largest)}: about {', '.join(pools)}, not measured."
    verdict: VerdictWord = "yes" if len(kept) == len(largest) else "no"
    lost = [row.method for row in largest if row not in kept]
    advice = (
        f"Take {best.method} for larger pools." if verdict == "yes" else f"Take {best.method}: {lost[0]} is too large."
    )
    yield Answer("Is every method predicted to fit into memory?", verdict, sentence, advice)


def _largest_problems(limits: Sequence[LimitRow]) -> list[LimitRow]:
    """Of every method the limits of its largest problem, where a budget or what is free was known."""
    rows = [row for row in limits if row.budget_bytes is not None and row.largest_pool is not None]
    return [max(group, key=lambda row: row.sizes.rank) for group in grouped(rows, lambda row: row.method).values()]


def _budget(rows: Sequence[LimitRow]) -> str:
    """``8 GiB``; what was free may differ from method to method: ``20.8 to 21.5 GiB``."""
    budgets = sorted({row.budget_bytes or 0 for row in rows})
    return bytes_range(budgets[0], budgets[-1]) if budgets[1:] else format_bytes(budgets[0])
