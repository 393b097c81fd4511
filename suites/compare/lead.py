"""The three lines that a reader takes away: what beats what, the numbers, what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fbench.measure.curves import aulc
from fbench.results.findings import number
from fbench.results.words import count_seeds, count_words, listed

from .answers import UNIT, Background, suggested_seeds
from .cost import fastest
from .family import FEWEST, JudgedQuestion
from .unasked import unasked_gain
from .wording import as_many, ends, with_sign

_NAMED = 3
"""As many names an advice has room for."""
LINE, ADVICE = 30, 20
"""Words that a line has at most: the first two, and the last."""


def three_lines(judged: Sequence[JudgedQuestion], background: Background, dataset: str) -> tuple[str, str, str]:
    """What was found on the data set, in numbers, and what to do about it."""
    planned = [test for test in judged if not test.later]
    if not planned:
        return "No question was fixed before this run, so it shows nothing.", _areas(background), _ASK
    if all(test.verdict == "too few" for test in planned):
        seeds = background.curves.seeds
        text = f"{count_seeds(seeds).capitalize()} on {dataset} {'is' if seeds == 1 else 'are'} too few"
        return f"{text} to say which strategy is better.", _areas(background), _more(planned)
    return _found(planned, dataset), _numbers(planned, background), _advice(planned, background)


_ASK = "Ask before a run, as in --questions 'A > B'; --replicate asks the same of new seeds."
_MORE = f"Add seeds to the same run (--seeds 8): fewer than {FEWEST} give no verdict; small differences need many more."


def _more(judged: Sequence[JudgedQuestion]) -> str:
    """How many seeds would settle every question's margin at the spread seen, where two or three seeds have one."""
    suggested = [seeds for test in judged if (seeds := suggested_seeds(test))]
    if not suggested:
        return _MORE
    most = max(suggested, key=lambda seeds: seeds.number or math.inf)
    return f"Add seeds to the same run: at this spread, {most} would settle a margin of {judged[0].margin:g}."


def _found(judged: Sequence[JudgedQuestion], dataset: str) -> str:
    """What beats what; where that is too long, how many questions have which answer."""
    parts = [*_unreliable(judged)]
    for verdict, relation, verb in _VERBS:
        kind = _answered(judged, verdict, relation)
        for first in dict.fromkeys(test.first for test in kind):
            parts.append(f"{first} {verb} {listed([test.second for test in kind if test.first == first])}")
    whole = f"On {dataset}, {'; '.join(parts)}."
    if count_words(whole) <= LINE:
        return whole
    counts = {verdict: sum(test.verdict == verdict for test in judged) for verdict, *_ in _VERBS}
    counted = listed([f"{count} {verdict}" for verdict, count in counts.items() if count])
    return as_many(f"On {dataset}, of {len(judged)} questions {counted}:", parts, LINE, "; ")


def _answered(judged: Sequence[JudgedQuestion], verdict: str, relation: str) -> list[JudgedQuestion]:
    """The questions of a kind with an answer."""
    return [test for test in judged if (test.verdict, test.question.relation) == (verdict, relation)]


_VERBS = (
    ("yes", ">", "beats"),
    ("yes", ">=", "is no worse than"),
    ("no", ">", "is worse than"),
    ("no", ">=", "is worse, by more than the margin, than"),
    ("not shown", ">", "is not shown to beat"),
    ("not shown", ">=", "is not shown to be no worse than"),
)


def _unreliable(judged: Sequence[JudgedQuestion]) -> list[str]:
    names = [
        name
        for test in judged
        if test.verdict == "unreliable"
        for name, count in zip((test.first, test.second), test.collapsed, strict=True)
        if count == max(test.collapsed)
    ]
    return [f"trainings of {listed(list(dict.fromkeys(names)))} collapse, so their means say little"] if names else []


def _unit(background: Background) -> str:
    """What is compared: the area, and of what where that is not accuracy."""
    curves = background.curves
    unit = UNIT if curves.metric == "accuracy" else f"{UNIT} of {curves.metric}"
    return f"{unit}, lower is better" if curves.lower else unit


def _numbers(judged: Sequence[JudgedQuestion], background: Background) -> str:
    """As many of the differences as fit, with the intervals that decide: where splits overlap, those that count it."""
    seeds = count_seeds(judged[0].comparison.n)
    counting = "" if background.overlap is None else " counting overlapping splits"
    parts = []
    for test in judged:
        interval = ends(*test.overlapping, 3)
        difference = f"{test.first} − {test.second} {with_sign(test.apart, 3)}"
        parts.append(f"{difference} ({interval})" if interval else difference)
    return as_many(f"{_unit(background)} (95 % interval{counting}, {seeds}):", parts, LINE)


def _areas(background: Background) -> str:
    curves = background.curves
    parts = [f"{name} {number(float(aulc(curves.labels, v).mean()), 3)}" for name, v in curves.values.items()]
    return as_many(f"{_unit(background)}, mean of {count_seeds(curves.seeds)}:", parts, LINE)


def _advice(judged: Sequence[JudgedQuestion], background: Background) -> str:
    """Which arm to take, then what to check first."""
    if any(test.verdict == "unreliable" for test in judged):
        return "Lower --learning-rate or raise --epochs until no training collapses, then compare."
    best = _unbeaten(judged)
    if not best:
        if unasked := unasked_gain(judged, background):
            better, worse = unasked
            reason = f"no question was about it, and {better} lies {'below' if background.curves.lower else 'above'}"
            return f"Ask {better} > {worse} of new seeds (--replicate): {reason}."
        return f"Take {_fastest(background)}, or add seeds: no strategy is shown to be better."
    rivals = [test.first for test in judged if test.verdict == "not shown" and test.second in best]
    either = [*best, *(name for name in rivals if name not in best and name not in _beaten(judged))]
    text = f"Take {' or '.join(either)}"
    if any(test.verdict == "not shown" and {test.first, test.second} <= set(either) for test in judged):
        text += f", {'neither' if len(either) == 2 else 'none'} being shown better"
    for check in _checks(judged, background, either):
        if count_words(f"{text}; {check}") <= ADVICE:
            text += f"; {check}"
    return f"{text}." if count_words(text) <= ADVICE else f"Take {best[0]}."


def _fastest(background: Background) -> str:
    """The strategies that cost least, as an advice names them."""
    names = fastest(background.curves)
    if not names:  # rows without times
        return "any strategy"
    if len(names) == 1:
        return f"{names[0]}, the fastest"
    if len(names) == len(background.curves.buying):
        return "any, at equal cost"
    return f"{' or '.join(names)}, equally fast" if len(names) <= _NAMED else f"one of the {len(names)} fastest"


def _beaten(judged: Sequence[JudgedQuestion]) -> set[str]:
    return {test.second for test in _answered(judged, "yes", ">")} | {
        test.first for test in judged if test.verdict == "no"
    }


def _unbeaten(judged: Sequence[JudgedQuestion]) -> list[str]:
    """Arms that beat some other and are beaten by none."""
    winners = [test.first for test in _answered(judged, "yes", ">")]
    winners += [test.second for test in judged if test.verdict == "no"]
    beaten = _beaten(judged)
    return [name for name in dict.fromkeys(winners) if name not in beaten]


def _checks(judged: Sequence[JudgedQuestion], background: Background, taken: Sequence[str]) -> list[str]:
    """What might change the advice, the weightier first."""
    shown = [test for test in judged if test.verdict == "yes"]
    doubtful = [test.second for test in judged if test.only_on_these_splits and test.first in taken]
    unlike = [test.second for test in shown if background.unlike(test)]
    checks = []
    if doubtful:
        how = "on other images" if background.folded else "with --folds 5"
        checks.append(f"confirm its gain over {listed(list(dict.fromkeys(doubtful)))} {how}")
    if unlike:
        checks.append(f"compare with {listed(list(dict.fromkeys(unlike)))} at a smaller λ")
    return checks
