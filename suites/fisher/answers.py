"""What ``fbench fisher`` answers: which way to use, how much faster it is, beside which yardstick, agreeing to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fbench.harness.contract import Answer, VerdictWord
from fbench.results.faster import (
    Pair,
    TimeComparison,
    compare_times,
    first_shown,
    judged_words,
    no_interval,
    with_ends,
)
from fbench.results.findings import small_share
from fbench.units import format_bytes, format_seconds

from .rows import MeasuredMethod

OURS, LOOP, YARDSTICK = "batched", "loop", "backward"
"""The yardstick, k−1 plain backward passes, is no bound: gradients at a few positions take less."""
TARGET = 1.1
"""How many times the yardstick a way is asked to take at most."""
NAMES = {"loop": "the published loop", "backpack": "BackPACK", "backward": "k−1 plain backward passes"}
WHAT = {"diagonal": "diagonal", "masked-embedding": "embedding"}
"""The two quantities as tables name them."""
_AGREES = {"float32": 1e-4, "float64": 1e-9}
"""The largest error that a sum in another order may leave."""
_PREFERRED = (OURS, "vmap", "backpack", LOOP)
_MOST_WORDS = 30

Group = Mapping[str, MeasuredMethod]
"""The ways to one quantity, over the same samples."""
JudgedFamily = Mapping[tuple[str, str], TimeComparison]
"""By quantity and way: is the way that answers speak of faster? Of the yardstick: is it slower than the target?"""


def largest_groups(cases: Sequence[MeasuredMethod]) -> dict[str, Group]:
    """The ways to each quantity, over the most samples that it was measured on."""
    groups: dict[str, Group] = {}
    for quantity in dict.fromkeys(case.quantity for case in cases):
        most = max(case.samples for case in cases if case.quantity == quantity)
        groups[quantity] = {c.method: c for c in cases if (c.quantity, c.samples) == (quantity, most)}
    return groups


def way_of(group: Group) -> MeasuredMethod | None:
    """The way that answers speak of: ours where it was timed."""
    return next((group[method] for method in _PREFERRED if method in group), None)


def family(groups: Mapping[str, Group]) -> JudgedFamily:
    """Every comparison of the run, judged together."""
    pairs = {
        (quantity, method): _pair(way, case)
        for quantity, group in groups.items()
        for method, case in group.items()
        if (way := way_of(group)) is not None and case is not way
    }
    results = compare_times({" ".join(key): pair for key, pair in pairs.items()})
    return {key: results[" ".join(key)] for key in pairs if " ".join(key) in results}


def _pair(way: MeasuredMethod, case: MeasuredMethod) -> Pair:
    """Is the other way slower; is the way slower than the target times the yardstick?"""
    return Pair(way.seconds, case.seconds, TARGET) if case.method == YARDSTICK else Pair(case.seconds, way.seconds)


def fisher_answers(groups: Mapping[str, Group], judged: JudgedFamily, dtype: str) -> list[Answer]:
    """Three questions of every quantity."""
    replies: list[Answer] = []
    for group in groups.values():
        way = way_of(group)
        if way is not None:
            replies += [*_faster(way, group, judged), *_yardstick(way, judged), *_agreement(way, dtype)]
    return replies


def fisher_lead(groups: Mapping[str, Group], replies: Sequence[Answer]) -> list[str]:
    """Three lines: how much faster on the first quantity, the yardstick and its error, which way to use."""
    if not replies:
        return [
            "No way was timed.",
            "The reasons stand with the evidence.",
            "Ask for fewer --samples or another --model.",
        ]
    first, *others = replies
    quantity = next(q for q, group in groups.items() if way_of(group) is not None)
    same = [answer.sentence for answer in others if f" {WHAT[quantity]}" in answer.question]
    numbers = " ".join(same) or next((answer.sentence for answer in others), "Nothing else was compared.")
    wrong = [answer.advice for answer in others if answer.question.endswith("right?") and answer.verdict == "no"]
    return [first.sentence, numbers, next(iter(wrong), first.advice)]


def _faster(way: MeasuredMethod, group: Group, judged: JudgedFamily) -> Iterator[Answer]:
    """Against every other way but the yardstick."""
    what = WHAT[way.quantity]
    question = f"Is {way.method} the fastest way to the {what}?"
    taken = f"The {what} takes {format_seconds(way.typical)} a sample with {way.method}"
    rivals = {method: judged[way.quantity, method] for method in group if _is_rival(way, method, judged)}
    if not rivals:
        yield Answer(question, "not shown", f"{taken}; no other way was timed.", "Add ways to --methods.")
        return
    ordered = dict(sorted(rivals.items(), key=lambda item: item[1].times.mean))
    verdict = first_shown([result.verdict for result in rivals.values()])
    nearest = next(iter(ordered))
    choices = (list(ordered), list(dict.fromkeys(name for name in (nearest, LOOP) if name in ordered)), [nearest])
    short = f"{_begin(what)}, {way.method}, {format_seconds(way.typical)}/sample"
    sentences = [
        f"{head}: {_listed({name: ordered[name] for name in names})}." for names in choices for head in (taken, short)
    ]
    sentence = next((text for text in sentences if len(text.split()) <= _MOST_WORDS), sentences[-1])
    yield Answer(question, verdict, sentence, _advice(way, group[nearest], ordered[nearest], verdict))


def _is_rival(way: MeasuredMethod, method: str, judged: JudgedFamily) -> bool:
    return method not in (way.method, YARDSTICK) and (way.quantity, method) in judged


def _listed(rivals: Mapping[str, TimeComparison]) -> str:
    """``1.81 times faster than vmap (1.68 to 1.96), 98 times faster than the published loop (88 to 109)``."""
    parts = [judged_words(result, NAMES.get(method, method)) for method, result in rivals.items()]
    return ", ".join(parts) + no_interval(rivals.values())


def _advice(way: MeasuredMethod, nearest: MeasuredMethod, result: TimeComparison, verdict: VerdictWord) -> str:
    if verdict == "unreliable":
        return "Run it again on a machine that does nothing else."
    if verdict == "not shown":
        return f"Use {way.method} or {NAMES.get(nearest.method, nearest.method)}; more --passes tell them apart."
    better, other = (way, nearest) if result.times.mean >= 1 else (nearest, way)
    if verdict == "too few":
        return f"Use {better.method}; --passes 4 or more gives an interval."
    return f"Use {better.method}{_memory(better, other)}."


def _memory(better: MeasuredMethod, other: MeasuredMethod) -> str:
    """What the better way's speed costs in memory; empty where a peak is not known."""
    if better.peak_bytes is None or other.peak_bytes is None:
        return ""
    held, less = format_bytes(better.peak_bytes), format_bytes(other.peak_bytes)
    return f"; its memory peaks at {held}, that of {NAMES.get(other.method, other.method)} at {less}"


def _yardstick(way: MeasuredMethod, judged: JudgedFamily) -> Iterator[Answer]:
    """Against k−1 plain backward passes."""
    result = judged.get((way.quantity, YARDSTICK))
    if result is None:
        return
    turned: dict[VerdictWord, VerdictWord] = {
        "yes": "no",
        "no": "yes",
    }  # the pair asks whether it is slower than the target
    verdict = turned.get(result.verdict, result.verdict)
    sentence = f"{_begin(way.method)} takes {with_ends(result.times)} times k−1 plain backward passes, a yardstick."
    question = f"Does the {WHAT[way.quantity]} take at most {TARGET} times k−1 backward passes?"
    yield Answer(question, verdict, sentence)


def _agreement(way: MeasuredMethod, dtype: str) -> Iterator[Answer]:
    """Against the loop in float64."""
    if way.max_rel_error is None:
        return
    allowed = _AGREES[dtype]
    verdict: VerdictWord = "yes" if way.max_rel_error <= allowed else "no"
    off = small_share(way.max_rel_error)
    sentence = (
        f"{_begin(way.method)} {dtype} differs from a float64 loop by up to {off} of the largest "
        f"entry (tolerance {small_share(allowed)})."
    )
    advice = "" if verdict == "yes" else "Use the published loop until the error is explained."
    yield Answer(f"Is the {WHAT[way.quantity]} right?", verdict, sentence, advice)


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]
